"""The reference study's zeros: as many as it says, where it says, and nothing smaller for it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

import torch

from edgeslm_convert.prune.zeroed import ZeroedSettings, check, set_zeros
from prune_models import load, outputs, tiny_model, tokens


def linears(model: torch.nn.Module) -> list[torch.nn.Linear]:
    return [module for module in model.modules() if isinstance(module, torch.nn.Linear)]


def test_a_tenth_of_every_linear_layer_becomes_zero_the_smallest_first_and_no_parameter_goes(tmp_path: Path) -> None:
    model = tiny_model("llama", tmp_path / "whole")
    largest = [linear.weight.abs().max().item() for linear in linears(model)]
    report = set_zeros(model, ZeroedSettings())
    assert report.parameters_before == report.parameters_after == sum(p.numel() for p in model.parameters())
    for linear, value in zip(linears(model), largest, strict=True):
        zeros = int((linear.weight == 0).sum())
        assert zeros == round(0.1 * linear.weight.numel())
        assert linear.weight.abs().max().item() == value
    assert report.linears == len(largest) == 3 * 7 + 1
    assert report.zeros_after - report.zeros_before == sum(int((x.weight == 0).sum()) for x in linears(model))
    model.save_pretrained(tmp_path / "zeroed")
    assert torch.equal(outputs(load(tmp_path / "zeroed"), tokens()[0]), outputs(model, tokens()[0]))


def test_rows_of_smallest_norm_become_zero_and_a_tied_head_stays_tied(tmp_path: Path) -> None:
    model = tiny_model("gpt_bigcode", tmp_path / "whole")
    norms = model.transformer.h[0].mlp.c_fc.weight.norm(dim=1)
    weakest = norms.argsort()[: round(0.15 * len(norms))].sort().values
    report = set_zeros(model, ZeroedSettings(amount=0.15, method="l2_rows"))
    rows = (model.transformer.h[0].mlp.c_fc.weight == 0).all(dim=1)
    assert torch.equal(rows.nonzero().flatten(), weakest)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert report.parameters_before == report.parameters_after
    assert report.to_text().endswith(f"parameters unchanged: {report.parameters_after:,}")


def test_check_names_every_offender() -> None:
    assert check(ZeroedSettings()) == []
    assert check(ZeroedSettings(amount=1.5, method="l3")) == [
        "zeroed: no method 'l3'; there are l1_unstructured, l2_rows",
        "zeroed: amount = 1.5 is not between 0 and 1",
    ]
