"""Muon for the matrices between a model's layers: momentum, made orthogonal (Jordan et al. 2024, "Muon").

torch.optim.Muon makes it orthogonal in bfloat16, which a CPU without instructions for it computes some thirty times
slower; here it is done in the parameters' own precision. Embeddings and vectors are not for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.nn import Embedding, Module, Parameter
from torch.optim import Optimizer

_STEPS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, as its author chose them
_LIKE_ADAM = 0.2  # of an update's root mean square, so that AdamW's rates fit (Liu et al. 2025, "Muon is scalable")


class Muon(Optimizer):
    """Nesterov momentum of each matrix [out, in], orthogonalised, scaled to the size of AdamW's updates."""

    def __init__(
        self, params: Iterable[Parameter], *, lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        """Raises ValueError for a parameter that is no matrix."""
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        if any(one.ndim != 2 for group in self.param_groups for one in group["params"]):
            raise ValueError("Muon is for matrices only")

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._update(matrix, group)
        return loss

    def _update(self, matrix: Tensor, group: dict[str, Any]) -> None:
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        momentum = state["momentum"].lerp_(matrix.grad, 1 - group["momentum"])
        update = orthogonal(torch.lerp(matrix.grad, momentum, group["momentum"]))
        matrix.mul_(1 - group["lr"] * group["weight_decay"])
        matrix.add_(update, alpha=-group["lr"] * _LIKE_ADAM * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the orthogonal matrix nearest to it, by five Newton-Schulz steps: singular values of about 0.7 to 1.2."""
    tall = matrix.shape[0] > matrix.shape[1]
    found = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    first, third, fifth = _COEFFICIENTS
    for _ in range(_STEPS):
        square = found @ found.T
        found = first * found + (third * square + fifth * (square @ square)) @ found
    return found.T if tall else found


def matrices(module: Module) -> list[Parameter]:
    """The trained matrices that are no embedding, nor a head tied to one."""
    tables = {id(one.weight) for one in module.modules() if isinstance(one, Embedding)}
    return [one for one in module.parameters() if one.requires_grad and one.ndim == 2 and id(one) not in tables]
