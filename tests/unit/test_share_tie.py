"""Layers that share weights in torch: which are tied, that training moves them together, and what is saved."""

from __future__ import annotations

import copy
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from edgeslm.errors import PlanError
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.share import sharing as arrays
from edgeslm_convert.share.tie import ShareSettings, cheapest_pairs, check, share, tie, tie_again, untied

TOKENS = [torch.tensor([[1, 5, 9, 20, 33, 40, 7, 8, 9, 10]])]
SHAPE = ModelShape("llama", 6, 32, 4, 2, 8, 64, 64, 128, tied=False)


@pytest.fixture
def model() -> Any:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.2,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def test_the_arrays_say_which_layer_holds_the_weights() -> None:
    assert arrays.adjacent(6) == [0, 0, 2, 2, 4, 4]
    assert arrays.adjacent(6, first=1, last=1) == [0, 1, 1, 3, 3, 5]
    assert arrays.adjacent(7, 3) == [0, 0, 0, 3, 3, 3, 6]
    assert arrays.cyclic(6, 2) == [0, 1, 0, 1, 0, 1]
    assert arrays.cyclic(6, 2, first=1) == [0, 1, 2, 1, 2, 1]
    assert arrays.groups([0, 0, 2, 3, 2]) == {0: [0, 1], 2: [2, 4]}


@pytest.mark.parametrize(
    ("array", "wrong"),
    [
        ([0, 0], "the sharing array has 2 entries, the model has 3 layers"),
        ([0, 3, 0], "layer 1 names layer 3, the model has 3 layers"),
        ([1, 0, 2], "layer 0 names layer 1, which has no weights of its own"),
        ([0, 2, 2], "layer 1 names layer 2, which comes after it"),
    ],
)
def test_a_malformed_array_is_named(array: list[int], wrong: str) -> None:
    assert wrong in arrays.problems(array, 3)


def test_tied_layers_have_the_average_of_their_weights_and_norms_of_their_own(model: Any) -> None:
    before = copy.deepcopy(model)
    report = share(model, ShareSettings())
    layers, former = model.model.layers, before.model.layers
    assert report.layer_sharing == (0, 0, 2, 2, 4, 4)
    mean = (former[2].mlp.up_proj.weight + former[3].mlp.up_proj.weight) / 2
    assert torch.allclose(layers[3].mlp.up_proj.weight, mean)
    assert layers[3].mlp.up_proj.weight is layers[2].mlp.up_proj.weight
    assert layers[3].input_layernorm.weight is not layers[2].input_layernorm.weight
    norms = 6 * 2 * 32
    assert report.layer_parameters_after - norms == (report.layer_parameters_before - norms) // 2


def test_first_keeps_the_first_layers_weights(model: Any) -> None:
    before = copy.deepcopy(model)
    share(model, ShareSettings(weights="first", own_norms=False))
    assert torch.equal(model.model.layers[1].mlp.up_proj.weight, before.model.layers[0].mlp.up_proj.weight)
    assert model.model.layers[1].input_layernorm.weight is model.model.layers[0].input_layernorm.weight


def test_a_training_step_moves_tied_layers_together(model: Any) -> None:
    share(model, ShareSettings())
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = model.model.layers[0].mlp.up_proj.weight.detach().clone()
    model(input_ids=TOKENS[0], labels=TOKENS[0]).loss.backward()
    optimizer.step()
    assert not torch.equal(model.model.layers[1].mlp.up_proj.weight, before)
    assert torch.equal(model.model.layers[1].mlp.up_proj.weight, model.model.layers[0].mlp.up_proj.weight)


def test_generation_with_a_cache_equals_generation_without(model: Any) -> None:
    share(model, ShareSettings())
    with torch.no_grad():
        cached, plain = (
            model.generate(TOKENS[0], max_new_tokens=8, do_sample=False, use_cache=cached) for cached in (True, False)
        )
    assert torch.equal(cached, plain)


def test_a_saved_model_is_whole_and_is_tied_again_once_loaded(model: Any, tmp_path: Path) -> None:
    share(model, ShareSettings())
    with untied(model):
        model.save_pretrained(tmp_path)
    assert model.model.layers[1].mlp.up_proj.weight is model.model.layers[0].mlp.up_proj.weight
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(TOKENS[0]).logits, model(TOKENS[0]).logits)
    assert tie_again(loaded)
    assert loaded.model.layers[1].mlp.up_proj.weight is loaded.model.layers[0].mlp.up_proj.weight
    assert not tie_again(
        LlamaForCausalLM(LlamaConfig(num_hidden_layers=1, hidden_size=8, vocab_size=8, num_attention_heads=2))
    )


def test_similar_ties_the_pairs_that_change_least(model: Any) -> None:
    layers = model.model.layers
    layers[3].load_state_dict(layers[2].state_dict())  # tying these two changes nothing
    before = copy.deepcopy(model.state_dict())
    settings = ShareSettings(scheme="similar", remove=1)
    report = share(model, settings, TOKENS)
    assert report.layer_sharing == (0, 1, 2, 2, 4, 5)
    assert report.scores[2] == pytest.approx(0, abs=1e-5)
    assert all(score > 1e-3 for index, score in enumerate(report.scores) if index != 2)
    assert all(torch.allclose(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("seed", range(5))
def test_the_cheapest_pairs_are_the_cheapest_of_all(seed: int) -> None:
    scores = torch.rand(7, generator=torch.Generator().manual_seed(seed)).tolist()
    allowed = [chosen for chosen in combinations(range(7), 3) if all(b - a > 1 for a, b in pairwise(chosen))]
    best = min(allowed, key=lambda chosen: sum(scores[index] for index in chosen))
    assert cheapest_pairs(scores, 3) == [(index, index + 1) for index in best]


def test_more_pairs_than_there_are_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        cheapest_pairs([0.1, 0.2], 2)
    assert str(caught.value) == "cannot tie 2 pairs of layers\n  because only 1 have no layer in common"


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (ShareSettings(scheme="mirror"), "share: no scheme 'mirror'; there are adjacent, cyclic, similar"),
        (ShareSettings(weights="last"), "share: no weights 'last'; there are average, first"),
        (ShareSettings(size=7), "share: groups of 7 layers among 6"),
        (ShareSettings(scheme="cyclic", size=6), "share: a cycle of 6 layers among 6"),
        (ShareSettings(scheme="similar"), "share: scheme 'similar' needs remove = 1 to 3, the pairs to tie"),
        (ShareSettings(remove=2), "share: scheme 'adjacent' follows from size; leave out remove"),
        (
            ShareSettings(keep_first=5),
            "share: of 6 layers, 5 first and 0 last ones stay alone, which leaves no two to share",
        ),
    ],
)
def test_settings_that_cannot_be_followed_are_named(settings: ShareSettings, wrong: str) -> None:
    assert check(SHAPE, ShareSettings()) == []
    assert wrong in check(SHAPE, settings)


def test_tie_refuses_an_array_that_the_runtime_would_refuse(model: Any) -> None:
    with pytest.raises(PlanError) as caught:
        tie(model, [1, 1, 2, 3, 4, 5])
    assert "layer 0 names layer 1, which comes after it" in str(caught.value)
