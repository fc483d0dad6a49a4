"""A GGUF whose layers share weights: written from one that holds them all, and written out again for other runtimes.

Sharing costs nothing here: only tensors that are byte for byte the same are dropped, so a shared file computes exactly
what the file with the copies does. Making layers the same is the work of `tie`. It refuses to know torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy

from edgeslm.errors import ModelError, PlanError
from edgeslm_convert.share import sharing as arrays
from edgeslm_convert.share.gguf_copy import Source, copy_file

_LAYER = re.compile(r"blk\.(\d+)\.(.+)")
_DESCRIPTION = "general.description"
# llama.cpp's log shows the first 37 characters of it above its complaint about a missing tensor.
_NOTE = (
    "Shared layers: run edgeslm unshare. Layers share weights as {key} says, "
    "which llama.cpp reads with edgeslm's patches only."
)


@dataclass(frozen=True)
class ShareResult:
    """What sharing did to a file."""

    layer_sharing: list[int]
    bytes_before: int
    bytes_after: int
    tensors_dropped: int


def share_file(source: Path, out: Path, sharing: Sequence[int]) -> ShareResult:
    """Write `out` without the tensors that a layer has in common with the layer it shares with.

    A layer keeps those that differ (norms of its own, say). Raises PlanError for an array that the runtime would
    refuse, and where a layer has nothing in common with the one it is to share.
    """
    file = Source(source)
    key = arrays.KEY.format(architecture=file.architecture)
    wrong = arrays.problems(sharing, file.n_layer)
    if key in file.fields:
        wrong.append("its layers share weights already")
    if wrong:
        raise PlanError(f"cannot share layers of {source}", reason="; ".join(wrong))
    dropped = {name for name in file.tensors if _is_copy(file, name, sharing)}
    alone = [layer for layer, of in enumerate(sharing) if of != layer and not _belongs(dropped, layer)]
    if alone:
        raise PlanError(
            f"cannot share layers of {source}",
            reason=f"layer {alone[0]} has no tensor in common with layer {sharing[alone[0]]}",
            hint="tie the layers first (`edgeslm share` on the checkpoint), and quantize after sharing, not before",
        )

    def add_array(writer: gguf.GGUFWriter) -> None:
        writer.add_array(key, [int(layer) for layer in sharing])
        writer.add_description(_NOTE.format(key=key))

    names = [(name, name) for name in file.tensors if name not in dropped]
    copy_file(file, out, tensors=names, change=add_array, leave_out=[_DESCRIPTION])
    return ShareResult(list(sharing), source.stat().st_size, out.stat().st_size, len(dropped))


def unshare_file(source: Path, out: Path) -> ShareResult:
    """Write `out` with every layer's weights written out, for runtimes that know nothing of sharing.

    Raises ModelError if `source` shares nothing or its array is damaged.
    """
    file = Source(source)
    key = arrays.KEY.format(architecture=file.architecture)
    sharing = file.value(key)
    if sharing is None:
        raise ModelError(f"{source} shares no layers", reason=f"it has no {key}", hint="it is a plain GGUF already")
    sharing = [int(layer) for layer in sharing] if isinstance(sharing, list) else []
    wrong = arrays.problems(sharing, file.n_layer)
    if wrong:
        raise ModelError(f"cannot write out the layers of {source}", reason="; ".join(wrong))
    names = _written_out(file, sharing)
    described = file.value(_DESCRIPTION, "") == _NOTE.format(key=key)
    left_out = [key, _DESCRIPTION] if described else [key]
    copy_file(file, out, tensors=names, change=lambda writer: None, leave_out=left_out)
    added = len(names) - len(file.tensors)
    return ShareResult(sharing, source.stat().st_size, out.stat().st_size, -added)


def _is_copy(file: Source, name: str, sharing: Sequence[int]) -> bool:
    """Whether the tensor is that of the layer this one shares with, in every byte."""
    match = _LAYER.fullmatch(name)
    if not match or sharing[int(match[1])] == int(match[1]):
        return False
    original = file.tensors.get(f"blk.{sharing[int(match[1])]}.{match[2]}")
    return original is not None and _is_same(file.tensors[name], original)


def _is_same(one: Any, other: Any) -> bool:
    return one.tensor_type == other.tensor_type and numpy.array_equal(
        one.data.view(numpy.uint8), other.data.view(numpy.uint8)
    )


def _belongs(names: set[str], layer: int) -> bool:
    return any(name.startswith(f"blk.{layer}.") for name in names)


def _written_out(file: Source, sharing: Sequence[int]) -> list[tuple[str, str]]:
    """(name in the plain file, name in the shared one), the layers in order."""
    of_layer: dict[int, list[str]] = {}
    names: list[tuple[str, str]] = []
    for name in file.tensors:
        match = _LAYER.fullmatch(name)
        if match:
            of_layer.setdefault(int(match[1]), []).append(match[2])
        else:
            names.append((name, name))
    for layer, source in enumerate(sharing):
        own = of_layer.get(layer, [])
        names += [(f"blk.{layer}.{kind}", f"blk.{layer}.{kind}") for kind in own]
        if source != layer:
            lacking = [kind for kind in of_layer.get(source, []) if kind not in own]
            names += [(f"blk.{layer}.{kind}", f"blk.{source}.{kind}") for kind in lacking]
    return names
