"""Outputs are made beside their name and moved into place: whatever bears an output's name is whole.

Works for a file and for a folder alike. It refuses to know what is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeslm.errors import InputError

_BESIDE = ".part"
_FORMER = ".former"


@contextmanager
def into_place(out: Path) -> Iterator[Path]:
    """Gives a free name beside `out`; what was made there takes the name `out` when the block ends without an error.

    What an earlier, killed run left beside it is removed first, and what this one leaves on an error too. A former
    output stays until the new one is whole. A full disk becomes an InputError.
    """
    beside = out.with_name(out.name + _BESIDE)
    former = out.with_name(out.name + _FORMER)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if former.exists() and not out.exists():  # killed between the two moves below
            former.rename(out)
        remove(former)
        remove(beside)
        yield beside
        if out.is_dir():  # a folder cannot be replaced in one step
            out.rename(former)
        beside.replace(out)
        remove(former)
    except OSError as error:
        raise InputError(
            f"cannot write {out}", reason=error.strerror or str(error), hint="make room or name another place"
        ) from error
    finally:
        if beside.exists():
            remove(beside)


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
