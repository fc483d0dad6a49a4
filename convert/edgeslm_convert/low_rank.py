"""Low-rank layers: linear parts replaced by their best product of two narrow matrices, given what flows into them.

The torch model keeps the product, so that it stays a plain transformers model; `config.low_rank` notes the ranks and
the GGUF step stores the factors (`stored`). Train before, not after: training would fill the rank up again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from edgeslm.errors import PlanError
from edgeslm_convert.prune import anatomy
from edgeslm_convert.prune.calibration import Calibration, rows, run, watch_input
from edgeslm_convert.shape import ENCODERS, ModelShape

PARTS = ("ffn", "attention")
_DAMPING = 1e-4  # of the mean variance: channels that the text never moves
_LEAST_RANK = 1


@dataclass(frozen=True)
class LowRankSettings:
    """share: parameters of a matrix that stay. parts: "ffn", "attention". multiple: ranks are multiples of it.

    The rows of the second factor are as long as the rank: a multiple of 32 can be quantized, of 256 to K-quants too.
    """

    share: float = 0.6
    parts: tuple[str, ...] = ("ffn",)
    multiple: int = 32


@dataclass(frozen=True)
class LowRankReport:
    """Ranks by part, the error of each part's output (relative, mean over layers), and what is stored."""

    ranks: dict[str, int]
    errors: dict[str, float]
    parameters_before: int
    parameters_after: int


def rank_of(n_out: int, n_in: int, settings: LowRankSettings) -> int:
    """The rank that keeps `share` of the parameters, rounded down to a multiple; 0 where nothing would be saved."""
    rank = int(settings.share * n_out * n_in / (n_out + n_in)) // settings.multiple * settings.multiple
    return rank if rank * (n_out + n_in) < n_out * n_in else 0


def check(shape: ModelShape, settings: LowRankSettings) -> list[str]:
    """Every reason why these settings cannot be followed, from the shape alone."""
    wrong = anatomy.unknown(shape.architecture)
    if shape.architecture in ENCODERS:
        wrong.append(f"low_rank: {shape.architecture} is an encoder; the runtime has factors for decoders only")
    if not 0 < settings.share < 1:
        wrong.append(f"low_rank: share is {settings.share}, between 0 and 1")
    if settings.multiple < _LEAST_RANK:
        wrong.append(f"low_rank: ranks cannot be multiples of {settings.multiple}")
    strange = [part for part in settings.parts if part not in PARTS]
    wrong += [f"low_rank: no parts {part!r}; there are {', '.join(PARTS)}" for part in strange]
    if not settings.parts:
        wrong.append("low_rank: no parts are named")
    if not wrong and "ffn" in settings.parts and not rank_of(shape.n_ff, shape.n_embd, settings):
        wrong.append(
            f"low_rank: {shape.n_ff} x {shape.n_embd} matrices at {settings.share:.0%} would have a rank below "
            f"{settings.multiple}"
        )
    return wrong


def low_rank(
    model: Any,
    settings: LowRankSettings,
    calibration: Calibration,
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> LowRankReport:
    """Replace linear parts of `model` in place by their best approximations of low rank. Raises PlanError.

    Best is what changes the outputs on the calibration text least: the singular vectors are those of W S, where S S^T
    is the second moment of the inputs. Source: Wang et al. 2024, SVD-LLM, section 3.1.
    """
    before = sum(parameter.numel() for parameter in model.parameters())
    chosen = _chosen(model, settings)
    if not chosen:
        raise PlanError("no part is made smaller by factors", reason=f"share = {settings.share} leaves ranks too small")
    moments: dict[str, Tensor] = {}
    for number, name in enumerate(chosen, 1):  # one part of all layers at a time: moments are n_in x n_in
        progress(f"low rank: {name} ({number} of {len(chosen)})")
        moments |= _factor_part(model, name, chosen[name], calibration)
    ranks = {name: rank for name, (rank, _) in chosen.items()}
    errors = {name: float(value) for name, value in moments.items()}
    saved = sum(
        layer.get_submodule(name).weight.numel() - ranks[name] * sum(layer.get_submodule(name).weight.shape)
        for layer in anatomy.layers_of(model)
        for name in ranks
    )
    model.config.low_rank = ranks
    return LowRankReport(ranks, errors, before, before - saved)


def _chosen(model: Any, settings: LowRankSettings) -> dict[str, tuple[int, nn.Module]]:
    """Name of a part in its layer -> its rank, and the first layer's module."""
    known = anatomy.anatomy_of(model).axes
    first = anatomy.layers_of(model)[0]
    found = {}
    for name, axes in known.items():
        kind = "ffn" if anatomy.FFN in axes else "attention"
        if len(axes) != 2 or kind not in settings.parts or anatomy.VOCABULARY in axes or anatomy.FIXED in axes:
            continue
        try:
            module = first.get_submodule(name)
        except AttributeError:
            continue
        n_out, n_in = module.weight.shape
        rank = rank_of(n_out, n_in, settings)
        if rank:
            found[name] = (rank, module)
    return found


def _factor_part(model: Any, name: str, chosen: tuple[int, nn.Module], calibration: Calibration) -> dict[str, Tensor]:
    """Factor one part of every layer; returns its mean relative error."""
    rank, _ = chosen
    modules = [layer.get_submodule(name) for layer in anatomy.layers_of(model)]
    width = modules[0].weight.shape[1]
    sums = [torch.zeros(width, width) for _ in modules]

    def add(index: int, inputs: Tensor) -> None:
        found = rows(inputs).cpu()
        sums[index] += found.T @ found

    run(model, calibration, [watch_input(module, partial(add, index)) for index, module in enumerate(modules)])
    errors = [_replace(module, moment, rank) for module, moment in zip(modules, sums, strict=True)]
    return {name: torch.tensor(errors).mean()}


@torch.no_grad()
def _replace(module: nn.Module, moment: Tensor, rank: int) -> float:
    """Set the weight to its best approximation of that rank; returns the relative error of its outputs."""
    weight = module.weight.detach().double().cpu()
    damped = moment.double()
    damped += _DAMPING * damped.diagonal().mean().clamp_min(1e-12) * torch.eye(len(damped), dtype=torch.float64)
    scale = torch.linalg.cholesky(damped)
    left, values, right = torch.linalg.svd(weight @ scale, full_matrices=False)
    near = (left[:, :rank] * values[:rank]) @ torch.linalg.solve_triangular(
        scale, right[:rank], upper=False, left=False
    )
    module.weight.copy_(near.to(module.weight))
    return float(values[rank:].square().sum().sqrt() / values.square().sum().sqrt().clamp_min(1e-30))
