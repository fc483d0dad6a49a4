"""How many weights a GGUF holds, and how many bytes of them the runtime reads to write one token.

An embedding table that is not also the head is looked up by the row and not counted; layers that share weights are read
as often as they are computed; behind an exit nothing is read but the head. Refuses to measure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeslm.engine.gguf_metadata import read_metadata
from edgeslm_convert.quantize.ggml import Tensor, read_tensors

_LAYER = re.compile(r"blk\.(\d+)\.(.+)")
_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
_LOOKED_UP = (_EMBEDDING, "position_embd.weight")


@dataclass(frozen=True)
class Weights:
    """parameters: stored in the file. Of one token: bytes as stored, and how many numbers those are."""

    parameters: int
    bytes_a_token: int
    numbers_a_token: int


@functools.cache
def weights_of(path: Path, exit_layer: int = 0) -> Weights:
    """Reckoned from the names, types and sizes of the file's tensors. Raises ModelError if it is no GGUF."""
    tensors, metadata = read_tensors(path), read_metadata(path)
    architecture = metadata["general.architecture"]
    layers = metadata[f"{architecture}.block_count"]
    sharing = metadata.get(f"{architecture}.layer_sharing") or list(range(layers))
    read = list(_read(tensors.tensors, sharing[: exit_layer or layers]))
    return Weights(
        parameters=tensors.weights,
        bytes_a_token=sum(tensor.rows * tensor.type.row_bytes(tensor.columns) for tensor in read),
        numbers_a_token=sum(tensor.weights for tensor in read),
    )


def _read(tensors: Sequence[Tensor], sharing: Sequence[int]) -> Iterator[Tensor]:
    """The tensors read for one token, those of shared layers again for each layer of `sharing`."""
    by_layer: dict[int, dict[str, Tensor]] = {}
    has_head = any(tensor.name == _HEAD for tensor in tensors)
    for tensor in tensors:
        if match := _LAYER.fullmatch(tensor.name):
            by_layer.setdefault(int(match[1]), {})[match[2]] = tensor
        elif tensor.name not in _LOOKED_UP or (tensor.name == _EMBEDDING and not has_head):
            yield tensor
    for layer, source in enumerate(sharing):
        yield from {**by_layer.get(source, {}), **by_layer.get(layer, {})}.values()
