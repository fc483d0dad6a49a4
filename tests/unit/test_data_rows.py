"""Rows of local files: every format gives the same rows, and what is wrong with a file is told with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import InputError

duckdb = pytest.importorskip("duckdb")
rows = pytest.importorskip("edgeslm_convert.data.rows")

ROWS: list[dict[str, Any]] = [
    {"a": "one", "b": "x, y"},
    {"a": 'say "two"', "b": "line\nbreak"},
    {"a": "drei ü", "b": ""},
]


def write(folder: Path, ending: str) -> Path:
    path = folder / f"rows{ending}"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    if ending == ".jsonl":
        path.write_text(lines, encoding="utf-8")
    elif ending == ".jsonl.gz":
        path.write_bytes(gzip.compress(lines.encode()))
    elif ending == ".json":
        path.write_text(json.dumps(ROWS), encoding="utf-8")
    elif ending == ".csv":
        path.write_text('a,b\none,"x, y"\n"say ""two""","line\nbreak"\ndrei ü,\n', encoding="utf-8")
    else:
        source = folder / "source.ndjson"
        source.write_text(lines, encoding="utf-8")
        with duckdb.connect() as database:
            database.execute(f"COPY (SELECT * FROM read_json('{source}')) TO '{path}' (FORMAT parquet)")
        source.unlink()
    return path


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path, ending)
    assert [row for _, row in rows.read_rows(path)] == ROWS
    assert [row for _, row in rows.read_rows(tmp_path)] == ROWS  # a folder that holds it


def test_a_json_file_may_hold_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert [row for _, row in rows.read_rows(path)] == ROWS


def test_an_object_of_objects_gives_a_row_for_each_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "papers.json"
    path.write_text(json.dumps({"p1": {"title": "A"}, "p2": {"title": "B"}}))
    assert [row for _, row in rows.read_rows(path)] == [{"_key": "p1", "title": "A"}, {"_key": "p2", "title": "B"}]


def test_lines_are_read_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": broken\n')
    found = rows.read_rows(path)
    assert next(found)[1] == {"a": 1}
    with pytest.raises(InputError):
        next(found)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b'{"a": 1}\n\n{"a": oops}\n', "cannot read {path}:3\n  because Expecting value at column 7"),
        ("x.jsonl", b'{"a": 1}\n[1]\n', "cannot read {path}:2\n  because it is no object but list"),
        ("x.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "cannot read {path}:2\n  because it is no UTF-8"),
        ("x.json", b'[{"a": 1},\n {"a": 2,}]\n', "cannot read {path}:2"),
        ("x.json", b"3", "cannot read {path}\n  because it is neither a list nor an object"),
        ("x.json", b'[{"a": 1}, 2]', "cannot read {path}: row 2\n  because it is no object but int"),
        ("x.csv", b"a,b\n1,2\n1,2,3\n", "cannot read {path}:3\n  because it has more fields than the header's 2"),
        ("x.csv", b"a,b\n1\n", "cannot read {path}:2\n  because it has fewer fields than the header's 2"),
        ("x.csv", b'a,b\n1,"2\n', "cannot read {path}:2\n  because unexpected end of data"),
        ("x.parquet", b"PAR1 no PAR1", "cannot read {path}\n  because "),
        ("x.jsonl.gz", b"no gzip", "cannot read {path}:1\n  because Not a gzipped file"),
        ("x.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9)[:-9], "cannot read {path}:"),
    ],
)
def test_a_malformed_file_is_told_with_its_place(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(rows.read_rows(path))
    assert str(caught.value).startswith(message.format(path=path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.csv", "no data at"),
        ("rows.xlsx", "its name ends with none of"),
        ("empty", "no file in it ends with one of"),
    ],
)
def test_what_cannot_be_rows_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "rows.xlsx").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        list(rows.read_rows(tmp_path / name))
