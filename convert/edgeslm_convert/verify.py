"""Does a GGUF compute what its Hugging Face checkpoint computes? Logits on the same tokens, or an encoder's embeddings.

The checkpoint runs in float32 under transformers, the GGUF under llama.cpp with the KV cache in float32. This module
measures and holds the bounds; it refuses to repair anything, and to run code that comes with a checkpoint.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM

from edgeslm.engine.evaluate import Evaluator
from edgeslm.errors import InputError, ModelError
from edgeslm_convert.gguf import check_checkpoint

Reference = Callable[[Sequence[int]], Tensor]
_FILE_TYPES = {"0": "f32", "1": "f16", "7": "q8_0", "32": "bf16"}  # enum llama_ftype
_LEAST = ("top1", "min_cosine")  # bounds from below; the others are from above
_NAMES = {
    "mean_kl": "mean KL divergence",
    "max_kl": "max KL divergence",
    "top1": "top-1 agreement",
    "min_cosine": "smallest cosine",
}


@dataclass(frozen=True)
class Agreement:
    """How near the logits of the GGUF are to the checkpoint's. KL in nats, of the GGUF from the checkpoint."""

    positions: int
    mean_kl: float
    max_kl: float
    top1: float  # share of positions where both name the same most likely token

    def to_text(self) -> str:
        """One line for a person."""
        return (
            f"{self.positions:,} positions: mean KL divergence {self.mean_kl:.3g}, max {self.max_kl:.3g}, "
            f"top-1 agreement {self.top1:.2%}"
        )


@dataclass(frozen=True)
class Closeness:
    """How near an encoder's token embeddings are to the checkpoint's."""

    positions: int
    mean_cosine: float
    min_cosine: float

    def to_text(self) -> str:
        """One line for a person."""
        return f"{self.positions:,} positions: mean cosine {self.mean_cosine:.9f}, smallest {self.min_cosine:.9f}"


@dataclass(frozen=True)
class Bounds:
    """What is accepted; None is not looked at."""

    mean_kl: float | None = None
    max_kl: float | None = None
    top1: float | None = None
    min_cosine: float | None = None

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Bounds:
        """Bounds from `name=value` texts. Raises InputError that names every offender."""
        names = [field.name for field in fields(cls)]
        values: dict[str, float] = {}
        wrong = []
        for text in texts:
            name, _, value = text.partition("=")
            try:
                values[name] = float(value)
            except ValueError:
                wrong.append(text)
            if name not in names:
                wrong.append(text)
        if wrong:
            raise InputError(
                "no such bound: " + ", ".join(dict.fromkeys(wrong)), hint=f"give name=number, names: {', '.join(names)}"
            )
        return cls(**values)


# By the type of the GGUF's weights. Other types lose more the harder they are quantized: there the caller decides.
# The cosine is that of encoders: llama.cpp has the tanh form of GELU only, which on trained weights is 3e-5 from BERT's
# (docs/log.md, 2026-11-22), whatever the type.
BOUNDS = {
    "f32": Bounds(mean_kl=1e-6, top1=0.999, min_cosine=0.9999),
    "f16": Bounds(mean_kl=1e-4, min_cosine=0.9999),
}


def measure(
    checkpoint: Path,
    gguf: Path,
    sequences: Sequence[Sequence[int]] | None = None,
    *,
    reference: Reference | None = None,
    adapter: Path | None = None,
) -> Agreement | Closeness:
    """Run both models over token `sequences` (by default random ones, from a fixed seed) and compare.

    reference: tokens to the checkpoint's logits, [n_token, n_vocab], for an architecture that transformers lacks.
    adapter: GGUF of a LoRA that the GGUF is run with; then `checkpoint` has it merged, or `reference` computes with it.
    Raises ModelError if one cannot be loaded or run, or if their vocabularies differ.
    """
    check_checkpoint(checkpoint)
    longest = max(map(len, sequences), default=1) if sequences else 512
    with Evaluator(gguf, n_ctx=longest, adapter=adapter) as model:
        read = sequences or random_tokens(model.n_vocab, length=min(256, model.n_ctx))
        if model.is_encoder:
            encoder = _load(AutoModel, checkpoint)
            return _closeness(lambda tokens: _forward(encoder, tokens).last_hidden_state[0], model, read)
        if reference is None:
            decoder = _load(AutoModelForCausalLM, checkpoint)
            reference = lambda tokens: _forward(decoder, tokens).logits[0]  # noqa: E731
        return _agreement(reference, model, read)


def check(measured: Agreement | Closeness, bounds: Bounds) -> None:
    """Raise ModelError that names every bound that is not kept, with the value."""
    broken = []
    for field in fields(measured):
        bound, value = getattr(bounds, field.name, None), getattr(measured, field.name)
        # Not `value > bound`: a NaN keeps no bound.
        if bound is not None and not (value >= bound if field.name in _LEAST else value <= bound):
            relation = "below" if field.name in _LEAST else "above"
            broken.append(f"{_NAMES[field.name]} is {value:.6g}, {relation} the bound of {bound:g}")
    if broken:
        raise ModelError(
            "the GGUF does not compute what its checkpoint computes",
            reason="; ".join(broken),
            hint="do not ship it; convert to f32 to see whether the weights or their rounding are at fault",
        )


def bounds_of(gguf: Path) -> Bounds | None:
    """The bounds that a file must keep by the type of its weights; None where none is stated."""
    with Evaluator(gguf, n_ctx=1) as model:
        return BOUNDS.get(_FILE_TYPES.get(model.metadata.get("general.file_type", ""), ""))


def random_tokens(n_vocab: int, *, length: int, count: int = 4, seed: int = 0) -> list[list[int]]:
    """`count` sequences of `length` tokens drawn evenly from the vocabulary."""
    draws = random.Random(seed)
    return [[draws.randrange(n_vocab) for _ in range(length)] for _ in range(count)]


def read_tokens(path: Path) -> list[list[int]]:
    """Sequences of token ids, one a line, apart by spaces. Raises InputError."""
    try:
        sequences = [[int(word) for word in line.split()] for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read tokens from {path}", reason=str(error)) from error
    if not sequences:
        raise InputError(f"cannot read tokens from {path}", reason="it is empty")
    return sequences


def _agreement(reference: Reference, model: Evaluator, sequences: Sequence[Sequence[int]]) -> Agreement:
    divergences, same = [], []
    for tokens in sequences:
        expected = torch.log_softmax(reference(tokens).double(), dim=-1)
        found = torch.log_softmax(_rows(model.logits(tokens)), dim=-1)
        _check_shapes(expected, found)
        divergences.append((expected.exp() * (expected - found)).sum(-1))
        same.append(expected.argmax(-1) == found.argmax(-1))
    divergence, agreed = torch.cat(divergences), torch.cat(same)
    return Agreement(
        positions=len(divergence),
        mean_kl=float(divergence.mean()),
        max_kl=float(divergence.max()),
        top1=float(agreed.double().mean()),
    )


def _closeness(reference: Reference, model: Evaluator, sequences: Sequence[Sequence[int]]) -> Closeness:
    cosines = []
    for tokens in sequences:
        expected, found = reference(tokens).double(), _rows(model.embeddings(tokens))
        _check_shapes(expected, found)
        cosines.append(torch.cosine_similarity(expected, found, dim=-1))
    cosine = torch.cat(cosines)
    return Closeness(positions=len(cosine), mean_cosine=float(cosine.mean()), min_cosine=float(cosine.min()))


def _load(kind: Any, checkpoint: Path) -> Any:
    try:
        return kind.from_pretrained(
            checkpoint,
            dtype=torch.float32,
            attn_implementation="eager",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        ).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"transformers cannot load {checkpoint}", reason=str(error)[:500]) from error


@torch.inference_mode()
def _forward(reference: Any, tokens: Sequence[int]) -> Any:
    ids = torch.tensor([list(tokens)])
    return reference(input_ids=ids, attention_mask=torch.ones_like(ids))


def _rows(rows: list[Any]) -> Tensor:
    return torch.stack([torch.frombuffer(row, dtype=torch.float32) for row in rows]).double()


def _check_shapes(expected: Tensor, found: Tensor) -> None:
    if expected.shape != found.shape:
        raise ModelError(
            "the GGUF cannot be compared with its checkpoint",
            reason=f"the checkpoint gives {expected.shape[-1]} numbers a token, the GGUF {found.shape[-1]}",
        )
