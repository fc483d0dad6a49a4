"""The student before it is taught: chosen layers, tokens and positions of a BERT, its layers refitted."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgeslm.errors import InputError
from edgeslm_convert.checkpoint import load_model, model_shape, save_model
from edgeslm_convert.encoder.refit import refit
from edgeslm_convert.encoder.stream import padded
from edgeslm_convert.prune import vocabulary, width
from edgeslm_convert.prune.depth import keep_layers
from edgeslm_convert.prune.vocabulary import VocabularySettings, prune_vocabulary
from edgeslm_convert.prune.width import WidthSettings, prune_width
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.texts import load_tokenizer

_FITTED_BATCH = 64
_CALIBRATED = 128  # sentences by which channels are chosen


@dataclass(frozen=True)
class StudentSettings:
    """layers: the teacher's that stay. ffn: channels of each that stay. vocabulary: how many tokens stay.

    positions: the longest text in tokens. corpus: sentences to count tokens in; refitted: sentences to refit layers on.
    """

    layers: tuple[int, ...] = (0, 4, 5)
    ffn: int = 768
    vocabulary: int = 13_312
    positions: int = 256
    corpus: int = 30_000
    refitted: int = 2500
    seed: int = 1


def make_student(teacher: Path, texts: Sequence[str], settings: StudentSettings, out: Path) -> Path:
    """Write the student's checkpoint folder `out`, moved into place whole. texts: the training sentences.

    Raises InputError that names every setting that the teacher cannot follow, before its weights are read.
    """
    size = VocabularySettings(size=settings.vocabulary, multiple=1)
    if wrong := _offenders(model_shape(teacher), settings, size):
        raise InputError("cannot make such a student", reason="; ".join(wrong))
    model = load_model(teacher)
    chosen = random.Random(settings.seed).sample(list(texts), min(len(texts), settings.corpus))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prune_vocabulary(model, size, chosen, tokenizer_from=teacher, tokenizer_to=folder)
        whole = load_model(teacher)
        whole.set_input_embeddings(model.get_input_embeddings())  # the teacher, cut as the student cuts words
        samples = _samples(folder, chosen[: settings.refitted])
        prune_width(model, WidthSettings(ffn=settings.ffn), _calibration(samples))
        keep_layers(model, settings.layers)
        cut_positions(model, settings.positions)
        refit(model.eval(), whole.eval(), settings.layers, samples)
        save_model(model, folder, out)
    return out


def cut_positions(model: Any, count: int) -> None:
    """Leave the first `count` position embeddings of a BertModel, in place."""
    embeddings = model.embeddings
    kept = embeddings.position_embeddings.weight[:count].detach().clone()
    embeddings.position_embeddings = nn.Embedding.from_pretrained(kept, freeze=False)
    embeddings.register_buffer("position_ids", torch.arange(len(kept)).expand((1, -1)), persistent=False)
    embeddings.register_buffer("token_type_ids", torch.zeros((1, len(kept)), dtype=torch.long), persistent=False)
    model.config.max_position_embeddings = len(kept)


def _offenders(shape: ModelShape, settings: StudentSettings, size: VocabularySettings) -> list[str]:
    wrong = [*vocabulary.check(shape, size), *width.check(shape, WidthSettings(ffn=settings.ffn))]
    if shape.architecture != "bert":
        wrong.append(f"the teacher is a {shape.architecture}, not a bert")
    if strange := [layer for layer in settings.layers if not 0 <= layer < shape.n_layer]:
        wrong.append(f"no layers {strange}; there are {shape.n_layer}, from 0")
    if not settings.layers or list(settings.layers) != sorted(set(settings.layers)):
        wrong.append(f"the layers {list(settings.layers)} do not rise")
    if not 1 <= settings.positions <= shape.n_ctx:
        wrong.append(f"positions is {settings.positions}, from 1 to {shape.n_ctx}")
    return wrong


def _samples(tokenizer: Path, texts: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    rows = sorted(load_tokenizer(tokenizer)(list(texts), truncation=True, max_length=64)["input_ids"], key=len)
    return [padded(rows[start : start + _FITTED_BATCH]) for start in range(0, len(rows), _FITTED_BATCH)]


def _calibration(samples: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> list[torch.Tensor]:
    """Some of the samples' sentences as tensors [1, t], every length among them."""
    rows = [ids[row : row + 1, : int(mask[row].sum())] for ids, mask in samples for row in (0, len(ids) // 2)]
    return rows[:_CALIBRATED]
