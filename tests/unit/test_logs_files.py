"""Paths, globs and rotated sets."""

from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm.logs.files import expand_paths


def test_a_rotated_set_is_ordered_oldest_first(tmp_path: Path) -> None:
    for name in ("app.log", "app.log.1", "app.log.2.gz", "app.log.10.gz"):
        (tmp_path / name).touch()
    names = [Path(path).name for path in expand_paths([tmp_path / "app.log*"])]
    assert names == ["app.log.10.gz", "app.log.2.gz", "app.log.1", "app.log"]


def test_dated_files_are_ordered_by_date_before_the_current_one() -> None:
    assert [str(p) for p in expand_paths(["a.log", "a.log-20240503", "a.log-20240502.gz"])] == [
        "a.log-20240502.gz",
        "a.log-20240503",
        "a.log",
    ]


def test_unrelated_files_keep_the_order_given_and_no_file_is_read_twice() -> None:
    assert [str(p) for p in expand_paths(["b.log", "a.log", "b.log"])] == ["b.log", "a.log"]


def test_a_glob_that_finds_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        expand_paths([f"{tmp_path}/*.log"])
    assert caught.value.message == f"no file matches {tmp_path}/*.log"
