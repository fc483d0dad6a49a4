"""Training that makes earlier layers' predictions good: layer dropout, and a loss on exits that share norm and head.

Afterwards it measures, on held-out text, how often each exit's first choice is the model's own, and chooses where to
draft and when an exit is sure. `config.early_exit` holds that; the GGUF step writes it. It refuses to know costs of a
machine: those are measured at run time, here layers stand for time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.prune import anatomy
from edgeslm_convert.recover.loop import Batch, Batches, Part, Run, Schedule, autocast, drive
from edgeslm_convert.recover.losses import Outputs, answer_places, forward, parts
from edgeslm_convert.shape import ModelShape

CONFIG_KEY = "early_exit"
_FINAL_NORMS = ("norm", "ln_f", "final_layernorm")
_MOST_DRAFTED = 8
_VERIFY = 0.275  # of a token's time for each drafted token: 5 tokens cost 2.1 (DESIGN, 2 cores)
_SURE = 0.99  # how often a sure exit must choose what the model chooses


@dataclass(frozen=True)
class EarlyExitSettings(Schedule):
    """exit_weight: of the exit's loss beside the last layer's. dropout: the last layer's; earlier ones drop less often.

    layer: where to draft and to leave; by default where drafting would give most tokens.
    """

    exit_weight: float = 0.3
    dropout: float = 0.1
    layer: int | None = None

    def offenders(self) -> list[str]:
        """What cannot be trained with, in words."""
        wrong = super().offenders()
        if not self.exit_weight > 0:
            wrong.append(f"exit_weight is {self.exit_weight}, above 0")
        if not 0 <= self.dropout < 1:
            wrong.append(f"dropout is {self.dropout}, at least 0 and below 1")
        return wrong


@dataclass(frozen=True)
class EarlyExitReport:
    """agreement: by exit layer, from 1, how often its first choice is the model's. confidence: of a sure exit."""

    steps: int
    minutes: float
    before: dict[str, float]
    after: dict[str, float]
    agreement: tuple[float, ...]
    layer: int
    confidence: float


def check(shape: ModelShape, settings: EarlyExitSettings) -> list[str]:
    """Why a model of `shape` cannot be trained so, in words."""
    wrong = settings.offenders() + anatomy.unknown(shape.architecture)
    if shape.is_encoder:
        wrong.append(f"{shape.architecture} is an encoder: it predicts no next token")
    if shape.n_layer < 2:
        wrong.append("a model of one layer has no earlier exit")
    elif settings.layer is not None and not 1 <= settings.layer < shape.n_layer:
        wrong.append(f"layer is {settings.layer}, from 1 to {shape.n_layer - 1}")
    return wrong


def early_exit(
    model: Any, batches: Batches, settings: EarlyExitSettings, out: Path, *, held_out: Sequence[Batch]
) -> EarlyExitReport:
    """Train `model` in place; `config.early_exit` = {layer, confidence} afterwards. Goes on from out/checkpoint.pt.

    Source: Elhoushi et al. 2024, LayerSkip, sections 4.1 (layer dropout) and 4.2 (early exit loss). Each step takes the
    loss of the last layer and of one other, drawn: their rotating curriculum, at the cost of one more head.
    Raises InputError without held-out text: by it the exit is chosen.
    """
    if not held_out:
        raise InputError("cannot choose an exit layer", reason="there is no held-out text to measure exits on")
    out.mkdir(parents=True, exist_ok=True)
    run = Run(model, settings, out / "checkpoint.pt")
    if run.step == 0:
        run.before = _measures(agreements(model, held_out, run.device)[0])
    with layer_dropout(model, settings.dropout):
        drive(run, batches, lambda batch: objective(model, settings, batch), out)
    model.eval()
    found, pairs = agreements(model, held_out, run.device)
    layer = settings.layer or best_layer(found)
    confidence = sure_above(*pairs[layer - 1])
    model.config.early_exit = {"layer": layer, "confidence": confidence}
    return EarlyExitReport(
        run.step, run.spent / 60, run.before, _measures(found), tuple(found), layer, confidence
    )  # fmt: skip


def objective(model: Any, settings: EarlyExitSettings, batch: Batch) -> Iterator[Part]:
    """The batch's loss in parts: the last layer's, and that of one exit, drawn anew for each part."""
    n_layer = len(anatomy.layers_of(model))
    for ids, labels, share in parts(batch[0], batch[1], model.config.vocab_size):
        layer = int(torch.randint(1, n_layer, ()))
        rows, places, target = answer_places(labels)
        found = forward(model, ids, rows, places, hidden=True)
        last = functional.cross_entropy(found.logits, target)
        early = functional.cross_entropy(exit_logits(model, found, layer, rows, places), target)
        # Later exits have more to go by and are asked for more, as in the paper.
        loss = last + settings.exit_weight * layer / n_layer * early
        yield share * loss, {"ce": share * last.item(), "exit_ce": share * early.item()}


def exit_logits(model: Any, found: Outputs, layer: int, rows: Tensor, places: Tensor) -> Tensor:
    """[n, n_vocab]: the shared norm and head on what layer `layer`, from 1, gives at (rows, places)."""
    name = next((name for name in _FINAL_NORMS if hasattr(model.base_model, name)), "")
    if not name:
        raise ModelError(
            "cannot read this model's layers", reason=f"a {model.config.model_type} has no known last norm"
        )
    logits = model.get_output_embeddings()(getattr(model.base_model, name)(found.hidden[layer][rows, places]))
    return logits.float() / getattr(model.config, "logits_scaling", 1.0)


@contextmanager
def layer_dropout(model: Any, most: float) -> Iterator[None]:
    """While training, each layer is left out of a step at a rate that grows from 0 to `most` with its depth."""
    layers = anatomy.layers_of(model)
    scale = math.log(2) / max(1, len(layers) - 1)

    def leave_out(rate: float) -> Callable[..., Any]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> Any:
            if not module.training or torch.rand(()) >= rate:
                return output
            came_in = inputs[0] if inputs else named["hidden_states"]
            return (came_in, *output[1:]) if isinstance(output, tuple) else came_in

        return hook

    rates = [most * (math.exp(index * scale) - 1) for index in range(len(layers))]
    handles = [
        layer.register_forward_hook(leave_out(rate), with_kwargs=True)
        for layer, rate in zip(layers, rates, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def agreements(
    model: Any, held_out: Iterable[Batch], device: torch.device
) -> tuple[list[float], list[tuple[Tensor, Tensor]]]:
    """By exit layer 1 … n_layer - 1: how often it agrees with the model; its top probabilities, and each hit."""
    model.eval()
    n_layer = len(anatomy.layers_of(model))
    tops: list[list[Tensor]] = [[] for _ in range(n_layer - 1)]
    hits: list[list[Tensor]] = [[] for _ in range(n_layer - 1)]
    for batch in held_out:
        for ids, labels, _ in parts(batch[0].to(device), batch[1].to(device), model.config.vocab_size):
            rows, places, _ = answer_places(labels)
            with autocast(device):
                found = forward(model, ids, rows, places, hidden=True)
                choice = found.logits.argmax(-1)
                for layer in range(1, n_layer):
                    probability, token = exit_logits(model, found, layer, rows, places).softmax(-1).max(-1)
                    tops[layer - 1].append(probability.float().cpu())
                    hits[layer - 1].append((token == choice).cpu())
    pairs = [(torch.cat(top), torch.cat(hit)) for top, hit in zip(tops, hits, strict=True)]
    return [float(hit.float().mean()) for _, hit in pairs], pairs


def best_layer(agreement: Sequence[float]) -> int:
    """The exit, from 1, with which drafting would give most tokens for the time, layers standing for time."""
    n_layer = len(agreement) + 1

    def speed(layer: int) -> float:
        rate = min(agreement[layer - 1], 0.98)
        return max(
            (1 - rate ** (drafted + 1)) / (1 - rate) / (drafted * layer / n_layer + 1 + _VERIFY * drafted)
            for drafted in range(1, _MOST_DRAFTED + 1)
        )

    return max(range(1, n_layer), key=lambda layer: (speed(layer), -layer))


def sure_above(top: Tensor, hit: Tensor) -> float:
    """The smallest top probability above which an exit chose what the model chose in _SURE of the cases; 1.0: none."""
    order = top.argsort(descending=True)
    share = hit[order].float().cumsum(0) / torch.arange(1, len(order) + 1)
    good = (share >= _SURE).nonzero()
    return float(top[order][good[-1, 0]]) if len(good) else 1.0


def _measures(agreement: Sequence[float]) -> dict[str, float]:
    return {f"agreement_{layer}": value for layer, value in enumerate(agreement, 1)}
