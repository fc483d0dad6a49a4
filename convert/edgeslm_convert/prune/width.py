"""Narrows a model: FFN channels, attention heads, residual channels.

What is left is chosen by importance on calibration text; `importance` measures it, `cut` removes the rest. Two repairs
need no training: where a layer has a bias, it takes over what the removed channels gave on average (An et al. 2023,
FLAP, eq. 5); and norms over fewer channels are scaled so that what stays leaves them as large as before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from edgeslm.errors import PlanError
from edgeslm_convert.prune import anatomy
from edgeslm_convert.prune.calibration import Calibration, has_head, rows, run, watch_input
from edgeslm_convert.prune.cut import Cut, apply, channels, indices_of
from edgeslm_convert.prune.importance import MEASURES, Importance, measure_importance, norms_and_readers
from edgeslm_convert.shape import ENCODERS, ModelShape

BUDGETS = ("uniform", "per_layer")
# llama.cpp's `deci` is Llama with widths layer by layer; the converter's other classes have one n_ff for all layers.
PER_LAYER = ("llama", "mistral")


@dataclass(frozen=True)
class WidthSettings:
    """What stays: `ffn` channels a layer, query `heads`, `kv_heads`, `hidden` channels; None leaves a width as it is.

    heads alone: evenly from each KV group. kv_heads alone: whole groups with their heads. Both: some heads of some
    groups. budget: with "per_layer", `ffn` is the mean, and each layer gets its share by importance.
    """

    ffn: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    hidden: int | None = None
    importance: str = "activation"
    budget: str = "uniform"
    ffn_multiple: int = 32  # 256 for K-quants
    hidden_multiple: int = 32

    def head_counts(self, n_head: int, n_head_kv: int) -> tuple[int, int]:
        """(query heads, KV heads) that stay of a model's."""
        if self.kv_heads is not None:
            return self.heads or self.kv_heads * (n_head // n_head_kv), self.kv_heads
        if self.heads is not None:
            return self.heads, self.heads if n_head == n_head_kv else n_head_kv
        return n_head, n_head_kv


@dataclass(frozen=True)
class WidthReport:
    """Widths that stayed and what they were chosen by. ffn has an entry a layer; channels are numbers before."""

    ffn: tuple[int, ...]
    heads: int
    kv_heads: int
    hidden: int
    heads_kept: tuple[tuple[int, ...], ...]
    hidden_kept: tuple[int, ...]  # residual channels; all of them if none went
    importance: str
    parameters_before: int
    parameters_after: int  # without channels of zeros that only fill up


def after(shape: ModelShape, settings: WidthSettings) -> ModelShape:
    """The shape once pruned; a per-layer budget counts as its mean."""
    heads, kv_heads = settings.head_counts(shape.n_head, shape.n_head_kv)
    return replace(
        shape,
        n_ff=settings.ffn or shape.n_ff,
        n_head=heads,
        n_head_kv=kv_heads,
        n_embd=settings.hidden or shape.n_embd,
        per_layer=() if settings.ffn else tuple((heads, kv_heads, width) for _, _, width in shape.per_layer),
    )


def check(shape: ModelShape, settings: WidthSettings) -> list[str]:
    """Every reason why these settings cannot be followed or llama.cpp could not load what comes out."""
    wrong = anatomy.unknown(shape.architecture)
    if wrong:
        return wrong
    wrong += _wrong_choices(shape, settings)
    new = after(shape, settings)
    for name, value, old, multiple in (
        ("ffn", settings.ffn, shape.n_ff, settings.ffn_multiple),
        ("hidden", settings.hidden, shape.n_embd, settings.hidden_multiple),
        ("heads", settings.heads, shape.n_head, 1),
        ("kv_heads", settings.kv_heads, shape.n_head_kv, 1),
    ):
        if value is None:
            continue
        if not 1 <= value <= old:
            wrong.append(f"prune_width: {name} = {value} is not within 1 and the {old} that are there")
        elif value % multiple:
            near = max(value // multiple, 1) * multiple
            wrong.append(f"prune_width: {name} = {value} is not a multiple of {multiple}; {near} is")
    return wrong or [*_wrong_heads(shape, new), *new.expressible()]


def _wrong_choices(shape: ModelShape, settings: WidthSettings) -> list[str]:
    wrong = []
    arch = shape.architecture
    if settings.importance not in MEASURES:
        wrong.append(f"prune_width: no importance {settings.importance!r}; there are {', '.join(MEASURES)}")
    if settings.budget not in BUDGETS:
        wrong.append(f"prune_width: no budget {settings.budget!r}; there are {', '.join(BUDGETS)}")
    if all(value is None for value in (settings.ffn, settings.heads, settings.kv_heads, settings.hidden)):
        wrong.append("prune_width: nothing to do; give ffn, heads, kv_heads or hidden")
    if settings.budget == "per_layer" and arch not in PER_LAYER:
        wrong.append(
            f"prune_width: {arch} has one n_ff for all layers in llama.cpp's loader; "
            f"budget = 'per_layer' is for {' and '.join(PER_LAYER)}"
        )
    if settings.budget == "per_layer" and settings.ffn is None:
        wrong.append("prune_width: budget = 'per_layer' needs ffn, the mean width")
    if arch in ENCODERS:
        if settings.importance == "taylor":
            wrong.append(f"prune_width: {arch} has no next-token loss for taylor; use importance = 'activation'")
        wrong += [
            f"prune_width: {name} of {arch} stay: its loader wants heads x head_dim = the embedding's width, "
            "which is what vectors are compared in"
            for name in ("heads", "kv_heads", "hidden")
            if getattr(settings, name) is not None
        ]
    return wrong


def _wrong_heads(shape: ModelShape, new: ModelShape) -> list[str]:
    wrong = []
    n_head, kv, arch = new.n_head, new.n_head_kv, shape.architecture
    if n_head % kv or n_head // kv > shape.n_head // shape.n_head_kv:
        wrong.append(
            f"prune_width: {n_head} heads cannot come evenly from {kv} KV groups of {shape.n_head // shape.n_head_kv}"
        )
    if arch == "granite" and n_head * new.head_dim != new.n_embd:
        wrong.append(
            f"granite: {n_head} heads of {new.head_dim} are not the width {new.n_embd}, "
            "and llama.cpp's converter writes no head_dim for granite"
        )
    if arch == "llama" and new.n_embd % n_head:
        wrong.append(f"llama: transformers loads no model whose width {new.n_embd} is not a multiple of {n_head} heads")
    return wrong


def prune_width(model: Any, settings: WidthSettings, calibration: Calibration) -> WidthReport:
    """Narrow `model` in place to the settings' widths. Raises PlanError if they do not fit the model.

    The settings should have passed `check`. Measured once, on the whole model, before anything is cut.
    """
    if settings.importance == "taylor" and not has_head(model):
        raise PlanError("cannot measure Taylor terms", reason="the model predicts no next token, so it has no loss")
    before = _parameters(model)
    n_head, n_head_kv, head_dim = _attention(model)
    found = measure_importance(model, calibration, measure=settings.importance, head_dim=head_dim)
    cut = _choose(settings, found, n_head, n_head_kv, head_dim)
    scales = _norm_scales(model, calibration, cut.hidden) if cut.hidden is not None else []
    _hand_over_means(model, cut, found)
    _scale_norms(model, scales)
    apply(model, cut)
    if cut.hidden is not None and model.config.model_type == "gemma":
        _keep_gemma_scale(model, len(found.hidden) / len(cut.hidden))
    return _report(model, settings, cut, found, before)


def _choose(settings: WidthSettings, found: Importance, n_head: int, n_head_kv: int, head_dim: int) -> Cut:
    cut = Cut(head_dim=head_dim)
    if settings.hidden is not None:
        cut.hidden = _best(found.hidden, settings.hidden)
    if settings.ffn is not None:
        widths = [settings.ffn] * len(found.ffn)
        if settings.budget == "per_layer":
            widths = share_out(found.ffn, settings.ffn, settings.ffn_multiple)
        cut.ffn = [_best(scores, width) for scores, width in zip(found.ffn, widths, strict=True)]
    heads, kv_heads = settings.head_counts(n_head, n_head_kv)
    if (heads, kv_heads) != (n_head, n_head_kv):
        chosen = [_best_heads(scores, heads, kv_heads, n_head_kv) for scores in found.heads]
        cut.heads = [heads for heads, _ in chosen]
        cut.kv_heads = [groups for _, groups in chosen]
    return cut


def share_out(scores: list[Tensor], mean: int, multiple: int) -> list[int]:
    """A width for each layer, `mean` on average and multiples of `multiple`, so that the most importance stays.

    Channels go in blocks of `multiple`, best first; the first block of every layer always stays.
    """
    blocks = []
    for layer, channel_scores in enumerate(scores):
        ordered = channel_scores.double().sort(descending=True).values
        for number in range(len(ordered) // multiple):
            worth = float(ordered[number * multiple : (number + 1) * multiple].sum())
            blocks.append((number == 0, worth, -layer, -number))
    kept = sorted(blocks, reverse=True)[: mean * len(scores) // multiple]
    return [multiple * sum(1 for block in kept if -block[2] == layer) for layer in range(len(scores))]


def _best(scores: Tensor, count: int) -> Tensor:
    return indices_of(scores.sort(descending=True, stable=True).indices[:count])


def _best_heads(scores: Tensor, heads: int, kv_heads: int, groups: int) -> tuple[Tensor, Tensor]:
    """The best heads of the best groups: (heads, groups), as numbers before."""
    by_group = scores.view(groups, -1)
    each = heads // kv_heads
    best = by_group.sort(dim=1, descending=True, stable=True)
    kept = _best(best.values[:, :each].sum(1), kv_heads)
    size = by_group.shape[1]
    return indices_of(torch.cat([best.indices[group, :each] + group * size for group in kept])), kept


@torch.no_grad()
def _hand_over_means(model: Any, cut: Cut, found: Importance) -> None:
    """What removed channels gave on average goes into the bias of the layer that read them, where there is one."""
    parts = anatomy.anatomy_of(model)
    heads = None if cut.heads is None else [channels(kept, cut.head_dim) for kept in cut.heads]
    for path, kept, means in (
        (parts.ffn_down, cut.ffn, found.ffn_mean),
        (parts.attention_out, heads, found.attention_mean),
    ):
        for index, layer in enumerate(anatomy.layers_of(model) if kept is not None else []):
            reader = layer.get_submodule(path)
            if kept is not None and reader.bias is not None:
                gone = means[index].clone()
                gone[kept[index].to(gone.device)] = 0
                reader.bias += (reader.weight.float() @ gone).to(reader.bias.dtype)


def _norm_scales(model: Any, calibration: Calibration, kept: Tensor) -> list[tuple[nn.Module, float]]:
    """For each norm, how much larger it would make the kept channels once the others are gone; mean over tokens."""
    totals: dict[nn.Module, list[float]] = {}

    def take(norm: nn.Module, hidden: Tensor) -> None:
        hidden = rows(hidden)
        left = hidden[:, kept.to(hidden.device)]
        if isinstance(norm, nn.LayerNorm):
            ratio = left.var(1, correction=0).sqrt() / hidden.var(1, correction=0).sqrt()
        else:
            ratio = left.square().mean(1).sqrt() / hidden.square().mean(1).sqrt()
        totals.setdefault(norm, []).extend([float(ratio.sum()), len(ratio)])

    norms = [norm for norm, _ in norms_and_readers(model)]
    run(model, calibration, [watch_input(norm, partial(take, norm)) for norm in norms])
    return [(norm, sum(totals[norm][::2]) / sum(totals[norm][1::2])) for norm in norms]


@torch.no_grad()
def _scale_norms(model: Any, scales: list[tuple[nn.Module, float]]) -> None:
    for norm, scale in scales:
        if model.config.model_type == "gemma":  # it multiplies by 1 + weight
            norm.weight.copy_((1 + norm.weight) * scale - 1)
        else:
            norm.weight.mul_(scale)


@torch.no_grad()
def _keep_gemma_scale(model: Any, narrowing: float) -> None:
    """Gemma multiplies embeddings by the root of the width: what is lost there goes into the table it is tied to."""
    root = narrowing**0.5
    model.get_input_embeddings().weight.mul_(root)
    for norm, readers in norms_and_readers(model):
        if readers == [model.get_output_embeddings()]:
            norm.weight.copy_((1 + norm.weight) / root - 1)


def _attention(model: Any) -> tuple[int, int, int]:
    config = model.config
    n_head = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or n_head
    return n_head, kv_heads, getattr(config, "head_dim", None) or config.hidden_size // n_head


def _report(model: Any, settings: WidthSettings, cut: Cut, found: Importance, before: int) -> WidthReport:
    n_head, kv_heads, _ = _attention(model)
    widths = [len(kept) for kept in cut.ffn] if cut.ffn is not None else [len(scores) for scores in found.ffn]
    filling = sum(max(widths) - width for width in widths)
    gated = model.config.model_type in ("llama", "mistral")
    kept_heads = cut.heads if cut.heads is not None else [torch.arange(n_head)] * len(widths)
    return WidthReport(
        ffn=tuple(widths),
        heads=n_head,
        kv_heads=kv_heads,
        hidden=model.config.hidden_size,
        heads_kept=tuple(tuple(kept.tolist()) for kept in kept_heads),
        hidden_kept=tuple(range(model.config.hidden_size) if cut.hidden is None else cut.hidden.tolist()),
        importance=settings.importance,
        parameters_before=before,
        parameters_after=_parameters(model) - filling * model.config.hidden_size * (3 if gated else 2),
    )


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
