"""Distillation of a sentence encoder: a pruned BERT learns to embed sentences where its unpruned teacher puts them.

The loss is on mean-pooled sentence embeddings (their cosine, and how alike the sentences of a batch are to each other)
and, if wanted, on the tokens' hidden states. Where pruning the vocabulary cuts words into other tokens only
sentences and whole words can be compared: then the batches bring what the teacher made of them, and no teacher runs.
It refuses to know where batches come from and where a model is saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleDict, functional

from edgeslm.errors import InputError
from edgeslm_convert.recover.distill import ALL, DistilReport, Kept, mismatches
from edgeslm_convert.recover.loop import Batch, Batches, Part, Run, Schedule, autocast, drive, pick_device
from edgeslm_convert.recover.losses import layer_map, mean_pooled, relative_error, word_means
from edgeslm_convert.shape import ModelShape

_EVALUATED = 16  # held-out batches looked at during training; at its end all are
_COMPARED = 4096  # sentences among which a nearest one is looked for


@dataclass(frozen=True)
class EncoderSettings(Schedule):
    """Weights of the loss, and the schedule.

    sentence: of 1 - cosine between student's and teacher's embedding of a sentence; similarity: of the mean squared
    difference between both models' cosines of any two sentences of a batch; tokens: of the relative error of the last
    hidden state at each token (where the batches bring what the teacher made, of each word); hidden: the same for every
    matched layer.
    """

    sentence: float = 1.0
    similarity: float = 0.0
    tokens: float = 0.0
    hidden: float = 0.0

    def offenders(self) -> list[str]:
        """What cannot be trained with, in words."""
        weights = {name: getattr(self, name) for name in ("sentence", "similarity", "tokens", "hidden")}
        wrong = super().offenders() + [f"{name} is {value}, at least 0" for name, value in weights.items() if value < 0]
        return wrong if any(weights.values()) else [*wrong, f"{', '.join(weights)} are all 0"]


def distil_encoder(
    student: Module,
    teacher: Module | None,
    batches: Batches,
    settings: EncoderSettings,
    out: Path,
    *,
    kept: Kept = ALL,
    held_out: Sequence[Batch] = (),
) -> DistilReport:
    """Train `student` in place towards `teacher`. Goes on from out/checkpoint.pt.

    batches: the epoch's number to its batches of ids and attention mask, both [b, t] in the student's vocabulary,
    and, where `teacher` is None, the teacher's embeddings [b, width] and, to be taught words, the row of each token's
    word [b, t] among the teacher's words [n_words, width]. held_out: batches of the same kind, measured before and
    after. Raises InputError that lists every offender.
    """
    if wrong := _offenders(student, teacher, settings, kept):
        raise InputError("cannot distil with these settings", reason="; ".join(wrong))
    out.mkdir(parents=True, exist_ok=True)
    pupil = _Pupil(student, teacher, settings, kept)
    run = Run(pupil.module, settings, out / "checkpoint.pt", dropout=False)
    if run.step == 0:
        run.before = pupil.evaluate(held_out)
    measures = drive(
        run,
        batches,
        pupil.objective,
        out,
        evaluate=lambda final: pupil.evaluate(held_out if final else held_out[:_EVALUATED]),
    )
    student.eval()
    after = {name: value for name, value in measures.items() if name.startswith("held_out_")}
    return DistilReport(run.step, run.spent / 60, run.seen, run.before, after)


def check(shape: ModelShape, settings: EncoderSettings) -> list[str]:
    """Why a model of `shape` cannot be distilled with `settings`, in words."""
    wrong = settings.offenders()
    return wrong if shape.is_encoder else [*wrong, f"{shape.architecture} is no encoder"]


class _Pupil:
    """Student and teacher side by side, and the loss between them."""

    def __init__(self, student: Module, teacher: Module | None, settings: EncoderSettings, kept: Kept) -> None:
        self.student, self.settings, self.kept = student, settings, kept
        self.device = pick_device()
        self.teacher = teacher.to(self.device).eval() if teacher is not None else None
        self.tokens = kept.tokens.to(self.device) if kept.tokens is not None else None
        self.channels = kept.channels.to(self.device) if kept.channels is not None else None
        self.projection = self._make_projection()
        self.module = (
            student if self.projection is None else ModuleDict({"student": student, "projection": self.projection})
        )

    def _make_projection(self) -> Linear | None:
        """From the student's width to the teacher's, where they differ and no channel map says how."""
        if self.teacher is None or self.channels is not None:
            return None
        width, wanted = self.student.config.hidden_size, self.teacher.config.hidden_size
        if width == wanted:
            return None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return Linear(width, wanted, bias=False)

    def objective(self, batch: Batch) -> Iterator[Part]:
        """The loss of a batch."""
        settings, mask = self.settings, batch[1]
        states = self._states(self.student, batch[0], mask)
        theirs = self._taught(batch)
        mine, wanted = mean_pooled(states[-1], mask).float(), self._sentences(theirs, batch)
        cosine = functional.cosine_similarity(self._wide(mine), self._narrow(wanted)).mean()
        loss, found = settings.sentence * (1 - cosine), {"cosine": cosine.item()}
        if settings.similarity:
            loss = loss + settings.similarity * functional.mse_loss(_alike(mine), _alike(wanted))
        if settings.tokens:
            error = self._token_error(states[-1], theirs, batch)
            loss, found["tokens"] = loss + settings.tokens * error, error.item()
        if settings.hidden:
            pairs = layer_map(len(states) - 1, len(theirs) - 1, self.kept.layers)
            errors = [relative_error(self._wide(states[i]), self._narrow(theirs[j]), mask) for i, j in pairs]
            error = torch.stack(errors).mean()
            loss, found["hidden"] = loss + settings.hidden * error, error.item()
        yield loss, found

    def _states(self, model: Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        every = bool(self.settings.hidden)
        found = model(input_ids=ids, attention_mask=mask, output_hidden_states=every)
        return tuple(found.hidden_states) if every else (found.last_hidden_state,)

    @torch.no_grad()
    def _taught(self, batch: Batch) -> tuple[Tensor, ...]:
        if self.teacher is None:
            return ()
        ids = batch[0] if self.tokens is None else self.tokens[batch[0]]
        return self._states(self.teacher, ids, batch[1])

    def _sentences(self, theirs: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """The teacher's embeddings [b, width]: those the batch brings, else pooled from what the teacher computed."""
        if len(batch) < 3:
            return mean_pooled(theirs[-1], batch[1]).float()
        width = self.student.config.hidden_size
        if batch[2].shape[-1] != width:
            raise InputError(
                "the teacher's embeddings do not fit the student",
                reason=f"they have {batch[2].shape[-1]} numbers and the student's have {width}",
                hint="a student of another width needs the teacher itself",
            )
        return batch[2].float()

    def _token_error(self, state: Tensor, theirs: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """Of the last hidden state [b, t, width] at each token, or of its mean over each word that the batch brings."""
        if self.teacher is not None:
            return relative_error(self._wide(state), self._narrow(theirs[-1]), batch[1])
        if len(batch) < 5:
            raise InputError("tokens cannot be taught", reason="neither a teacher nor its words are given")
        rows, wanted = batch[3], batch[4]
        if not len(wanted):
            return wanted.new_zeros(())
        return relative_error(word_means(state.float(), rows, len(wanted)), wanted, wanted.new_ones(len(wanted)))

    def _wide(self, state: Tensor) -> Tensor:
        return state if self.projection is None else self.projection(state)

    def _narrow(self, state: Tensor) -> Tensor:
        return state if self.channels is None else state[..., self.channels]

    @torch.no_grad()
    def evaluate(self, held_out: Sequence[Batch]) -> dict[str, float]:
        """Mean cosine to the teacher's embeddings; how often both name the same nearest of 4,096 at most."""
        self.student.to(self.device).eval()
        mine, wanted = [], []
        for batch in held_out:
            placed = tuple(tensor.to(self.device) for tensor in batch)
            with autocast(self.device):
                mine.append(mean_pooled(self._states(self.student, *placed[:2])[-1], placed[1]).float())
                wanted.append(self._sentences(self._taught(placed), placed))
        if not mine:
            return {}
        one, other = torch.cat(mine), torch.cat(wanted)
        with autocast(self.device):
            cosine = functional.cosine_similarity(self._wide(one).float(), self._narrow(other)).mean()
        return {
            "held_out_cosine": cosine.item(),
            "held_out_neighbour": same_neighbour(one[:_COMPARED], other[:_COMPARED]),
        }


def same_neighbour(one: Tensor, other: Tensor) -> float:
    """The share of sentences whose nearest other sentence is the same by both models' embeddings, [n, any width]."""
    nearest = []
    for embedded in (one, other):
        alike = _alike(embedded)
        alike.fill_diagonal_(-2)
        nearest.append(alike.argmax(-1))
    return (nearest[0] == nearest[1]).double().mean().item()


def _alike(embedded: Tensor) -> Tensor:
    """Cosines between any two rows."""
    unit = functional.normalize(embedded, dim=-1)
    return unit @ unit.T


def _offenders(student: Any, teacher: Any, settings: EncoderSettings, kept: Kept) -> list[str]:
    wrong = settings.offenders()
    if teacher is not None:
        return wrong + mismatches(student.config, teacher.config, kept)
    return [*wrong, "hidden needs a teacher, not only what it made of sentences"] if settings.hidden else wrong
