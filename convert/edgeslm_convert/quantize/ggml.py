"""What the pinned ggml says of its types and of a GGUF's tensors, read from the library itself through ctypes.

Nothing here is a table of ours: names, block sizes and shapes come from libggml-base, so a new pin needs no change,
and a type that the gguf package does not know yet is read all the same. Refuses to know which type is good for what.
"""

from __future__ import annotations

import ctypes
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.engine.gguf_file import check_header
from edgeslm.engine.library import load_library
from edgeslm.errors import ModelError

ALIGNMENT = 32  # GGUF_DEFAULT_ALIGNMENT, which llama_model_quantize pads to


class _GgufInitParams(ctypes.Structure):
    """gguf_init_params of gguf.h."""

    _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", ctypes.POINTER(ctypes.c_void_p))]


@dataclass(frozen=True)
class TensorType:
    """A type of tensor data. Rows are whole numbers of blocks of `block` numbers that take `block_bytes` together."""

    number: int
    name: str  # as llama.cpp prints it: f16, q4_K, iq3_xxs
    block: int
    block_bytes: int

    def row_bytes(self, columns: int) -> int:
        """Bytes of a row of `columns` numbers, a multiple of the block."""
        return columns // self.block * self.block_bytes

    @property
    def bits(self) -> float:
        """Bits a weight."""
        return 8 * self.block_bytes / self.block


@dataclass(frozen=True)
class Tensor:
    """One tensor of a GGUF; columns is the length of a row, rows of all its matrices together."""

    name: str
    type: TensorType
    columns: int
    rows: int

    @property
    def weights(self) -> int:
        """How many numbers it holds."""
        return self.columns * self.rows

    def bytes_as(self, kind: TensorType) -> int:
        """What it takes in a file when stored as `kind`, padding included."""
        size = self.rows * kind.row_bytes(self.columns)
        return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class TensorTable:
    """The tensors of a GGUF in the order of the file; head_bytes is all that stands before their data."""

    tensors: tuple[Tensor, ...]
    head_bytes: int

    def __getitem__(self, name: str) -> Tensor:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @functools.cached_property
    def _by_name(self) -> dict[str, Tensor]:
        return {tensor.name: tensor for tensor in self.tensors}

    @property
    def weights(self) -> int:
        """How many numbers the file holds."""
        return sum(tensor.weights for tensor in self.tensors)


@functools.cache
def tensor_types() -> dict[str, TensorType]:
    """Every type of the pinned ggml by its lower-case name."""
    base, llama = _base(), load_library().llama
    found = {}
    for number in range(llama.GGML_TYPE_COUNT):
        block, size = base.ggml_blck_size(number), base.ggml_type_size(number)
        if block > 0 and size > 0:  # removed types have none
            name = base.ggml_type_name(number).decode()
            found[name.lower()] = TensorType(number, name, block, size)
    return found


def tensor_type(name: str) -> TensorType:
    """The type of that name, in any case. Raises ModelError that lists the names."""
    try:
        return tensor_types()[name.lower()]
    except KeyError:
        names = ", ".join(kind.name for kind in tensor_types().values())
        raise ModelError(f"no such tensor type: {name}", hint=f"types: {names}") from None


def read_tensors(path: Path) -> TensorTable:
    """The tensor table of the GGUF at `path`; no weight is read. Raises ModelError."""
    check_header(path)
    base = _base()
    context = ctypes.c_void_p()
    handle = base.gguf_init_from_file(os.fsencode(path), _GgufInitParams(True, ctypes.pointer(context)))
    if not handle:
        reason = load_library().take_log().split("\n")[0] or "its tensor table cannot be read"
        raise ModelError(f"cannot read {path}", reason=reason, hint="make or copy the file again")
    try:
        kinds = {kind.number: kind for kind in tensor_types().values()}
        tensors = []
        tensor = base.ggml_get_first_tensor(context)
        while tensor:
            name = base.ggml_get_name(tensor)
            kind = kinds[base.gguf_get_tensor_type(handle, base.gguf_find_tensor(handle, name))]
            rows, weights = base.ggml_nrows(tensor), base.ggml_nelements(tensor)
            tensors.append(Tensor(name.decode(), kind, weights // max(1, rows), rows))
            tensor = base.ggml_get_next_tensor(context, tensor)
        return TensorTable(tuple(tensors), base.gguf_get_data_offset(handle))
    finally:
        base.gguf_free(handle)
        base.ggml_free(context)


@functools.cache
def _base() -> Any:
    """libggml-base, which llama.cpp has loaded already, with the signatures of ggml.h and gguf.h that are used here."""
    folder = load_library().folder
    suffix = ".so" if (folder / "libggml-base.so").exists() else ".dylib"
    base = ctypes.CDLL(str(folder / f"libggml-base{suffix}"))
    number, pointer, text, wide = ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "ggml_blck_size": (wide, [number]),
        "ggml_type_size": (ctypes.c_size_t, [number]),
        "ggml_type_name": (text, [number]),
        "ggml_get_name": (text, [pointer]),
        "ggml_nrows": (wide, [pointer]),
        "ggml_nelements": (wide, [pointer]),
        "ggml_get_first_tensor": (pointer, [pointer]),
        "ggml_get_next_tensor": (pointer, [pointer, pointer]),
        "ggml_free": (None, [pointer]),
        "gguf_init_from_file": (pointer, [text, _GgufInitParams]),
        "gguf_free": (None, [pointer]),
        "gguf_get_data_offset": (ctypes.c_size_t, [pointer]),
        "gguf_find_tensor": (wide, [pointer, text]),
        "gguf_get_tensor_type": (number, [pointer, wide]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(base, name)
        function.restype, function.argtypes = result, arguments
    return base
