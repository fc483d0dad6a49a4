"""Cuts axes of a transformers model: every tensor that has the axis, the configuration, and what modules remember.

It is told what stays; choosing is not its business. The model is changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgeslm_convert.prune import anatomy
from edgeslm_convert.prune.anatomy import FFN, FUSED, HIDDEN, KEY_VALUE, QUERY, VOCABULARY


@dataclass
class Cut:
    """Which indices stay, in order. Lists have an entry a layer; None leaves an axis as it is.

    heads and kv_heads are numbers of heads; every layer keeps equally many. ffn may differ: then the narrower layers
    are filled up with channels of zeros to the widest, and `ffn_widths` in the configuration says what is real.
    """

    vocabulary: Tensor | None = None
    hidden: Tensor | None = None
    ffn: list[Tensor] | None = None
    heads: list[Tensor] | None = None
    kv_heads: list[Tensor] | None = None
    head_dim: int = 0


@torch.no_grad()
def apply(model: Any, cut: Cut) -> None:
    """Cut the model in place. Tied weights stay tied."""
    widest = max((len(indices) for indices in cut.ffn), default=0) if cut.ffn is not None else 0
    done: set[int] = set()
    for _, layer, module, axes in list(anatomy.weighted_modules(model)):
        for parameter in list(module.parameters(recurse=False)):
            if id(parameter) in done:  # tied: both modules hold the one parameter
                continue
            data = parameter.data
            for dimension, axis in enumerate(axes[: parameter.dim()]):
                data = _select(data, dimension, cut, axis, layer, widest)
            parameter.data = data
            done.add(id(parameter))
    _write_configuration(model.config, cut, anatomy.anatomy_of(model).ffn_key, widest)
    refresh(model)


@torch.no_grad()
def refresh(model: Any) -> None:
    """Give every module the numbers it would have in a new model of this configuration: widths, heads, scales."""
    with torch.device("meta"):
        fresh = dict(type(model)(model.config).named_modules())
    for name, module in model.named_modules():
        for attribute, value in vars(fresh[name]).items():
            if isinstance(value, (bool, int, float)) and attribute != "training":
                setattr(module, attribute, value)
        if isinstance(module, nn.LayerNorm):
            module.normalized_shape = tuple(module.weight.shape)
        if hasattr(module, "scalar_embed_scale"):  # Gemma scales embeddings by the root of the width
            module.embed_scale.fill_(module.scalar_embed_scale)


def _select(data: Tensor, dimension: int, cut: Cut, axis: str, layer: int | None, widest: int) -> Tensor:
    if axis == HIDDEN and cut.hidden is not None:
        return data.index_select(dimension, cut.hidden.to(data.device))
    if axis == VOCABULARY and cut.vocabulary is not None:
        return data.index_select(dimension, cut.vocabulary.to(data.device))
    if layer is None:
        return data
    if axis == FFN and cut.ffn is not None:
        return _filled(data.index_select(dimension, cut.ffn[layer].to(data.device)), dimension, widest)
    indices = _attention_channels(data.shape[dimension], cut, axis, layer)
    return data if indices is None else data.index_select(dimension, indices.to(data.device))


def _attention_channels(size: int, cut: Cut, axis: str, layer: int) -> Tensor | None:
    queries = channels(cut.heads[layer], cut.head_dim) if cut.heads is not None else None
    keys = channels(cut.kv_heads[layer], cut.head_dim) if cut.kv_heads is not None else None
    if axis == QUERY:
        return queries
    if axis == KEY_VALUE:
        return keys
    if axis == FUSED and queries is not None:  # multi-query: one head of keys and one of values, behind the queries
        return torch.cat([queries, torch.arange(size - 2 * cut.head_dim, size)])
    return None


def channels(heads: Tensor, head_dim: int) -> Tensor:
    """The channels of these heads, in order."""
    return (heads.cpu()[:, None] * head_dim + torch.arange(head_dim)).flatten()


def _filled(data: Tensor, dimension: int, width: int) -> Tensor:
    missing = width - data.shape[dimension]
    if not missing:
        return data.contiguous()
    shape = list(data.shape)
    shape[dimension] = missing
    return torch.cat([data, data.new_zeros(shape)], dimension)


def _write_configuration(config: Any, cut: Cut, ffn_key: str, widest: int) -> None:
    if cut.vocabulary is not None:
        config.vocab_size = len(cut.vocabulary)
    if cut.hidden is not None:
        config.hidden_size = len(cut.hidden)
    if cut.ffn is not None:
        setattr(config, ffn_key, widest)
        widths = [len(indices) for indices in cut.ffn]
        if len(set(widths)) > 1:
            config.ffn_widths = widths
        elif getattr(config, "ffn_widths", None):
            config.ffn_widths = None
    if cut.heads is not None:
        config.num_attention_heads = len(cut.heads[0])
    if cut.kv_heads is not None:
        config.num_key_value_heads = len(cut.kv_heads[0])


def indices_of(chosen: Sequence[int] | Tensor) -> Tensor:
    """Sorted indices as a tensor."""
    return torch.as_tensor(sorted(int(index) for index in chosen), dtype=torch.long)
