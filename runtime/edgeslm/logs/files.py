"""Which files the paths a person gave stand for: globs expanded, rotated sets ordered oldest first, no file twice.

Refuses to open them. Invariant: the order within one rotated set (app.log.2.gz, app.log.1, app.log) is by age.
"""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from edgeslm.errors import InputError

_ROTATED = re.compile(r"^(?P<stem>.+?)(?:[.-](?P<number>\d{1,3}|\d{8}(?:-?\d{4,6})?))?(?:\.(?:gz|zst|bz2|xz))?$")
MAX_FILES = 200


def expand_paths(paths: Sequence[str | Path]) -> list[Path | str]:
    """The files to read, oldest first within a rotated set. Raises InputError where a glob finds nothing."""
    found: list[Path | str] = []
    for path in paths:
        found += _expand(path)
    unique = list(dict.fromkeys(found))
    if not unique:
        raise InputError("no log file was given", hint="name a file, or - for standard input")
    if len(unique) > MAX_FILES:
        raise InputError(f"{len(unique)} files are too many", reason=f"at most {MAX_FILES} are read together")
    sets: dict[tuple[Path, str], list[Path | str]] = {}
    for name in unique:
        stem, _ = _age(name)
        sets.setdefault((Path(name).parent, stem), []).append(name)
    return [name for group in sets.values() for name in sorted(group, key=lambda n: _age(n)[1])]


def _expand(path: str | Path) -> list[Path | str]:
    text = str(path)
    if text == "-":
        return [text]
    if any(char in text for char in "*?[") and not Path(text).exists():
        found = glob.glob(text, recursive=True)  # noqa: PTH207 (the pattern may be absolute)
        matches = sorted(Path(match) for match in found)
        if not matches:
            raise InputError(f"no file matches {text}")
        return [match for match in matches if match.is_file()]
    return [Path(text)]


def _age(path: str | Path) -> tuple[str, tuple[int, int]]:
    """The set a file belongs to and its place in it: numbers count down, dates up, the plain name is the newest."""
    match = _ROTATED.match(Path(path).name)
    stem, number = (match["stem"], match["number"]) if match else (Path(path).name, None)
    if number is None:
        return stem, (2, 0)
    digits = number.replace("-", "")
    return stem, ((0, int(digits)) if len(digits) >= 8 else (1, -int(digits)))
