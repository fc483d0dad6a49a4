"""Which type llama.cpp's quantizer gives each tensor of an output type, and how many bytes that takes.

A reckoning for plans, made before any weight exists; what a file really holds is read from the file. It follows
llama_tensor_get_type_impl and tensor_type_fallback in src/llama-quant.cpp of the pinned llama.cpp, for the types below.
"""

from __future__ import annotations

from math import prod

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

# Output type (llama.cpp's name in lower case) -> the type that most tensors get.
BASE_TYPES = {
    "f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0", "q4_0": "Q4_0", "q4_1": "Q4_1", "q5_0": "Q5_0",
    "q5_1": "Q5_1", "q2_k": "Q2_K", "q3_k_s": "Q3_K", "q3_k_m": "Q3_K", "q3_k_l": "Q3_K", "q4_k_s": "Q4_K",
    "q4_k_m": "Q4_K", "q5_k_s": "Q5_K", "q5_k_m": "Q5_K", "q6_k": "Q6_K", "iq4_nl": "IQ4_NL", "iq4_xs": "IQ4_XS",
}  # fmt: skip
_UNQUANTIZED = ("f32", "f16", "bf16")
_NEVER_QUANTIZED = ("position_embd.weight", "token_types.weight")
_FALLBACK = {"IQ4_XS": "IQ4_NL", "Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


def block_size(kind: str) -> int:
    """How many elements of a row are quantized together in output type `kind`: 1, 32 or 256. Raises KeyError."""
    return int(GGML_QUANT_SIZES[GGMLQuantizationType[BASE_TYPES[kind.lower()]]][0])


def tensor_bytes(shape: tuple[int, ...], ggml_type: str) -> int:
    """Bytes of a tensor of `shape` whose rows fit `ggml_type`."""
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType[ggml_type]]
    return int(prod(shape) // block * size)


def tensor_type(
    name: str, shape: tuple[int, ...], kind: str, *, n_layer: int, gqa: int, tied: bool, imatrix: bool = False
) -> str:
    """The ggml type of tensor `name` in a file of output type `kind`. gqa: query heads for a KV head."""
    kind = kind.lower()
    if len(shape) < 2 or "_norm." in name or name in _NEVER_QUANTIZED:
        return "F32"
    base = BASE_TYPES[kind]
    if kind in _UNQUANTIZED:
        return base
    row = shape[-1]
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        chosen = "Q8_0" if base == "Q8_0" or row % _block(base) else "Q6_K"
    else:
        chosen = _in_mixture(name, kind, n_layer, gqa, imatrix) or base
    return _fitting(chosen, row)


def _in_mixture(name: str, kind: str, n_layer: int, gqa: int, imatrix: bool) -> str:
    """What the mixture of `kind` gives this tensor instead of its base type; empty if that stays."""
    parts = name.split(".")
    if parts[0] != "blk":
        return ""
    layer, tensor = int(parts[1]), parts[2]
    more = layer < n_layer // 8 or layer >= 7 * n_layer // 8 or (layer - n_layer // 8) % 3 == 2
    rules = {
        ("attn_v", "q2_k"): "Q4_K" if gqa >= 4 else "Q3_K",
        ("attn_v", "q3_k_m"): "Q5_K" if layer < 2 else "Q4_K",
        ("attn_v", "q3_k_l"): "Q5_K",
        ("attn_v", "q4_k_s"): "Q5_K" if layer < 4 else "",
        ("attn_v", "q4_k_m"): "Q6_K" if more else "",
        ("attn_v", "q5_k_m"): "Q6_K" if more else "",
        ("attn_v", "iq4_nl"): "Q5_K" if gqa >= 4 else "",
        ("attn_v", "iq4_xs"): "Q5_K" if gqa >= 4 else "",
        ("ffn_down", "q2_k"): "Q3_K",
        ("ffn_down", "q3_k_m"): "Q5_K" if layer < n_layer // 16 else "Q4_K",
        ("ffn_down", "q3_k_l"): "Q5_K",
        ("ffn_down", "q4_k_s"): "Q5_K" if layer < n_layer // 8 else "",
        ("ffn_down", "q4_k_m"): "Q6_K" if more else "",
        ("ffn_down", "q5_k_m"): "Q6_K" if more else "",
        ("ffn_down", "iq4_nl"): "Q5_K" if layer < n_layer // 8 and not imatrix else "",
        ("ffn_down", "iq4_xs"): "Q5_K" if layer < n_layer // 8 and not imatrix else "",
        ("ffn_down", "q4_0"): "Q4_1" if layer < n_layer // 8 and imatrix else "",
        ("ffn_down", "q5_0"): "Q5_1" if layer < n_layer // 8 and imatrix else "",
        ("attn_output", "q2_k"): "Q3_K",
        ("attn_output", "q3_k_m"): "Q4_K",
        ("attn_output", "q3_k_l"): "Q5_K",
        ("attn_qkv", "q3_k_m"): "Q4_K",
        ("attn_qkv", "q3_k_l"): "Q4_K",
        ("attn_qkv", "q4_k_m"): "Q5_K",
        ("attn_qkv", "q5_k_m"): "Q6_K",
    }
    return rules.get((tensor, kind), "")


def _fitting(ggml_type: str, row: int) -> str:
    """The type itself where rows fit its block, else what llama.cpp falls back to."""
    if row % _block(ggml_type):
        ggml_type = _FALLBACK.get(ggml_type, ggml_type)
    return "F16" if row % _block(ggml_type) else ggml_type


def _block(ggml_type: str) -> int:
    return int(GGML_QUANT_SIZES[GGMLQuantizationType[ggml_type]][0])
