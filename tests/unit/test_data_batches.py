"""Token batches: what is learnt and what is not, order by the seed alone, nothing lost and nothing invented."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import InputError, ModelError

numpy = pytest.importorskip("numpy", reason="numpy is not installed (extra: convert)")
torch = pytest.importorskip("torch", reason="torch is not installed (extra: convert)")
batches = pytest.importorskip("edgeslm_convert.data.batches")
records = pytest.importorskip("edgeslm_convert.data.records")
Record = records.Record

BEGIN, END = 1, 2
TOKENIZER = batches.Tokenizer(lambda text: [10 + ord(letter) - ord("a") for letter in text], BEGIN, END)
PAIRS = [Record.pair("ab" * (number % 5 + 1), "cd" * (number % 3 + 1), {}) for number in range(30)]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def texts(count: int = 20) -> Any:
    """Records of ascending letters, so that every token says where it is from."""
    return batches.tokenize([Record("abcdefgh"[: 3 + number % 6]) for number in range(count)], TOKENIZER)


def test_records_are_tokenized_with_begin_and_end() -> None:
    data = batches.tokenize([Record("abc"), Record.pair("ab", "c", {})], TOKENIZER)
    assert data.ids.tolist() == [BEGIN, 10, 11, 12, END] * 2
    assert data.starts.tolist() == [0, 5, 10]
    assert data.answers.tolist() == [0, 3]


def test_a_text_that_is_too_long_is_cut_and_a_pair_left_out() -> None:
    data = batches.tokenize([Record("abcdef"), Record.pair("abcdef", "g", {}), Record("a")], TOKENIZER, longest=4)
    assert data.ids.tolist() == [BEGIN, 10, 11, 12, BEGIN, 10, END]


def test_tokens_are_capped_all_in_all() -> None:
    assert len(batches.tokenize([Record("abc")] * 9, TOKENIZER, tokens=12).ids) == 12
    assert len(batches.tokenize([Record.pair("ab", "c", {})] * 9, TOKENIZER, tokens=12).ids) == 10


def test_labels_of_pairs_are_the_answer_and_the_end() -> None:
    seen = 0
    for ids, labels in batches.batches(batches.tokenize(PAIRS, TOKENIZER), tokens=96, seed=1):
        assert ids.shape == labels.shape
        for row, wanted in zip(ids, labels, strict=True):
            learnt = row[wanted != -100].tolist()
            assert learnt == wanted[wanted != -100].tolist()
            assert learnt in [[12, 13] * times + [END] for times in (1, 2, 3)]
            seen += 1
    assert seen == 30


@pytest.mark.parametrize("make", ["batches", "packed"])
def test_an_epoch_is_the_same_for_the_same_seed_only(make: str) -> None:
    options = {"tokens": 64} if make == "batches" else {"tokens": 64, "length": 16}
    epochs = [
        [ids.tolist() for ids, _ in getattr(batches, make)(texts(60), seed=seed, **options)] for seed in (1, 1, 2)
    ]
    assert epochs[0] == epochs[1] != epochs[2]
    assert epochs[0]


def test_packed_rows_are_whole_and_hold_records_as_they_are() -> None:
    data = texts(60)
    rows = [row for ids, _ in batches.packed(data, tokens=64, length=16, seed=3) for row in ids.tolist()]
    assert {len(row) for row in rows} == {16}
    assert len(rows) * 16 > 0.8 * len(data.ids)
    for row in rows:
        for before, after in pairwise(row):
            assert after in {BEGIN: (10,), END: (BEGIN,)}.get(before, (before + 1, END))


def test_packed_pairs_learn_answers_only() -> None:
    for ids, labels in batches.packed(batches.tokenize(PAIRS, TOKENIZER), tokens=64, length=16, seed=3):
        assert set(ids[labels != -100].tolist()) <= {12, 13, END}
        assert {10, 11} <= set(ids[labels == -100].tolist())
        assert torch.equal(labels[labels != -100], ids[labels != -100])


def test_little_data_still_gives_a_batch() -> None:
    (batch,) = batches.packed(texts(5), tokens=4096, length=16, seed=1)
    assert batch[0].shape == (1, 16)
    assert list(batches.packed(texts(1), tokens=64, length=16, seed=1)) == []


def test_calibration_sequences_are_pieces_of_records() -> None:
    data = batches.tokenize([Record("abcdefghijklmnop")] * 4 + [Record("abc")] * 4, TOKENIZER)
    found = batches.sequences(data, length=6, count=7, seed=2)
    assert len(found) == 7
    assert all(piece.shape[0] == 1 and 5 <= piece.shape[1] <= 6 for piece in found)
    assert all(
        after == before + 1
        for piece in found
        for before, after in pairwise(piece[0].tolist())
        if before >= 10 and after >= 10
    )
    assert [piece.tolist() for piece in found] == [
        piece.tolist() for piece in batches.sequences(data, length=6, count=7, seed=2)
    ]


def test_nothing_to_calibrate_with_is_refused() -> None:
    with pytest.raises(InputError, match="there is nothing to calibrate with"):
        batches.sequences(batches.tokenize([], TOKENIZER), length=6, count=7)


def test_a_checkpoints_tokenizer_is_read(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed (extra: convert)")
    tiny_checkpoints = pytest.importorskip("tiny_checkpoints")
    tiny_checkpoints.write_checkpoint("gpt_bigcode", tmp_path)
    tokenizer = batches.Tokenizer.of(tmp_path)
    data = batches.tokenize([Record("the log of errors")], tokenizer)
    assert data.ids[-1] == tokenizer.end
    assert tokenizer.begin is None
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot load the tokenizer"):
        batches.Tokenizer.of(tmp_path)
