"""`edgeslm convert` of a sentence encoder: layers and tokens removed, taught by its base, read by the engine."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from click.testing import CliRunner
from transformers import AutoTokenizer

from edgeslm.engine.encoder import Encoder
from edgeslm.errors import InputError
from edgeslm_convert import cli
from tiny_checkpoints import write_checkpoint

WORDS = "the log of errors counts lines from hosts where level time message warn info unforgettable".split()
RECIPE = """
name = "encoder"
[source]
checkpoint = "hf"
[calibration]
files = ["words.txt"]
tokens = 2048
sequence = 32
[training]
files = ["words.txt"]
tokens = 4096
sequence = 32
[evaluation]
files = ["words.txt"]
tokens = 512
sequence = 32
[[step]]
kind = "prune_depth"
keep = 2
[[step]]
kind = "prune_vocab"
size = 224
[[step]]
kind = "distill_encoder"
steps = 20
rate = 2e-3
batch = 8
similarity = 1.0
tokens = 1.0
[[variant]]
name = "small"
steps = ["prune_depth", "prune_vocab", "distill_encoder"]
[output]
types = ["q8_0"]
"""


def test_an_encoder_of_fewer_layers_and_tokens_is_taught_sentences_and_words(tmp_path: Path) -> None:
    write_checkpoint("bert", tmp_path / "hf")
    AutoTokenizer.from_pretrained(tmp_path / "hf").save_pretrained(tmp_path / "hf")
    draws = random.Random(0)
    (tmp_path / "words.txt").write_text("\n".join(" ".join(draws.choices(WORDS, k=9)) for _ in range(200)))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    done = CliRunner().invoke(cli.convert, [str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "out")])
    assert done.exception is None, done.output
    taught = json.loads((tmp_path / "out" / "manifest.json").read_text())["variants"][0]["steps"][-1]
    assert taught["kind"] == "distill_encoder"
    report = taught["report"]
    assert report["after"]["held_out_cosine"] > report["before"]["held_out_cosine"]
    with Encoder(tmp_path / "out" / "small.q8_0.gguf", threads=1) as encoder:
        one, other = encoder.embed(["the log of errors", "counts lines from hosts"])
    assert sum(a * b for a, b in zip(one, other, strict=True)) < 0.9999


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (("sequence = 32", "sequence = 4096", 1), "[calibration] sequence is 4096, and the source reads at most"),
        (
            ("batch = 8", "batch = 8\nlength = 4096"),
            "step distill_encoder: length is 4096, and the source reads at most",
        ),
        (("batch = 8", "batch = 8\nlength = 2"), "step distill_encoder: length is 2, at least 3"),
    ],
)
def test_texts_that_the_source_cannot_read_are_refused_before_anything_is_loaded(
    tmp_path: Path, written: tuple[str, str], said: str
) -> None:
    write_checkpoint("bert", tmp_path / "hf")
    (tmp_path / "words.txt").write_text(" ".join(WORDS))
    (tmp_path / "recipe.toml").write_text(RECIPE.replace(*written))
    done = CliRunner().invoke(cli.convert, [str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, InputError)
    assert said in done.exception.reason
    assert "[training]" not in done.exception.reason
    assert not (tmp_path / "out").exists()


def test_the_sequence_of_texts_that_are_read_by_lines_does_not_count(tmp_path: Path) -> None:
    write_checkpoint("bert", tmp_path / "hf")
    AutoTokenizer.from_pretrained(tmp_path / "hf").save_pretrained(tmp_path / "hf")
    (tmp_path / "words.txt").write_text(" ".join(WORDS))
    calibration, training = RECIPE.split("[training]")
    recipe = f"{calibration}[training]{training.replace('sequence = 32', 'sequence = 4096', 1)}"
    (tmp_path / "recipe.toml").write_text(recipe)
    done = CliRunner().invoke(cli.convert, [str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "out"), "--dry-run"])
    assert done.exception is None, done.output
