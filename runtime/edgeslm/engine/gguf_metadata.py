"""Reads a GGUF's metadata without llama.cpp: plans are made before anything is loaded.

Invariant: nothing behind the metadata is read, and a damaged header raises ModelError, whatever its lengths claim.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from edgeslm.engine.gguf_file import check_header
from edgeslm.errors import ModelError

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_LONGEST_KEPT = 4096  # entries of an array: layers are counted in hundreds, vocabularies in ten thousands


def read_metadata(path: Path) -> dict[str, Any]:
    """Key -> number, truth value, text or list of these. Arrays of texts and long arrays are passed over."""
    check_header(path)
    found: dict[str, Any] = {}
    try:
        with path.open("rb") as file:
            file.seek(16)
            for _ in range(_scalar(file, "<Q")):
                key = _text(file)
                value = _value(file, _scalar(file, "<I"))
                if value is not None:
                    found[key] = value
    except (struct.error, ValueError, OverflowError, MemoryError) as error:
        raise ModelError(f"the metadata of {path} is damaged", reason=str(error)) from error
    return found


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        inner, length = _scalar(file, "<I"), _scalar(file, "<Q")
        return _array(file, inner, length)
    return _scalar(file, _layout(kind))


def _array(file: BinaryIO, inner: int, length: int) -> list[Any] | None:
    if inner == _STRING:
        for _ in range(length):
            _skip(file, _scalar(file, "<Q"))
        return None
    layout = _layout(inner)
    size = struct.calcsize(layout)
    if length > _LONGEST_KEPT:
        _skip(file, size * length)
        return None
    return [number for (number,) in struct.iter_unpack(layout, _bytes(file, size * length))]


def _layout(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"there is no value type {kind}")
    return _SCALARS[kind]


def _scalar(file: BinaryIO, layout: str) -> Any:
    return struct.unpack(layout, _bytes(file, struct.calcsize(layout)))[0]


def _text(file: BinaryIO) -> str:
    return _bytes(file, _scalar(file, "<Q")).decode("utf-8", "replace")


def _bytes(file: BinaryIO, size: int) -> bytes:
    if size > 1 << 26:
        raise ValueError(f"a value claims {size} bytes")
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the file ends within it")
    return data


def _skip(file: BinaryIO, size: int) -> None:
    if size:
        file.seek(size - 1, 1)
        _bytes(file, 1)
