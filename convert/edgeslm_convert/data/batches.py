"""Records as token ids, and those as batches to train on and sequences to calibrate with.

It refuses to know where records come from and what is done with batches. Invariant: what an epoch holds, and in which
order, depends on its seed alone. A batch is ids [b, t] and labels [b, t], -100 where nothing is to be learnt: on
padding, and on a pair's prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.data.records import Record

IGNORED = -100
_MULTIPLE = 16  # of tokens that a padded batch is wide


@dataclass
class Tokenized:
    """ids: all tokens, one after the other; starts: [n + 1]; answers: [n], where what is learnt begins within each."""

    ids: numpy.ndarray
    starts: numpy.ndarray
    answers: numpy.ndarray

    def __len__(self) -> int:
        return len(self.answers)


@dataclass(frozen=True)
class Tokenizer:
    """encode: a text's ids without special ones; begin and end: the ids around a text, None where there is none."""

    encode: Callable[[str], Sequence[int]]
    begin: int | None = None
    end: int | None = None

    @classmethod
    def of(cls, folder: Path) -> Tokenizer:
        """The tokenizer of a checkpoint folder. Raises ModelError."""
        from transformers import AutoTokenizer

        try:
            found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # whatever a damaged tokenizer's library leads to
            raise ModelError(f"cannot load the tokenizer in {folder}", reason=str(error)[:500]) from error
        return cls.wrap(found)

    @classmethod
    def wrap(cls, tokenizer: Any) -> Tokenizer:
        """One of transformers' tokenizers."""
        return cls(
            lambda text: tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"],
            tokenizer.bos_token_id if getattr(tokenizer, "add_bos_token", False) else None,
            tokenizer.eos_token_id,
        )


def tokenize(
    records: Iterable[Record], tokenizer: Tokenizer, *, longest: int | None = None, tokens: int | None = None
) -> Tokenized:
    """Records as ids, begin and end included. longest: of a record; a pair that is longer is left out, a text is cut.

    tokens: all in all at most. A pair's prompt and answer are tokenized apart, as they are when a model is asked.
    """
    ids: list[numpy.ndarray] = []
    starts, answers = [0], []
    before = [] if tokenizer.begin is None else [tokenizer.begin]
    after = [] if tokenizer.end is None else [tokenizer.end]
    for record in records:
        prompt = [*before, *tokenizer.encode(record.prompt)] if record.prompt else before
        whole = [*prompt, *tokenizer.encode(record.answer if record.prompt else record.text), *after]
        if longest is not None and len(whole) > longest:
            if record.prompt:
                continue
            whole = whole[:longest]
        if tokens is not None and starts[-1] + len(whole) > tokens:
            if record.prompt:
                break
            whole = whole[: tokens - starts[-1]]
        if len(whole) < 2:
            continue
        ids.append(numpy.array(whole, numpy.int32))
        starts.append(starts[-1] + len(whole))
        answers.append(len(prompt) if record.prompt else 0)
        if starts[-1] == tokens:
            break
    joined = numpy.concatenate(ids) if ids else numpy.empty(0, numpy.int32)
    return Tokenized(joined, numpy.array(starts, numpy.int64), numpy.array(answers, numpy.int64))


def batches(data: Tokenized, *, tokens: int, seed: int, padding: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order, a record a row: for pairs, and for texts that fit a row.

    tokens: about how many a batch holds, those of padding included. Lengths within a batch are close.
    """
    rng = numpy.random.default_rng(seed)
    lengths = numpy.diff(data.starts)
    order = numpy.argsort(lengths + rng.uniform(-6, 6, len(lengths)))
    groups: list[numpy.ndarray] = []
    at = 0
    while at < len(order):
        size = max(1, tokens // int(lengths[order[min(at + tokens // 64, len(order) - 1)]]))
        groups.append(order[at : at + size])
        at += size
    for number in rng.permutation(len(groups)):
        group = groups[number]
        width = -(-int(lengths[group].max()) // _MULTIPLE) * _MULTIPLE
        ids = torch.full((len(group), width), padding, dtype=torch.long)
        labels = torch.full((len(group), width), IGNORED, dtype=torch.long)
        for row, record in enumerate(group):
            start, end = data.starts[record], data.starts[record + 1]
            ids[row, : end - start] = torch.from_numpy(data.ids[start:end].astype(numpy.int64))
            labels[row, data.answers[record] : end - start] = ids[row, data.answers[record] : end - start]
        yield ids, labels


def packed(data: Tokenized, *, tokens: int, length: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order without padding: records in a row, cut into rows of `length`, for long texts.

    tokens: a batch holds at most. Records are shuffled before they are cut and the rows after it; what is left over
    (less than a row, and less than a batch) is dropped, another part each time.
    """
    rng = numpy.random.default_rng(seed)
    size = max(1, tokens // length)
    ids, labels = _in_a_row(data, rng.permutation(len(data)))
    skipped = int(rng.integers(0, max(1, min(length, len(ids) - length + 1))))
    rows = (len(ids) - skipped) // length
    cut = slice(skipped, skipped + rows * length)
    wide, wanted = ids[cut].view(-1, length), labels[cut].view(-1, length)
    order = torch.from_numpy(rng.permutation(rows))
    for start in range(0, min(rows, max(size, rows // size * size)), size):
        chosen = order[start : start + size]
        yield wide[chosen], wanted[chosen]


def sequences(data: Tokenized, *, length: int, count: int, seed: int = 1) -> list[Tensor]:
    """At most `count` tensors [1, t] for calibration, of at most `length` tokens, from records drawn at random.

    A long record gives one piece, from anywhere in it. Raises InputError where there is nothing to draw from.
    """
    rng = numpy.random.default_rng(seed)
    if len(data) == 0:
        raise InputError("there is nothing to calibrate with", reason="no record has two tokens")
    found = []
    for record in rng.permutation(len(data))[:count]:
        start, end = int(data.starts[record]), int(data.starts[record + 1])
        start += int(rng.integers(0, max(1, end - start - length + 1)))
        piece = data.ids[start : min(end, start + length)]
        found.append(torch.from_numpy(piece.astype(numpy.int64)).unsqueeze(0))
    return found


def _in_a_row(data: Tokenized, order: numpy.ndarray) -> tuple[Tensor, Tensor]:
    """All ids and labels, records in `order`."""
    pieces, wanted = [], []
    for record in order:
        piece = data.ids[data.starts[record] : data.starts[record + 1]].astype(numpy.int64)
        label = piece.copy()
        label[: data.answers[record]] = IGNORED
        pieces.append(piece)
        wanted.append(label)
    empty = [numpy.empty(0, numpy.int64)]
    return torch.from_numpy(numpy.concatenate(pieces or empty)), torch.from_numpy(numpy.concatenate(wanted or empty))
