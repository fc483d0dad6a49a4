"""How much each layer matters to what passes through it: block influence. Measures only; `depth` acts on it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from edgeslm_convert.prune.anatomy import layers_of
from edgeslm_convert.prune.calibration import Calibration, rows, run, watch_input, watch_output


def block_influence(model: Any, calibration: Calibration) -> list[float]:
    """How much each layer turns the residual stream: 1 - cos(layer input, layer output), averaged over tokens.

    0 means that the layer changes nothing but the length. Source: Men et al. 2024, ShortGPT, eq. 1.
    """
    layers = layers_of(model)
    before: list[Tensor] = [torch.empty(0)] * len(layers)
    totals = [0.0] * len(layers)
    count = 0

    def entered(index: int, hidden: Tensor) -> None:
        before[index] = rows(hidden)

    def left(index: int, hidden: Tensor) -> None:
        nonlocal count
        cosine = torch.nn.functional.cosine_similarity(before[index], rows(hidden), dim=-1)
        totals[index] += float((1 - cosine).sum())
        count += len(cosine) if index == 0 else 0

    handles = []
    for index, layer in enumerate(layers):
        handles.append(watch_input(layer, partial(entered, index)))
        handles.append(watch_output(layer, partial(left, index)))
    run(model, calibration, handles)
    return [total / count for total in totals]
