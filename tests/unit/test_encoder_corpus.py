"""Sentences out of documentation, and which of them are held out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm_convert.encoder.corpus import generated_sentences, is_held_out, read_sentences, split_sentences

_MAN = """.TH LS 1
.SH NAME
ls \\- list directory contents
.SH DESCRIPTION
.PP
List information about the FILEs
(the current directory by default).
Sort entries alphabetically if none of the sort options is given.
.TP
\\fB\\-a\\fR
do not ignore entries starting with a dot
"""


def _texts(folder: Path) -> set[str]:
    return {sentence.text for sentence in read_sentences([folder])}


def test_a_man_page_gives_its_prose_without_requests_and_fonts(tmp_path: Path) -> None:
    page = tmp_path / "pages/usr/share/man/man1/ls.1.gz"
    page.parent.mkdir(parents=True)
    page.write_bytes(gzip.compress(_MAN.encode()))
    assert _texts(tmp_path / "pages") == {
        "ls - list directory contents",
        "List information about the FILEs (the current directory by default).",
        "Sort entries alphabetically if none of the sort options is given.",
        "a do not ignore entries starting with a dot",
    }


def test_every_kind_of_file_is_read_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "index.html").write_text("<p>The server writes a log.</p><pre>int main(void) { return 0; }</pre>")
    (folder / "guide.rst").write_text("Title of it\n===========\n\nEvery ``request`` is written\nto the log.\n")
    (folder / "data.noun").write_text("00001740 03 n 01 entity 0 000 | that which is perceived to have its own being\n")
    (folder / "available").write_text("Package: x\nDescription: tools to read old disks\n")
    (folder / "image.png").write_bytes(b"Not a sentence at all.")
    assert _texts(folder) == {
        "The server writes a log.",
        "Every request is written to the log.",
        "that which is perceived to have its own being",
        "tools to read old disks",
    }


def test_what_is_no_prose_is_left_out() -> None:
    assert list(split_sentences("0x1f 0x2f 0x3f 0x4f 0x5f")) == []
    assert list(split_sentences("Too short.")) == []
    assert list(split_sentences("word " * 40)) == []
    assert list(split_sentences("Die Größe der Datei ist unbekannt")) == []


def test_all_sentences_of_a_file_are_on_one_side_and_none_stands_twice(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(80):
        own = "\n\n".join(f"File {_word(number)} has a sentence about {_word(at)} here." for at in range(5))
        (folder / f"{number}.txt").write_text(own + "\n\nThis sentence stands in every file.\n")
    sentences = list(read_sentences([folder]))
    assert len({sentence.text for sentence in sentences}) == len(sentences) == 401
    sides: dict[str, set[bool]] = {}
    for sentence in sentences:
        sides.setdefault(sentence.text.split()[1], set()).add(sentence.held_out)
    assert all(len(side) == 1 for side in sides.values())
    assert {sentence.held_out for sentence in sentences} == {True, False}


def test_a_file_with_too_many_sentences_gives_a_sample_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "long.txt").write_text("\n\n".join(f"Here is a sentence about {_word(at)}." for at in range(150)))
    assert len(list(read_sentences([folder], per_file=20))) == 20


def test_folders_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder at .*one, .*two"):
        list(read_sentences([tmp_path / "one", tmp_path / "two"]))


def test_generated_sentences_depend_on_the_seed_alone_and_are_questions_and_messages() -> None:
    once, again = (list(generated_sentences(2, seed=3)) for _ in range(2))
    assert once == again
    assert {sentence.source for sentence in once} == {"question", "message"}
    assert {sentence.held_out for sentence in once} == {True, False}


def test_a_file_is_held_out_by_its_name_alone() -> None:
    names = [f"docs/{number}.txt" for number in range(1000)]
    share = sum(map(is_held_out, names)) / len(names)
    assert 0.02 < share < 0.07


def _word(number: int) -> str:
    letters = "abcdefghij"
    return "".join(letters[int(digit)] for digit in str(number)) + "y"
