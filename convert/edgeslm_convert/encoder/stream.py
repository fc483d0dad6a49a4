"""Batches for distilling an encoder: the student's token ids of sentences, with the teacher's embedding of each.

A sentence is embedded by the teacher once, when its turn comes, and kept on disk as float16; later epochs read it.
It refuses to know the loss. Invariant: an epoch's batches depend on its number and the seed alone, so that a run
that was killed sees what it had not seen.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgeslm_convert.recover.losses import mean_pooled

LONGEST = 64  # tokens of a training sentence; what is beyond is cut off for student and teacher alike
_TEACHER_BATCH = 64


class Embedder:
    """A model and its tokenizer: texts to normalised, mean-pooled sentence embeddings."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with the special tokens, at most LONGEST of them."""
        return list(self.tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"])

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """[n, width], unit length, float32. Sentences of like length are computed together."""
        ids = self.ids(texts)
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        rows: list[Tensor] = [torch.empty(0)] * len(ids)
        for start in range(0, len(order), _TEACHER_BATCH):
            chosen = order[start : start + _TEACHER_BATCH]
            tokens, mask = padded([ids[at] for at in chosen])
            hidden = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state
            for at, row in zip(chosen, mean_pooled(hidden, mask), strict=True):
                rows[at] = row
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


class Stream:
    """Sentences in one fixed random order; epoch e sees the chunks e-repeats+1 to e, so each `repeats` times."""

    def __init__(
        self, texts: Sequence[str], teacher: Embedder, student: Embedder, cache: Path, *, chunk: int = 8192,
        repeats: int = 3, batch: int = 64, seed: int = 1,
    ) -> None:  # fmt: skip
        """cache: a folder for the teacher's embeddings, a file a chunk. batch: sentences of a batch."""
        self.texts = list(texts)
        random.Random(seed).shuffle(self.texts)
        self.teacher, self.student, self.cache = teacher, student, cache
        self.chunk, self.repeats, self.size, self.seed = chunk, repeats, batch, seed
        self.chunks = max(1, len(self.texts) // chunk)
        cache.mkdir(parents=True, exist_ok=True)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Ids [b, t] and mask of the student, and the teacher's embeddings [b, width], of an epoch."""
        numbers = [number % self.chunks for number in range(max(0, epoch - self.repeats + 1), epoch + 1)]
        texts = [text for number in numbers for text in self._texts(number)]
        targets = torch.cat([self._targets(number) for number in numbers])
        ids = self.student.ids(texts)
        rng = random.Random(self.seed * 1_000_003 + epoch)
        # Sentences of like length share a batch, in which nothing is padded far.
        order = sorted(range(len(ids)), key=lambda at: (len(ids[at]) // 3, rng.random()))
        batches = [order[start : start + self.size] for start in range(0, len(order), self.size)]
        rng.shuffle(batches)
        for chosen in batches:
            yield (*padded([ids[at] for at in chosen]), targets[chosen])

    def _texts(self, number: int) -> list[str]:
        return self.texts[number * self.chunk : (number + 1) * self.chunk]

    def _targets(self, number: int) -> Tensor:
        path = self.cache / f"{number:05d}.npy"
        if not path.exists():
            beside = path.with_suffix(".part.npy")
            np.save(beside, self.teacher.embed(self._texts(number)).half().numpy())
            beside.replace(path)
        return torch.from_numpy(np.load(path)).float()


def padded(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids [b, t] padded with 0 on the right, and the mask that says which are real."""
    longest = max(len(row) for row in ids)
    tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    return tokens, mask
