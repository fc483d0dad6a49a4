"""How much each tensor minds being quantized: KL divergence from the f16 model when it alone is quantized.

Measured with the engine for every tensor (or group) and every type that is asked about, nothing is estimated from the
weights. Refuses to choose: `budget` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeslm.errors import ModelError
from edgeslm_convert.quantize import request as call
from edgeslm_convert.quantize.divergence import Reference
from edgeslm_convert.quantize.ggml import Tensor, TensorTable, TensorType, tensor_type
from edgeslm_convert.quantize.imatrix import ImportanceMatrix
from edgeslm_convert.quantize.plan import make_plan, needs_matrix
from edgeslm_convert.quantize.request import Request

GROUPINGS = ("tensor", "layer", "kind")
# Types whose kernels are fast on small CPUs; the i-types below 4 bits are for who asks for them.
CANDIDATES = ("q2_K", "q3_K", "iq4_xs", "q4_0", "q4_K", "q5_0", "q5_K", "q6_K", "q8_0")
UNCHANGED = "unchanged"
_LAYER = re.compile(r"^(\w+?)\.(\d+)\.(.+)$")
_CARRIER = "Q8_0"  # a quantized file type, without which llama.cpp heeds no override; the overrides cover every tensor


@dataclass(frozen=True)
class Group:
    """Tensors that get their type together, and what one type costs: bytes, and the divergence it alone brings."""

    name: str
    tensors: tuple[Tensor, ...]
    bytes: dict[str, int]  # by type; `UNCHANGED` is one of them
    harm: dict[str, float]  # mean KL by type; 0 unchanged


def quantizable(source: Path) -> tuple[TensorTable, list[Tensor]]:
    """The tensor table of `source`, and what llama.cpp would quantize of it (norms, biases, positions it leaves)."""
    plan = make_plan(source, Request(_CARRIER, pure=True, requantize=True))
    return plan.table, plan.changed


def make_groups(tensors: Sequence[Tensor], grouping: str) -> dict[str, list[Tensor]]:
    """tensor: each by itself; layer: a layer's tensors together; kind: the same place in all layers together."""
    if grouping not in GROUPINGS:
        raise ModelError(f"cannot group by {grouping}", hint=f"group by {', '.join(GROUPINGS)}")
    groups: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        match = _LAYER.match(tensor.name)
        name = tensor.name
        if match and grouping == "layer":
            name = f"{match[1]}.{match[2]}"
        elif match and grouping == "kind":
            name = f"{match[1]}.*.{match[3]}"
        groups.setdefault(name, []).append(tensor)
    return groups


def measure(
    source: Path,
    reference: Reference,
    *,
    imatrix: ImportanceMatrix | None = None,
    candidates: Sequence[str] = CANDIDATES,
    grouping: str = "tensor",
    threads: int = 1,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> list[Group]:
    """The harm of every candidate type to every group of `source`, by `reference`, which was made from `source`.

    Types whose block does not fit a tensor's rows, or that need an importance matrix it has not, are left out for it.
    progress: called with a group's name, measurements done and their number. Raises ModelError.
    """
    kinds = [tensor_type(name) for name in candidates]
    _, tensors = quantizable(source)
    groups = make_groups(tensors, grouping)
    fitting = {name: [kind for kind in kinds if fits(kind, members, imatrix)] for name, members in groups.items()}
    total = sum(map(len, fitting.values()))
    done = 0
    found = []
    with TemporaryDirectory(prefix="edgeslm-sensitivity-") as folder:
        trial = Path(folder) / "trial.gguf"
        for name, members in groups.items():
            harm, size = {UNCHANGED: 0.0}, {UNCHANGED: sum(tensor.bytes_as(tensor.type) for tensor in members)}
            for kind in fitting[name]:
                progress(name, done, total)
                done += 1
                harm[kind.name] = _harm(source, trial, members, kind, tensors, reference, imatrix, threads)
                size[kind.name] = sum(tensor.bytes_as(kind) for tensor in members)
            found.append(Group(name, tuple(members), size, harm))
    progress("", total, total)
    return found


def _harm(
    source: Path,
    trial: Path,
    members: Sequence[Tensor],
    kind: TensorType,
    tensors: Sequence[Tensor],
    reference: Reference,
    imatrix: ImportanceMatrix | None,
    threads: int,
) -> float:
    """Mean KL of the source with `members` as `kind` and all other `tensors` as they are."""
    overrides = {tensor.name: tensor.type.name for tensor in tensors}
    overrides.update({tensor.name: kind.name for tensor in members})
    call.run(source, trial, Request(_CARRIER, imatrix, overrides, requantize=True, threads=threads))
    return max(0.0, reference.compare(trial).mean_kl)


def fits(kind: TensorType, members: Sequence[Tensor], imatrix: ImportanceMatrix | None) -> bool:
    """Whether `kind` is smaller than what `members` are and can be made of all of them."""
    return all(
        tensor.columns % kind.block == 0
        and kind.bits < tensor.type.bits
        and (not needs_matrix(tensor.name, kind) or (imatrix is not None and tensor.name in imatrix.entries))
        for tensor in members
    )
