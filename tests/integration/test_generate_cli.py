"""`edgeslm generate` and `edgeslm unshare` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgeslm.generate.cli import generate
from edgeslm_convert.share.cli import unshare
from edgeslm_convert.share.files import share_file
from stored_files import copy_layers, tensor_names
from tiny_models import write_tiny_llama


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("cli") / "model.gguf", layers=4)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def call(model: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(
        generate, ["--model", str(model), "--threads", "1", "--max-tokens", "8", *arguments], input=text
    )


def test_the_text_goes_to_stdout_and_what_it_cost_to_stderr(model: Path) -> None:
    done = call(model, "--ignore-end", "the log")
    assert done.exit_code == 0
    assert len(done.stdout.strip()) > 0
    assert done.stderr.startswith("plain · 9 tokens read in ")
    assert "· 8 written at " in done.stderr
    assert done.stderr.rstrip().endswith("a second · 1+1 threads · context 512 f16, weights read")


def test_json_holds_tokens_mode_and_costs(model: Path) -> None:
    plain = json.loads(call(model, "--ignore-end", "--output", "json", "the log").stdout)
    drafted = json.loads(
        call(model, "--ignore-end", "--output", "json", "--speculate", "self", "--exit-layer", "1", "the log").stdout
    )
    assert drafted["tokens"] == plain["tokens"]
    assert (drafted["mode"], drafted["exit_layer"]) == ("speculate self", 1)
    assert set(drafted["details"]["costs"]) == {"batches", "exits"}


def test_a_dash_reads_the_prompt_from_standard_input(model: Path) -> None:
    assert call(model, "--ignore-end", "-", text="the log").stdout == call(model, "--ignore-end", "the log").stdout


def test_a_fixed_exit_is_named(model: Path) -> None:
    done = call(model, "--exit-layer", "2", "the log")
    assert done.stderr.startswith("exit at layer 2 · ")


def test_a_memory_limit_chooses_and_says_what(model: Path) -> None:
    done = call(model, "--max-memory", "40.4M", "the log")
    assert done.exit_code == 0
    assert "context 512 f16, weights map" in done.stderr
    refused = call(model, "--max-memory", "1k", "the log")
    assert refused.exception is not None
    assert str(refused.exception).startswith("the model does not fit 1,000 bytes")


def test_unshare_writes_every_layer_out(model: Path, tmp_path: Path) -> None:
    copies = copy_layers(model, tmp_path / "copies.gguf", [0, 0, 2, 2])
    share_file(copies, tmp_path / "shared.gguf", [0, 0, 2, 2])
    done = CliRunner().invoke(unshare, [str(tmp_path / "shared.gguf"), str(tmp_path / "plain.gguf")])
    assert (done.exit_code, done.output.startswith(f"wrote {tmp_path / 'plain.gguf'}, ")) == (0, True)
    assert set(tensor_names(tmp_path / "plain.gguf")) == set(tensor_names(copies))
