"""How much each FFN channel, attention head and residual channel matters on calibration text. Measures, cuts nothing.

Two measures, both comparable between layers:
- "activation": mean |activation| x norm of the weights that read it, over the length of the residual stream behind the
  layer. After Wanda (Sun et al. 2023), |weight| x norm of the input, taken for whole channels.
- "taylor": |sum of weight x gradient| over the weights that read a channel, a sequence at a time: to first order, what
  the loss changes when the channel goes. After Molchanov et al. 2019, eq. 8. The sum over those weights equals that of
  activation x gradient over tokens, so no weight needs a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgeslm_convert.prune import anatomy
from edgeslm_convert.prune.calibration import Calibration, rows, run, watch_input, watch_output

MEASURES = ("activation", "taylor")


@dataclass(frozen=True)
class Importance:
    """Scores and mean activations. Lists go by layer; `ffn` is [n_ff], `heads` [n_head], `hidden` [n_embd]."""

    ffn: list[Tensor]
    heads: list[Tensor]
    hidden: Tensor  # empty for an encoder
    ffn_mean: list[Tensor]  # [n_ff], what the FFN's last linear layer reads, averaged over tokens
    attention_mean: list[Tensor]  # [n_head * head_dim], the same of the attention's


class _Site:
    """Sums over what passes one place: for each channel |a| and a; with gradients, for each group |sum of a x da|."""

    def __init__(self, width: int, device: torch.device, group: int = 1) -> None:
        self._size = torch.zeros(width, device=device)
        self._mean = torch.zeros(width, device=device)
        self._tokens = 0
        self._group = group
        self.taylor = torch.zeros(width // group, device=device)

    def take(self, activations: Tensor) -> None:
        values = rows(activations)
        self._size += values.abs().sum(0)
        self._mean += values.sum(0)
        self._tokens += values.shape[0]
        if activations.requires_grad:  # its gradient comes with the backward pass, for the whole sequence at once
            activations.register_hook(lambda gradient: self._first_order(values, gradient))

    def _first_order(self, values: Tensor, gradient: Tensor) -> None:
        self.taylor += (values * rows(gradient)).sum(0).view(-1, self._group).sum(1).abs()

    @property
    def mean(self) -> Tensor:
        return self._mean / self._tokens

    def activation(self, readers: Sequence[nn.Module]) -> Tensor:
        """Mean |activation| x norm of the columns that read it, summed over each group."""
        columns = sum(reader.weight.detach().float().square().sum(0) for reader in readers)
        return (self._size / self._tokens * torch.as_tensor(columns).sqrt()).view(-1, self._group).sum(1)


class _Stream:
    """Mean length of the residual stream behind a layer."""

    def __init__(self) -> None:
        self._total, self._tokens = 0.0, 0

    def take(self, hidden: Tensor) -> None:
        self._total += float(rows(hidden).norm(dim=-1).sum())
        self._tokens += rows(hidden).shape[0]

    @property
    def length(self) -> float:
        return max(self._total / self._tokens, 1e-12)


def measure_importance(
    model: Any, calibration: Calibration, *, measure: str = "activation", head_dim: int
) -> Importance:
    """Run the model over the calibration text and score its parts. measure: one of MEASURES."""
    taylor = measure == "taylor"
    parts, layers, device = anatomy.anatomy_of(model), anatomy.layers_of(model), model.device
    downs = [layer.get_submodule(parts.ffn_down) for layer in layers]
    outs = [layer.get_submodule(parts.attention_out) for layer in layers]
    norms = norms_and_readers(model)
    ffn = [_Site(_width(module), device) for module in downs]
    attention = [_Site(_width(module), device, head_dim) for module in outs]
    hidden = [_Site(_rows(norm), device) for norm, _ in norms]
    streams = [_Stream() for _ in layers]
    handles = [watch_input(module, site.take) for module, site in zip(downs + outs, ffn + attention, strict=True)]
    handles += [watch_output(norm, site.take) for (norm, _), site in zip(norms, hidden, strict=True)]
    handles += [watch_output(layer, stream.take) for layer, stream in zip(layers, streams, strict=True)]
    run(model, calibration, handles, gradients=taylor)

    def scores(sites: list[_Site], modules: list[nn.Module]) -> list[Tensor]:
        if taylor:
            return [site.taylor for site in sites]
        rows = zip(sites, modules, streams, strict=True)
        return [site.activation([module]) / stream.length for site, module, stream in rows]

    at_norms = [
        site.taylor if taylor else site.activation(readers) for site, (_, readers) in zip(hidden, norms, strict=True)
    ]
    return Importance(
        ffn=scores(ffn, downs),
        heads=scores(attention, outs),
        hidden=sum((score / score.sum().clamp_min(1e-30) for score in at_norms), torch.zeros(())),
        ffn_mean=[site.mean for site in ffn],
        attention_mean=[site.mean for site in attention],
    )


def norms_and_readers(model: Any) -> list[tuple[nn.Module, list[nn.Module]]]:
    """Every norm that the residual stream passes, with the linear layers that read it."""
    found: list[tuple[nn.Module, list[nn.Module]]] = []
    readers = anatomy.anatomy_of(model).readers
    layers = anatomy.layers_of(model)
    for name, layer, norm, _ in anatomy.weighted_modules(model):
        inner = anatomy.locate(name)[1]
        if layer is not None and inner in readers:
            found.append((norm, [layers[layer].get_submodule(reader) for reader in readers[inner]]))
        elif layer is None and readers.get(name.rpartition(".")[2]) == ("lm_head",):
            found.append((norm, [model.get_output_embeddings()]))
    return found


def _width(linear: nn.Module) -> int:
    return int(linear.weight.shape[1])


def _rows(norm: nn.Module) -> int:
    return int(norm.weight.shape[0])
