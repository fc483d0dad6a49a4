"""The table of measured models: ratios are to the first, and a promise that is not kept is named."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm_bench.exact_shapes import layers_of, read_shape, shape_names, with_layers
from edgeslm_bench.measure_model import Load, ModelMeasure, Subject, measure, subject
from edgeslm_bench.measure_shapes import LIMITS, beyond_limits
from edgeslm_bench.model_table import to_json, to_markdown

SHARED = Path(os.environ.get("EDGESLM_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "tokenizers"
BASE = ModelMeasure("base", "transformers float32", 600_000_000, 2.0, 0.5, 100.0, 4.0, 6000.0, (4.0,))
OURS = ModelMeasure("ours", "edgeslm", 60_000_000, 0.2, 0.05, 900.0, 82.0, 398.0, (81.0, 82.0, 83.0))


def test_ratios_are_to_the_first_model() -> None:
    last = to_markdown([BASE, OURS]).split("\n")[-1]
    assert last == "| ours | edgeslm | 60.0 | 0.20 | 0.050 | 900.0 | 82.0 | 398 | 20.50 x | 1/15.08 |"


def test_the_json_holds_every_number_and_what_it_was_measured_on() -> None:
    found = to_json([BASE, OURS], Load(rounds=3), "a machine")
    assert (found["machine"], found["base"], found["load"]["rounds"]) == ("a machine", "base", 3)
    assert found["models"][1]["speed_ratio"] == 20.5
    assert found["models"][1]["decode_each"] == (81.0, 82.0, 83.0)


def test_every_promise_that_is_not_kept_is_named() -> None:
    assert beyond_limits("tinyllama-1.1b", [BASE, OURS]) == []
    slow = replace(OURS, decode_tokens_s=79.6, peak_rss_mb=401.0)
    assert beyond_limits("tinyllama-1.1b", [BASE, slow]) == [
        "ours decodes 19.90 x as fast as the base, at least 20 x was promised",
        "ours takes 1/14.96 of the base's memory, at most 1/15 was promised",
    ]
    assert beyond_limits("another", [BASE, slow]) == []


def test_every_promise_is_about_a_shape_that_is_here() -> None:
    assert set(LIMITS) <= set(shape_names())


@pytest.mark.parametrize(
    ("name", "layers", "weights"), [("tinyllama-1.1b", 22, 1_100_048_384), ("tiny_starcoder_py", 20, 164_144_128)]
)
def test_shapes_have_exactly_the_weights_of_the_real_models(name: str, layers: int, weights: int) -> None:
    torch = pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
    transformers = pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")
    shape = read_shape(name)
    assert layers_of(shape) == layers
    settings = {key: value for key, value in shape.items() if key not in ("model_type", "architectures", "dtype")}
    config = transformers.AutoConfig.for_model(shape["model_type"], **settings)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == weights
    assert layers_of(with_layers(shape, layers // 2)) == layers // 2


@pytest.mark.parametrize(
    ("name", "folder"), [("tinyllama-1.1b", "tinyllama"), ("tiny_starcoder_py", "tiny_starcoder_py")]
)
def test_shapes_are_those_of_the_real_configurations(name: str, folder: str) -> None:
    path = SHARED / folder / "config.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    real = json.loads(path.read_text())
    assert {key: real.get(key) for key in read_shape(name)} == read_shape(name)


def test_what_is_no_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such shape"):
        read_shape(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="how many layers"):
        layers_of({"hidden_size": 4})


def test_models_are_told_apart_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two models with one name: a"):
        measure([Subject("a", tmp_path), Subject("b", tmp_path), Subject("a", tmp_path)], Load())
    with pytest.raises(InputError, match="no such model"):
        subject(tmp_path / "none.gguf")
