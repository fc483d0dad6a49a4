"""A tiny random GGUF of the GPTBigCode architecture (`starcoder` in llama.cpp): fused, multi-query."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy

from tiny_models import tiny_vocabulary


def write_tiny_starcoder(
    path: Path, *, layers: int = 2, width: int = 64, heads: int = 4, feed_forward: int = 128, context: int = 512
) -> Path:
    """Write a random model with the tiny models' vocabulary, its head tied to the embedding, and return `path`."""
    pieces, scores, kinds = tiny_vocabulary()
    writer = gguf.GGUFWriter(path, "starcoder")
    writer.add_name("tiny starcoder")
    writer.add_type("model")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_eps(1e-5)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    key_value = 2 * (width // heads)
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (len(pieces), width), "position_embd": (context, width)}
    for layer in range(layers):
        shapes |= {
            f"blk.{layer}.attn_qkv": (width + key_value, width),
            f"blk.{layer}.attn_output": (width, width),
            f"blk.{layer}.ffn_up": (feed_forward, width),
            f"blk.{layer}.ffn_down": (width, feed_forward),
        }
    random = numpy.random.default_rng(3)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0.0, 0.3, shape).astype(numpy.float32))
        if name.startswith("blk."):
            writer.add_tensor(f"{name}.bias", random.normal(0.0, 0.1, shape[:1]).astype(numpy.float32))
    norms = [f"blk.{layer}.{name}" for layer in range(layers) for name in ("attn_norm", "ffn_norm")]
    for name in [*norms, "output_norm"]:
        writer.add_tensor(f"{name}.weight", numpy.ones(width, numpy.float32))
        writer.add_tensor(f"{name}.bias", numpy.zeros(width, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
