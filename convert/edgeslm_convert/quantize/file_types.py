"""The file types that the pinned llama.cpp can write: Q4_K_M, IQ2_XS … Each is a default tensor type and a mixture.

The names come from the bindings and what can be written is asked of the library, so a new pin needs no change.
"""

from __future__ import annotations

import functools
import re

from edgeslm.engine.library import load_library
from edgeslm.errors import ModelError
from edgeslm_convert.quantize.ggml import TensorType, tensor_types

_NAME = re.compile(r"LLAMA_FTYPE_(?:MOSTLY|ALL)_(\w+)")
# Mixtures whose name is not that of their default tensor type (llama_ftype_get_default_type of the pinned source).
_DEFAULTS = {"IQ2_M": "IQ2_S", "IQ2_S": "IQ2_XS", "IQ3_XS": "IQ3_S", "IQ3_M": "IQ3_S", "MXFP4_MOE": "MXFP4"}
_NOT_WRITTEN = ("NVFP4",)  # llama_model_quantize of this pin has no default tensor type for it


@functools.cache
def file_types() -> dict[str, int]:
    """Name to number (enum llama_ftype) of what can be written."""
    llama = load_library().llama
    found = {match[1]: getattr(llama, match[0]) for name in dir(llama) if (match := _NAME.fullmatch(name))}
    return {name: found[name] for name in sorted(found) if name not in _NOT_WRITTEN}


def file_type(name: str) -> int:
    """The number of the file type of that name, in any case. Raises ModelError that lists the names."""
    try:
        return file_types()[name.upper()]
    except KeyError:
        raise ModelError(f"no such file type: {name}", hint=f"types: {', '.join(file_types())}") from None


def default_tensor_type(name: str) -> TensorType:
    """What most tensors of a file of that type are."""
    name = _DEFAULTS.get(name.upper(), name.upper())
    return tensor_types().get(name.lower()) or tensor_types()[re.sub(r"_[SML]$", "", name).lower()]
