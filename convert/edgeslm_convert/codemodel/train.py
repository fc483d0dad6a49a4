"""Trains the code model: a GPTBigCode (multi-query) from scratch on packed source files.

The loop is the convert room's own (recover.loop), so a killed run goes on where it was. It refuses to know how the
model is judged.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

from edgeslm.errors import InputError
from edgeslm_convert.checkpoint import save_model
from edgeslm_convert.codemodel import corpus
from edgeslm_convert.codemodel.tokenizer import END, train_tokenizer
from edgeslm_convert.place import into_place
from edgeslm_convert.recover.distill import DistilReport, DistilSettings, distil
from edgeslm_convert.settings import build

_HELD_OUT_SEQUENCES = 64


@dataclass(frozen=True)
class CodeShape:
    """Shape of the model."""

    layers: int = 8
    width: int = 256
    heads: int = 8
    ffn: int = 1024
    vocabulary: int = 4096
    context: int = 512


@dataclass(frozen=True)
class CodeTraining(DistilSettings):
    """The schedule; batch: sequences of a step, sequence: tokens of each (positions beyond are not learnt)."""

    divergence: float = 0.0
    cross_entropy: float = 1.0
    batch: int = 8
    sequence: int = 512


def make_model(shape: CodeShape, seed: int) -> GPTBigCodeForCausalLM:
    """A randomly initialised model of that shape, its head tied to the embedding."""
    torch.manual_seed(seed)
    return GPTBigCodeForCausalLM(
        GPTBigCodeConfig(
            vocab_size=shape.vocabulary,
            n_positions=shape.context,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_inner=shape.ffn,
            multi_query=True,
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def pack(texts: list[str], tokenizer: Any) -> Tensor:
    """All texts as one row of token ids, each begun with the end token."""
    end = tokenizer.convert_tokens_to_ids(END)
    pieces = [torch.tensor([end, *ids], dtype=torch.int32) for ids in tokenizer(texts)["input_ids"]]
    return torch.cat(pieces)


def sequences(row: Tensor, length: int, *, offset: int = 0) -> list[Tensor]:
    """The row cut into pieces of `length` tokens, the first one from `offset`; what is left over is dropped."""
    return [row[start : start + length].long() for start in range(offset, len(row) - length + 1, length)]


def train_code_model(
    recipe: Path, out: Path, *, library: Path | None = None, minutes: float | None = None
) -> DistilReport:
    """Train by the recipe's [model] and [training]; out/model is the checkpoint. Goes on from out/checkpoint.pt.

    out/training.txt and out/held-out.txt are the two sides of the corpus, for the recipes that prune the model.
    library: the folder of Python source instead of the interpreter's. Raises InputError for a recipe with strange keys.
    """
    shape, training = read_recipe(recipe)
    if minutes is not None:
        training = replace(training, minutes=minutes)
    taught, held_out = (corpus.texts(library, held_out=side) for side in (False, True))
    for name, texts in (("training.txt", taught), ("held-out.txt", held_out)):
        with into_place(out / name) as beside:
            beside.write_text("\n".join(texts), encoding="utf-8")
    tokenizer = train_tokenizer(taught, out / "tokenizer", vocabulary=shape.vocabulary)
    row = pack(taught, tokenizer)
    unseen = sequences(pack(held_out, tokenizer), training.sequence)[:_HELD_OUT_SEQUENCES]

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        rng = random.Random(training.seed * 1_000_003 + epoch)
        pieces = sequences(row, training.sequence, offset=rng.randrange(training.sequence))
        rng.shuffle(pieces)
        for start in range(0, len(pieces) - training.batch + 1, training.batch):
            ids = torch.stack(pieces[start : start + training.batch])
            yield ids, ids

    model = make_model(shape, training.seed)
    held = [(torch.stack(unseen[at : at + 8]),) * 2 for at in range(0, len(unseen), 8)]
    report = distil(model, None, batches, training, out, held_out=held)
    save_model(model.cpu(), out / "tokenizer", out / "model")
    return report


def read_recipe(path: Path) -> tuple[CodeShape, CodeTraining]:
    """The [model] and [training] tables. Raises InputError that names everything wrong."""
    tables: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    wrong = [f"unknown section [{name}]" for name in tables if name not in ("model", "training")]
    shape = build(CodeShape, tables.get("model", {}), "[model]", wrong)
    training = build(CodeTraining, tables.get("training", {}), "[training]", wrong)
    if training.sequence > shape.context:
        wrong.append(f"[training]: sequence is {training.sequence}, more than the context, {shape.context}")
    if wrong:
        raise InputError(f"{path} cannot be followed", reason="; ".join(wrong))
    return shape, training
