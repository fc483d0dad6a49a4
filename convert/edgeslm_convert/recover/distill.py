"""Distillation: a pruned causal language model learns to predict what its unpruned teacher predicts.

Logit divergence and cross-entropy on the labelled tokens, and if wanted a match of hidden states. The student may
have fewer layers, another width, and a vocabulary that is a part of the teacher's. Without a teacher it is plain
training. It refuses to know where batches come from and where a model is saved; encoders are in `distill_encoder`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleDict, functional

from edgeslm.errors import InputError
from edgeslm_convert.recover.loop import Batch, Batches, Part, Run, Schedule, autocast, drive, pick_device
from edgeslm_convert.recover.losses import (
    Outputs,
    answer_places,
    divergence,
    forward,
    layer_map,
    parts,
    relative_error,
)
from edgeslm_convert.shape import ModelShape

_EVALUATED = 16  # held-out batches looked at during training; at its end all are


@dataclass(frozen=True)
class DistilSettings(Schedule):
    """Weights of the loss, and the schedule. hidden: of the hidden states' relative error, for each matched layer."""

    temperature: float = 2.0
    divergence: float = 1.0
    cross_entropy: float = 0.1
    hidden: float = 0.0

    def offenders(self) -> list[str]:
        """What cannot be trained with, in words."""
        weights = {name: getattr(self, name) for name in ("divergence", "cross_entropy", "hidden")}
        wrong = super().offenders() + [f"{name} is {value}, at least 0" for name, value in weights.items() if value < 0]
        if not any(weights.values()):
            wrong.append("divergence, cross_entropy and hidden are all 0")
        if self.temperature <= 0:
            wrong.append(f"temperature is {self.temperature}, above 0")
        return wrong


@dataclass(frozen=True)
class DistilReport:
    """How it went. before, after: held-out measures (perplexity; divergence and agreement where there is a teacher)."""

    steps: int
    minutes: float
    tokens: int
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True)
class Kept:
    """What of the teacher the student still has, as pruning reports it; None where nothing was taken out.

    tokens: [student's n_vocab], the teacher's id of each of its tokens; layers: the teacher's numbers of its layers;
    channels: [student's n_embd], which of the teacher's hidden channels it has.
    """

    tokens: Tensor | None = None
    layers: Sequence[int] | None = None
    channels: Tensor | None = None


ALL = Kept()  # nothing was taken out


def distil(
    student: Module,
    teacher: Module | None,
    batches: Batches,
    settings: DistilSettings,
    out: Path,
    *,
    kept: Kept = ALL,
    held_out: Sequence[Batch] = (),
) -> DistilReport:
    """Train `student` in place towards `teacher` (None: towards the labels alone). Goes on from out/checkpoint.pt.

    batches: the epoch's number to its batches of ids and labels, both [b, t] in the student's vocabulary, right-padded,
    -100 where a label is not to be learnt. held_out: measured before and after, never trained on. The student is left
    in evaluation mode on the device it was trained on. Raises InputError that lists every offender.
    """
    _check(student, teacher, settings, kept)
    out.mkdir(parents=True, exist_ok=True)
    pupil = Pupil(student, teacher, settings, kept)
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


def check(shape: ModelShape, settings: DistilSettings) -> list[str]:
    """Why a model of `shape` cannot be distilled with `settings`, in words."""
    wrong = settings.offenders()
    if shape.is_encoder:
        wrong.append(f"{shape.architecture} is an encoder: it learns sentence embeddings, not the next token")
    return wrong


class Pupil:
    """Student and teacher side by side, and the loss between them."""

    def __init__(self, student: Module, teacher: Module | None, settings: DistilSettings, kept: Kept = ALL) -> None:
        self.student, self.settings, self.kept = student, settings, kept
        self.device = pick_device()
        self.teacher = teacher.to(self.device).eval() if teacher is not None else None
        self.tokens = kept.tokens.to(self.device) if kept.tokens is not None else None
        self.channels = kept.channels.to(self.device) if kept.channels is not None else None
        self.projection = self._make_projection()
        modules = {"student": student} | ({"projection": self.projection} if self.projection is not None else {})
        self.module = ModuleDict(modules) if len(modules) > 1 else student
        self.n_vocab = student.config.vocab_size if teacher is None else teacher.config.vocab_size

    def _make_projection(self) -> Linear | None:
        """From the student's width to the teacher's, where they differ and no channel map says how."""
        if self.teacher is None or not self.settings.hidden or self.channels is not None:
            return None
        width, wanted = self.student.config.hidden_size, self.teacher.config.hidden_size
        if width == wanted:
            return None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return Linear(width, wanted, bias=False)

    def objective(self, batch: Batch) -> Iterator[Part]:
        """The batch's loss, in parts that memory can hold."""
        settings = self.settings
        for ids, labels, share in parts(batch[0], batch[1], self.n_vocab):
            rows, places, target = answer_places(labels)
            matched = bool(settings.hidden) and self.teacher is not None
            mine = forward(self.student, ids, rows, places, hidden=matched)
            entropy = functional.cross_entropy(mine.logits, target)
            loss, found = settings.cross_entropy * entropy, {"ce": share * entropy.item()}
            if self.teacher is not None:
                theirs = self._taught(ids, rows, places, hidden=matched)
                apart = divergence(mine.logits, theirs.logits, settings.temperature)
                loss = loss + settings.divergence * apart
                found["kl"] = share * apart.item()
                if matched:
                    error = self._hidden_error(mine, theirs, ids, labels)
                    loss = loss + settings.hidden * error
                    found["hidden"] = share * error.item()
            yield share * loss, found

    @torch.no_grad()
    def _taught(self, ids: Tensor, rows: Tensor, places: Tensor, *, hidden: bool = False) -> Outputs:
        assert self.teacher is not None
        if self.tokens is None:
            return forward(self.teacher, ids, rows, places, hidden=hidden)
        found = forward(self.teacher, self.tokens[ids], rows, places, hidden=hidden)
        return Outputs(found.logits[:, self.tokens], found.hidden)

    def _hidden_error(self, mine: Outputs, theirs: Outputs, ids: Tensor, labels: Tensor) -> Tensor:
        """Over every token up to a row's last labelled one: what comes after is padding."""
        last = torch.where(labels != -100, torch.arange(labels.shape[1], device=labels.device), 0).amax(-1)
        mask = torch.arange(ids.shape[1], device=ids.device) <= last.unsqueeze(-1)
        errors = []
        for one, other in layer_map(len(mine.hidden) - 1, len(theirs.hidden) - 1, self.kept.layers):
            state, wanted = mine.hidden[one], theirs.hidden[other]
            if self.channels is not None:
                wanted = wanted[..., self.channels]
            elif self.projection is not None:
                state = self.projection(state)
            errors.append(relative_error(state, wanted, mask))
        return torch.stack(errors).mean()

    @torch.no_grad()
    def evaluate(self, held_out: Iterable[Batch]) -> dict[str, float]:
        """Perplexity by the labels; divergence (at temperature 1) and top-1 agreement with the teacher."""
        self.student.to(self.device).eval()
        sums = {"entropy": 0.0, "kl": 0.0, "top1": 0.0}
        count = 0
        for batch in held_out:
            for ids, labels, _ in parts(batch[0].to(self.device), batch[1].to(self.device), self.n_vocab):
                rows, places, target = answer_places(labels)
                with autocast(self.device):
                    logits = forward(self.student, ids, rows, places).logits
                    wanted = self._taught(ids, rows, places).logits if self.teacher is not None else None
                sums["entropy"] += functional.cross_entropy(logits, target, reduction="sum").item()
                if wanted is not None:
                    sums["kl"] += divergence(logits, wanted).item() * len(target)
                    sums["top1"] += (logits.argmax(-1) == wanted.argmax(-1)).sum().item()
                count += len(target)
        if not count:
            return {}
        entropy = sums["entropy"] / count
        found = {"held_out_loss": entropy, "held_out_perplexity": float(torch.tensor(entropy).exp())}
        if self.teacher is not None:
            found |= {"held_out_kl": sums["kl"] / count, "held_out_top1": sums["top1"] / count}
        return found


def _check(student: Any, teacher: Any, settings: DistilSettings, kept: Kept = ALL) -> None:
    wrong = settings.offenders()
    if teacher is None:
        if not settings.cross_entropy:
            wrong.append("there is no teacher and cross_entropy is 0")
    else:
        wrong += mismatches(student.config, teacher.config, kept)
    if wrong:
        raise InputError("cannot distil with these settings", reason="; ".join(wrong))


def mismatches(student: Any, teacher: Any, kept: Kept) -> list[str]:
    """What of `kept` cannot be, by the configurations of both models, in words."""
    wrong = []
    if kept.tokens is None and student.vocab_size != teacher.vocab_size:
        wrong.append(
            f"the student has {student.vocab_size} tokens and the teacher {teacher.vocab_size}, and it is not said "
            "which of the teacher's they are"
        )
    sizes = {
        "tokens": (student.vocab_size, teacher.vocab_size),
        "layers": (student.num_hidden_layers, teacher.num_hidden_layers),
        "channels": (student.hidden_size, teacher.hidden_size),
    }
    for name, (few, many) in sizes.items():
        if getattr(kept, name) is None:
            continue
        numbers = [int(number) for number in getattr(kept, name)]
        if len(numbers) != few:
            wrong.append(f"{len(numbers)} kept {name} are named and the student has {few}")
        if strange := [number for number in numbers if not 0 <= number < many]:
            wrong.append(f"of the kept {name} {strange[0]} is not one of the teacher's {many}")
        if name == "layers" and numbers != sorted(set(numbers)):
            wrong.append(f"the kept layers {numbers} do not rise")
    return wrong
