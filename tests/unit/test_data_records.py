"""Records, their caps and the held-out line; plain texts and logs; the study's prompt forms."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import InputError

records = pytest.importorskip("edgeslm_convert.data.records")
plain = pytest.importorskip("edgeslm_convert.data.plain")
prompts = pytest.importorskip("edgeslm_convert.data.prompts")
Caps, Record, capped, split = records.Caps, records.Record, records.capped, records.split

TEXTS = [Record(f"text number {number}") for number in range(400)]


def test_caps_bound_records_their_length_and_all_characters() -> None:
    assert [record.text for record in capped(TEXTS, Caps(records=2))] == ["text number 0", "text number 1"]
    assert {len(record.text) for record in capped(TEXTS, Caps(length=4))} == {4}
    assert "".join(record.text for record in capped(TEXTS, Caps(characters=20))) == "text number 0text nu"
    assert list(capped(TEXTS, Caps(records=0))) == []


def test_nothing_is_read_beyond_the_caps() -> None:
    def endless() -> Iterator[Any]:
        yield from TEXTS[:3]
        raise AssertionError("read too far")

    assert len(list(capped(endless(), Caps(records=3)))) == 3
    assert len(list(capped(endless(), Caps(characters=39)))) == 3


def test_a_pair_loses_of_its_answer_only() -> None:
    pair = Record.pair("why? ", "because", {})
    (cut,) = capped([pair], Caps(length=8))
    assert (cut.prompt, cut.answer, cut.text) == ("why? ", "bec", "why? bec")
    assert list(capped([pair], Caps(length=5))) == []


def test_the_held_out_line_depends_on_text_and_seed_alone() -> None:
    taught, held_out = split(TEXTS, held_out=0.2, seed=3)
    assert len(taught) + len(held_out) == 400
    assert 50 < len(held_out) < 110
    again, held_out_again = split([*reversed(TEXTS), TEXTS[0]], held_out=0.2, seed=3)
    assert set(map(id, held_out)) == set(map(id, held_out_again))
    assert {record.text for record in again} == {record.text for record in taught}
    assert {record.text for record in split(TEXTS, held_out=0.2, seed=4)[1]} != {record.text for record in held_out}


def test_a_text_file_is_a_record_and_a_folder_gives_its_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"first\n\xff")
    (tmp_path / "b.md").write_text("second")
    (tmp_path / "c.bin").write_bytes(b"\0\1")
    found = list(plain.read_texts([tmp_path]))
    assert [record.text for record in found] == ["first\n\ufffd", "second"]
    assert found[0].meta == {"source": "text", "file": str(tmp_path / "a.txt")}


def test_a_log_is_cut_into_blocks_of_lines(tmp_path: Path) -> None:
    lines = [f"Nov 21 10:00:{second:02d} host app: message {second}" for second in range(10)]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(b"packed\r\nlines"))
    found = list(plain.read_logs([tmp_path], lines=4))
    assert [record.text for record in found[:3]] == [
        "".join(f"{line}\n" for line in lines[i : i + 4]) for i in (0, 4, 8)
    ]
    assert [record.meta["line"] for record in found] == [1, 5, 9, 1]
    assert found[3].text == "packed\nlines"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.log", None, "there is nothing at"),
        ("a.log", b"text\0text", "it is no text: it holds NUL bytes"),
        ("a.log.gz", b"not packed", "Not a gzipped file"),
        ("b.log.gz", gzip.compress(b"line\n" * 50)[:-9], "Compressed file ended"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(plain.read_logs([tmp_path / name]))


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no text in .*\n  because no file ends with one of \.txt"):
        list(plain.read_texts([tmp_path]))


@pytest.mark.parametrize("form", ["classification", "clustering", "outlier_detection", "scientific", "problem_solving"])
def test_each_prompt_form_holds_the_text_and_asks_for_code(form: str) -> None:
    text = prompts.prompt(form, "the mass of a star {x}")
    assert "the mass of a star {x}" in text
    assert text.endswith("Code:\n")
    others = {prompts.prompt(name, "the mass of a star {x}") for name in prompts.FORMS if name != form}
    assert text not in others


def test_a_prompt_shows_the_beginning_of_a_long_text() -> None:
    text = prompts.prompt("scientific", "word " * 500)
    assert text.count("word") == 80


def test_a_pairs_question_is_asked_and_its_answer_kept_out() -> None:
    (asked,) = prompts.prompts("problem_solving", [Record.pair("How far is the moon?", "Far.", {"source": "x"})])
    assert "How far is the moon?" in asked.text
    assert "Far." not in asked.text
    assert asked.meta == {"source": "x", "form": "problem_solving"}


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="there is no prompt form poem"):
        prompts.prompt("poem", "x")
