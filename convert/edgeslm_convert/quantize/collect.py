"""Gathers the importance matrix of a GGUF: llama.cpp evaluates it on calibration tokens, compiled code looks on.

Because the model that is quantized is the model that is run, this holds for every architecture, experts and tied heads
included, with no table of names. Refuses to judge the tokens.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy

from edgeslm.engine.evaluate import Evaluator
from edgeslm.engine.library import load_library
from edgeslm.errors import ModelError
from edgeslm_convert.quantize.imatrix import Entry, ImportanceMatrix


def collect(
    path: Path,
    sequences: Sequence[Sequence[int]],
    *,
    datasets: Sequence[str] = (),
    threads: int | None = None,
    progress: Callable[[int], None] = lambda tokens: None,
) -> ImportanceMatrix:
    """Run the GGUF at `path` over `sequences` of token ids, each read from its beginning, and keep what went in where.

    datasets: what the file of the matrix will name as its origin. progress: called with the tokens of each sequence.
    Raises ModelError if the model cannot be run or there are no tokens.
    """
    if not any(sequences):
        raise ModelError("cannot gather an importance matrix", reason="there are no calibration tokens")
    own = _declared()
    matrix = own.edgeslm_imatrix_init()
    try:
        callback = load_library().llama.ggml_backend_sched_eval_callback(own.edgeslm_imatrix_observe_address)
        longest = max(map(len, sequences))
        with Evaluator(path, n_ctx=longest, threads=threads, observer=(callback, matrix)) as model:
            run = model.embeddings if model.is_encoder else model.logits
            for tokens in sequences:
                run(tokens)
                progress(len(tokens))
        return ImportanceMatrix(_entries(own, matrix), len(sequences), longest, datasets)
    finally:
        own.edgeslm_imatrix_free(matrix)


def _entries(own: Any, matrix: Any) -> dict[str, Entry]:
    entries = {}
    for index in range(own.edgeslm_imatrix_size(matrix)):
        columns, matrices = ctypes.c_int64(), ctypes.c_int64()
        sums = own.edgeslm_imatrix_sums(matrix, index, ctypes.byref(columns), ctypes.byref(matrices))
        shape = (matrices.value, columns.value)
        counts = own.edgeslm_imatrix_counts(matrix, index)
        entries[own.edgeslm_imatrix_name(matrix, index).decode()] = Entry(
            numpy.ctypeslib.as_array(sums, shape).astype(numpy.float32),
            numpy.ctypeslib.as_array(counts, shape[:1]).copy(),
        )
    return entries


def _declared() -> Any:
    """libedgeslm with the signatures of runtime/native/edgeslm_imatrix.h set. Raises ModelError for an older build."""
    own = load_library().own
    pointer, number = ctypes.c_void_p, ctypes.c_int32
    size = ctypes.POINTER(ctypes.c_int64)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "edgeslm_imatrix_init": (pointer, []),
        "edgeslm_imatrix_free": (None, [pointer]),
        "edgeslm_imatrix_size": (number, [pointer]),
        "edgeslm_imatrix_name": (ctypes.c_char_p, [pointer, number]),
        "edgeslm_imatrix_sums": (ctypes.POINTER(ctypes.c_double), [pointer, number, size, size]),
        "edgeslm_imatrix_counts": (size, [pointer, number]),
    }
    try:
        for name, (result, arguments) in signatures.items():
            function = getattr(own, name)
            function.restype, function.argtypes = result, arguments
        own.edgeslm_imatrix_observe_address = ctypes.cast(own.edgeslm_imatrix_observe, pointer).value
    except AttributeError as error:
        raise ModelError(
            "this build cannot gather an importance matrix", reason=str(error), hint="build edgeslm again (`make run`)"
        ) from error
    return own
