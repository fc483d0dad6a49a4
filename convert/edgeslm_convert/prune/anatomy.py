"""Where the parts of a transformer are in each architecture, and what every axis of every weight runs over.

`axes` gives a module's weight axes as torch has them, [out, in]; its bias runs over the first. Cutting one axis of the
model is then cutting every tensor that has it. Nothing is measured or changed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from edgeslm.errors import ModelError

VOCABULARY, HIDDEN, FFN, QUERY, KEY_VALUE, FUSED, FIXED = (
    "vocabulary",
    "hidden",
    "ffn",
    "query",  # heads of queries, head_dim channels each
    "key_value",  # KV heads
    "fused",  # queries, then keys, then values
    "fixed",  # never cut
)
_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h)\.(\d+)\.(.+)$")


@dataclass(frozen=True)
class Anatomy:
    """One architecture. Names in a layer are relative to it; others are matched by their end."""

    layers: str  # the list of layers, in the base model
    attention_out: str  # the linear layer that reads what the heads give
    ffn_down: str  # the linear layer that reads the FFN's channels
    ffn_key: str  # configuration key of the FFN's width
    axes: dict[str, tuple[str, ...]]
    readers: dict[str, tuple[str, ...]]  # a norm -> the linear layers that read it


def _named(names: str, *axes: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(names.split(), axes)


_LLAMA = Anatomy(
    layers="layers",
    attention_out="self_attn.o_proj",
    ffn_down="mlp.down_proj",
    ffn_key="intermediate_size",
    axes={
        **_named("embed_tokens lm_head", VOCABULARY, HIDDEN),
        **_named("norm input_layernorm post_attention_layernorm", HIDDEN),
        **_named("self_attn.q_proj", QUERY, HIDDEN),
        **_named("self_attn.k_proj self_attn.v_proj", KEY_VALUE, HIDDEN),
        **_named("self_attn.o_proj", HIDDEN, QUERY),
        **_named("mlp.gate_proj mlp.up_proj", FFN, HIDDEN),
        **_named("mlp.down_proj", HIDDEN, FFN),
    },
    readers={
        "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
        "norm": ("lm_head",),
    },
)
_BERT_TOP = {
    **_named("embeddings.word_embeddings cls.predictions.decoder vocab_projector", VOCABULARY, HIDDEN),
    **_named("embeddings.position_embeddings embeddings.token_type_embeddings classifier", FIXED, HIDDEN),
    **_named("embeddings.LayerNorm cls.predictions.transform.LayerNorm vocab_layer_norm", HIDDEN),
    **_named("pooler.dense cls.predictions.transform.dense vocab_transform", HIDDEN, HIDDEN),
}
ANATOMIES = {
    **dict.fromkeys(("llama", "mistral", "granite", "gemma"), _LLAMA),
    "gpt_bigcode": Anatomy(
        layers="h",
        attention_out="attn.c_proj",
        ffn_down="mlp.c_proj",
        ffn_key="n_inner",
        axes={
            **_named("wte lm_head", VOCABULARY, HIDDEN),
            **_named("wpe", FIXED, HIDDEN),
            **_named("ln_1 ln_2 ln_f", HIDDEN),
            **_named("attn.c_attn", FUSED, HIDDEN),
            **_named("attn.c_proj", HIDDEN, QUERY),
            **_named("mlp.c_fc", FFN, HIDDEN),
            **_named("mlp.c_proj", HIDDEN, FFN),
        },
        readers={"ln_1": ("attn.c_attn",), "ln_2": ("mlp.c_fc",), "ln_f": ("lm_head",)},
    ),
    "phi": Anatomy(
        layers="layers",
        attention_out="self_attn.dense",
        ffn_down="mlp.fc2",
        ffn_key="intermediate_size",
        axes={
            **_named("embed_tokens lm_head", VOCABULARY, HIDDEN),
            **_named("input_layernorm final_layernorm", HIDDEN),
            **_named("self_attn.q_proj", QUERY, HIDDEN),
            **_named("self_attn.k_proj self_attn.v_proj", KEY_VALUE, HIDDEN),
            **_named("self_attn.dense", HIDDEN, QUERY),
            **_named("mlp.fc1", FFN, HIDDEN),
            **_named("mlp.fc2", HIDDEN, FFN),
        },
        readers={
            "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.fc1"),
            "final_layernorm": ("lm_head",),
        },
    ),
    "bert": Anatomy(
        layers="encoder.layer",
        attention_out="attention.output.dense",
        ffn_down="output.dense",
        ffn_key="intermediate_size",
        axes={
            **_BERT_TOP,
            **_named("attention.self.query", QUERY, HIDDEN),
            **_named("attention.self.key attention.self.value", KEY_VALUE, HIDDEN),
            **_named("attention.output.dense", HIDDEN, QUERY),
            **_named("attention.output.LayerNorm output.LayerNorm", HIDDEN),
            **_named("intermediate.dense", FFN, HIDDEN),
            **_named("output.dense", HIDDEN, FFN),
        },
        readers={},
    ),
    "distilbert": Anatomy(
        layers="transformer.layer",
        attention_out="attention.out_lin",
        ffn_down="ffn.lin2",
        ffn_key="hidden_dim",
        axes={
            **_BERT_TOP,
            **_named("attention.q_lin", QUERY, HIDDEN),
            **_named("attention.k_lin attention.v_lin", KEY_VALUE, HIDDEN),
            **_named("attention.out_lin", HIDDEN, QUERY),
            **_named("sa_layer_norm output_layer_norm", HIDDEN),
            **_named("ffn.lin1", FFN, HIDDEN),
            **_named("ffn.lin2", HIDDEN, FFN),
        },
        readers={},
    ),
}


def unknown(architecture: str) -> list[str]:
    """Why nothing can be pruned of this architecture; [] if it is known."""
    if architecture in ANATOMIES:
        return []
    if architecture == "openelm":
        return ["openelm: transformers has no class for it, and the code that comes with the checkpoint is not run"]
    return [f"{architecture}: can prune only {', '.join(ANATOMIES)}"]


def anatomy_of(model: Any) -> Anatomy:
    """The anatomy of a transformers model. Raises ModelError for an architecture that is not known."""
    why = unknown(model.config.model_type)
    if why:
        raise ModelError("cannot prune this model", reason=why[0])
    return ANATOMIES[model.config.model_type]


def layers_of(model: Any) -> nn.ModuleList:
    """The model's list of layers."""
    found: nn.ModuleList = model.base_model.get_submodule(anatomy_of(model).layers)
    return found


def locate(name: str) -> tuple[int | None, str]:
    """A module's name -> its layer, if it is in one, and its name in there."""
    match = _LAYER.search(name)
    return (int(match[1]), match[2]) if match else (None, name)


def weighted_modules(model: Any) -> Iterator[tuple[str, int | None, nn.Module, tuple[str, ...]]]:
    """(name, layer, module, axes of its weight) of every module with a weight of its own.

    Raises ModelError that names every module whose axes are not known.
    """
    anatomy = anatomy_of(model)
    found, strange = [], []
    for name, module in model.named_modules():
        if not any(True for _ in module.parameters(recurse=False)):
            continue
        layer, inner = locate(name)
        axes = anatomy.axes.get(inner) or next((a for end, a in anatomy.axes.items() if name.endswith(f".{end}")), None)
        if axes is None and not name.endswith("cls.predictions"):  # its bias is the decoder's
            strange.append(name)
        elif axes is not None:
            found.append((name, layer, module, axes))
    if strange:
        raise ModelError(
            f"cannot prune this {model.config.model_type} model",
            reason=f"it has parts that are not known: {', '.join(strange)}",
        )
    yield from found
