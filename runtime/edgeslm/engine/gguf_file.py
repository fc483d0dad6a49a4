"""What can be said of a model file before and after llama.cpp reads it: is it a GGUF, does it hold a causal model.

It refuses to parse tensors: llama.cpp does that, and says more precisely what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from edgeslm.errors import ModelError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_HEADER_BYTES = 24  # magic, version, number of tensors, number of key/value pairs


def check_header(path: Path) -> None:
    """Raise ModelError unless `path` is a readable file that begins like a GGUF this runtime can read."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        raise ModelError(f"no such model: {path}", hint="check the path given with --model") from None
    except IsADirectoryError:
        raise ModelError(f"{path} is a directory", hint="name the .gguf file in it") from None
    except OSError as error:
        raise ModelError(f"cannot read the model {path}", reason=error.strerror or str(error)) from error
    if not header.startswith(_MAGIC):
        raise ModelError(
            f"{path} is not a GGUF file",
            reason=f"it begins with {header[:4]!r}, a GGUF begins with {_MAGIC!r}" if header else "it is empty",
            hint="convert the model to GGUF first",
        )
    if len(header) < _HEADER_BYTES:
        raise ModelError(
            f"{path} is cut short", reason=f"it has {len(header)} bytes", hint="copy or download the file again"
        )
    (version,) = struct.unpack_from("<I", header, 4)
    if version not in _VERSIONS:
        raise ModelError(
            f"{path} has GGUF version {version}",
            reason=f"this runtime reads versions {', '.join(map(str, _VERSIONS))}, little-endian",
            hint="convert the model again",
        )


def check_causal(path: Path, metadata: Mapping[str, str]) -> None:
    """Raise ModelError if the metadata says that this file cannot continue a text (encoder, projector, adapter)."""
    architecture = metadata.get("general.architecture", "")
    kind = metadata.get("general.type", "model")
    pooled = "bert" in architecture and f"{architecture}.pooling_type" in metadata
    reason = ""
    if kind != "model":
        reason = f"its general.type is {kind}"
    elif pooled or metadata.get(f"{architecture}.attention.causal") == "false":
        reason = f"{architecture} is an encoder: it reads text and writes none"
    if reason:
        raise ModelError(
            f"{path} is not a causal language model", reason=reason, hint="name a GGUF that generates text"
        )
