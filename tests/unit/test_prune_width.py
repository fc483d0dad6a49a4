"""Channels and heads that give nothing are found and go, and the model computes the same without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

import torch

from edgeslm_convert.prune.anatomy import HIDDEN, anatomy_of, layers_of, weighted_modules
from edgeslm_convert.prune.importance import measure_importance
from edgeslm_convert.prune.width import WidthSettings, after, check, prune_width, share_out
from edgeslm_convert.shape import ModelShape
from prune_models import DECODERS, load, outputs, parameters, tiny_model, tokens
from tiny_checkpoints import ENCODERS

MEASURES = ("activation", "taylor")
HEAD_DIM = {"gemma": 32}  # the others: 64 / 4


def clear_columns(linear: Any, columns: torch.Tensor) -> None:
    linear.weight.data[:, columns] = 0


def some(total: int, count: int, seed: int) -> torch.Tensor:
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count].sort().values


def rest(total: int, gone: torch.Tensor) -> list[int]:
    return [index for index in range(total) if index not in gone.tolist()]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", [*DECODERS, *ENCODERS])
def test_ffn_channels_that_nothing_reads_go_and_no_output_changes(tmp_path: Path, name: str, measure: str) -> None:
    if name in ENCODERS and measure == "taylor":
        settings = WidthSettings(ffn=128, importance="taylor")
        tiny_model(name, tmp_path)
        assert check(ModelShape.from_config(tmp_path), settings) == [
            f"prune_width: {name} has no next-token loss for taylor; use importance = 'activation'"
        ]
        return
    model = tiny_model(name, tmp_path)
    n_ff = ModelShape.from_config(tmp_path).n_ff
    for index, layer in enumerate(layers_of(model)):
        clear_columns(layer.get_submodule(anatomy_of(model).ffn_down), some(n_ff, n_ff - 96, index))
    expected = outputs(model, tokens()[0])
    report = prune_width(model, WidthSettings(ffn=96, importance=measure), tokens())
    assert report.ffn == (96, 96, 96)
    assert torch.allclose(outputs(model, tokens()[0]), expected, atol=1e-4)


@pytest.mark.parametrize("measure", MEASURES)
def test_importance_picks_exactly_the_channels_that_are_read(tmp_path: Path, measure: str) -> None:
    model = tiny_model("llama", tmp_path)
    gone = [some(160, 64, index) for index in range(3)]
    down = [layer.get_submodule("mlp.down_proj") for layer in layers_of(model)]
    for linear, columns in zip(down, gone, strict=True):
        clear_columns(linear, columns)
    expected = [linear.weight.detach()[:, rest(160, columns)] for linear, columns in zip(down, gone, strict=True)]
    prune_width(model, WidthSettings(ffn=96, importance=measure), tokens())
    assert all(torch.equal(linear.weight, wanted) for linear, wanted in zip(down, expected, strict=True))


@pytest.mark.parametrize("measure", MEASURES)
def test_whole_kv_groups_go_with_their_query_heads(tmp_path: Path, measure: str) -> None:
    model = tiny_model("llama", tmp_path, num_attention_heads=8, num_key_value_heads=4, head_dim=16)
    group = 2 * 16  # two query heads of 16 share one KV head
    for layer, silent in zip(layers_of(model), (0, 3, 1), strict=True):
        clear_columns(layer.self_attn.o_proj, torch.arange(silent * group, (silent + 1) * group))
        clear_columns(layer.self_attn.o_proj, torch.arange((2 if silent != 2 else 0) * group, 2 * group + group))
    expected = outputs(model, tokens()[0])
    settings = WidthSettings(kv_heads=2, importance=measure)
    report = prune_width(model, settings, tokens())
    assert (report.heads, report.kv_heads) == (4, 2)
    assert list(report.heads_kept) == [(2, 3, 6, 7), (0, 1, 2, 3), (0, 1, 6, 7)]
    assert torch.allclose(outputs(model, tokens()[0]), expected, atol=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma"])
def test_query_heads_go_evenly_from_every_group(tmp_path: Path, name: str, measure: str) -> None:
    model = tiny_model(name, tmp_path)
    head_dim = HEAD_DIM.get(name, 16)
    for layer, silent in zip(layers_of(model), ((0, 2), (1, 2), (1, 3)), strict=True):
        for head in silent:
            clear_columns(layer.self_attn.o_proj, torch.arange(head * head_dim, (head + 1) * head_dim))
    expected = outputs(model, tokens()[0])
    report = prune_width(model, WidthSettings(heads=2, importance=measure), tokens())
    assert (report.heads, report.kv_heads) == (2, 2)
    assert report.heads_kept == ((1, 3), (0, 3), (0, 2))
    assert torch.allclose(outputs(model, tokens()[0]), expected, atol=1e-5)


@torch.no_grad()
def idle_hidden(model: Any, gone: torch.Tensor, total: int) -> None:
    """Let no weight write to or read from the residual channels `gone`; what LayerNorms see is centred on the rest."""
    kept = rest(total, gone)
    for _, _, module, axes in weighted_modules(model):
        weight = module.weight
        for dimension, axis in enumerate(axes):
            if axis == HIDDEN and weight.dim() == 2:
                weight.index_fill_(dimension, gone, 0)
                if dimension == 0 or module in (model.get_input_embeddings(), getattr(model.base_model, "wpe", None)):
                    mean = weight.index_select(dimension, torch.tensor(kept)).mean(dimension, keepdim=True)
                    weight.sub_(mean).index_fill_(dimension, gone, 0)
        bias = getattr(module, "bias", None)
        if bias is not None and axes[0] == HIDDEN and weight.dim() == 2:
            bias[gone] = 0
            bias.sub_(bias[kept].mean())[gone] = 0


HIDDEN_SETTINGS: dict[str, dict[str, Any]] = {
    "llama": {"hidden": 32},
    "mistral": {"hidden": 32},
    "gemma": {"hidden": 32},
    "granite": {"hidden": 32, "heads": 2},
    "gpt_bigcode": {"hidden": 32, "heads": 2},
    "phi": {"hidden": 32, "heads": 2},
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", DECODERS)
def test_residual_channels_that_nothing_uses_go_and_no_logit_changes(tmp_path: Path, name: str, measure: str) -> None:
    eps: dict[str, Any]
    eps = {"layer_norm_epsilon": 1e-12} if name == "gpt_bigcode" else {"rms_norm_eps": 1e-12, "layer_norm_eps": 1e-12}
    model = tiny_model(name, tmp_path, **eps)
    gone = some(64, 32, 5)
    idle_hidden(model, gone, 64)
    settings = WidthSettings(**HIDDEN_SETTINGS[name], importance=measure)
    assert check(ModelShape.from_config(tmp_path), settings) == []
    if settings.heads:
        for layer in layers_of(model):
            clear_columns(layer.get_submodule(anatomy_of(model).attention_out), torch.arange(16, 48))
    expected = outputs(model, tokens()[0])
    assert expected.std() > 0.3
    report = prune_width(model, settings, tokens())
    assert report.hidden == model.config.hidden_size == 32
    assert torch.allclose(outputs(model, tokens()[0]), expected, atol=2e-3)


SETTINGS = {
    "llama": WidthSettings(ffn=96, heads=2, hidden=32),
    "mistral": WidthSettings(ffn=96, kv_heads=1, hidden=32),
    "granite": WidthSettings(ffn=96, heads=2, hidden=32),
    "gemma": WidthSettings(ffn=96, kv_heads=1, hidden=32),
    "gpt_bigcode": WidthSettings(ffn=96, heads=2, hidden=32),
    "phi": WidthSettings(ffn=96, heads=2, hidden=32),
    "bert": WidthSettings(ffn=96),
    "distilbert": WidthSettings(ffn=96),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_narrowed_model_is_saved_and_read_again_as_it_is_and_is_as_small_as_planned(
    tmp_path: Path, name: str
) -> None:
    model = tiny_model(name, tmp_path / "whole")
    shape = ModelShape.from_config(tmp_path / "whole")
    assert check(shape, SETTINGS[name]) == []
    report = prune_width(model, SETTINGS[name], tokens())
    planned = after(shape, SETTINGS[name])
    pooler = {"bert": 64 * 65}.get(name, 0)  # llama.cpp leaves it out, and so does ModelShape
    assert report.parameters_after == parameters(model) == planned.parameters() + pooler
    assert report.parameters_before == shape.parameters() + pooler
    model.save_pretrained(tmp_path / "narrow")
    assert torch.equal(outputs(load(tmp_path / "narrow"), tokens()[0]), outputs(model, tokens()[0]))
    assert ModelShape.from_config(tmp_path / "narrow") == planned


def test_a_bias_takes_over_what_removed_channels_gave_on_average(tmp_path: Path) -> None:
    model = tiny_model("gpt_bigcode", tmp_path)
    layer = layers_of(model)[0]
    layer.mlp.c_fc.weight.data[7] = 0  # a channel that is the same for every token
    layer.mlp.c_fc.bias.data[7] = 0.4
    layer.mlp.c_proj.weight.data[:, 7] *= 0.05  # and the least important one
    for other in layers_of(model)[1:]:
        clear_columns(other.mlp.c_proj, torch.tensor([7]))
    expected = outputs(model, tokens()[0])
    prune_width(model, WidthSettings(ffn=255, ffn_multiple=1), tokens())
    assert torch.allclose(outputs(model, tokens()[0]), expected, atol=1e-4)


def test_taylor_terms_are_weight_times_gradient_of_the_loss(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path)
    (sequence,) = tokens(1)
    found = measure_importance(model, [sequence], measure="taylor", head_dim=16)
    loss = torch.nn.functional.cross_entropy(model(input_ids=sequence).logits[0, :-1], sequence[0, 1:])
    loss.backward()
    for index, layer in enumerate(layers_of(model)):
        down, out = layer.mlp.down_proj.weight, layer.self_attn.o_proj.weight
        assert torch.allclose(found.ffn[index], (down * down.grad).sum(0).abs(), atol=1e-5)
        assert torch.allclose(found.heads[index], (out * out.grad).sum(0).view(-1, 16).sum(1).abs(), atol=1e-5)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_per_layer_budget_gives_more_channels_to_the_layer_that_needs_them() -> None:
    scores = [torch.tensor([1.0] * 8), torch.tensor([9.0] * 6 + [0.1] * 2), torch.tensor([0.2] * 8)]
    assert share_out(scores, 4, 2) == [4, 6, 2]
    assert share_out(scores, 8, 2) == [8, 8, 8]
    assert sum(share_out([torch.rand(96) for _ in range(5)], 64, 32)) == 5 * 64


def test_channels_that_only_fill_up_stay_zero_when_the_model_is_trained(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path)
    layers_of(model)[2].mlp.down_proj.weight.data *= 0.01
    report = prune_width(model, WidthSettings(ffn=96, budget="per_layer"), tokens())
    assert report.ffn[2] < max(report.ffn)
    filling = slice(report.ffn[2], None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    before = layers_of(model)[2].mlp.up_proj.weight.detach().clone()
    for sequence in tokens():
        model(input_ids=sequence, labels=sequence).loss.backward()
        optimizer.step()
    mlp = layers_of(model)[2].mlp
    assert not torch.equal(mlp.up_proj.weight, before)
    for weight in (mlp.gate_proj.weight[filling], mlp.up_proj.weight[filling], mlp.down_proj.weight[:, filling]):
        assert weight.numel() > 0
        assert not weight.any()


def test_check_names_every_offender_before_any_weight_is_loaded(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path / "llama")
    llama = ModelShape.from_config(tmp_path / "llama")
    assert check(llama, WidthSettings(ffn=100, hidden=80, kv_heads=3)) == [
        "prune_width: ffn = 100 is not a multiple of 32; 96 is",
        "prune_width: hidden = 80 is not within 1 and the 64 that are there",
        "prune_width: kv_heads = 3 is not within 1 and the 2 that are there",
    ]
    assert check(llama, WidthSettings(heads=3)) == [
        "prune_width: 3 heads cannot come evenly from 2 KV groups of 2",
        "llama: transformers loads no model whose width 64 is not a multiple of 3 heads",
        "3 heads cannot share 2 KV heads evenly",
    ]
    assert check(llama, WidthSettings()) == ["prune_width: nothing to do; give ffn, heads, kv_heads or hidden"]
    assert check(llama, WidthSettings(ffn=96, importance="luck", budget="mine")) == [
        "prune_width: no importance 'luck'; there are activation, taylor",
        "prune_width: no budget 'mine'; there are uniform, per_layer",
    ]


def test_a_shape_that_llama_cpp_cannot_load_is_refused_by_name(tmp_path: Path) -> None:
    shapes = {}
    for name in ("llama", "gpt_bigcode", "phi", "granite", "bert"):
        tiny_model(name, tmp_path / name)
        shapes[name] = ModelShape.from_config(tmp_path / name)
    for name in ("gpt_bigcode", "phi"):
        (line,) = check(shapes[name], WidthSettings(heads=2))
        assert line == f"{name}: 2 heads of 16 are not the width 64, which its loader requires"
    (line,) = check(shapes["granite"], WidthSettings(hidden=32))
    assert line.startswith("granite: 4 heads of 16 are not the width 32, ")
    (line,) = check(shapes["gpt_bigcode"], WidthSettings(ffn=128, budget="per_layer"))
    assert line.startswith("prune_width: gpt_bigcode has one n_ff for all layers in llama.cpp's loader")
    lines = check(shapes["bert"], WidthSettings(hidden=32, heads=2))
    assert [line.split(" of ")[0] for line in lines] == ["prune_width: heads", "prune_width: hidden"]
