"""One call of llama_model_quantize: its settings as a dataclass, as llama.cpp's struct, and its log while it runs.

Refuses to know what is a good choice. llama.cpp says what it will do only in its log: it is kept whole during a call.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

from edgeslm.engine.library import load_library
from edgeslm.errors import ModelError
from edgeslm_convert.quantize.file_types import file_type
from edgeslm_convert.quantize.ggml import tensor_type
from edgeslm_convert.quantize.imatrix import ImportanceMatrix

EVERY_OTHER = ".*"


@dataclass(frozen=True)
class Request:
    """What to make of a GGUF.

    type: a file type's name. overrides: tensor name -> tensor type, instead of the file type's choice; `EVERY_OTHER`
    stands for all tensors not named. pure: the file type's default tensor type everywhere, no mixture.
    requantize: take a source that is quantized already. threads: to quantize with.
    """

    type: str
    imatrix: ImportanceMatrix | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    pure: bool = False
    requantize: bool = False
    threads: int = 1


def run(source: Path, out: Path, request: Request, *, dry: bool = False) -> str:
    """Let llama.cpp do it and return its whole log. dry: only plan, `out` is not written. Raises ModelError."""
    library = load_library()
    params, kept = _params(library.llama, request)
    params.dry_run = dry
    with _kept_log(library) as log:
        status = library.llama.llama_model_quantize(os.fsencode(source), os.fsencode(out), params)
    del kept
    text = "".join(log)
    if status != 0:
        reason = _failure(text)
        hint = "see if the disk is full" if "iostream" in reason else ""
        raise ModelError(f"cannot quantize {source} to {request.type}", reason=reason, hint=hint)
    return text


def _params(llama: Any, request: Request) -> tuple[Any, list[Any]]:
    """The struct, and what must live as long as it does."""
    params = llama.llama_model_quantize_default_params()
    params.ftype = file_type(request.type)
    params.nthread = request.threads
    params.pure = request.pure
    params.allow_requantize = request.requantize
    kept: list[Any] = []
    if request.overrides:
        rules = [
            llama.llama_model_tensor_override(_pattern(name).encode(), tensor_type(kind).number)
            for name, kind in sorted(request.overrides.items(), key=lambda item: item[0] == EVERY_OTHER)
        ]
        params.tt_overrides = _array(llama.llama_model_tensor_override, rules, kept)
    if request.imatrix:
        data = []
        for name, entry in request.imatrix.entries.items():
            means = entry.mean_squares()
            kept.append(means)
            pointer = means.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            data.append(llama.llama_model_imatrix_data(name.encode(), pointer, numpy.size(means)))
        params.imatrix = _array(llama.llama_model_imatrix_data, data, kept)
    return params, kept


def _array(kind: Any, items: list[Any], kept: list[Any]) -> Any:
    """A C array that ends with a zeroed item, as llama.cpp wants it."""
    array = (kind * (len(items) + 1))(*items)
    kept += [array, *items]
    return array


def _pattern(name: str) -> str:
    """An ECMAScript regular expression for exactly this tensor."""
    return name if name == EVERY_OTHER else f"^{re.escape(name)}$"


@contextmanager
def _kept_log(library: Any) -> Iterator[list[str]]:
    """All that llama.cpp logs meanwhile; afterwards the engine listens again."""
    lines: list[str] = []

    @library.llama.llama_log_callback
    def keep(level: int, text: bytes, data: Any) -> None:
        lines.append(text.decode("utf-8", "replace"))

    library.llama.llama_log_set(keep, None)
    try:
        yield lines
    finally:
        library.own.edgeslm_log_collect(os.environ.get("EDGESLM_LOG", "") not in ("", "0"))


def _failure(log: str) -> str:
    found = re.findall(r"failed to quantize: (.*)", log)
    return found[-1].strip() if found else "llama.cpp gave no reason"
