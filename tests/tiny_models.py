"""Tiny random GGUF models, built by the tests that need them: nothing is downloaded, every shape is real.

The vocabulary is SentencePiece-like: <unk> <s> </s>, 256 byte tokens, printable ASCII and a few words. Weights are
random from a fixed seed, so the text is nonsense but always the same nonsense.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import gguf
import numpy

_WORDS = ["▁the", "▁log", "SELECT", "▁count", "COUNT", "▁FROM", "▁logs", "V1", "V2", "yes", "no"]


def tiny_vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Pieces, scores and SentencePiece types of the vocabulary all tiny models share."""
    kind = gguf.TokenType
    pieces = ["<unk>", "<s>", "</s>"]
    kinds = [int(kind.UNKNOWN), int(kind.CONTROL), int(kind.CONTROL)]
    for byte in range(256):
        pieces.append(f"<0x{byte:02X}>")
        kinds.append(int(kind.BYTE))
    letters = ["▁", *(letter for letter in string.printable if letter.isprintable() and letter != " ")]
    for piece in letters + _WORDS:
        pieces.append(piece)
        kinds.append(int(kind.NORMAL))
    scores = [0.0 if found != int(kind.NORMAL) else -float(index) for index, found in enumerate(kinds)]
    return pieces, scores, kinds


def write_tiny_llama(
    path: Path,
    *,
    architecture: str = "llama",
    name: str = "tiny",
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    feed_forward: int = 96,
    context: int = 512,
    seed: int = 1,
    chat_template: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """Write a random Llama-architecture model of about 100 thousand float32 weights to `path` and return it.

    architecture: the name written into the file (an unknown one makes a file the runtime must refuse).
    metadata: more key/value pairs, the key whole; values are strings, numbers or booleans.
    """
    pieces, scores, kinds = tiny_vocabulary()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_type("model")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    for key, value in (metadata or {}).items():
        _add_metadata(writer, key, value)
    for tensor, shape in _tensor_shapes(len(pieces), layers, width, heads, kv_heads, feed_forward).items():
        generator = numpy.random.default_rng([seed, *tensor.encode()])
        norm = tensor.endswith("norm.weight")
        values = numpy.ones(shape) if norm else generator.normal(0.0, 0.3, shape)
        writer.add_tensor(tensor, values.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensor_shapes(
    tokens: int, layers: int, width: int, heads: int, kv_heads: int, feed_forward: int
) -> dict[str, tuple[int, ...]]:
    kv_width = width // heads * kv_heads
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (tokens, width),
        "output_norm.weight": (width,),
        "output.weight": (tokens, width),
    }
    for layer in range(layers):
        for tensor, shape in {
            "attn_norm": (width,),
            "attn_q": (width, width),
            "attn_k": (kv_width, width),
            "attn_v": (kv_width, width),
            "attn_output": (width, width),
            "ffn_norm": (width,),
            "ffn_gate": (feed_forward, width),
            "ffn_up": (feed_forward, width),
            "ffn_down": (width, feed_forward),
        }.items():
            shapes[f"blk.{layer}.{tensor}.weight"] = shape
    return shapes


def _add_metadata(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_string(key, value)
