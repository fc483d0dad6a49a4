"""A random model's GGUF with the tokenizer of a real one: how a text is split decides how much of it can be guessed.

llama.cpp's source holds the tokenizers of known models as GGUFs without weights (models/ggml-vocab-*.gguf). Refuses a
tokenizer that is larger than the model's vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeslm.errors import InputError

_PREFIX = "tokenizer."
_UNUSED = {"tokens": "<unused{}>", "scores": -1e4, "token_type": 5}  # 5: llama.cpp's type of an unused token


def with_vocabulary(model: Path, vocabulary: Path, out: Path) -> Path:
    """Write `model` with the tokenizer of `vocabulary` to `out`. Raises InputError where they do not go together."""
    from gguf import GGUFValueType

    from edgeslm_convert.share.gguf_copy import Source, copy_file

    source, words = Source(model), Source(vocabulary)
    size = int(source.tensors["token_embd.weight"].shape[-1])
    count = len(words.value("tokenizer.ggml.tokens", []))
    if not 0 < count <= size:
        raise InputError(
            f"the tokenizer of {vocabulary} does not fit {model}",
            reason=f"it has {count} tokens, the model's embedding {size}",
        )

    def put_tokenizer(writer: Any) -> None:
        for key, field in words.fields.items():
            if key.startswith(_PREFIX):
                kind = field.types[0]
                inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
                writer.add_key_value(key, _padded(key, field.contents(), count, size), kind, inner)

    own = [key for key in source.fields if key.startswith(_PREFIX)]
    copy_file(source, out, tensors=[(name, name) for name in source.tensors], change=put_tokenizer, leave_out=own)
    return out


def _padded(key: str, value: Any, count: int, size: int) -> Any:
    """The embedding's rows for which the tokenizer has no token are marked as unused."""
    filler = _UNUSED.get(key.rpartition(".")[2])
    if filler is None:
        return value
    return [*value, *(filler.format(row) if isinstance(filler, str) else filler for row in range(count, size))]
