"""Training for early exits: what it makes better, what it measures, and what it writes into the GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from edgeslm.errors import InputError, PlanError
from edgeslm_convert.recover.early_exit import (
    EarlyExitSettings,
    agreements,
    best_layer,
    check,
    early_exit,
    exit_logits,
    layer_dropout,
    objective,
    sure_above,
)
from edgeslm_convert.recover.losses import forward
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.stored import write_exit
from tiny_models import write_tiny_llama

SHAPE = ModelShape("llama", 4, 32, 4, 2, 8, 64, 64, 128, tied=False)


@pytest.fixture
def model() -> Any:
    torch.manual_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.1,
        )
    ).eval()


def batches(count: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Counting upwards from random starts: each token tells the next one."""
    random = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, 32, (count, 4, 1), generator=random)
    return [((start + torch.arange(12)) % 32, (start + torch.arange(12)) % 32) for start in starts]


def test_training_makes_exits_agree_with_the_model(model: Any, tmp_path: Path) -> None:
    settings = EarlyExitSettings(steps=40, rate=5e-3, exit_weight=1.0)
    report = early_exit(model, lambda epoch: batches(20, epoch), settings, tmp_path, held_out=batches(2, 99))
    assert sum(report.agreement) > sum(report.before.values()) + 0.5
    assert model.config.early_exit == {"layer": report.layer, "confidence": report.confidence}
    assert 1 <= report.layer < 4


def test_the_loss_is_the_last_layers_and_a_drawn_exits(model: Any) -> None:
    drawn = set()
    for seed in range(12):
        torch.manual_seed(seed)
        ((loss, found),) = objective(model, EarlyExitSettings(exit_weight=0.5), batches(1)[0])
        assert loss.requires_grad
        share = (loss.item() - found["ce"]) / (0.5 * found["exit_ce"])
        drawn.add(round(4 * share, 3))
    assert drawn == {1.0, 2.0, 3.0}


def test_the_last_exit_reads_as_the_model_cut_off_there(model: Any) -> None:
    ids = torch.arange(6).unsqueeze(0)
    rows, places = torch.zeros(6, dtype=torch.long), torch.arange(6)
    with torch.no_grad():
        found = forward(model, ids, rows, places, hidden=True)
        early = exit_logits(model, found, 2, rows, places)
        model.model.layers = model.model.layers[:2]
        model.config.num_hidden_layers = 2
        assert torch.allclose(early, model(ids, use_cache=False).logits[0], atol=1e-5)


def test_layers_are_dropped_in_training_only(model: Any) -> None:
    ids = torch.arange(6).unsqueeze(0)
    with torch.no_grad():
        whole = model(ids, use_cache=False).logits
        with layer_dropout(model, 1.0):
            assert torch.equal(model(ids, use_cache=False).logits, whole)
            model.train()
            torch.manual_seed(0)
            dropped = model(ids, use_cache=False).logits
        assert not torch.equal(dropped, whole)
        assert torch.equal(model(ids, use_cache=False).logits, whole)  # the hooks are gone


def test_without_held_out_text_there_is_no_choice(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        early_exit(model, lambda epoch: batches(1), EarlyExitSettings(steps=1), tmp_path, held_out=())
    assert str(caught.value).startswith("cannot choose an exit layer")


def test_an_exit_that_is_the_model_agrees_always(model: Any) -> None:
    for layer in model.model.layers[2:]:
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            layer.get_submodule(name).weight.data.zero_()  # these layers change nothing
    found, pairs = agreements(model, batches(1), torch.device("cpu"))
    assert found[1:] == [1.0, 1.0]
    assert found[0] < 1.0
    assert len(pairs[0][0]) == 4 * 11


@pytest.mark.parametrize(
    ("agreement", "layer"),
    [([0.9, 0.9, 0.9], 1), ([0.1, 0.1, 0.95], 3), ([0.0, 0.85, 0.9], 2)],
)
def test_the_exit_is_where_drafting_gives_most(agreement: list[float], layer: int) -> None:
    assert best_layer(agreement) == layer


def test_sure_is_where_nearly_all_choices_are_right() -> None:
    top = torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert sure_above(top, torch.tensor([True, True, False, True])) == pytest.approx(0.8)
    assert sure_above(top, torch.tensor([False, True, True, True])) == 1.0


def test_exit_and_confidence_stand_in_the_gguf(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "model.gguf", layers=3)
    write_exit(path, path, 2, 0.75)
    write_exit(path, path, 1, 0.5)  # again: replaced, not doubled
    fields = gguf.GGUFReader(path).fields
    assert (fields["edgeslm.exit.layer"].contents(), fields["edgeslm.exit.confidence"].contents()) == (1, 0.5)
    with pytest.raises(PlanError):
        write_exit(path, path, 4, 0.5)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (EarlyExitSettings(exit_weight=0), "exit_weight is 0, above 0"),
        (EarlyExitSettings(dropout=1.0), "dropout is 1.0, at least 0 and below 1"),
        (EarlyExitSettings(layer=4), "layer is 4, from 1 to 3"),
    ],
)
def test_settings_that_cannot_be_followed_are_named(settings: EarlyExitSettings, wrong: str) -> None:
    assert check(SHAPE, EarlyExitSettings()) == []
    assert wrong in check(SHAPE, settings)
