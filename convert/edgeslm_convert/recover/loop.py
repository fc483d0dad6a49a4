"""The one training loop: AdamW or Muon, warm-up, decay, clipping, checkpoints to go on from, and a log.

It is given a module, an epoch's batches and an objective, and refuses to know what they mean. Runs on a GPU where
there is one, in bfloat16 where that pays, else in float32.

Invariant: laid out by steps on a CPU, a run that was killed and begun again ends with the weights of an undisturbed
one: it sees the batches it had not seen, and what is random in a step (dropout) depends on the seed and the step alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer
from tqdm import tqdm

from edgeslm.errors import EdgeSlmError, InputError, ModelError
from edgeslm_convert.recover.muon import Muon, matrices

# ids [b, t] first, then what the objective wants: labels [b, t], or an attention mask and the targets.
Batch = tuple[Tensor, ...]
Batches = Callable[[int], Iterable[Batch]]  # the epoch's number, from 0, to its batches
Part = tuple[Tensor, dict[str, float]]  # a share of a batch's loss, and of its measures
Objective = Callable[[Batch], Iterable[Part]]
_NOTE_SECONDS = 60  # between lines of train.jsonl
_EVALUATION_SHARE = 0.1  # of the wall time at most, but for the last one
OPTIMIZERS = ("adamw", "muon")
_NUMBERS = ("step", "spent", "seen", "epoch", "place")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: for `steps`, or for `minutes` of training (0: no limit), whichever ends first.

    warmup, decay: the shares of the run in which the rate rises from, and falls towards, zero. optimizer: "adamw", or
    "muon" for the matrices between the layers and AdamW for the rest.
    """

    steps: int = 1000
    minutes: float = 0.0
    rate: float = 5e-4
    warmup: float = 0.02
    decay: float = 1.0
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 1
    checkpoint_minutes: float = 5.0
    optimizer: str = "adamw"

    def offenders(self) -> list[str]:
        """What cannot be trained with, in words."""
        least = {"steps": 1, "minutes": 0, "rate": 0, "warmup": 0, "weight_decay": 0, "checkpoint_minutes": 0}
        values = asdict(self)
        wrong = [f"{name} is {values[name]}, at least {low}" for name, low in least.items() if not values[name] >= low]
        wrong += [f"{name} is {values[name]}, above 0" for name in ("decay", "clip") if not values[name] > 0]
        if self.optimizer not in OPTIMIZERS:
            wrong.append(f"optimizer is {self.optimizer!r}, one of {', '.join(OPTIMIZERS)}")
        return wrong


def pick_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_bfloat16(device: torch.device) -> bool:
    """bfloat16 pays: on a GPU, and on a CPU with instructions for it (on one without it is 40 times slower)."""
    info = Path("/proc/cpuinfo")
    return device.type == "cuda" or (info.exists() and "avx512_bf16" in info.read_text())


def autocast(device: torch.device) -> Any:
    """The precision to compute in on `device`, as a context manager."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast_bfloat16(device))


class Run:
    """A training run: a module, its optimizer, and how far it is. It goes on from `checkpoint` if that is there.

    Parameters that need no gradient are neither trained nor written to the checkpoint.
    """

    def __init__(
        self,
        module: Module,
        schedule: Schedule,
        checkpoint: Path,
        *,
        betas: tuple[float, float] = (0.9, 0.98),
        dropout: bool = True,
    ) -> None:
        self.schedule, self.checkpoint = schedule, checkpoint
        self.device = pick_device()
        self.module = module.to(self.device)
        self.dropout = dropout
        by_muon = matrices(module) if schedule.optimizer == "muon" else []
        apart = {id(p) for p in by_muon}
        trained = [p for p in module.parameters() if p.requires_grad and id(p) not in apart]
        groups = [
            {"params": [p for p in trained if p.ndim == 2], "weight_decay": schedule.weight_decay},
            {"params": [p for p in trained if p.ndim != 2], "weight_decay": 0.0},
        ]
        self.optimizers: list[Optimizer] = [torch.optim.AdamW(groups, lr=schedule.rate, betas=betas)]
        if by_muon:
            self.optimizers.append(Muon(by_muon, lr=schedule.rate, weight_decay=schedule.weight_decay))
        self.step, self.spent, self.seen = 0, 0.0, 0
        self.epoch, self.place = 0, 0  # whole epochs done, and batches of the next one
        self.means: dict[str, float] = {}  # running means
        self.before: dict[str, float] = {}  # held-out measures of the untrained module, if anyone took them
        if checkpoint.exists():
            self._restore()

    def _restore(self) -> None:
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            keys = self.module.load_state_dict(state["model"], strict=False)
            strange = [*keys.unexpected_keys, *(set(keys.missing_keys) - self._frozen())]
            if strange:
                raise ValueError(f"it has other weights: {', '.join(sorted(strange)[:3])}")
            if len(state["optimizers"]) != len(self.optimizers):
                raise ValueError("it was written with another optimizer")
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            for name in _NUMBERS:
                setattr(self, name, state[name])
        except Exception as error:  # torch raises whatever a damaged file leads it to
            raise ModelError(
                f"cannot go on from {self.checkpoint}",
                reason=str(error)[:300],
                hint="remove it to start the training again",
            ) from error
        # Checkpoints of the first planner had two means with names of their own.
        self.before = state.get("before", {})
        self.means = state.get("means") or {name: state[name] for name in ("loss", "exact") if name in state}

    def _frozen(self) -> set[str]:
        frozen = {id(p) for p in self.module.parameters() if not p.requires_grad}
        return {name for name, p in self.module.named_parameters(remove_duplicate=False) if id(p) in frozen}

    def save(self) -> None:
        """Write the checkpoint, moved into place whole. Raises EdgeSlmError where it cannot be written."""
        frozen = self._frozen()
        state = {
            "model": {name: tensor for name, tensor in self.module.state_dict().items() if name not in frozen},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "means": self.means,
            "before": self.before,
            **{name: getattr(self, name) for name in _NUMBERS},
        }
        beside = self.checkpoint.with_suffix(".part")
        try:
            torch.save(state, beside)
            beside.replace(self.checkpoint)
        except (OSError, RuntimeError) as error:
            raise EdgeSlmError(
                f"cannot write {self.checkpoint}", reason=str(error)[:300], hint="make room on the disk and start again"
            ) from error
        finally:
            beside.unlink(missing_ok=True)

    @property
    def progress(self) -> float:
        """How much of the schedule is done, 0 to 1, by steps or by time."""
        timed = self.spent / (60 * self.schedule.minutes) if self.schedule.minutes else 0.0
        return min(1.0, max(self.step / self.schedule.steps, timed))

    def steps(self, load: Batches, objective: Objective) -> Iterator[None]:
        """Train to the end of the schedule, yielding after each step. Raises InputError if an epoch has no batches."""
        while self.progress < 1.0:
            seen = self.place
            for batch in islice(load(self.epoch), self.place, None):
                self.train_on(batch, objective)
                seen += 1
                yield
                if self.progress >= 1.0:
                    return
            if not seen:
                raise InputError("there is nothing to train on", reason="an epoch has no batches")
            self.epoch, self.place = self.epoch + 1, 0

    def train_on(self, batch: Batch, objective: Objective) -> None:
        """One step of the optimizer."""
        began = time.perf_counter()
        at, schedule = self.progress, self.schedule
        scale = min(1.0, at / schedule.warmup if schedule.warmup else 1.0, (1.0 - at) / schedule.decay) + 0.003
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = schedule.rate * scale
        self.module.train(self.dropout)
        measures = self._backward(tuple(tensor.to(self.device) for tensor in batch), objective)
        norm = torch.nn.utils.clip_grad_norm_(self.module.parameters(), schedule.clip)
        if not math.isfinite(float(norm)):
            raise ModelError(
                f"training broke down at step {self.step}",
                reason=f"the loss is {measures['loss']:g} and its gradient {float(norm):g}",
                hint="lower the rate, and look for damaged weights",
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        kept = 0.98 if self.step else 0.0
        self.means = {name: kept * self.means.get(name, value) + (1 - kept) * value for name, value in measures.items()}
        self.step, self.place, self.seen = self.step + 1, self.place + 1, self.seen + batch[0].numel()
        self.spent += time.perf_counter() - began

    def _backward(self, batch: Batch, objective: Objective) -> dict[str, float]:
        """Gradients of the objective's parts, one after the other, so that one part's memory is enough."""
        measures = {"loss": 0.0}
        gpus = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=gpus):
            torch.manual_seed(1_000_003 * self.schedule.seed + self.step)
            parts = iter(objective(batch))
            while True:
                with autocast(self.device):
                    part = next(parts, None)
                if part is None:
                    return measures
                loss, found = part
                loss.backward()
                for name, value in {"loss": loss.item(), **found}.items():
                    measures[name] = measures.get(name, 0.0) + value

    def measures(self) -> dict[str, Any]:
        """Where the run is, for its log."""
        numbers = {"step": self.step, "minutes": self.spent / 60, "tokens": self.seen, "epoch": self.epoch + 1}
        return {**numbers, **self.means}

    def shown(self) -> dict[str, str]:
        """What the progress bar says."""
        means = {name: f"{value:.3f}" for name, value in self.means.items()}
        return {"step": str(self.step), **means, "tokens/s": f"{self.seen / self.spent:.0f}" if self.spent else "-"}


def drive(
    run: Run,
    load: Batches,
    objective: Objective,
    out: Path,
    *,
    evaluate: Callable[[bool], Mapping[str, float]] = lambda final: {},
) -> dict[str, Any]:
    """Run to the end of the schedule with a progress bar, out/train.jsonl and checkpoints; returns the measures.

    evaluate: held-out measures; told whether these are the last ones.
    """
    began = last_save = last_note = time.perf_counter()
    evaluating = 0.0
    with (out / "train.jsonl").open("a", encoding="utf-8") as log:

        def note(measures: dict[str, Any]) -> None:
            log.write(json.dumps(measures) + "\n")
            log.flush()

        with tqdm(total=1000, initial=int(1000 * run.progress), unit="‰") as bar:
            for _ in run.steps(load, objective):
                bar.set_postfix(run.shown(), refresh=False)
                bar.update(int(1000 * run.progress) - bar.n)
                now = time.perf_counter()
                if now - last_note > _NOTE_SECONDS:
                    held_out = evaluate(False) if evaluating <= _EVALUATION_SHARE * (now - began) else {}
                    note({**run.measures(), **held_out})
                    last_note = time.perf_counter()
                    evaluating += last_note - now
                if now - last_save > 60 * run.schedule.checkpoint_minutes:
                    run.save()
                    last_save = time.perf_counter()
        run.save()
        measures = {**run.measures(), **evaluate(True)}
        note({**measures, "settings": asdict(run.schedule)})
    return measures
