"""Reads a model's shape out of config.json, whose keys differ from architecture to architecture. Knows no tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeslm.errors import ModelError

_LLAMA_KEYS = {
    "n_layer": "num_hidden_layers",
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_ff": "intermediate_size",
    "n_vocab": "vocab_size",
    "n_ctx": "max_position_embeddings",
}
_KEYS = {
    **dict.fromkeys(("llama", "mistral", "gemma", "granite", "phi", "bert"), _LLAMA_KEYS),
    "gpt_bigcode": {
        "n_layer": "n_layer",
        "n_embd": "n_embd",
        "n_head": "n_head",
        "n_vocab": "vocab_size",
        "n_ctx": "n_positions",
    },
    "distilbert": {
        "n_layer": "n_layers",
        "n_embd": "dim",
        "n_head": "n_heads",
        "n_ff": "hidden_dim",
        "n_vocab": "vocab_size",
        "n_ctx": "max_position_embeddings",
    },
    "openelm": {
        "n_layer": "num_transformer_layers",
        "n_embd": "model_dim",
        "head_dim": "head_dim",
        "n_vocab": "vocab_size",
        "n_ctx": "max_context_length",
    },
}
ARCHITECTURES = tuple(_KEYS)
_TIED_BY_DEFAULT = ("gemma", "gpt_bigcode", "bert", "distilbert", "openelm")
_NORMS = {"bert": ("attn_output_norm", "layer_output_norm"), "phi": ("attn_norm",)}
_NORMS["distilbert"] = _NORMS["bert"]


def norms(architecture: str) -> tuple[str, ...]:
    """The norms of a layer that are as wide as the model."""
    return _NORMS.get(architecture, ("attn_norm", "ffn_norm"))


def read(path: Path) -> dict[str, Any]:
    """The fields of a ModelShape from config.json or its folder. Raises ModelError naming every key that is wrong."""
    path = path / "config.json" if path.is_dir() else path
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}", reason=str(error), hint="name a whole checkpoint folder") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in _KEYS:
        raise ModelError(
            f"cannot plan with {path}",
            reason=f"its model_type is {kind!r}",
            hint=f"known: {', '.join(ARCHITECTURES)}",
        )
    wrong = [key for key in _KEYS[kind].values() if not _is_count(config.get(key))]
    if kind == "openelm":
        wrong += [key for key in ("num_query_heads", "num_kv_heads", "ffn_multipliers") if not config.get(key)]
    if wrong:
        raise ModelError(f"cannot plan with {path}", reason=f"no whole number there for: {', '.join(wrong)}")
    numbers = {field: config[key] for field, key in _KEYS[kind].items()}
    return {"architecture": kind, **numbers, **_rest(kind, config, numbers)}


def _rest(kind: str, config: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    if kind == "openelm":
        return _openelm(config, numbers)
    n_head = numbers["n_head"]
    always_biased = kind in ("gpt_bigcode", "phi", "bert", "distilbert")
    multi_query = bool(config.get("multi_query", True))
    kv_heads = config.get("num_key_value_heads") or n_head
    if kind == "gpt_bigcode":
        kv_heads = 1 if multi_query else n_head
    window = config.get("sliding_window") if kind == "mistral" else None
    return {
        "n_ff": numbers.get("n_ff") or config.get("n_inner") or 4 * numbers["n_embd"],
        "n_head_kv": kv_heads,
        "head_dim": config.get("head_dim") or numbers["n_embd"] // n_head,
        "tied": bool(config.get("tie_word_embeddings", kind in _TIED_BY_DEFAULT)),
        "attention_bias": always_biased or bool(config.get("attention_bias")),
        "mlp_bias": always_biased or bool(config.get("mlp_bias")),
        "activation": _activation(config),
        "n_token_types": config.get("type_vocab_size", 2) if kind == "bert" else 0,
        "sliding_window": window,
        "qk_norm": bool(config.get("qk_layernorm")),
        "multi_query": multi_query,
        # Written by pruning to a budget layer by layer.
        "per_layer": tuple((n_head, kv_heads, width) for width in config.get("ffn_widths") or ()),
    }


def _openelm(config: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    """OpenELM's heads and widths differ from layer to layer; widths are rounded as its configuration code does."""
    divisor = config.get("ffn_dim_divisor", 256)
    widths = [_make_divisible(multiplier * numbers["n_embd"], divisor) for multiplier in config["ffn_multipliers"]]
    layers = tuple(zip(config["num_query_heads"], config["num_kv_heads"], widths, strict=False))
    return {
        "n_head": max(config["num_query_heads"]),
        "n_head_kv": max(config["num_kv_heads"]),
        "n_ff": max(widths),
        "tied": bool(config.get("share_input_output_layers", True)),
        "activation": config.get("activation_fn_name", "swish"),
        "qk_norm": bool(config.get("normalize_qk_projections", True)),
        "per_layer": layers,
    }


def _make_divisible(value: float, divisor: int) -> int:
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def _activation(config: dict[str, Any]) -> str:
    for key in ("hidden_activation", "hidden_act", "activation_function", "activation"):
        if config.get(key):
            return str(config[key])
    return ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
