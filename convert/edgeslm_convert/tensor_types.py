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
    "q2_k_s": "Q2_K", "iq1_s": "IQ1_S", "iq1_m": "IQ1_M", "iq2_xxs": "IQ2_XXS", "iq2_xs": "IQ2_XS", "iq2_s": "IQ2_XS",
    "iq2_m": "IQ2_S", "iq3_xxs": "IQ3_XXS", "iq3_xs": "IQ3_S", "iq3_s": "IQ3_S", "iq3_m": "IQ3_S", "tq1_0": "TQ1_0",
    "tq2_0": "TQ2_0",
}  # fmt: skip
# Types that llama.cpp makes of a model only with an importance matrix.
NEED_IMATRIX = ("q2_k_s", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq3_xxs", "iq3_xs")
_LOWEST = ("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m")
_EMBEDDINGS = {
    **dict.fromkeys(("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs"), "Q2_K"),
    **dict.fromkeys(("iq2_s", "iq2_m", "iq3_xxs"), "IQ3_S"),
    **dict.fromkeys(("tq1_0", "tq2_0"), "Q4_K"),
}
_UNQUANTIZED = ("f32", "f16", "bf16")
_NEVER_QUANTIZED = ("position_embd.weight", "token_types.weight")
_FALLBACK = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    **{"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"},
}


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
        low = kind in _LOWEST or kind == "iq3_xxs"
        chosen = "Q8_0" if base == "Q8_0" or row % _block(base) else "Q5_K" if low else "Q6_K"
    elif name == "token_embd.weight":
        chosen = _EMBEDDINGS.get(kind, base)
    else:
        chosen = _in_mixture(name, kind, n_layer, gqa, imatrix) or base
    return _fitting(chosen, row)


def _in_mixture(name: str, kind: str, n_layer: int, gqa: int, imatrix: bool) -> str:
    """What the mixture of `kind` gives this tensor instead of its base type; empty if that stays."""
    _, number, tensor = name.split(".")[:3]
    tensor = "attn_v" if tensor == "attn_qkv" else tensor  # llama.cpp counts one as the other
    layer, early = int(number), int(number) < n_layer // 8
    more = early or layer >= 7 * n_layer // 8 or (layer - n_layer // 8) % 3 == 2
    if kind in _LOWEST:
        return _in_lowest(tensor, kind, gqa, early)
    middle = "IQ3_XXS" if not early and layer < 7 * n_layer // 8 else ""
    rules = {
        ("attn_v", "q2_k"): "Q4_K" if gqa >= 4 else "Q3_K",
        ("attn_v", "q3_k_m"): "Q5_K" if layer < 2 else "Q4_K",
        ("attn_v", "q3_k_l"): "Q5_K",
        ("attn_v", "q4_k_s"): "Q5_K" if layer < 4 else "",
        ("attn_v", "q4_k_m"): "Q6_K" if more else "",
        ("attn_v", "q5_k_m"): "Q6_K" if more else "",
        ("attn_v", "iq4_nl"): "Q5_K" if gqa >= 4 else "",
        ("attn_v", "iq4_xs"): "Q5_K" if gqa >= 4 else "",
        ("attn_v", "q2_k_s"): "Q4_K" if gqa >= 4 else "",
        ("attn_v", "iq3_xxs"): "Q4_K" if gqa >= 4 else "" if imatrix else "IQ3_S",
        ("attn_v", "iq3_xs"): "Q4_K" if gqa >= 4 else "",
        ("attn_v", "iq3_s"): "Q4_K" if gqa >= 4 else "",
        ("attn_v", "iq3_m"): "Q4_K",
        ("attn_k", "iq3_xs"): "IQ3_XXS",
        ("attn_k", "iq3_xxs"): "IQ2_S",
        ("attn_q", "iq3_xs"): "IQ3_XXS",
        ("attn_q", "iq3_xxs"): "IQ2_S",
        ("ffn_gate", "iq3_xs"): middle,
        ("ffn_up", "iq3_xs"): middle,
        ("ffn_down", "q2_k"): "Q3_K",
        ("ffn_down", "q2_k_s"): "Q4_K" if early else "",
        ("ffn_down", "iq3_xxs"): "" if imatrix else "Q4_K" if early else "Q3_K",
        ("ffn_down", "iq3_m"): "Q4_K" if early else "",
        ("ffn_down", "q3_k_m"): "Q5_K" if layer < n_layer // 16 else "Q4_K",
        ("ffn_down", "q3_k_l"): "Q5_K",
        ("ffn_down", "q4_k_s"): "Q5_K" if early else "",
        ("ffn_down", "q4_k_m"): "Q6_K" if more else "",
        ("ffn_down", "q5_k_m"): "Q6_K" if more else "",
        ("ffn_down", "iq4_nl"): "Q5_K" if early and not imatrix else "",
        ("ffn_down", "iq4_xs"): "Q5_K" if early and not imatrix else "",
        ("ffn_down", "q4_0"): "Q4_1" if early and imatrix else "",
        ("ffn_down", "q5_0"): "Q5_1" if early and imatrix else "",
        ("attn_output", "q2_k"): "Q3_K",
        ("attn_output", "iq3_xxs"): "IQ3_S",
        ("attn_output", "iq3_m"): "Q4_K",
        ("attn_output", "q3_k_m"): "Q4_K",
        ("attn_output", "q3_k_l"): "Q5_K",
    }
    return rules.get((tensor, kind), "")


def _in_lowest(tensor: str, kind: str, gqa: int, early: bool) -> str:
    """The same for the types below three bits, which have rules of their own."""
    better = "IQ3_S" if kind in ("iq2_s", "iq2_m") else "Q2_K"
    if tensor == "attn_v":
        return "Q4_K" if gqa >= 4 else better
    if tensor == "ffn_down":
        return better if early else ""
    if tensor == "attn_output":
        return "IQ2_XXS" if kind in ("iq1_s", "iq1_m") else "IQ3_S" if better == "IQ3_S" else ""
    return ""


def _fitting(ggml_type: str, row: int) -> str:
    """The type itself where rows fit its block, else what llama.cpp falls back to."""
    if row % _block(ggml_type):
        ggml_type = _FALLBACK.get(ggml_type, ggml_type)
    return "F16" if row % _block(ggml_type) else ggml_type


def _block(ggml_type: str) -> int:
    return int(GGML_QUANT_SIZES[GGMLQuantizationType[ggml_type]][0])
