"""Copies a GGUF with other tensors or metadata, byte for byte where nothing changes, one tensor in memory at a time.

It refuses to compute: tensors are taken as they are stored, of whatever type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy

from edgeslm.errors import ModelError
from edgeslm_convert.place import into_place

# What the writer puts into the header by itself.
_HEADER = ("GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture")


class Source:
    """An opened GGUF: metadata values and tensors by name, read from disk when touched."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError if `path` is no GGUF."""
        try:
            self._reader = gguf.GGUFReader(path)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise ModelError(f"cannot read {path}", reason=str(error) or type(error).__name__) from error
        self.path = path
        self.fields: Mapping[str, Any] = self._reader.fields
        self.tensors: dict[str, Any] = {tensor.name: tensor for tensor in self._reader.tensors}
        self.architecture: str = self.value("general.architecture")

    def value(self, key: str, default: Any = None) -> Any:
        """The value under `key`, in Python's types."""
        field = self.fields.get(key)
        return default if field is None else field.contents()

    @property
    def n_layer(self) -> int:
        """How many layers the model has. Raises ModelError where the file does not say."""
        layers = self.value(f"{self.architecture}.block_count")
        if not isinstance(layers, int):
            raise ModelError(f"{self.path} is no model", reason=f"it has no {self.architecture}.block_count")
        return layers


def copy_file(
    source: Source,
    out: Path,
    *,
    tensors: Iterable[tuple[str, str]],
    change: Callable[[gguf.GGUFWriter], None],
    leave_out: Iterable[str] = (),
    added: Mapping[str, Any] | None = None,
) -> None:
    """Write `out` with the given tensors, (name in `out`, name in `source`), all metadata but `leave_out`, a change.

    added: arrays by name, written after them. A value that `change` writes must be among `leave_out` if the source has
    it. Raises InputError on a full disk.
    """
    skipped = {*_HEADER, *leave_out}
    chosen = [(name, source.tensors[original]) for name, original in tensors]
    with into_place(out) as beside:
        writer = gguf.GGUFWriter(beside, source.architecture)
        for key, field in source.fields.items():
            if key not in skipped:
                kind = field.types[0]
                inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(key, field.contents(), kind, inner)
        change(writer)
        for name, tensor in chosen:
            writer.add_tensor_info(name, tensor.data.shape, tensor.data.dtype, tensor.data.nbytes, tensor.tensor_type)
        more = {name: numpy.ascontiguousarray(data) for name, data in (added or {}).items()}
        for name, data in more.items():
            writer.add_tensor_info(name, data.shape, data.dtype, data.nbytes)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for _, tensor in chosen:
            writer.write_tensor_data(numpy.ascontiguousarray(tensor.data))
        for data in more.values():
            writer.write_tensor_data(data)
        writer.close()
