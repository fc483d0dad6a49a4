"""Variants of tiny GGUF files: tensors dropped, added or renamed, metadata added. For tests of loaders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy


def rewrite(
    source: Path,
    out: Path,
    *,
    drop: Callable[[str], bool] = lambda name: False,
    tensors: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
) -> Path:
    """Write `out` as `source` without the tensors that `drop` names, with `tensors` (float32) and `arrays` added."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), field.types[0], inner)
    for key, value in (arrays or {}).items():
        writer.add_key_value(key, value, *_kind(value))
    replaced = tensors or {}
    for tensor in reader.tensors:
        if not drop(tensor.name) and tensor.name not in replaced:
            writer.add_tensor(tensor.name, numpy.array(tensor.data), raw_dtype=tensor.tensor_type)
    for name, data in replaced.items():
        writer.add_tensor(name, numpy.ascontiguousarray(data, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def tensor(path: Path, name: str) -> Any:
    """The float32 values of one tensor."""
    found = next(found for found in gguf.GGUFReader(path).tensors if found.name == name)
    return numpy.array(found.data)


def tensor_names(path: Path) -> list[str]:
    """The names of all tensors."""
    return [tensor.name for tensor in gguf.GGUFReader(path).tensors]


def copy_layers(source: Path, out: Path, sharing: list[int], *, keep: str = "") -> Path:
    """Write `out` as `source` with each layer's tensors replaced by copies of the layer named in `sharing`.

    Tensors whose name contains `keep` stay the layer's own.
    """
    values = {}
    for name in tensor_names(source):
        if name.startswith("blk.") and not (keep and keep in name):
            layer, kind = name.split(".", 2)[1:]
            values[name] = tensor(source, f"blk.{sharing[int(layer)]}.{kind}")
    return rewrite(source, out, tensors=values)


def _kind(value: Any) -> tuple[Any, Any]:
    if isinstance(value, list):
        inner = gguf.GGUFValueType.FLOAT32 if isinstance(value[0], float) else gguf.GGUFValueType.INT32
        return gguf.GGUFValueType.ARRAY, inner
    return gguf.GGUFValueType.INT32, None
