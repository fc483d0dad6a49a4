"""Pairs as token ids in flat arrays, and batches of near-equal length."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
import sentencepiece
import torch

from edgeslm_convert.logmodel.generate import read_pairs

BOS, EOS = 1, 2
LONGEST = 384


@dataclass
class Tokenized:
    """ids: all tokens, one after the other; starts: [n + 1]; answers: [n], where each pair's SQL begins within it."""

    ids: numpy.ndarray
    starts: numpy.ndarray
    answers: numpy.ndarray

    def __len__(self) -> int:
        return len(self.answers)


def tokenize_pairs(pairs: Path, tokenizer: Path, *, limit: int | None = None) -> Tokenized:
    """Tokenize a folder's pairs; those over LONGEST tokens are left out."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    ids: list[int] = []
    starts, answers = [0], []
    prompts, queries = [], []
    for pair in read_pairs(pairs):
        prompts.append(pair["prompt"])
        queries.append(pair["sql"])
        if limit and len(prompts) >= limit:
            break
    encoded = (processor.encode(texts, num_threads=2) for texts in (prompts, queries))
    for prompt, query in zip(*encoded, strict=True):
        if len(prompt) + len(query) + 2 > LONGEST:
            continue
        ids += [BOS, *prompt, *query, EOS]
        starts.append(len(ids))
        answers.append(len(prompt) + 1)
    offsets = (numpy.array(numbers, numpy.int64) for numbers in (starts, answers))
    return Tokenized(numpy.array(ids, numpy.uint16), *offsets)


def batches(data: Tokenized, *, tokens: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One epoch in random order: (ids [b, t], labels [b, t]); labels are -100 on the prompt and the padding.

    tokens: padded tokens a batch holds at most. Lengths within a batch are close, so that little is padding.
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
        width = -(-int(lengths[group].max()) // 16) * 16
        ids = torch.full((len(group), width), EOS, dtype=torch.long)
        labels = torch.full((len(group), width), -100, dtype=torch.long)
        for row, pair in enumerate(group):
            start, end = data.starts[pair], data.starts[pair + 1]
            ids[row, : end - start] = torch.from_numpy(data.ids[start:end].astype(numpy.int64))
            labels[row, data.answers[pair] : end - start] = ids[row, data.answers[pair] : end - start]
        yield ids, labels
