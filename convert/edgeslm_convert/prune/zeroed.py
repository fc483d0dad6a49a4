"""For comparison only: unstructured and row-wise zeros, as the reference study set them. Nothing gets smaller.

The zeros are stored and multiplied like every other number; the report says so in figures. Real pruning is in `depth`,
`width` and `vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.utils import prune

METHODS = ("l1_unstructured", "l2_rows")


@dataclass(frozen=True)
class ZeroedSettings:
    """The study's: 0.10 with "l1_unstructured" for TinyLlama, 0.15 with "l2_rows" for StarCoder."""

    amount: float = 0.10
    method: str = "l1_unstructured"


@dataclass(frozen=True)
class ZeroedReport:
    """How many weights became zero, and that the model has as many parameters as before."""

    method: str
    amount: float
    linears: int
    zeros_before: int
    zeros_after: int
    parameters_before: int
    parameters_after: int

    def to_text(self) -> str:
        """One line for a person."""
        return (
            f"{self.zeros_after - self.zeros_before:,} weights of {self.linears} linear layers set to zero; "
            f"parameters unchanged: {self.parameters_after:,}"
        )


def check(settings: ZeroedSettings) -> list[str]:
    """Every reason why these settings cannot be followed."""
    wrong = []
    if settings.method not in METHODS:
        wrong.append(f"zeroed: no method {settings.method!r}; there are {', '.join(METHODS)}")
    if not 0 < settings.amount < 1:
        wrong.append(f"zeroed: amount = {settings.amount} is not between 0 and 1")
    return wrong


def set_zeros(model: Any, settings: ZeroedSettings) -> ZeroedReport:
    """Set weights of every linear layer of `model` to zero, in place and for good.

    A head that is tied takes its embedding with it, as it does in torch's own pruning.
    """
    before, zeros = _count(model)
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for linear in linears:
        if settings.method == "l1_unstructured":
            prune.l1_unstructured(linear, "weight", amount=settings.amount)
        else:
            prune.ln_structured(linear, "weight", amount=settings.amount, n=2, dim=0)
        prune.remove(linear, "weight")
    after, zeros_after = _count(model)
    return ZeroedReport(settings.method, settings.amount, len(linears), zeros, zeros_after, before, after)


def _count(model: Any) -> tuple[int, int]:
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(int((p == 0).sum()) for p in parameters)
