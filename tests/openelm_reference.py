"""OpenELM in plain torch, our own reading of its published model, because transformers has no class for it.

Tensors bear the names of Apple's published checkpoints, so the folder is one the converter reads. It refuses to be
fast or to hold a cache. Source: Mehta et al. 2024, OpenELM; heads and FFN widths differ from layer to layer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

_WIDTH, _HEAD, _DIVISOR = 64, 16, 32
_QUERY_HEADS, _KV_HEADS, _FFN_MULTIPLIERS = [4, 4, 8], [1, 1, 2], [1.0, 2.0, 2.5]
_EPSILON = 1e-6


def write_openelm(folder: Path, *, vocabulary: int, seed: int = 0) -> None:
    """config.json and model.safetensors of a random three-layer OpenELM."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) / shape[-1] ** 0.5

    def norm(width: int) -> Tensor:
        return 1 + 0.2 * torch.randn(width, generator=generator)

    tensors = {
        "transformer.token_embeddings.weight": 2.4 * draw(vocabulary, _WIDTH),
        "transformer.norm.weight": norm(_WIDTH),
    }
    for layer, (queries, kv) in enumerate(zip(_QUERY_HEADS, _KV_HEADS, strict=True)):
        name, ffn = f"transformer.layers.{layer}.", int(_FFN_MULTIPLIERS[layer] * _WIDTH)
        tensors[f"{name}attn_norm.weight"], tensors[f"{name}ffn_norm.weight"] = norm(_WIDTH), norm(_WIDTH)
        tensors[f"{name}attn.q_norm.weight"], tensors[f"{name}attn.k_norm.weight"] = norm(_HEAD), norm(_HEAD)
        tensors[f"{name}attn.qkv_proj.weight"] = draw((queries + 2 * kv) * _HEAD, _WIDTH)
        tensors[f"{name}attn.out_proj.weight"] = draw(_WIDTH, queries * _HEAD)
        tensors[f"{name}ffn.proj_1.weight"] = draw(2 * ffn, _WIDTH)
        tensors[f"{name}ffn.proj_2.weight"] = draw(_WIDTH, ffn)
    config = {
        "architectures": ["OpenELMForCausalLM"],
        "model_type": "openelm",
        "vocab_size": vocabulary,
        "model_dim": _WIDTH,
        "head_dim": _HEAD,
        "num_transformer_layers": len(_QUERY_HEADS),
        "num_query_heads": _QUERY_HEADS,
        "num_kv_heads": _KV_HEADS,
        "ffn_multipliers": _FFN_MULTIPLIERS,
        "ffn_dim_divisor": _DIVISOR,
        "max_context_length": 256,
        "rope_freq_constant": 10000,
        "share_input_output_layers": True,
        "normalize_qk_projections": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def openelm_logits(folder: Path) -> Callable[[Sequence[int]], Tensor]:
    """A function from tokens to logits, [n_token, n_vocab], of the checkpoint in `folder`."""
    tensors = load_file(folder / "model.safetensors")

    def logits(tokens: Sequence[int]) -> Tensor:
        embeddings = tensors["transformer.token_embeddings.weight"]
        stream = embeddings[torch.tensor(list(tokens))]
        for layer in range(len(_QUERY_HEADS)):
            own = {
                name.removeprefix(f"transformer.layers.{layer}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"transformer.layers.{layer}.")
            }
            stream = stream + _attention(own, _normalize(stream, own["attn_norm.weight"]), layer)
            gate, up = (_normalize(stream, own["ffn_norm.weight"]) @ own["ffn.proj_1.weight"].T).chunk(2, dim=-1)
            stream = stream + (torch.nn.functional.silu(gate) * up) @ own["ffn.proj_2.weight"].T
        return _normalize(stream, tensors["transformer.norm.weight"]) @ embeddings.T

    return logits


def _attention(own: dict[str, Tensor], stream: Tensor, layer: int) -> Tensor:
    queries, kv = _QUERY_HEADS[layer], _KV_HEADS[layer]
    heads = (stream @ own["attn.qkv_proj.weight"].T).view(len(stream), queries + 2 * kv, _HEAD).transpose(0, 1)
    query, key, value = heads.split([queries, kv, kv])
    query = _rotate(_normalize(query, own["attn.q_norm.weight"]))
    key = _rotate(_normalize(key, own["attn.k_norm.weight"])).repeat_interleave(queries // kv, dim=0)
    value = value.repeat_interleave(queries // kv, dim=0)
    future = torch.ones(len(stream), len(stream), dtype=torch.bool).triu(1)
    scores = (query @ key.transpose(1, 2) / _HEAD**0.5).masked_fill(future, float("-inf"))
    mixed = (scores.softmax(-1) @ value).transpose(0, 1).reshape(len(stream), -1)
    return mixed @ own["attn.out_proj.weight"].T


def _normalize(values: Tensor, weight: Tensor) -> Tensor:
    return values * torch.rsqrt(values.pow(2).mean(-1, keepdim=True) + _EPSILON) * weight


def _rotate(heads: Tensor) -> Tensor:
    """Rotary positions, the halves of a head as pairs."""
    frequencies = 10000.0 ** (-torch.arange(0, _HEAD, 2) / _HEAD)
    angles = torch.outer(torch.arange(heads.shape[1]), frequencies).repeat(1, 2)
    first, second = heads.chunk(2, dim=-1)
    return heads * angles.cos() + torch.cat((-second, first), dim=-1) * angles.sin()
