"""The shape read from a config.json is the shape that transformers builds, and what cannot be written is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

import gguf
import numpy
import torch
import transformers
from safetensors import safe_open

from edgeslm.errors import ModelError
from edgeslm_convert.quantize.imatrix import Entry, ImportanceMatrix
from edgeslm_convert.quantize.plan import make_plan
from edgeslm_convert.quantize.request import Request
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.tensor_types import BASE_TYPES, NEED_IMATRIX
from tiny_checkpoints import ARCHITECTURES, NAMES, write_checkpoint

TINYLLAMA = {
    "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22, "num_attention_heads": 32,
    "num_key_value_heads": 4, "vocab_size": 32000, "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
STARCODER = {"n_embd": 768, "n_inner": None, "n_layer": 20, "n_head": 12, "n_positions": 8192, "vocab_size": 49152}


def shape_of(config: Any, folder: Path) -> ModelShape:
    config.save_pretrained(folder)
    return ModelShape.from_config(folder)


def counted(model: Any) -> int:
    return sum(p.numel() for name, p in model.named_parameters() if "pooler" not in name)


def tiny(name: str, folder: Path, **changes: Any) -> ModelShape:
    config_class, _, shape, _ = ARCHITECTURES[name]
    return shape_of(getattr(transformers, config_class)(**{**shape, **changes}), folder)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_as_many_as_the_checkpoint_holds(name: str, tmp_path: Path) -> None:
    folder = write_checkpoint(name, tmp_path)
    with safe_open(folder / "model.safetensors", "numpy") as file:
        sizes = {key: file.get_slice(key).get_shape() for key in file.keys() if "pooler" not in key}  # noqa: SIM118
    shape = ModelShape.from_config(folder)
    assert shape.parameters() == sum(torch.Size(size).numel() for size in sizes.values())
    assert sum(shape.groups().values()) == shape.parameters()


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (transformers.LlamaConfig(**TINYLLAMA), 1_100_048_384),
        (transformers.LlamaConfig(**{**TINYLLAMA, "attention_bias": True, "mlp_bias": True}), None),
        (transformers.LlamaConfig(**{**TINYLLAMA, "tie_word_embeddings": True, "head_dim": 32}), None),
        (transformers.GPTBigCodeConfig(**STARCODER), 164_144_128),
        (transformers.GPTBigCodeConfig(**{**STARCODER, "n_inner": 1536}), None),
    ],
)  # fmt: skip
def test_published_shapes_have_the_parameters_that_transformers_builds(
    config: Any, parameters: int | None, tmp_path: Path
) -> None:
    with torch.device("meta"):
        built = counted(transformers.AutoModelForCausalLM.from_config(config))
    assert shape_of(config, tmp_path).parameters() == built
    assert parameters in (None, built)


def test_bytes_of_plain_types_are_blocks_times_their_size(tmp_path: Path) -> None:
    shape = tiny("llama", tmp_path)
    matrices = sum(tensor.parameters for tensor in shape.tensors() if len(tensor.shape) == 2)
    norms = shape.parameters() - matrices
    assert shape.bytes("f32") == 4 * shape.parameters()
    assert shape.bytes("f16") == 2 * matrices + 4 * norms
    assert shape.bytes("Q8_0") == matrices // 32 * 34 + 4 * norms


def test_operations_grow_with_the_context_by_the_attention_alone(tmp_path: Path) -> None:
    shape = tiny("llama", tmp_path)
    assert shape.flops_per_token(100) - shape.flops_per_token(0) == 100 * 4 * shape.n_layer * shape.n_embd
    weights = shape.parameters("attention") + shape.parameters("ffn") + shape.parameters("head")
    assert shape.flops_per_token(0) == 2 * weights + 4 * shape.n_layer * shape.n_embd
    assert replace(shape, n_layer=1).flops_per_token() < shape.flops_per_token()


def test_a_tied_head_is_multiplied_but_stored_once(tmp_path: Path) -> None:
    untied = tiny("llama", tmp_path / "a", tie_word_embeddings=False)
    tied = tiny("llama", tmp_path / "b", tie_word_embeddings=True)
    assert untied.parameters() - tied.parameters() == tied.n_vocab * tied.n_embd
    assert untied.flops_per_token() == tied.flops_per_token()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_converted_in_other_tests_is_expressible(name: str, tmp_path: Path) -> None:
    assert ModelShape.from_config(write_checkpoint(name, tmp_path)).expressible(["f16", "q8_0", "q4_0"]) == []


@pytest.mark.parametrize(
    ("name", "changes", "offender"),
    [
        ("gpt_bigcode", {"n_head": 3}, "gpt_bigcode: 3 heads of 16 are not the width 64"),
        ("gpt_bigcode", {"multi_query": False}, "gpt_bigcode: multi_query = false"),
        ("bert", {"n_head": 2}, "bert: 2 heads of 16 are not the width 64"),
        ("bert", {"activation": "relu"}, "bert: the activation relu would be loaded as another one"),
        ("phi", {"n_head_kv": 2}, "phi: 2 KV heads for 4 heads"),
        ("phi", {"qk_norm": True}, "phi: norms of queries and keys"),
        ("mistral", {"sliding_window": 64}, "mistral: a sliding window of 64 in a context of 256"),
        ("llama", {"n_head": 3}, "3 heads cannot share 2 KV heads evenly"),
        ("llama", {"n_ff": 0}, "n_ff = 0 is less than 1"),
        ("gemma", {"per_layer": ((4, 2, 160),) * 3}, "gemma: its loader gives every layer the same heads"),
        (
            "llama",
            {"per_layer": ((4, 2, 160), (2, 2, 160), (4, 2, 64))},
            "llama: its loader gives every layer",
        ),
        ("openelm", {"n_layer": 2}, "3 layers have widths of their own, there are 2"),
    ],
)
def test_a_shape_that_llama_cpp_cannot_hold_is_named(
    name: str, changes: dict[str, Any], offender: str, tmp_path: Path
) -> None:
    shape = replace(ModelShape.from_config(write_checkpoint(name, tmp_path)), **changes)
    assert any(line.startswith(offender) for line in shape.expressible())


def test_every_tensor_whose_rows_do_not_fit_a_type_is_named_once_for_all_layers(tmp_path: Path) -> None:
    shape = tiny("llama", tmp_path, intermediate_size=100)
    assert shape.expressible(["q4_0"]) == [
        "blk.0 to blk.2 ffn_down.weight: rows of 100 do not fit the blocks of 32 of q4_0"
    ]
    kinds = {line.split(":")[0].split()[-1] for line in shape.expressible(["Q4_K_M"])}
    assert kinds == {f"{n}.weight" for n in "attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down".split()}
    assert shape.expressible(["f16"]) == []


def test_several_offenders_are_told_together(tmp_path: Path) -> None:
    shape = replace(tiny("gpt_bigcode", tmp_path), n_head=3, multi_query=False, activation="relu", n_ff=100)
    assert len(shape.expressible(["q8_0"])) == 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"model_type": "mamba"}, "its model_type is 'mamba'"),
        ({}, "its model_type is None"),
        (
            {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": "3", "vocab_size": 0},
            "no whole number there for: num_hidden_layers, num_attention_heads, intermediate_size, vocab_size, "
            "max_position_embeddings",
        ),
    ],
)
def test_a_config_that_says_too_little_is_refused_with_all_that_it_lacks(
    content: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ModelError) as caught:
        ModelShape.from_config(tmp_path)
    assert caught.value.reason == reason


def write_zeros(path: Path, shape: ModelShape, architecture: str) -> Path:
    """A float32 GGUF of this shape without a vocabulary."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(shape.n_layer)
    writer.add_context_length(64)
    writer.add_embedding_length(shape.n_embd)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_tokenizer_model("none")
    writer.add_file_type(0)
    for tensor in shape.tensors():
        writer.add_tensor(tensor.name, numpy.zeros(tensor.shape, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("imatrix", [False, True])
@pytest.mark.parametrize(
    ("name", "architecture", "changes"),
    [
        ("llama", "llama", {"n_head_kv": 1, "tied": True, "n_ff": 288}),
        ("llama", "llama", {"n_head_kv": 2, "tied": False, "n_ff": 512}),
        ("gpt_bigcode", "starcoder", {"n_ctx": 64}),
    ],
)
def test_bytes_of_every_type_are_what_llama_cpp_itself_plans(
    name: str, architecture: str, changes: dict[str, Any], imatrix: bool, tmp_path: Path
) -> None:
    shape = replace(
        tiny(name, tmp_path), n_layer=9, n_embd=256, n_head=4, head_dim=64, n_vocab=64, **{"n_ff": 768, **changes}
    )
    path = write_zeros(tmp_path / "shape.gguf", shape, architecture)
    entry = {
        t.name: Entry(numpy.ones((1, t.shape[-1]), numpy.float32), numpy.ones(1, numpy.int64))
        for t in shape.tensors()
        if len(t.shape) == 2
    }
    for kind in BASE_TYPES:
        if kind in ("f32", "f16", "bf16") or (kind in NEED_IMATRIX and not imatrix):
            continue
        planned = make_plan(path, Request(kind.upper(), ImportanceMatrix(entry, 1, 1) if imatrix else None))
        expected = sum(t.rows * planned.types[t.name].row_bytes(t.columns) for t in planned.table.tensors)
        assert shape.bytes(kind, imatrix=imatrix) == expected, kind
