"""Rows of a local copy of a data set: JSON lines, JSON, CSV or Parquet, one file or a folder of them.

Rows are read one after the other; only JSON that is one document is held whole. It refuses to know what a row means.
Every row comes with its place (file and line, or row number), for errors.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import duckdb

from edgeslm.errors import InputError

Row = tuple[str, Mapping[str, Any]]  # place and columns
KEY = "_key"  # the column for what an object's entries are called in a JSON document
_FETCHED = 256  # rows of Parquet at a time


def read_rows(path: Path) -> Iterator[Row]:
    """Every row of the file at `path`, or of all files with a known ending below the folder at `path`, by name.

    Raises InputError naming the file and the line that cannot be read.
    """
    for file in row_files(path):
        yield from _READERS[_ending(file)](file)


def row_files(path: Path) -> list[Path]:
    """The files that `read_rows` reads. Raises InputError if there is none."""
    known = ", ".join(_READERS)
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and _ending(file) in _READERS)
        if not found:
            raise InputError(f"no data in {path}", reason=f"no file in it ends with one of {known}")
        return found
    if not path.is_file():
        raise InputError(f"no data at {path}", reason="there is no such file or folder")
    if _ending(path) not in _READERS:
        raise InputError(f"cannot read {path}", reason=f"its name ends with none of {known}")
    return [path]


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _read_lines(path: Path) -> Iterator[Row]:
    with _open(path) as file:
        for number, line in _numbered(file, path):
            if line.strip():
                yield _checked(_parsed(line, f"{path}:{number}"), f"{path}:{number}")


def _read_json(path: Path) -> Iterator[Row]:
    """A list of objects; or an object of objects, whose names are then the column KEY; or JSON lines after all."""
    with _open(path) as file:
        text = "".join(line for _, line in _numbered(file, path))
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        first = text.split("\n", 1)[0]
        if error.msg == "Extra data" and first.strip().startswith("{") and error.pos >= len(first):
            yield from _read_lines(path)
            return
        raise _unreadable(f"{path}:{error.lineno}", error.msg) from error
    if isinstance(found, dict) and found and all(isinstance(value, dict) for value in found.values()):
        found = [{KEY: key, **value} for key, value in found.items()]
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise _unreadable(str(path), "it is neither a list nor an object")
    for number, row in enumerate(found, 1):
        yield _checked(row, f"{path}: row {number}")


def _read_csv(path: Path) -> Iterator[Row]:
    with _open(path) as file:
        rows = csv.DictReader((line for _, line in _numbered(file, path)), strict=True)
        before = csv.field_size_limit(2**31 - 1)
        try:
            for row in rows:
                place = f"{path}:{rows.line_num}"
                if None in row:
                    raise _unreadable(place, f"it has more fields than the header's {len(rows.fieldnames or [])}")
                if None in row.values():
                    raise _unreadable(place, f"it has fewer fields than the header's {len(rows.fieldnames or [])}")
                yield place, row
        except csv.Error as error:
            raise _unreadable(f"{path}:{rows.reader.line_num}", str(error)) from error
        finally:
            csv.field_size_limit(before)


def _read_parquet(path: Path) -> Iterator[Row]:
    with duckdb.connect(":memory:") as database:
        try:
            database.execute("SET threads = 1")
            found = database.execute("SELECT * FROM read_parquet(?)", [str(path)])
            columns = [column[0] for column in found.description]
            number = 0
            while rows := found.fetchmany(_FETCHED):
                for row in rows:
                    number += 1
                    yield f"{path}: row {number}", dict(zip(columns, row, strict=True))
        except duckdb.Error as error:
            raise _unreadable(str(path), str(error).split("\n", 1)[0]) from error


def _open(path: Path) -> IO[bytes]:
    try:
        if path.name.lower().endswith(".gz"):
            return cast(IO[bytes], gzip.open(path, "rb"))
        return path.open("rb")
    except OSError as error:
        raise _unreadable(str(path), error.strerror or str(error)) from error


def _numbered(file: IO[bytes], path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, decoded one by one, so that the one that is no UTF-8 can be named."""
    number = 0
    try:
        for number, line in enumerate(file, 1):
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(f"{path}:{number}", f"it is no UTF-8: {error.reason} at byte {error.start + 1}") from error
    except (EOFError, OSError, zlib.error) as error:
        raise _unreadable(f"{path}:{number + 1}", str(error)) from error


def _parsed(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise _unreadable(place, f"{error.msg} at column {error.colno}") from error


def _checked(row: Any, place: str) -> Row:
    if not isinstance(row, dict):
        raise _unreadable(place, f"it is no object but {type(row).__name__}")
    return place, row


def _unreadable(place: str, reason: str) -> InputError:
    return InputError(f"cannot read {place}", reason=reason)


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
