"""Shipped files are found in a checkout and in an installed package, and their absence is a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeslm
from edgeslm import resources
from edgeslm.errors import ModelError


def test_sample_log_ships_and_is_large_enough_to_ask() -> None:
    assert len(resources.sample_log().read_text().splitlines()) > 250


def test_a_checkout_takes_the_model_from_its_models_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = tmp_path / "models/planner/planner.gguf"
    model.parent.mkdir(parents=True)
    model.touch()
    monkeypatch.setattr(resources, "checkout", lambda: tmp_path)
    assert resources.default_model() == model


def test_an_installed_package_takes_the_model_from_its_own_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = tmp_path / "data/models/planner/planner.gguf"
    model.parent.mkdir(parents=True)
    model.touch()
    monkeypatch.setattr(resources, "checkout", lambda: None)
    monkeypatch.setattr(edgeslm, "__path__", [str(tmp_path)])
    assert resources.default_model() == model


def test_a_missing_model_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "checkout", lambda: tmp_path)
    monkeypatch.setattr(edgeslm, "__path__", [])
    with pytest.raises(ModelError) as caught:
        resources.shipped_model("planner")
    assert str(caught.value) == (
        "the planner model is not installed\n"
        f"  because there is no {tmp_path}/models/planner/planner.gguf\n"
        "  hint: install edgeslm again, or name a model with --model"
    )
