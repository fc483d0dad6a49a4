"""What every tensor of a GGUF will become, before any work: llama.cpp's own dry run, read back.

A row that is no multiple of a type's block makes llama.cpp choose another type silently; here each such tensor is
named, and every other reason why the work would fail, at once. Refuses to choose types.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edgeslm.errors import ModelError
from edgeslm_convert.quantize import request as call
from edgeslm_convert.quantize.ggml import ALIGNMENT, Tensor, TensorTable, TensorType, read_tensors, tensor_type
from edgeslm_convert.quantize.request import EVERY_OTHER, Request

_LINE = re.compile(
    r"^\[\s*\d+/\s*\d+\] (?P<name>\S+)\s+- \[[^]]*\], type =\s*(?P<was>\w+), size =.*?MiB(?: -> .*?\((?P<now>\w+)\))?$",
    re.MULTILINE,
)
_FALLBACK = re.compile(
    r"warning: (?P<name>\S+)\s+- ncols\s+(?P<columns>\d+) not divisible by\s+(?P<block>\d+) "
    r"\(required for type\s+(?P<wanted>\w+)\).*?-> falling back to\s+(?P<used>\w+)"
)
# Types that are worth nothing without an importance matrix (tensor_requires_imatrix of the pinned source); embedding
# and head may do without. Q2_K only as part of Q2_K_S.
_NEED_MATRIX = ("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs")
_NEVER_NEED_MATRIX = ("token_embd.weight", "per_layer_token_embd.weight", "output.weight")
# Metadata that quantizing adds where the source lacks it: two keys with their numbers, at most this long together.
_ADDED_HEAD_BYTES = 96


@dataclass(frozen=True)
class Fallback:
    """A tensor that cannot have the type it should have, because its rows are no whole number of blocks."""

    name: str
    columns: int
    block: int
    wanted: str
    used: str

    def to_text(self) -> str:
        """One line for a person."""
        shape = f"rows of {self.columns} are no multiple of {self.block}"
        return f"{self.name}: {shape}: {self.used} instead of {self.wanted}"


@dataclass(frozen=True)
class Plan:
    """The type of every tensor of the file to be, in the file's order, and how large it will be (a few bytes less)."""

    source: Path
    table: TensorTable
    types: dict[str, TensorType]
    fallbacks: tuple[Fallback, ...]

    @property
    def file_bytes(self) -> int:
        """Size of the file, from above."""
        data = sum(tensor.bytes_as(self.types[tensor.name]) for tensor in self.table.tensors)
        return -(-(self.table.head_bytes + _ADDED_HEAD_BYTES) // ALIGNMENT) * ALIGNMENT + data

    @property
    def bits_per_weight(self) -> float:
        """Over all tensors, metadata aside."""
        return 8 * sum(tensor.bytes_as(self.types[tensor.name]) for tensor in self.table.tensors) / self.table.weights

    @property
    def changed(self) -> list[Tensor]:
        """The tensors whose type changes."""
        return [tensor for tensor in self.table.tensors if self.types[tensor.name] != tensor.type]

    def summary(self) -> str:
        """`34 q4_K, 7 q6_K, 19 f32`: how many tensors of each type, the most bits last."""
        counts = Counter(self.types.values())
        return ", ".join(f"{counts[kind]} {kind.name}" for kind in sorted(counts, key=lambda kind: kind.bits))


def make_plan(source: Path, request: Request) -> Plan:
    """Ask llama.cpp what it would make of `source`. Raises ModelError that names everything that cannot be done."""
    table = read_tensors(source)
    _check(source, table, request)
    log = call.run(source, source, request, dry=True)
    types = {
        match["name"]: tensor_type(match["now"]) if match["now"] else table[match["name"]].type
        for match in _LINE.finditer(log)
    }
    if unplanned := [tensor.name for tensor in table.tensors if tensor.name not in types]:
        raise ModelError(
            f"cannot plan for {source}",
            reason=f"llama.cpp's dry run does not speak of {', '.join(unplanned[:5])}",
            hint="this llama.cpp is not the pinned one; see `edgeslm doctor`",
        )
    fallbacks = tuple(
        Fallback(match["name"], int(match["columns"]), int(match["block"]), match["wanted"], match["used"])
        for match in _FALLBACK.finditer(log)
    )
    plan = Plan(source, table, types, fallbacks)
    _check_plan(plan, request)
    return plan


def needs_matrix(name: str, kind: TensorType, file_type: str = "") -> bool:
    """Whether llama.cpp refuses to make `kind` of the tensor of that name without an importance matrix."""
    if name in _NEVER_NEED_MATRIX:
        return False
    return kind.name in _NEED_MATRIX or (kind.name == "q2_K" and file_type.upper() == "Q2_K_S")


def _check(source: Path, table: TensorTable, request: Request) -> None:
    """Everything that can be said without llama.cpp, all of it at once."""
    reasons = [
        f"{name} is not a tensor of it" for name in request.overrides if name != EVERY_OTHER and name not in table
    ]
    for kind in request.overrides.values():
        try:
            tensor_type(kind)
        except ModelError as error:
            reasons.append(error.message)
    if reasons:
        raise ModelError(f"cannot quantize {source} in this way", reason="; ".join(dict.fromkeys(reasons)))
    if request.imatrix:
        request.imatrix.check(table, source)


def _check_plan(plan: Plan, request: Request) -> None:
    """What llama.cpp would stumble over one at a time, in the midst of the work."""
    entries = request.imatrix.entries if request.imatrix else {}
    needing = [
        tensor.name
        for tensor in plan.changed
        if tensor.name not in entries and needs_matrix(tensor.name, plan.types[tensor.name], request.type)
    ]
    if needing:
        raise ModelError(
            f"cannot quantize {plan.source} to {request.type}",
            reason=f"these types need an importance matrix, and there is none for {', '.join(needing)}",
            hint="give a calibration text (--calibration) or an importance matrix (--imatrix)",
        )
    quantized = [f"{tensor.name} is {tensor.type.name}" for tensor in plan.changed if tensor.type.block > 1]
    if quantized and not request.requantize:
        raise ModelError(
            f"cannot quantize {plan.source} again",
            reason="; ".join(quantized),
            hint="start from the f16 or f32 file; --requantize quantizes what is quantized, and loses more",
        )
