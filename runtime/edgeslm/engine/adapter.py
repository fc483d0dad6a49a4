"""LoRA adapters: a small GGUF that is added to a loaded model's weights as it computes.

It refuses to make or to merge one. Invariant: a file that is no adapter of this model raises ModelError, it never ends
the process.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from edgeslm.engine.gguf_file import check_header
from edgeslm.engine.library import REINSTALL, Library, first_reason
from edgeslm.errors import ModelError


def load_adapter(library: Library, handle: Any, path: Path) -> Any:
    """The adapter at `path` for the model `handle`, with which it is freed. To be loaded before the context is made.

    Raises ModelError with llama.cpp's reason.
    """
    check_header(path)
    try:
        load = library.own.edgeslm_load_adapter
    except AttributeError as error:
        raise ModelError("this build of llama.cpp loads no adapters", reason=str(error), hint=REINSTALL) from error
    load.argtypes = [library.llama.llama_model_p_ctypes, ctypes.c_char_p]
    load.restype = library.llama.llama_adapter_lora_p_ctypes
    library.take_log()
    adapter = load(handle, os.fsencode(path))
    if not adapter:
        raise ModelError(
            f"cannot load the adapter {path}",
            reason=first_reason(library.take_log()) or "llama.cpp gave no reason",
            hint="an adapter fits only the model it was made for",
        )
    return adapter


def apply_adapter(library: Library, context: Any, adapter: Any) -> None:
    """Let `context` compute with `adapter` at its full strength."""
    adapters = (library.llama.llama_adapter_lora_p_ctypes * 1)(adapter)
    status = library.llama.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0))
    if status != 0:
        raise ModelError("the adapter could not be applied", reason=f"llama.cpp returned {status}")
