"""Records of plain text files and of log files. Nothing in them is interpreted; bytes that are no UTF-8 are replaced.

A text file is one record. A log is cut into blocks of lines, because what is near belongs together and one line alone
teaches little. It refuses to know log formats.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from edgeslm.errors import InputError
from edgeslm_convert.data.records import UNCAPPED, Caps, Record, capped

_BINARY_SAMPLE = 4096  # bytes looked at for a NUL
_LONGEST_LINE = 65536  # bytes of a log's line; what is longer is no line of a log


def read_texts(
    paths: Sequence[Path], *, endings: Sequence[str] = (".txt", ".md", ".rst"), caps: Caps = UNCAPPED
) -> Iterator[Record]:
    """A record a text file: the files named, and those with one of `endings` below folders that are named.

    Raises InputError that names every path that is not there, and a file that is no text.
    """
    files = _files(paths, lambda file: file.suffix in endings, f"no file ends with one of {', '.join(endings)}")
    return capped((_whole(file) for file in files), caps)


def read_logs(paths: Sequence[Path], *, lines: int = 64, caps: Caps = UNCAPPED) -> Iterator[Record]:
    """A record for every `lines` lines of a log file (plain or .gz): the files named, and all below folders.

    Raises InputError that names every path that is not there, and a file that is no text.
    """
    files = _files(paths, lambda file: True, "it holds no file")
    return capped((record for file in files for record in _blocks(file, lines)), caps)


def _files(paths: Sequence[Path], wanted: Callable[[Path], bool], nothing: str) -> list[Path]:
    if missing := [str(path) for path in paths if not path.exists()]:
        raise InputError(f"there is nothing at {', '.join(missing)}")
    found: list[Path] = []
    for path in paths:
        inside = (
            sorted(file for file in path.rglob("*") if file.is_file() and wanted(file)) if path.is_dir() else [path]
        )
        if not inside:
            raise InputError(f"no text in {path}", reason=nothing)
        found += inside
    return found


def _whole(path: Path) -> Record:
    with _open(path) as file:
        return Record(file.read().decode("utf-8", "replace"), meta={"source": "text", "file": str(path)})


def _blocks(path: Path, lines: int) -> Iterator[Record]:
    with _open(path) as file:
        block: list[bytes] = []
        first = number = 1
        while line := file.readline(_LONGEST_LINE):
            block.append(line)
            number += 1
            if len(block) == lines:
                yield _block(block, path, first)
                block, first = [], number
        if block:
            yield _block(block, path, first)


def _block(lines: list[bytes], path: Path, first: int) -> Record:
    text = b"".join(lines).decode("utf-8", "replace").replace("\r\n", "\n")
    return Record(text, meta={"source": "log", "file": str(path), "line": first})


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked if it is a .gz. Raises InputError where they cannot be read, or are no text."""
    try:
        with _stream(path) as file:
            if b"\0" in file.read(_BINARY_SAMPLE):
                raise InputError(f"cannot read {path}", reason="it is no text: it holds NUL bytes")
            file.seek(0)
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}", reason=getattr(error, "strerror", None) or str(error)) from error


def _stream(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
