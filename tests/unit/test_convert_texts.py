"""Passages of a recipe's texts: of a pair the prompt is given, and no prompt is cut into pieces of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")

from edgeslm.errors import InputError
from edgeslm_convert import texts
from edgeslm_convert.data.records import Record
from edgeslm_convert.recipe import Texts


class Letters:
    """A tokenizer of one token a letter after a first one; `ab` is one token, so that a border may be inside one."""

    def __call__(self, text: str, truncation: bool = False, max_length: int | None = None) -> dict[str, list[int]]:
        ids = [1, *(ord(letter) for letter in text.replace("ab", "\x02"))]
        return {"input_ids": ids[:max_length] if truncation else ids}


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "load_tokenizer", lambda folder: Letters())


def found(*records: Record, **wanted: Any) -> dict[str, int]:
    passages = texts.passages(Path("nowhere"), records, Texts(files=("x",), **wanted))
    return {"".join(map(chr, one.tokens[0, 1:].tolist())): one.given for one in passages}


def test_a_text_is_predicted_from_its_second_token_on() -> None:
    assert found(Record("hello"), tokens=100, sequence=16) == {"hello": 1}


def test_a_prompt_is_given_with_the_first_token() -> None:
    assert found(Record.pair("how many? ", "3", {}), tokens=100, sequence=16) == {"how many? 3": 11}


def test_a_token_that_prompt_and_answer_share_is_predicted() -> None:
    assert found(Record.pair("xa", "bc", {}), tokens=100, sequence=16) == {"x\x02c": 2}


def test_a_pair_whose_answer_does_not_fit_is_left_out() -> None:
    pairs = Record.pair("a very long question", "3", {}), Record.pair("how? ", "4", {})
    assert found(*pairs, tokens=100, sequence=8) == {"how? 4": 6}
    with pytest.raises(InputError, match="too short"):
        found(pairs[0], tokens=100, sequence=8)
