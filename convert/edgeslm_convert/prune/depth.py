"""Removes whole layers: those that change least, or whose loss hurts least. It knows layers, not what is in them.

The model is changed in place and stays a true transformers model: its layers are numbered anew and the configuration
says how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from edgeslm.errors import PlanError
from edgeslm_convert.prune import anatomy
from edgeslm_convert.prune.calibration import Calibration, check_calibration, has_head, last_hidden, perplexity, resting
from edgeslm_convert.prune.influence import block_influence
from edgeslm_convert.shape import ENCODERS, ModelShape

METHODS = ("influence", "perplexity", "output")
# Lists of the configuration with an entry a layer.
_LAYER_LISTS = ("layer_types", "mlp_layer_types", "no_rope_layers", "ffn_widths")


@dataclass(frozen=True)
class DepthSettings:
    """How many layers stay, as `keep` or `remove`, or which ones go, as `layers`; exactly one of them.

    method: "influence" removes the layers of least block influence, all measured once; "perplexity" removes one at a
    time the layer without which the calibration text's perplexity is lowest; "output" likewise, without which the last
    hidden states turn least (1 - cos) from the whole model's: for encoders, which have no perplexity.
    """

    keep: int | None = None
    remove: int | None = None
    layers: tuple[int, ...] | None = None
    method: str = "influence"

    def kept(self, n_layer: int) -> int:
        """How many layers stay of `n_layer`."""
        if self.layers is not None:
            return n_layer - len(set(self.layers))
        return self.keep if self.keep is not None else n_layer - (self.remove or 0)


@dataclass(frozen=True)
class DepthReport:
    """Which layers went (in the order of removal) and stayed, by their numbers before."""

    removed: tuple[int, ...]
    kept: tuple[int, ...]
    method: str
    scores: tuple[float, ...]  # influence: of every layer; else: of the model after each removal
    parameters_before: int
    parameters_after: int


def after(shape: ModelShape, settings: DepthSettings) -> ModelShape:
    """The shape once pruned. Where layers differ, those at the end are taken to go."""
    kept = settings.kept(shape.n_layer)
    return replace(shape, n_layer=kept, per_layer=shape.per_layer[:kept])


def check(shape: ModelShape, settings: DepthSettings) -> list[str]:
    """Every reason why these settings cannot be followed, from the shape alone."""
    wrong = anatomy.unknown(shape.architecture)
    if sum(value is not None for value in (settings.keep, settings.remove, settings.layers)) != 1:
        wrong.append("prune_depth: give exactly one of keep, remove and layers")
    if settings.method not in METHODS:
        wrong.append(f"prune_depth: no method {settings.method!r}; there are {', '.join(METHODS)}")
    if settings.method == "perplexity" and shape.architecture in ENCODERS:
        wrong.append(
            f"prune_depth: {shape.architecture} predicts no next token, so it has no perplexity; use method = 'output'"
        )
    outside = sorted(index for index in settings.layers or () if not 0 <= index < shape.n_layer)
    if outside:
        wrong.append(f"prune_depth: no layers {outside}; there are {shape.n_layer}, from 0")
    kept = settings.kept(shape.n_layer)
    if not outside and not 1 <= kept <= shape.n_layer:
        wrong.append(f"prune_depth: cannot keep {kept} of {shape.n_layer} layers")
    return wrong


def prune_depth(
    model: Any,
    settings: DepthSettings,
    calibration: Calibration,
    *,
    given: Sequence[int] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> DepthReport:
    """Remove layers of `model` in place, chosen by the settings. Raises PlanError if they do not fit the model.

    given: tokens at each sequence's beginning that perplexity does not count, such as a pair's prompt.

    The greedy search is that of Kim et al. 2024, Shortened LLaMA, but measured anew after each removal.
    """
    n_layer = len(anatomy.layers_of(model))
    kept = settings.kept(n_layer)
    if not 1 <= kept <= n_layer:
        raise PlanError(f"cannot keep {kept} of {n_layer} layers")
    before = _parameters(model)
    if settings.layers is not None:
        scores: list[float] = []
        removed = sorted(set(settings.layers))
    elif settings.method == "influence":
        scores = block_influence(model, calibration)
        removed = sorted(range(n_layer), key=lambda index: scores[index])[: n_layer - kept]
    else:
        judge = _judge(model, settings.method, calibration, given)
        removed, scores = _greedy(model, n_layer - kept, judge, progress)
    remaining = [index for index in range(n_layer) if index not in removed]
    keep_layers(model, remaining)
    return DepthReport(
        tuple(removed), tuple(remaining), settings.method, tuple(scores), before, _parameters(model)
    )  # fmt: skip


def keep_layers(model: Any, kept: Sequence[int]) -> None:
    """Leave only the layers `kept`, in this order, in place, and make the configuration and layer numbers true."""
    config = model.config
    old = len(anatomy.layers_of(model))
    _set_layers(model, [anatomy.layers_of(model)[index] for index in kept])
    for name in _LAYER_LISTS:
        listed = getattr(config, name, None)
        if isinstance(listed, (list, tuple)) and len(listed) == old:
            setattr(config, name, [listed[index] for index in kept])
    config.num_hidden_layers = len(kept)
    for number, layer in enumerate(anatomy.layers_of(model)):
        for module in layer.modules():
            if getattr(module, "layer_idx", None) is not None:
                module.layer_idx = number


def _set_layers(model: Any, layers: Sequence[nn.Module]) -> None:
    path, _, name = anatomy.anatomy_of(model).layers.rpartition(".")
    setattr(model.base_model.get_submodule(path), name, nn.ModuleList(layers))


def _judge(model: Any, method: str, calibration: Calibration, given: Sequence[int] | None) -> Callable[[], float]:
    """What is measured after each removal; lower is better."""
    if method == "perplexity":
        if not has_head(model):
            raise PlanError("cannot prune by perplexity", reason="the model predicts no next token")
        return lambda: perplexity(model, calibration, given)
    check_calibration(calibration)
    with resting(model):
        whole = [last_hidden(model, tokens).half() for tokens in calibration]

    def turned() -> float:
        total, count = 0.0, 0
        with resting(model):
            for tokens, expected in zip(calibration, whole, strict=True):
                cosine = torch.nn.functional.cosine_similarity(last_hidden(model, tokens), expected.float(), dim=-1)
                total, count = total + float((1 - cosine).sum()), count + len(cosine)
        return total / count

    return turned


def _greedy(
    model: Any, count: int, judge: Callable[[], float], progress: Callable[[str], None]
) -> tuple[list[int], list[float]]:
    """One layer at a time, the one without which `judge` is lowest. The model is left whole."""
    whole = list(anatomy.layers_of(model))
    remaining = list(range(len(whole)))
    removed: list[int] = []
    scores: list[float] = []
    lists = {name: list(value) for name in _LAYER_LISTS if (value := getattr(model.config, name, None))}

    def arrange(indices: Sequence[int]) -> None:
        _set_layers(model, [whole[index] for index in indices])
        model.config.num_hidden_layers = len(indices)
        for name, listed in lists.items():
            setattr(model.config, name, [listed[index] for index in indices])

    try:
        for _ in range(count):
            tried = {}
            for index in remaining:
                arrange([other for other in remaining if other != index])
                tried[index] = judge()
            best = min(tried, key=lambda index: tried[index])
            remaining.remove(best)
            removed.append(best)
            scores.append(tried[best])
            progress(f"without layer {best}: {tried[best]:.4g}")
    finally:
        arrange(range(len(whole)))
    return removed, scores


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
