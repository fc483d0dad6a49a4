"""How far a GGUF is from the one it was made from, on the same tokens: KL divergence, top-1 agreement, perplexity.

For an encoder, which has no logits, the distance is 1 - cosine of the token embeddings. All with the KV cache in
float32 and the file's own kernels, so what is measured is what the device computes. Refuses to judge the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy
from numpy.typing import NDArray

from edgeslm.engine.evaluate import Evaluator
from edgeslm.errors import ModelError

Sequences = Sequence[Sequence[int]]
Floats = NDArray[numpy.float32]


@dataclass(frozen=True)
class Perplexity:
    """exp of the mean negative log-likelihood of `tokens` next tokens; error: its standard error."""

    value: float
    error: float
    tokens: int

    def to_text(self) -> str:
        """`12.34 ± 0.05`."""
        return f"{self.value:.4g} ± {self.error:.2g}"


@dataclass(frozen=True)
class Divergence:
    """A GGUF against its reference. KL in nats, of the GGUF from the reference; for an encoder 1 - cosine instead."""

    positions: int
    mean_kl: float
    max_kl: float
    top1: float | None  # share of positions with the same most likely token; None for an encoder
    perplexity: Perplexity | None  # of the GGUF; None for an encoder
    reference: Perplexity | None  # of the reference, on the same tokens

    def to_text(self) -> str:
        """One line for a person."""
        if self.top1 is None or self.perplexity is None or self.reference is None:
            return f"{self.positions:,} positions: 1 - cosine {self.mean_kl:.3g}, largest {self.max_kl:.3g}"
        return (
            f"{self.positions:,} positions: mean KL divergence {self.mean_kl:.3g}, max {self.max_kl:.3g}, "
            f"top-1 agreement {self.top1:.2%}, perplexity {self.perplexity.to_text()}, "
            f"of the reference {self.reference.to_text()}"
        )


class Reference:
    """What a GGUF (f16, say) computes on `sequences`, kept to hold others against it.

    Takes 4 bytes x vocabulary a token: 512 tokens of a vocabulary of 32,000 take 66 MB.
    """

    def __init__(self, path: Path, sequences: Sequences, *, threads: int | None = None) -> None:
        """Run the GGUF at `path` over `sequences` of token ids. Raises ModelError."""
        if not any(sequences):
            raise ModelError(f"cannot measure {path}", reason="there are no tokens")
        self.path, self.sequences, self._threads = path, sequences, threads
        self._rows = list(_outputs(path, sequences, threads))
        with Evaluator(path, n_ctx=1) as model:
            self.is_encoder = model.is_encoder
        self.perplexity = None if self.is_encoder else _perplexity(zip(self._rows, sequences, strict=True))

    def compare(self, path: Path) -> Divergence:
        """Hold the GGUF at `path` against this. Raises ModelError if it cannot be run or has another vocabulary."""
        distances, same, likelihoods = [], [], []
        found_outputs = _outputs(path, self.sequences, self._threads)
        for expected, found, tokens in zip(self._rows, found_outputs, self.sequences, strict=True):
            if expected.shape != found.shape:
                raise ModelError(
                    f"{path} cannot be compared with {self.path}",
                    reason=f"it gives {found.shape[-1]} numbers a token, the reference {expected.shape[-1]}",
                )
            if self.is_encoder:
                distances.append(1 - _cosine(expected, found))
                continue
            distances.append(_kl(expected, found))
            same.append(expected.argmax(-1) == found.argmax(-1))
            likelihoods.append(_likelihoods(found, tokens))
        distance = numpy.concatenate(distances)
        return Divergence(
            positions=len(distance),
            mean_kl=float(distance.mean()),
            max_kl=float(distance.max()),
            top1=None if self.is_encoder else float(numpy.concatenate(same).mean()),
            perplexity=None if self.is_encoder else _to_perplexity(numpy.concatenate(likelihoods)),
            reference=self.perplexity,
        )


def perplexity(
    path: Path, sequences: Sequences, *, given: Sequence[int] | None = None, threads: int | None = None
) -> Perplexity:
    """Of the GGUF at `path` over `sequences` of token ids, each read from its beginning.

    given: how many tokens at each sequence's beginning are not predicted; by default the first one. Raises ModelError
    if it cannot be run, and for an encoder.
    """
    with Evaluator(path, n_ctx=1) as model:
        if model.is_encoder:
            raise ModelError(f"{path} has no perplexity", reason=f"{model.architecture} is an encoder")
    return _perplexity(zip(_outputs(path, sequences, threads), sequences, strict=True), given)


def divergence(path: Path, reference: Path, sequences: Sequences, *, threads: int | None = None) -> Divergence:
    """Of the GGUF at `path` from the one at `reference` over `sequences` of token ids. Raises ModelError."""
    return Reference(reference, sequences, threads=threads).compare(path)


def _outputs(path: Path, sequences: Sequences, threads: int | None) -> Iterator[Floats]:
    """For each sequence [n_token, n_vocab] log-probabilities, or [n_token, n_embd] embeddings of an encoder."""
    with Evaluator(path, n_ctx=max(map(len, sequences)), threads=threads) as model:
        run: Callable[[Sequence[int]], Sequence[bytes]] = model.embeddings if model.is_encoder else model.logits  # type: ignore[assignment]
        for tokens in sequences:
            rows = numpy.stack([numpy.frombuffer(row, dtype=numpy.float32) for row in run(tokens)])
            if not numpy.isfinite(rows).all():
                raise ModelError(f"{path} gives no usable numbers", reason="its weights are damaged")
            yield rows if model.is_encoder else _log_softmax(rows)


def _log_softmax(rows: Floats) -> Floats:
    shifted = rows - rows.max(-1, keepdims=True)
    total = numpy.log(numpy.exp(shifted, dtype=numpy.float64).sum(-1, keepdims=True))
    return (shifted - total).astype(numpy.float32)


def _kl(expected: Floats, found: Floats) -> NDArray[numpy.float64]:
    """[n_token], from rows of log-probabilities."""
    difference = expected.astype(numpy.float64) - found
    return (numpy.exp(expected, dtype=numpy.float64) * difference).sum(-1)


def _cosine(expected: Floats, found: Floats) -> NDArray[numpy.float64]:
    one, other = expected.astype(numpy.float64), found.astype(numpy.float64)
    cosine: NDArray[numpy.float64] = (one * other).sum(-1)
    return cosine / (numpy.linalg.norm(one, axis=-1) * numpy.linalg.norm(other, axis=-1))


def _likelihoods(rows: Floats, tokens: Sequence[int], given: int = 1) -> NDArray[numpy.float64]:
    """Log-likelihood of every token but the first `given`."""
    places = numpy.arange(given - 1, len(tokens) - 1)
    return rows[places, numpy.asarray(tokens[given:], dtype=numpy.int64)].astype(numpy.float64)


def _perplexity(pairs: Iterator[tuple[Floats, Sequence[int]]], given: Sequence[int] | None = None) -> Perplexity:
    starts = repeat(1) if given is None else given
    found = [_likelihoods(rows, tokens, start) for (rows, tokens), start in zip(pairs, starts, strict=False)]
    return _to_perplexity(numpy.concatenate(found))


def _to_perplexity(likelihoods: NDArray[numpy.float64]) -> Perplexity:
    if not len(likelihoods):
        raise ModelError("there is no perplexity of single tokens", hint="give longer sequences")
    value = math.exp(-likelihoods.mean())
    spread = likelihoods.std(ddof=1) / math.sqrt(len(likelihoods)) if len(likelihoods) > 1 else math.nan
    return Perplexity(value, float(value * spread), len(likelihoods))
