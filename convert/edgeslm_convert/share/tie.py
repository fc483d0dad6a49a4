"""Makes layers of a torch model share weights, so that training heals them together, and takes them apart for saving.

Weights are tied tensor by tensor, never layer by layer: an attention knows the number of its layer, by which it finds
its keys and values. `config.layer_sharing` says what is tied; the GGUF step drops the copies. Norms may stay a layer's
own: they are small, and with them each pass through the same weights can still differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edgeslm.errors import PlanError
from edgeslm_convert.prune import anatomy
from edgeslm_convert.prune.calibration import Calibration, check_calibration, last_hidden, resting
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.share import sharing as arrays

SCHEMES = ("adjacent", "cyclic", "similar")
WEIGHTS = ("average", "first")
CONFIG_KEY = "layer_sharing"


@dataclass(frozen=True)
class ShareSettings:
    """Which layers share, and what they share.

    scheme: "adjacent" ties groups of `size` neighbours, "cyclic" repeats a cycle of `size` layers, "similar" ties the
    `remove` pairs of neighbours whose tying changes the model's last hidden state least on the calibration text. The
    first `keep_first` and last `keep_last` layers stay alone. weights: "average" of the group, or its "first" layer's.
    """

    scheme: str = "adjacent"
    size: int = 2
    remove: int | None = None
    keep_first: int = 0
    keep_last: int = 0
    weights: str = "average"
    own_norms: bool = True


@dataclass(frozen=True)
class ShareReport:
    """What was tied. scores: change of the last hidden state (1 - cos) by tying layers i and i + 1, if measured."""

    layer_sharing: tuple[int, ...]
    parameters_before: int
    parameters_after: int
    layer_parameters_before: int
    layer_parameters_after: int
    scores: tuple[float, ...]


def check(shape: ModelShape, settings: ShareSettings) -> list[str]:
    """Every reason why these settings cannot be followed, from the shape alone."""
    wrong = anatomy.unknown(shape.architecture)
    if settings.scheme not in SCHEMES:
        wrong.append(f"share: no scheme {settings.scheme!r}; there are {', '.join(SCHEMES)}")
    if settings.weights not in WEIGHTS:
        wrong.append(f"share: no weights {settings.weights!r}; there are {', '.join(WEIGHTS)}")
    free = shape.n_layer - settings.keep_first - settings.keep_last
    if min(settings.keep_first, settings.keep_last) < 0 or free < 2:
        wrong.append(
            f"share: of {shape.n_layer} layers, {settings.keep_first} first and {settings.keep_last} last ones stay "
            "alone, which leaves no two to share"
        )
    if settings.scheme == "similar":
        most = max(0, free // 2)
        if settings.remove is None or not 1 <= settings.remove <= most:
            wrong.append(f"share: scheme 'similar' needs remove = 1 to {most}, the pairs to tie")
    elif settings.remove is not None:
        wrong.append(f"share: scheme {settings.scheme!r} follows from size; leave out remove")
    elif not 1 < settings.size <= free and settings.scheme == "adjacent":
        wrong.append(f"share: groups of {settings.size} layers among {free}")
    elif not 0 < settings.size < free and settings.scheme == "cyclic":
        wrong.append(f"share: a cycle of {settings.size} layers among {free}")
    if len(set(shape.per_layer)) > 1:
        wrong.append("share: its layers have different shapes")
    return wrong


def share(model: Any, settings: ShareSettings, calibration: Calibration = ()) -> ShareReport:
    """Tie layers of `model` in place. The calibration text is needed by "similar" only. Raises PlanError."""
    layers = anatomy.layers_of(model)
    total, in_layers = _parameters(model), _parameters(layers)
    scores: list[float] = []
    ends = {"first": settings.keep_first, "last": settings.keep_last}
    if settings.scheme == "adjacent":
        sharing = arrays.adjacent(len(layers), settings.size, **ends)
    elif settings.scheme == "cyclic":
        sharing = arrays.cyclic(len(layers), settings.size, **ends)
    else:
        scores = pair_scores(model, calibration, settings)
        pairs = cheapest_pairs(scores, settings.remove or 0, settings.keep_first, settings.keep_last)
        sharing = arrays.from_pairs(len(layers), pairs)
    if settings.weights == "average":
        _average(layers, sharing, settings.own_norms)
    tie(model, sharing, own_norms=settings.own_norms)
    return ShareReport(
        tuple(sharing), total, _parameters(model), in_layers, _parameters(layers), tuple(scores)
    )  # fmt: skip


def tie(model: Any, sharing: Sequence[int], *, own_norms: bool = True) -> None:
    """Let each layer use the weights of the layer that `sharing` names, and say so in the configuration."""
    layers = anatomy.layers_of(model)
    if wrong := arrays.problems(sharing, len(layers)):
        raise PlanError("cannot share layers", reason="; ".join(wrong))
    for layer, source in enumerate(sharing):
        if layer != source:
            for module, name, parameter in _tied_tensors(layers[source], layers[layer], own_norms):
                module.register_parameter(name, parameter)
    model.config.layer_sharing = [int(source) for source in sharing]


@contextmanager
def untied(model: Any) -> Iterator[None]:
    """Every layer with copies of its own, as checkpoints must be saved; tied again afterwards."""
    layers = anatomy.layers_of(model)
    shared: list[tuple[nn.Module, str, nn.Parameter]] = []
    seen: set[int] = set()
    for module in layers.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) in seen:
                shared.append((module, name, parameter))
                module.register_parameter(name, nn.Parameter(parameter.detach().clone(), parameter.requires_grad))
            seen.add(id(parameter))
    try:
        yield
    finally:
        for module, name, parameter in shared:
            module.register_parameter(name, parameter)


def tie_again(model: Any, *, own_norms: bool = True) -> bool:
    """Tie a model that was loaded from a checkpoint as its configuration says; False if it shares nothing."""
    sharing = getattr(model.config, CONFIG_KEY, None)
    if not sharing:
        return False
    tie(model, sharing, own_norms=own_norms)
    return True


@torch.no_grad()
def pair_scores(model: Any, calibration: Calibration, settings: ShareSettings) -> list[float]:
    """How much tying layers i and i + 1 turns the last hidden state: 1 - cos, averaged over tokens; [n_layer - 1].

    Each pair is tied alone, measured, and put back. A measured form of what similarity of layers stands for.
    """
    check_calibration(calibration)
    layers = anatomy.layers_of(model)
    scores = []
    with resting(model):
        whole = [last_hidden(model, tokens) for tokens in calibration]
        for first in range(len(layers) - 1):
            pair = [layers[first], layers[first + 1]]
            before = [{name: value.clone() for name, value in layer.state_dict().items()} for layer in pair]
            _make_equal(pair, settings.weights, settings.own_norms)
            turned, count = 0.0, 0
            for tokens, hidden in zip(calibration, whole, strict=True):
                cosine = nn.functional.cosine_similarity(last_hidden(model, tokens), hidden, dim=-1)
                turned += float((1 - cosine).sum())
                count += cosine.numel()
            scores.append(turned / count)
            for layer, state in zip(pair, before, strict=True):
                layer.load_state_dict(state)
    return scores


def cheapest_pairs(scores: Sequence[float], count: int, first: int = 0, last: int = 0) -> list[tuple[int, int]]:
    """`count` pairs (i, i + 1) without a layer in common, of the lowest sum of scores. Exact, by dynamic programming.

    scores: [n_layer - 1]; the first `first` and last `last` layers are in no pair.
    """
    usable = range(first, len(scores) - last)
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}  # pairs so far -> cheapest, all ending before here
    before = dict(best)  # the same, ending one layer earlier
    for index in usable:
        grown = dict(best)
        for number, (cost, chosen) in before.items():
            candidate = (cost + scores[index], (*chosen, index))
            if number + 1 <= count and (number + 1 not in grown or candidate < grown[number + 1]):
                grown[number + 1] = candidate
        before, best = best, grown
    if count not in best:
        raise PlanError(f"cannot tie {count} pairs of layers", reason=f"only {max(best)} have no layer in common")
    return [(index, index + 1) for index in best[count][1]]


def _average(layers: nn.ModuleList, sharing: Sequence[int], own_norms: bool) -> None:
    for group in arrays.groups(sharing).values():
        _make_equal([layers[index] for index in group], "average", own_norms)


@torch.no_grad()
def _make_equal(group: Sequence[nn.Module], weights: str, own_norms: bool) -> None:
    """Give all layers of the group the same values: the average's, or the first one's."""
    first, others = group[0], group[1:]
    tensors = [dict(layer.named_parameters()) for layer in others]
    for name, parameter in first.named_parameters():
        if own_norms and _is_norm(first, name):
            continue
        if weights == "average":
            parameter.copy_(torch.stack([parameter, *(found[name] for found in tensors)]).float().mean(0))
        for found in tensors:
            found[name].copy_(parameter)


def _tied_tensors(
    source: nn.Module, layer: nn.Module, own_norms: bool
) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """(module of `layer`, name in it, parameter of `source`) of every tensor to tie."""
    for name, parameter in source.named_parameters():
        if not (own_norms and _is_norm(source, name)):
            path, _, last = name.rpartition(".")
            yield layer.get_submodule(path), last, parameter


def _is_norm(layer: nn.Module, name: str) -> bool:
    """Whether the parameter belongs to a norm; those of the attention's own (on queries and keys) among them."""
    kind = type(layer.get_submodule(name.rpartition(".")[0])).__name__
    return "Norm" in kind


def _parameters(module: nn.Module) -> int:
    """Parameters, each counted once however many layers use it."""
    return sum(parameter.numel() for parameter in module.parameters())
