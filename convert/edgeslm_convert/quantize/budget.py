"""Chooses a type for every tensor so that the file keeps a size and the measured harm is least.

Harms of single tensors are added up, which holds while they are small; so the mixture is measured as a whole against
the file types that fit the same size, and the best of them is what is written. Refuses to write more bytes than that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.quantize.apply import Quantized, write
from edgeslm_convert.quantize.divergence import Divergence, Reference
from edgeslm_convert.quantize.file_types import default_tensor_type, file_types
from edgeslm_convert.quantize.ggml import tensor_type
from edgeslm_convert.quantize.imatrix import ImportanceMatrix
from edgeslm_convert.quantize.plan import Plan, make_plan
from edgeslm_convert.quantize.request import Request
from edgeslm_convert.quantize.sensitivity import CANDIDATES, UNCHANGED, Group, fits, measure, quantizable
from edgeslm_convert.quantize.vocabulary import Vocabulary

MIXTURE = "by sensitivity"
_RIVALS = 2  # file types measured against the mixture: those nearest below the size
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True)
class Considered:
    """One way to keep the size: its name, the file's bytes, and how far it is from the reference."""

    name: str
    file_bytes: int
    bits: float  # a weight
    divergence: Divergence


@dataclass(frozen=True)
class Fitted:
    """The file that was written, how it was chosen, everything that was considered, and every tensor's sensitivity."""

    quantized: Quantized
    chosen: str
    considered: tuple[Considered, ...]
    groups: tuple[Group, ...]

    @property
    def divergence(self) -> Divergence:
        """Of the file that was written."""
        return next(one.divergence for one in self.considered if one.name == self.chosen)


def quantize_to_size(
    source: Path,
    out: Path,
    target_bytes: int,
    reference: Reference,
    *,
    imatrix: ImportanceMatrix | None = None,
    candidates: Sequence[str] = CANDIDATES,
    grouping: str = "tensor",
    threads: int = 1,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> Fitted:
    """Write `source` (f16, bf16 or f32) to `out` in at most `target_bytes`, as near to `reference` as can be.

    reference: of `source`, on calibration tokens. For candidates and grouping see `sensitivity.measure`.
    Raises ModelError if no choice is that small; nothing then bears the name `out` that did not before.
    """
    Vocabulary(source)
    _check_target(source, target_bytes, imatrix, candidates)
    groups = measure(
        source,
        reference,
        imatrix=imatrix,
        candidates=candidates,
        grouping=grouping,
        threads=threads,
        progress=progress,
    )
    rivals = [(name, Request(name, imatrix, threads=threads)) for name in _rivals(source, target_bytes, imatrix)]
    fixed = _fixed_bytes(source, groups)
    choice = choose(groups, target_bytes - fixed)
    ways = [(MIXTURE, mixture_request(groups, choice, imatrix, threads)), *rivals]
    considered = []
    with TemporaryDirectory(prefix="edgeslm-fit-") as folder:
        for index, (name, request) in enumerate(ways):
            found = write(make_plan(source, request), request, Path(folder) / f"{index}.gguf")
            considered.append(Considered(name, found.file_bytes, found.bits_per_weight, reference.compare(found.path)))
    chosen, request = ways[min(range(len(ways)), key=lambda index: considered[index].divergence.mean_kl)]
    plan = make_plan(source, request)
    if plan.file_bytes > target_bytes:
        raise ModelError(f"{source} came out larger than {target_bytes:,} bytes", reason=f"{plan.file_bytes:,} bytes")
    return Fitted(write(plan, request, out), chosen, tuple(considered), tuple(groups))


def choose(groups: Sequence[Group], budget: int) -> dict[str, str]:
    """A type by group name: the least sum of harms within `budget` bytes. Raises ModelError if nothing fits.

    Greedy along the lower convex hull of each group's (bytes, harm), which is the optimum of the relaxed knapsack; what
    is left over then buys single steps off the hull.
    """
    hulls = {group.name: lower_hull(group) for group in groups}
    chosen = {group.name: hulls[group.name][0] for group in groups}
    left = budget - sum(group.bytes[chosen[group.name]] for group in groups)
    if left < 0:
        raise ModelError(
            "the model cannot be made that small",
            reason=f"its smallest types take {budget - left:,} bytes and {budget:,} are left for them",
            hint="allow smaller types (--candidates), or prune the model",
        )
    steps = [
        (group, hulls[group.name][place], hulls[group.name][place + 1])
        for group in groups
        for place in range(len(hulls[group.name]) - 1)
    ]
    steps.sort(key=lambda step: _gain(*step), reverse=True)
    for group, before, after in steps:
        cost = group.bytes[after] - group.bytes[before]
        if chosen[group.name] == before and cost <= left:
            chosen[group.name] = after
            left -= cost
    _spend_rest(groups, chosen, left)
    return chosen


def lower_hull(group: Group) -> list[str]:
    """The types worth having: from the smallest on, each the best gain a byte from the one before it."""
    names = sorted(group.bytes, key=lambda name: (group.bytes[name], group.harm[name]))
    hull = [names[0]]
    rest = names[1:]
    while True:
        better = [
            name
            for name in rest
            if group.harm[name] < group.harm[hull[-1]] and group.bytes[name] > group.bytes[hull[-1]]
        ]
        if not better:
            return hull
        hull.append(max(better, key=lambda name: _gain(group, hull[-1], name)))


def mixture_request(
    groups: Sequence[Group], choice: Mapping[str, str], imatrix: ImportanceMatrix | None, threads: int = 1
) -> Request:
    """The request that gives every tensor its chosen type; the file type is named after what most weights are."""
    overrides = {
        tensor.name: tensor.type.name if choice[group.name] == UNCHANGED else choice[group.name]
        for group in groups
        for tensor in group.tensors
    }
    weights: Counter[str] = Counter()
    for group in groups:
        weights[choice[group.name]] += sum(tensor.weights for tensor in group.tensors)
    most = weights.most_common(1)[0][0]
    # Not Q2_K_S, which would ask for an importance matrix for each q2_K; and llama.cpp heeds overrides only where the
    # file type is a quantized one.
    names = [name for name in file_types() if default_tensor_type(name).name == most and name != "Q2_K_S"]
    usable = [name for name in names if default_tensor_type(name).block > 1]
    return Request(usable[0] if usable else "Q8_0", imatrix, overrides, threads=threads)


def parse_bytes(text: str) -> int:
    """Bytes of a text like 3.2MB, 900 kB, 4MiB or 123456. Raises InputError."""
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = text.strip()[len(number) :].strip().lower()
    try:
        found = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        found = 0
    if found <= 0:
        raise InputError(f"{text!r} is no size", hint="write 3.2MB, 900kB, 4MiB or a number of bytes")
    return found


def _gain(group: Group, before: str, after: str) -> float:
    """Harm spared a byte."""
    return (group.harm[before] - group.harm[after]) / max(1, group.bytes[after] - group.bytes[before])


def _spend_rest(groups: Sequence[Group], chosen: dict[str, str], left: int) -> None:
    """Buy what the rest still pays for, the largest gain first."""
    while True:
        offers = [
            (group.harm[chosen[group.name]] - group.harm[name], group.bytes[name], group, name)
            for group in groups
            for name in group.bytes
            if group.harm[name] < group.harm[chosen[group.name]]
            and group.bytes[name] - group.bytes[chosen[group.name]] <= left
        ]
        if not offers:
            return
        _, _, group, name = max(offers, key=lambda offer: (offer[0], -offer[1]))
        left -= group.bytes[name] - group.bytes[chosen[group.name]]
        chosen[group.name] = name


def _fixed_bytes(source: Path, groups: Sequence[Group]) -> int:
    """What the file takes beside the tensors that have a choice."""
    plan: Plan = make_plan(source, Request("Q8_0", pure=True))
    chosen = {tensor.name for group in groups for tensor in group.tensors}
    return plan.file_bytes - sum(
        tensor.bytes_as(plan.types[tensor.name]) for tensor in plan.table.tensors if tensor.name in chosen
    )


def _check_target(source: Path, target: int, imatrix: ImportanceMatrix | None, candidates: Sequence[str]) -> None:
    """Say at once, before hours of measuring, that no choice is small enough."""
    table, tensors = quantizable(source)
    kinds = [tensor_type(name) for name in candidates]
    least = table.head_bytes + sum(tensor.bytes_as(tensor.type) for tensor in table.tensors)
    for tensor in tensors:
        sizes = [tensor.bytes_as(kind) for kind in kinds if fits(kind, [tensor], imatrix)]
        least -= tensor.bytes_as(tensor.type) - min([*sizes, tensor.bytes_as(tensor.type)])
    if least > target:
        raise ModelError(
            f"{source} cannot be made as small as {target:,} bytes",
            reason=f"with the smallest of {', '.join(kind.name for kind in kinds)} it takes {least:,}",
            hint="allow smaller types (--candidates; those below 3 bits need --calibration), or prune the model",
        )


def _rivals(source: Path, target: int, imatrix: ImportanceMatrix | None) -> list[str]:
    """The largest file types that keep the size, with llama.cpp's own mixtures."""
    sizes = {}
    for name in file_types():
        try:
            plan = make_plan(source, Request(name, imatrix))
        except ModelError:  # needs an importance matrix
            continue
        if plan.file_bytes <= target and default_tensor_type(name).block > 1:
            sizes[name] = plan.file_bytes
    return sorted(sizes, key=lambda name: -sizes[name])[:_RIVALS]
