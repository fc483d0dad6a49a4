"""Whole layers go: the ones that change nothing first, and the model stays a true one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

import torch

from edgeslm.errors import EdgeSlmError
from edgeslm_convert.prune.anatomy import anatomy_of, layers_of
from edgeslm_convert.prune.calibration import perplexity
from edgeslm_convert.prune.depth import DepthSettings, after, check, prune_depth
from edgeslm_convert.prune.influence import block_influence
from edgeslm_convert.shape import ModelShape
from prune_models import DECODERS, load, outputs, parameters, tiny_model, tokens
from tiny_checkpoints import ENCODERS


def silence(model: Any, index: int) -> None:
    """Make a layer of a decoder an identity: it adds nothing to the residual stream."""
    parts = anatomy_of(model)
    for path in (parts.attention_out, parts.ffn_down):
        for parameter in layers_of(model)[index].get_submodule(path).parameters():
            parameter.data.zero_()


@pytest.mark.parametrize("name", DECODERS)
def test_block_influence_names_a_layer_that_does_nothing_and_its_loss_changes_no_logit(
    tmp_path: Path, name: str
) -> None:
    model = tiny_model(name, tmp_path)
    silence(model, 1)
    expected = outputs(model, tokens()[0])
    influence = block_influence(model, tokens())
    assert influence[1] == pytest.approx(0, abs=1e-6)
    assert min(influence[0], influence[2]) > 0.01
    report = prune_depth(model, DepthSettings(remove=1), tokens())
    assert report.removed == (1,)
    assert report.kept == (0, 2)
    assert torch.allclose(outputs(model, tokens()[0]), expected, atol=1e-5)


def test_block_influence_is_one_minus_the_cosine_of_what_goes_in_and_comes_out(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path)
    (sequence,) = tokens(1)
    with torch.no_grad():
        hidden = model(input_ids=sequence, output_hidden_states=True).hidden_states
    for index in (0, 1):  # behind the last layer transformers gives what the norm made of it
        cosine = torch.nn.functional.cosine_similarity(hidden[index][0], hidden[index + 1][0], dim=-1)
        assert block_influence(model, [sequence])[index] == pytest.approx(float((1 - cosine).mean()), abs=1e-6)


def test_perplexity_leaves_out_what_is_given(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path)
    (sequence,) = tokens(1)
    given = sequence.shape[1] - 2
    with torch.no_grad():
        rows = model(input_ids=sequence).logits[0].log_softmax(-1)
    expected = -sum(float(rows[at - 1, sequence[0, at]]) for at in range(given, sequence.shape[1])) / 2
    assert perplexity(model, [sequence], [given]) == pytest.approx(math.exp(expected), rel=1e-4)
    assert perplexity(model, [sequence], [1]) == perplexity(model, [sequence])


def test_the_greedy_search_judges_by_what_is_not_given(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path)
    (sequence,) = tokens(1)
    given = sequence.shape[1] - 1
    report = prune_depth(model, DepthSettings(remove=1, method="perplexity"), [sequence], given=[given])
    assert report.scores[0] == pytest.approx(perplexity(model, [sequence], [given]), rel=1e-5)


@pytest.mark.parametrize("method", ["perplexity", "output"])
def test_the_greedy_search_finds_the_layer_that_does_nothing(tmp_path: Path, method: str) -> None:
    model = tiny_model("gpt_bigcode", tmp_path)
    silence(model, 2)
    whole = perplexity(model, tokens())
    report = prune_depth(model, DepthSettings(keep=1, method=method), tokens())
    if method == "output":
        assert report.removed[0] == 2
        assert report.scores[0] == pytest.approx(0, abs=1e-6)
    else:
        assert min(report.scores) <= whole + 1e-3
    assert len(layers_of(model)) == model.config.num_hidden_layers == 1


def test_the_greedy_search_removes_the_layer_without_which_perplexity_is_lowest(tmp_path: Path) -> None:
    found = []
    for index in range(3):
        model = tiny_model("llama", tmp_path / str(index))
        prune_depth(model, DepthSettings(layers=(index,)), tokens())
        found.append(perplexity(model, tokens()))
    model = tiny_model("llama", tmp_path / "greedy")
    report = prune_depth(model, DepthSettings(keep=2, method="perplexity"), tokens())
    assert report.removed == (found.index(min(found)),)
    assert report.scores[0] == pytest.approx(min(found), rel=1e-5)


@pytest.mark.parametrize("name", [*DECODERS, *ENCODERS])
def test_a_pruned_model_is_saved_and_read_again_as_it_is(tmp_path: Path, name: str) -> None:
    model = tiny_model(name, tmp_path / "whole")
    shape = ModelShape.from_config(tmp_path / "whole")
    settings = DepthSettings(keep=2)
    assert check(shape, settings) == []
    before = parameters(model)
    report = prune_depth(model, settings, tokens())
    fewer = shape.parameters() - after(shape, settings).parameters()
    assert report.parameters_before - report.parameters_after == fewer
    assert (report.parameters_before, report.parameters_after) == (before, parameters(model))
    model.save_pretrained(tmp_path / "pruned")
    assert torch.equal(outputs(load(tmp_path / "pruned"), tokens()[0]), outputs(model, tokens()[0]))
    assert ModelShape.from_config(tmp_path / "pruned") == after(shape, settings)


def test_a_pruned_model_generates_with_its_cache(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path)
    prune_depth(model, DepthSettings(layers=(0,)), tokens())
    (sequence,) = tokens(1)
    cached = model.generate(sequence, max_new_tokens=5, do_sample=False, eos_token_id=None, pad_token_id=0)
    plain = model.generate(
        sequence, max_new_tokens=5, do_sample=False, use_cache=False, eos_token_id=None, pad_token_id=0
    )
    assert torch.equal(cached, plain)


def test_check_names_every_offender(tmp_path: Path) -> None:
    tiny_model("bert", tmp_path)
    shape = ModelShape.from_config(tmp_path)
    assert check(shape, DepthSettings(keep=2, remove=1, method="magic")) == [
        "prune_depth: give exactly one of keep, remove and layers",
        "prune_depth: no method 'magic'; there are influence, perplexity, output",
    ]
    assert check(shape, DepthSettings(keep=4, method="perplexity")) == [
        "prune_depth: bert predicts no next token, so it has no perplexity; use method = 'output'",
        "prune_depth: cannot keep 4 of 3 layers",
    ]
    assert check(shape, DepthSettings(layers=(1, 7))) == ["prune_depth: no layers [7]; there are 3, from 0"]


def test_calibration_without_text_is_refused_and_leaves_the_model_whole(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path)
    for method in ("influence", "perplexity"):
        with pytest.raises(EdgeSlmError, match="cannot calibrate"):
            prune_depth(model, DepthSettings(keep=1, method=method), [])
    assert len(layers_of(model)) == model.config.num_hidden_layers == 3
