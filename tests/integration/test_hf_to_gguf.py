"""Tiny random checkpoints of every architecture become GGUFs that compute the same; planted errors are noticed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from edgeslm.engine import Model
from edgeslm.errors import ModelError
from edgeslm_convert import cli
from edgeslm_convert.gguf import converter_script
from edgeslm_convert.verify import BOUNDS, Agreement, Closeness, bounds_of, check, measure
from openelm_reference import openelm_logits
from tiny_checkpoints import NAMES, OPENELM, pre_tokenizer, swap_layers, turn_head, write_checkpoint

TYPES = ("f32", "f16")
SHARED = Path(os.environ.get("EDGESLM_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "tokenizers"
REAL_TOKENIZERS = {"tinyllama": ("llama", 32000), "tiny_starcoder_py": ("gpt_bigcode", 49152)}
TEXT = "def count_lines(path):\n    return sum(1 for _ in open(path))  # über 12,345 Zeilen\n"


def convert(jobs: list[tuple[Path, Path, str, str]]) -> list[str]:
    """Convert (checkpoint, GGUF, type, pre-tokenizer) in one process, which is what takes time; returns the errors."""
    try:
        script = str(converter_script())
    except ModelError as error:
        pytest.skip(error.reason)
    lines = [
        (script, told, [str(checkpoint), "--outfile", str(out), "--outtype", kind])
        for checkpoint, out, kind, told in jobs
    ]
    command = [sys.executable, str(Path(__file__).resolve().parents[1] / "convert_batch.py")]
    done = subprocess.run(command, input=json.dumps(lines), capture_output=True, text=True, check=True)
    errors: list[str] = json.loads(done.stdout)
    return errors


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for every architecture: hf, f32.gguf, f16.gguf."""
    folder = tmp_path_factory.mktemp("converted")
    jobs = []
    for seed, name in enumerate(NAMES):
        checkpoint = write_checkpoint(name, folder / name / "hf", seed=seed)
        jobs += [(checkpoint, folder / name / f"{kind}.gguf", kind, pre_tokenizer(name)) for kind in TYPES]
    assert convert(jobs) == [""] * len(jobs)
    return folder


def compare(checkpoint: Path, gguf: Path, name: str) -> Agreement | Closeness:
    measured = measure(checkpoint, gguf, reference=openelm_logits(checkpoint) if name == OPENELM else None)
    print(f"{name} {gguf.stem}: {measured.to_text()}")
    return measured


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_gguf_computes_what_its_checkpoint_computes(converted: Path, name: str, kind: str) -> None:
    gguf = converted / name / f"{kind}.gguf"
    assert bounds_of(gguf) == BOUNDS[kind]
    measured = compare(converted / name / "hf", gguf, name)
    assert measured.positions == 1024
    check(measured, BOUNDS[kind])


@pytest.mark.parametrize("plant", [swap_layers, turn_head])
@pytest.mark.parametrize("name", NAMES)
def test_a_planted_error_breaks_the_bounds(
    converted: Path, tmp_path: Path, name: str, plant: Callable[[Path], None]
) -> None:
    wrong = shutil.copytree(converted / name / "hf", tmp_path / "hf")
    plant(wrong)
    measured = compare(wrong, converted / name / "f32.gguf", name)
    for bounds in BOUNDS.values():
        with pytest.raises(ModelError, match="the GGUF does not compute what its checkpoint computes"):
            check(measured, bounds)


def test_verify_exits_with_an_error_that_names_the_bound_and_the_value(converted: Path, tmp_path: Path) -> None:
    wrong = shutil.copytree(converted / "llama" / "hf", tmp_path / "hf")
    tokens = tmp_path / "tokens"
    tokens.write_text("1 5 9 300 77\n1 2 3\n")
    gguf = str(converted / "llama" / "f32.gguf")
    good = CliRunner().invoke(cli.verify, [str(wrong), gguf, "--tokens", str(tokens)])
    assert good.exception is None
    assert good.output.startswith("8 positions: mean KL divergence ")
    swap_layers(wrong)
    bad = CliRunner().invoke(cli.verify, [str(wrong), gguf, "--tokens", str(tokens), "--bound", "mean_kl=0.001"])
    assert isinstance(bad.exception, ModelError)
    assert bad.exception.reason.startswith("mean KL divergence is ")
    assert bad.exception.reason.endswith(", above the bound of 0.001")


@pytest.mark.parametrize("tokenizer", REAL_TOKENIZERS)
def test_a_published_tokenizer_reads_text_as_it_does_in_transformers(tmp_path: Path, tokenizer: str) -> None:
    source = SHARED / tokenizer
    if not source.is_dir():
        pytest.skip(f"needs the tokenizer in {source} (EDGESLM_SHARED)")
    from transformers import AutoTokenizer

    name, vocabulary = REAL_TOKENIZERS[tokenizer]
    checkpoint = write_checkpoint(name, tmp_path / "hf", tokenizer=source, vocab_size=vocabulary)
    gguf = tmp_path / "real.gguf"
    assert convert([(checkpoint, gguf, "f32", "")]) == [""]
    expected = AutoTokenizer.from_pretrained(checkpoint).encode(TEXT)
    with Model(gguf) as model:
        assert model.tokenize(TEXT) == expected
    check(measure(checkpoint, gguf, [expected]), BOUNDS["f32"])
