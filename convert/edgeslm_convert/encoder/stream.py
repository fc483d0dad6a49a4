"""Batches for distilling an encoder: the student's token ids of sentences, with what the teacher makes of each.

Pruning the vocabulary cuts some words into other tokens, so what can be compared are sentences and words: a word's
state is the mean of its tokens' last hidden states. A sentence is read by the teacher when its chunk's turn comes, and
what it found stays in memory while the chunk is seen. It refuses to know the loss.
Invariant: an epoch's batches depend on its number and the seed alone, so that a run that was killed sees what it had
not seen.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgeslm_convert.recover.losses import NO_WORD, mean_pooled, word_means

LONGEST = 64  # tokens of a training sentence; what is beyond is cut off for student and teacher alike
_TEACHER_BATCH = 64


@dataclass(frozen=True)
class Reading:
    """What a model makes of a sentence. embedding: [width], unit length; words: [n_words, width], float16."""

    embedding: Tensor
    words: Tensor


class Cutter:
    """A tokenizer: texts to tokens, and to the words that the tokens are of."""

    def __init__(self, tokenizer: Any, longest: int = LONGEST) -> None:
        """longest: tokens of a text that count."""
        self.tokenizer, self.longest = tokenizer, longest

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with the special tokens, at most `longest` of them."""
        return list(self.tokenizer(list(texts), truncation=True, max_length=self.longest)["input_ids"])

    def words(self, texts: Sequence[str]) -> list[list[int]]:
        """For each of `ids` the number of its word in the sentence, from 0; a special token is a word of its own."""
        cut = self.tokenizer(list(texts), truncation=True, max_length=self.longest)
        return [_numbered(cut.word_ids(at)) for at in range(len(texts))]


class Embedder(Cutter):
    """A model and its tokenizer: texts to normalised, mean-pooled sentence embeddings, and to their words' states."""

    def __init__(self, model: Any, tokenizer: Any, longest: int = LONGEST) -> None:
        super().__init__(tokenizer, longest)
        self.model = model.eval()

    def embed(self, texts: Sequence[str]) -> Tensor:
        """[n, width], unit length, float32. Sentences of like length are computed together."""
        return torch.stack([reading.embedding for reading in self.read(texts)])

    @torch.no_grad()
    def read(self, texts: Sequence[str]) -> list[Reading]:
        """What the model makes of each text."""
        ids, words = self.ids(texts), self.words(texts)
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        found: dict[int, Reading] = {}
        for start in range(0, len(order), _TEACHER_BATCH):
            chosen = order[start : start + _TEACHER_BATCH]
            tokens, mask = padded([ids[at] for at in chosen])
            device = self.model.device
            hidden = self.model(input_ids=tokens.to(device), attention_mask=mask.to(device)).last_hidden_state.cpu()
            means = torch.nn.functional.normalize(mean_pooled(hidden, mask), dim=-1)
            for row, at in enumerate(chosen):
                here, count = torch.tensor([words[at]]), max(words[at]) + 1
                states = word_means(hidden[row : row + 1, : len(ids[at])], here, count)
                found[at] = Reading(means[row].clone(), states.half())
        return [found[at] for at in range(len(ids))]


class Stream:
    """Sentences in one fixed random order; epoch e sees the chunks e-repeats+1 to e, so each `repeats` times."""

    def __init__(
        self, texts: Sequence[str], teacher: Embedder, student: Cutter, *, chunk: int = 8192, repeats: int = 3,
        batch: int = 64, seed: int = 1,
    ) -> None:  # fmt: skip
        """batch: sentences of a batch."""
        self.texts = list(texts)
        random.Random(seed).shuffle(self.texts)
        self.teacher, self.student = teacher, student
        self.chunk, self.repeats, self.size, self.seed = chunk, repeats, batch, seed
        self.chunks = max(1, len(self.texts) // chunk)
        self._readings: dict[int, list[Reading]] = {}

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """The batches of an epoch: ids [b, t] and mask of the student, the teacher's embeddings [b, width], for each
        token the row of its word in what follows [b, t] (NO_WORD for none), the teacher's words [n_words, width].
        """
        numbers = [number % self.chunks for number in range(max(0, epoch - self.repeats + 1), epoch + 1)]
        texts = [text for number in numbers for text in self._texts(number)]
        readings = self._read(numbers)
        ids, words = self.student.ids(texts), self.student.words(texts)
        rng = random.Random(self.seed * 1_000_003 + epoch)
        # Sentences of like length share a batch, in which nothing is padded far.
        order = sorted(range(len(ids)), key=lambda at: (len(ids[at]) // 3, rng.random()))
        batches = [order[start : start + self.size] for start in range(0, len(order), self.size)]
        rng.shuffle(batches)
        for chosen in batches:
            yield taught([ids[at] for at in chosen], [words[at] for at in chosen], [readings[at] for at in chosen])

    def _texts(self, number: int) -> list[str]:
        return self.texts[number * self.chunk : (number + 1) * self.chunk]

    def _read(self, numbers: Sequence[int]) -> list[Reading]:
        kept = self._readings
        self._readings = {n: kept[n] if n in kept else self.teacher.read(self._texts(n)) for n in numbers}
        return [reading for number in numbers for reading in self._readings[number]]


def taught(
    ids: Sequence[list[int]], words: Sequence[list[int]], readings: Sequence[Reading]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A batch of a student's `ids` and `words`, as Stream.batches says, of what the teacher made of the sentences.

    A sentence that one of both models had to cut off, so that they number its words differently, brings no words.
    """
    tokens, mask = padded(ids)
    rows, states, start = torch.full(tokens.shape, NO_WORD), [readings[0].words[:0]], 0
    for at, (numbers, reading) in enumerate(zip(words, readings, strict=True)):
        if numbers[-1] + 1 == len(reading.words):
            rows[at, : len(numbers)] = torch.tensor(numbers) + start
            states.append(reading.words)
            start += len(reading.words)
    return tokens, mask, torch.stack([reading.embedding for reading in readings]), rows, torch.cat(states).float()


def padded(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids [b, t] padded with 0 on the right, and the mask that says which are real."""
    longest = max(len(row) for row in ids)
    tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    return tokens, mask


def _numbered(words: Sequence[int | None]) -> list[int]:
    """Word numbers of a tokenizer, None for the special tokens at both ends, as 0 to the number of words + 1."""
    last = max((word for word in words if word is not None), default=-1)
    return [word + 1 if word is not None else 0 if at == 0 else last + 2 for at, word in enumerate(words)]
