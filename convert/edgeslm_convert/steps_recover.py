"""The training steps of a recipe: load, put batches together, train, save. How is the business of `recover/`.

Batches depend on the recipe's texts and the step's seed alone, so that a training that was killed sees what it had not
seen. Laid out by `steps` a training gives the same weights each time; laid out by `minutes` it cannot.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from edgeslm.errors import InputError
from edgeslm_convert.checkpoint import load_model, save_model
from edgeslm_convert.data.batches import Tokenized, Tokenizer, batches, packed, tokenize
from edgeslm_convert.encoder.stream import Cutter, Embedder, padded, taught
from edgeslm_convert.recover import distill, distill_encoder, early_exit, finetune
from edgeslm_convert.recover.distill import Kept
from edgeslm_convert.recover.loop import Batch
from edgeslm_convert.recover.losses import IGNORED
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.step_kinds import StepKind, Work
from edgeslm_convert.texts import load_tokenizer

_TRAINING, _EVALUATION = "training", "evaluation"
_EPOCHS = 1_000_003  # between the seeds of two trainings
_NO_OPENELM = "openelm: transformers has no class for it, and the code that comes with the checkpoint is not run"


@dataclass(frozen=True)
class _Batched:
    """batch: sequences of a training step."""

    batch: int = 8

    def wrong_sizes(self) -> list[str]:
        return [] if self.batch >= 1 else [f"batch is {self.batch}, at least 1"]


@dataclass(frozen=True)
class DistillStep(_Batched, distill.DistilSettings):
    """See recover.distill."""


@dataclass(frozen=True)
class EarlyExitStep(_Batched, early_exit.EarlyExitSettings):
    """See recover.early_exit."""


@dataclass(frozen=True)
class FinetuneStep(_Batched, finetune.FinetuneSettings):
    """See recover.finetune."""


@dataclass(frozen=True)
class EncoderStep(_Batched, distill_encoder.EncoderSettings):
    """See recover.distill_encoder. A line of the texts is a sentence, of at most `length` tokens."""

    batch: int = 32
    length: int = 64

    def wrong_sizes(self) -> list[str]:
        return super().wrong_sizes() + ([] if self.length >= 3 else [f"length is {self.length}, at least 3"])


def _distill(work: Work) -> Mapping[str, Any]:
    student, teacher = load_model(work.checkpoint), load_model(work.source)
    report = distill.distil(
        student, teacher, _batches(work), work.settings, work.scratch, kept=_kept(work), held_out=_held_out(work)
    )
    save_model(student.cpu(), work.checkpoint, work.out)
    return asdict(report)


def _early_exit(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    report = early_exit.early_exit(model, _batches(work), work.settings, work.scratch, held_out=_held_out(work))
    save_model(model.cpu(), work.checkpoint, work.out)
    return asdict(report)


def _finetune(work: Work) -> Mapping[str, Any]:
    model = load_model(work.checkpoint)
    report = finetune.finetune(model, _batches(work), work.settings, work.scratch, held_out=_held_out(work))
    save_model(model.cpu(), work.checkpoint, work.out)
    shutil.copytree(report.adapter, work.out / "adapter")
    return {key: value for key, value in asdict(report).items() if key != "adapter"}


def _distill_encoder(work: Work) -> Mapping[str, Any]:
    student, teacher = load_model(work.checkpoint), load_model(work.source)
    kept = _kept(work)
    # With fewer tokens words are cut elsewhere: then only sentences and words can be compared.
    embedded = teacher if kept.tokens is not None else None
    report = distill_encoder.distil_encoder(
        student,
        None if embedded is not None else teacher,
        _Sentences(work, _TRAINING, embedded),
        work.settings,
        work.scratch,
        kept=Kept(layers=kept.layers, channels=kept.channels) if embedded is None else Kept(),
        held_out=list(_Sentences(work, _EVALUATION, embedded)(None)) if work.records(_EVALUATION) else (),
    )
    save_model(student.cpu(), work.checkpoint, work.out)
    return asdict(report)


def _kept(work: Work) -> Kept:
    tokens, channels = work.kept.get("tokens"), work.kept.get("channels")
    return Kept(
        tokens=None if tokens is None else torch.tensor(tokens),
        layers=work.kept.get("layers"),
        channels=None if channels is None else torch.tensor(channels),
    )


def _batches(work: Work) -> Any:
    """An epoch's number to its batches of ids and labels: texts in rows without padding, pairs a row each."""
    wanted, size = work.wanted(_TRAINING), work.settings.batch
    data, padding = _tokenized(work, _TRAINING)

    def epoch(number: int) -> Iterator[Batch]:
        seed = work.settings.seed * _EPOCHS + number
        if padding is not None:
            return batches(data, tokens=size * wanted.sequence, seed=seed, padding=padding)
        return packed(data, tokens=size * wanted.sequence, length=wanted.sequence, seed=seed)

    return epoch


def _tokenized(work: Work, section: str) -> tuple[Tokenized, int | None]:
    """A section's texts as ids, and the token to fill rows up with where they are pairs; None where they are texts."""
    wanted, records = work.wanted(section), work.records(section)
    pairs = any(record.prompt for record in records)
    tokenizer = Tokenizer.of(work.checkpoint)
    data = tokenize(records, tokenizer, longest=wanted.sequence if pairs else None, tokens=wanted.tokens)
    return data, (tokenizer.end or 0) if pairs else None


def _held_out(work: Work) -> list[Batch]:
    """The texts to measure on. Of pairs the answers count alone, as in training: nobody teaches a model its prompts."""
    records = work.records(_EVALUATION)
    if not records:
        return []
    size = work.settings.batch
    if any(record.prompt for record in records):
        data, padding = _tokenized(work, _EVALUATION)
        row = work.wanted(_EVALUATION).sequence
        return list(batches(data, tokens=size * row, seed=work.settings.seed, padding=padding or 0))
    sequences = work.sequences(_EVALUATION)
    return [_padded(sequences[start : start + size]) for start in range(0, len(sequences), size)]


def _padded(sequences: Sequence[Tensor]) -> Batch:
    """ids and labels [b, t] of sequences [1, t], filled up on the right with what is not learnt."""
    longest = max(sequence.shape[1] for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    labels = torch.full((len(sequences), longest), IGNORED)
    for row, sequence in enumerate(sequences):
        ids[row, : sequence.shape[1]] = labels[row, : sequence.shape[1]] = sequence[0]
    return ids, labels


class _Sentences:
    """Batches of sentences: ids, mask, and where `teacher` is given what it makes of the same sentences."""

    def __init__(self, work: Work, section: str, teacher: Any | None) -> None:
        self.settings, longest = work.settings, work.settings.length
        self.pupil = Cutter(load_tokenizer(work.checkpoint), longest)
        self.teacher = Embedder(teacher, load_tokenizer(work.source), longest) if teacher is not None else None
        lines = (line.strip() for record in work.records(section) for line in record.text.splitlines())
        self.lines = [line for line in dict.fromkeys(lines) if line]
        if not self.lines:
            raise InputError(f"the recipe's [{section}] text has no lines")

    def __call__(self, epoch: int | None) -> Iterator[Batch]:
        """The batches of one epoch; None: in the order of the text."""
        order = list(self.lines)
        if epoch is not None:
            random.Random(f"{self.settings.seed} {epoch}").shuffle(order)
        for start in range(0, len(order), self.settings.batch):
            yield self._batch(order[start : start + self.settings.batch])

    def _batch(self, lines: list[str]) -> Batch:
        ids = self.pupil.ids(lines)
        return padded(ids) if self.teacher is None else taught(ids, self.pupil.words(lines), self.teacher.read(lines))


def _checked(own: Any) -> Any:
    """The technique's own check, with what the step adds to its settings."""

    def check(shape: ModelShape, settings: Any) -> list[str]:
        known = [_NO_OPENELM] if shape.architecture == "openelm" else []
        return known or settings.wrong_sizes() + own(shape, settings)

    return check


def _unchanged(shape: ModelShape, settings: Any) -> ModelShape:
    return shape


def _reads_training(settings: Any) -> tuple[str, ...]:
    return (_TRAINING,)


def _kind(settings: Any, check: Any, run: Callable[[Work], Mapping[str, Any]]) -> StepKind:
    return StepKind(settings, _checked(check), _unchanged, run, _reads_training, also=(_EVALUATION,))


DISTILL = _kind(DistillStep, distill.check, _distill)
EARLY_EXIT = StepKind(
    EarlyExitStep,
    _checked(early_exit.check),
    _unchanged,
    _early_exit,
    lambda settings: (_TRAINING, _EVALUATION),
)
FINETUNE = _kind(FinetuneStep, finetune.check, _finetune)
DISTILL_ENCODER = replace(
    _kind(EncoderStep, distill_encoder.check, _distill_encoder), cut=lambda settings: settings.length
)
