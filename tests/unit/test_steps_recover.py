"""What the training steps measure on: of pairs the answers alone."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from edgeslm_convert import steps_recover
from edgeslm_convert.data.batches import Tokenizer
from edgeslm_convert.data.records import Record
from edgeslm_convert.recover.losses import IGNORED


def work(records: list[Record]) -> Any:
    texts = SimpleNamespace(tokens=1000, sequence=16)
    return SimpleNamespace(
        records=lambda section: records,
        wanted=lambda section: texts,
        sequences=lambda section: [torch.tensor([[3, 4, 5]]), torch.tensor([[6, 7]])],
        settings=SimpleNamespace(batch=2, seed=1),
        checkpoint="nowhere",
    )


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer(lambda text: [ord(letter) for letter in text], None, 0)
    monkeypatch.setattr(Tokenizer, "of", staticmethod(lambda folder: tokenizer))


def test_of_held_out_pairs_the_answers_count_alone() -> None:
    pairs = [Record(f"{prompt}{answer}", prompt, answer, {}) for prompt, answer in (("pq", "abc"), ("rst", "d"))]
    found = steps_recover._held_out(work(pairs))
    answers = {bytes(row[row != IGNORED].tolist()) for _, labels in found for row in labels}
    assert answers == {b"abc\0", b"d\0"}
    assert all(bytes(row.tolist()).startswith((b"pqabc\0", b"rstd\0")) for ids, _ in found for row in ids)


def test_of_held_out_texts_everything_counts() -> None:
    ((ids, labels),) = steps_recover._held_out(work([Record("text", "", "", {})]))
    assert labels.tolist() == [[3, 4, 5], [6, 7, IGNORED]]
    assert ids.shape == labels.shape


def test_nothing_held_out_is_nothing_to_measure_on() -> None:
    assert steps_recover._held_out(work([])) == []
