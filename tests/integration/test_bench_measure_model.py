"""Measuring models in processes of their own: a tiny random checkpoint against its GGUF."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from click.testing import CliRunner
from safetensors import safe_open

from edgeslm.engine import Model
from edgeslm.errors import ModelError
from edgeslm_bench import cli
from edgeslm_bench.exact_shapes import read_shape
from edgeslm_bench.measure_model import Load, measure, subject
from edgeslm_convert.gguf import converter_script, to_gguf
from edgeslm_convert.random_checkpoint import PRE_TOKENIZER, make_random

SHRINK = {"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 256}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = {**read_shape("tiny_starcoder_py"), **SHRINK}
    return make_random(shape, tmp_path_factory.mktemp("random") / "small")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Path:
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(str(error))
    return to_gguf(checkpoint, checkpoint.with_name("small.gguf"), pre_tokenizer=PRE_TOKENIZER)


def test_a_random_checkpoint_has_the_whole_vocabulary_and_always_the_same_weights(
    checkpoint: Path, tmp_path: Path
) -> None:
    again = make_random({**read_shape("tiny_starcoder_py"), **SHRINK}, tmp_path / "again")
    assert (again / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    with safe_open(checkpoint / "model.safetensors", framework="pt") as file:
        assert file.get_slice("transformer.wte.weight").get_shape() == [49152, 64]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again"]


def test_checkpoint_and_gguf_are_measured_with_the_same_load(checkpoint: Path, model: Path, tmp_path: Path) -> None:
    load = Load(prompt_tokens=24, new_tokens=8, rounds=1, threads=1)
    told: list[str] = []
    base, ours = measure([subject(checkpoint), subject(model)], load, note=told.append)
    assert told == ["round 1 of 1: small, float32", "round 1 of 1: small"]
    assert (base.runtime, ours.runtime) == ("transformers float32", "edgeslm")
    assert ours.file_bytes == model.stat().st_size
    for one in (base, ours):
        assert len(one.decode_each) == 1
        assert min(one.load_s, one.first_token_s, one.prefill_tokens_s, one.decode_tokens_s) > 0
    # A process with torch is never as small as one with the engine; the engine's is not smaller than the file.
    assert ours.file_bytes / 1e6 < ours.peak_rss_mb < 100 < base.peak_rss_mb


def test_a_model_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=r"cannot measure broken"):
        measure([subject(broken)], Load(rounds=1))


def test_the_command_prints_a_table_and_writes_json(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    options = ["--rounds", "1", "--new-tokens", "4", "--prompt-tokens", "8", "--threads", "1", "--json", str(out)]
    done = CliRunner().invoke(cli.measure_model, [str(model), *options])
    assert done.exception is None, done.output
    assert "| small | edgeslm |" in done.output
    assert json.loads(out.read_text())["load"] == {"prompt_tokens": 8, "new_tokens": 4, "rounds": 1, "threads": 1}


def test_a_shape_is_made_halved_and_measured_by_one_command(model: Path, tmp_path: Path) -> None:
    shape = tmp_path / "shape.json"
    shape.write_text(json.dumps({**read_shape("tiny_starcoder_py"), **SHRINK}))
    folder = tmp_path / "models"
    options = ["--rounds", "1", "--new-tokens", "4", "--prompt-tokens", "8", "--threads", "1", "--folder", str(folder)]
    done = CliRunner().invoke(cli.measure_shapes, ["--shape", str(shape), *options])
    assert done.exception is None, done.output
    assert done.output.count("| edgeslm |") == 2
    made = sorted(path.name for path in folder.iterdir())
    assert made == ["shape", "shape-half-Q4_0-mixture.gguf", "shape-half-Q4_0.gguf"]
    with Model(folder / "shape-half-Q4_0.gguf", n_ctx=64) as half:
        assert half.metadata["starcoder.block_count"] == "1"


def test_a_completion_may_start_from_token_ids_and_go_on_after_the_end(model: Path) -> None:
    with Model(model, n_ctx=64, threads=1) as loaded:
        tokens = loaded.tokenize("ba ce di")
        assert loaded.complete(tokens, max_tokens=5).tokens == loaded.complete("ba ce di", max_tokens=5).tokens
        assert len(loaded.complete(tokens, max_tokens=40, ignore_end=True).tokens) == 40
