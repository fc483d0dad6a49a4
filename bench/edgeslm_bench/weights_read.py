"""How many weights a GGUF holds, and how many bytes of them the runtime reads to write one token.

An embedding table that is not also the head is looked up by the row and not counted; layers that share weights are read
as often as they are computed; behind an exit nothing is read but the head. Refuses to measure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm_convert.share.gguf_copy import Source

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
    file = Source(path)
    read = list(_read(file, exit_layer or file.n_layer))
    return Weights(
        parameters=sum(int(tensor.n_elements) for tensor in file.tensors.values()),
        bytes_a_token=sum(int(tensor.n_bytes) for tensor in read),
        numbers_a_token=sum(int(tensor.n_elements) for tensor in read),
    )


def _read(file: Source, layers: int) -> Iterator[Any]:
    """The tensors read for one token, those of shared layers again for each layer."""
    by_layer: dict[int, dict[str, Any]] = {}
    for name, tensor in file.tensors.items():
        if match := _LAYER.fullmatch(name):
            by_layer.setdefault(int(match[1]), {})[match[2]] = tensor
        elif name not in _LOOKED_UP or (name == _EMBEDDING and _HEAD not in file.tensors):
            yield tensor
    sharing = file.value(f"{file.architecture}.layer_sharing") or range(file.n_layer)
    for layer in range(layers):
        yield from {**by_layer.get(int(sharing[layer]), {}), **by_layer.get(layer, {})}.values()
