"""The Python standard library as a corpus: the source files of the running interpreter, some modules held out.

Which files are held out is decided by a module's name alone, so it is the same for every Python version. It refuses
to know tokens. Licence of the text: PSF-2.0.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeslm.errors import InputError

# No code that people write by hand: tests, tables, generated files, other people's packages.
_LEFT_OUT = {"test", "tests", "idlelib", "site-packages", "dist-packages", "lib2to3", "turtledemo", "pydoc_data"}
_LEFT_OUT |= {"ensurepip", "encodings", "__pycache__", "__phello__", "lib-dynload"}
_LARGEST = 300_000  # characters; larger files are tables
_HELD_OUT_EVERY = 12


@dataclass(frozen=True)
class SourceFile:
    """A module's source. module: dotted name of its first two parts, by which it is held out or not."""

    path: str
    module: str
    text: str

    @property
    def held_out(self) -> bool:
        """Whether training never sees it."""
        return is_held_out(self.module)


def is_held_out(module: str) -> bool:
    """Whether the module of this name is held out, with all that is in it."""
    return int.from_bytes(hashlib.sha256(module.encode()).digest()[:4], "big") % _HELD_OUT_EVERY == 0


def library_files(folder: Path | None = None) -> Iterator[SourceFile]:
    """The source files in `folder` (by default the running interpreter's library) in the order of their names.

    Raises InputError where there are none.
    """
    folder = folder or Path(sysconfig.get_path("stdlib"))
    found = False
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if _LEFT_OUT & set(parts) or parts[-1].startswith("_sysconfigdata"):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if 0 < len(text) <= _LARGEST:
            found = True
            module = ".".join(part for part in parts[:2] if part != "__init__")
            yield SourceFile("/".join(parts) + ".py", module, text)
    if not found:
        raise InputError(f"no Python source in {folder}", hint="name the folder of a Python library")


def texts(folder: Path | None = None, *, held_out: bool) -> list[str]:
    """The text of every file of one side."""
    return [file.text for file in library_files(folder) if file.held_out == held_out]
