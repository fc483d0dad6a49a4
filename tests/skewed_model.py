"""A small random GGUF whose activations are skewed as those of trained models are: a few channels are far larger.

Where all channels are alike an importance matrix says nothing and every tensor minds quantizing equally; here some
channels carry the model, and some tensors matter more than others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy

from tiny_models import tiny_vocabulary

WIDTH, FEED_FORWARD, LAYERS, HEADS = 256, 512, 2, 4
_LOUD = 8  # channels in which the residual stream is large
_LOUDNESS = 12.0


def write_skewed_llama(path: Path, *, seed: int = 3) -> Path:
    """Write it as f16 with rows that fit blocks of 256, and return the path."""
    pieces, scores, kinds = tiny_vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("skewed")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_file_type(1)
    for name, values in _tensors(len(pieces), seed).items():
        writer.add_tensor(name, values.astype(numpy.float32 if values.ndim == 1 else numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(tokens: int, seed: int) -> dict[str, Any]:
    draws = numpy.random.default_rng(seed)
    loud = draws.choice(WIDTH, _LOUD, replace=False)
    scale = numpy.ones(WIDTH)
    scale[loud] = _LOUDNESS

    def weight(rows: int, columns: int, gain: float = 1.0) -> Any:
        return draws.normal(0, gain / columns**0.5, (rows, columns))

    norm = numpy.ones(WIDTH)
    # Outliers in the weights too, in quiet columns: a quantizer that does not know better spends its range on them.
    quiet = numpy.setdiff1d(numpy.arange(WIDTH), loud)
    found = {
        "token_embd.weight": draws.normal(0, 1, (tokens, WIDTH)) * scale,
        "output_norm.weight": norm,
        "output.weight": weight(tokens, WIDTH, 2.0),
    }
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        found |= {
            block + "attn_norm.weight": norm,
            block + "attn_q.weight": weight(WIDTH, WIDTH),
            block + "attn_k.weight": weight(WIDTH, WIDTH),
            block + "attn_v.weight": weight(WIDTH, WIDTH),
            block + "attn_output.weight": weight(WIDTH, WIDTH),
            block + "ffn_norm.weight": norm,
            block + "ffn_gate.weight": weight(FEED_FORWARD, WIDTH),
            block + "ffn_up.weight": weight(FEED_FORWARD, WIDTH),
            # The second layer adds little: it can be stored in few bits.
            block + "ffn_down.weight": weight(WIDTH, FEED_FORWARD, 2.0 if layer == 0 else 0.1),
        }
    for name, values in found.items():
        if values.ndim == 2 and values.shape[1] == WIDTH and name != "token_embd.weight":
            values[:, draws.choice(quiet, 24, replace=False)] *= 3
    return found
