"""The folder in which a recipe's intermediate results are kept, so that a run goes on where an earlier one stopped.

A result is a folder that takes its name when it is whole, and whose name holds a hash over everything it depends on:
its own settings, the results before it, the versions of the tools. So a changed recipe makes anew what the change
concerns, and nothing else. Refuses to know what the results are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import EdgeSlmError, InputError
from edgeslm_convert.place import into_place, remove

_RECORD = "record.json"
_LOCK = ".lock"
_SCRATCH = ".going-on"
_SHOWN = 12  # characters of a hash in a folder's name


@dataclass(frozen=True)
class Result:
    """A finished result: its folder, the hash of what it depends on, and what was reported of it."""

    folder: Path
    digest: str
    report: Mapping[str, Any]


class Workshop:
    """Results below one folder."""

    def __init__(self, folder: Path, root: Mapping[str, Any]) -> None:
        """root: what every result depends on. Raises InputError while another process works in this folder."""
        self.folder = folder
        self._root = root
        self._used: set[str] = {_LOCK}
        self._lock = _locked(folder / _LOCK)

    def result(
        self,
        label: str,
        depends: Mapping[str, Any],
        make: Callable[[Path, Path], Mapping[str, Any]],
        *,
        announce: Callable[[bool], None] = lambda done: None,
    ) -> Result:
        """The result for `depends`: that of an earlier run, or made now.

        make: given the folder to fill, and one that outlives a killed run; returns a report of plain values.
        announce: told whether the result is there already.
        """
        digest = digest_of({**self._root, "label": label, "depends": depends})
        folder = self.folder / f"{label}-{digest[:_SHOWN]}"
        scratch = folder.with_name(folder.name + _SCRATCH)
        self._used |= {folder.name}
        record = _read(folder / _RECORD)
        if record is not None and record.get("digest") == digest:
            announce(True)
            remove(scratch)
            return Result(folder, digest, record["report"])
        announce(False)
        with into_place(folder) as beside:
            beside.mkdir()
            report = plain(make(beside, scratch))
            _write(beside / _RECORD, {"digest": digest, "depends": plain(depends), "report": report})
        remove(scratch)
        return Result(folder, digest, report)

    def close(self) -> None:
        """Let another run work in the folder."""
        self._lock.close()

    def tidy(self) -> None:
        """Remove what no result of this run needs: those of other recipes, and what killed runs left."""
        for path in self.folder.iterdir():
            if path.name not in self._used:
                remove(path)


def _locked(path: Path) -> Any:
    """A lock that the system gives back when this process ends, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise InputError(f"cannot write in {path.parent}", reason=error.strerror or str(error)) from error
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"cannot work in {path.parent}",
            reason="another run is at work there",
            hint="wait for it, or name another folder with --out",
        ) from None
    except (ImportError, OSError):  # no such lock on this system or file system
        pass
    return file


def digest_of(value: Any) -> str:
    """SHA-256 over plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """The same of JSON types alone, keys in order, as it is read back. Raises EdgeSlmError for anything else."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in sorted((str(key), item) for key, item in value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise EdgeSlmError(f"a report holds a {type(value).__name__}", reason="only plain values can be written")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
