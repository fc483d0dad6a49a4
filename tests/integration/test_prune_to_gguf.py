"""Every architecture, pruned in every way it can be, becomes a GGUF that computes the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from gguf import GGUFReader
from transformers import AutoTokenizer

from edgeslm.engine.library import load_library
from edgeslm.engine.model import load_weights
from edgeslm.errors import ModelError
from edgeslm_convert.gguf import converter_script, to_gguf
from edgeslm_convert.prune import depth, vocabulary, width
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.verify import BOUNDS, bounds_of, check, measure
from prune_models import DECODERS, load, tiny_model, tokens
from tiny_checkpoints import ENCODERS, pre_tokenizer

NARROW = {
    "llama": width.WidthSettings(ffn=96, heads=2, hidden=32),
    "mistral": width.WidthSettings(ffn=96, kv_heads=1, importance="taylor"),
    "granite": width.WidthSettings(ffn=96, heads=2, hidden=32),
    "gemma": width.WidthSettings(ffn=96, kv_heads=1, hidden=32),
    "gpt_bigcode": width.WidthSettings(ffn=96, heads=2, hidden=32, importance="taylor"),
    "phi": width.WidthSettings(ffn=96, heads=2, hidden=32),
    "bert": width.WidthSettings(ffn=96),
    "distilbert": width.WidthSettings(ffn=96),
}
# llama.cpp reads GELU from a table in half precision; where two tokens are nearly tied it may prefer the other. Of some
# draws of weights 2 of 1,024 positions are such (docs/log.md); these are draws without.
SEEDS = {("gpt_bigcode", "depth"): 1, ("phi", "vocabulary"): 1}
CORPUS = ["the log of errors counts lines from hosts", "where level message time"]


def by_depth(model: Any, folder: Path, settings: Any = depth.DepthSettings(keep=2)) -> ModelShape:  # noqa: B008
    shape = ModelShape.from_config(folder)
    assert depth.check(shape, settings) == []
    depth.prune_depth(model, settings, tokens())
    return depth.after(shape, settings)


def by_width(model: Any, folder: Path, settings: Any = None) -> ModelShape:
    shape = ModelShape.from_config(folder)
    settings = settings or NARROW[shape.architecture]
    assert width.check(shape, settings) == []
    width.prune_width(model, settings, tokens())
    return width.after(shape, settings)


def by_ffn(model: Any, folder: Path) -> ModelShape:
    return by_width(model, folder, width.WidthSettings(ffn=64))


def by_vocabulary(model: Any, folder: Path) -> ModelShape:
    shape = ModelShape.from_config(folder)
    settings = vocabulary.VocabularySettings(pre_tokenizer=pre_tokenizer(shape.architecture))
    (folder.parent / "hf").mkdir()
    vocabulary.prune_vocabulary(model, settings, CORPUS, tokenizer_from=folder, tokenizer_to=folder.parent / "hf")
    return vocabulary.after(shape, vocabulary.VocabularySettings(size=model.config.vocab_size))


WAYS: dict[str, Callable[[Any, Path], ModelShape]] = {
    "depth": by_depth,
    "width": by_width,
    "ffn": by_ffn,
    "vocabulary": by_vocabulary,
}
# FFN channels go with every "width"; alone they matter where the converter assumes four times the hidden size.
CASES = [
    (name, way) for name in (*DECODERS, *ENCODERS) for way in WAYS if way != "ffn" or name in ("gpt_bigcode", "phi")
]


def convert(jobs: list[tuple[Path, Path, str]]) -> list[str]:
    """Convert (checkpoint, GGUF, pre-tokenizer) to f32 in one process; returns the errors."""
    try:
        script = str(converter_script())
    except ModelError as error:
        pytest.skip(error.reason)
    lines = [
        (script, told, [str(checkpoint), "--outfile", str(out), "--outtype", "f32"]) for checkpoint, out, told in jobs
    ]
    command = [sys.executable, str(Path(__file__).resolve().parents[1] / "convert_batch.py")]
    done = subprocess.run(command, input=json.dumps(lines), capture_output=True, text=True, check=True)
    errors: list[str] = json.loads(done.stdout)
    return errors


def pruned(name: str, way: str, folder: Path, **changes: Any) -> ModelShape:
    """A pruned checkpoint in folder/hf, and its planned shape."""
    whole = folder / "whole"
    model = tiny_model(name, whole, seed=SEEDS.get((name, way), 0), **changes)
    planned = WAYS[way](model, whole)
    model.save_pretrained(folder / "hf")
    for file in ("tokenizer.model", "tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        if (whole / file).is_file() and not (folder / "hf" / file).exists():
            (folder / "hf" / file).write_bytes((whole / file).read_bytes())
    return planned


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, str], ModelShape]]:
    """A folder with NAME-WAY/hf and NAME-WAY/f32.gguf, and the planned shapes."""
    folder = tmp_path_factory.mktemp("pruned")
    shapes = {(name, way): pruned(name, way, folder / f"{name}-{way}") for name, way in CASES}
    jobs = [
        (folder / f"{name}-{way}" / "hf", folder / f"{name}-{way}" / "f32.gguf", pre_tokenizer(name))
        for name, way in CASES
    ]
    assert convert(jobs) == [""] * len(jobs)
    return folder, shapes


def weights(gguf: Path) -> int:
    return sum(int(tensor.n_elements) for tensor in GGUFReader(gguf).tensors)


@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_pruned_checkpoint_becomes_a_gguf_that_computes_the_same_and_is_as_small_as_planned(
    made: tuple[Path, dict[tuple[str, str], ModelShape]], name: str, way: str
) -> None:
    folder, shapes = made
    gguf = folder / f"{name}-{way}" / "f32.gguf"
    measured = measure(folder / f"{name}-{way}" / "hf", gguf)
    print(f"{name} {way}: {measured.to_text()}")
    assert bounds_of(gguf) == BOUNDS["f32"]
    check(measured, BOUNDS["f32"])
    assert weights(gguf) == shapes[name, way].parameters()
    assert ModelShape.from_config(folder / f"{name}-{way}" / "hf") == shapes[name, way]


def pieces(gguf: Path, text: str) -> list[int]:
    """What llama.cpp cuts a text into, also with an encoder's vocabulary."""
    library = load_library()
    handle = load_weights(library, gguf)
    data = text.encode()
    found = (library.llama.llama_token * 256)()
    vocabulary = library.llama.llama_model_get_vocab(handle)
    count = library.llama.llama_tokenize(vocabulary, data, len(data), found, len(found), False, False)
    library.llama.llama_model_free(handle)
    return list(found[:count])


@pytest.mark.parametrize("name", ["llama", "gpt_bigcode", "bert"])
def test_llama_cpp_cuts_text_with_a_pruned_vocabulary_as_transformers_does(
    made: tuple[Path, dict[tuple[str, str], ModelShape]], name: str
) -> None:
    folder = made[0] / f"{name}-vocabulary"
    tokenizer = AutoTokenizer.from_pretrained(folder / "hf")
    for text in [*CORPUS, "warnings at level 7, from hosts: naïve 東京"]:
        assert pieces(folder / "f32.gguf", text) == tokenizer.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("name", width.PER_LAYER)
def test_layers_of_different_widths_become_a_gguf_without_what_only_filled_up(tmp_path: Path, name: str) -> None:
    model = tiny_model(name, tmp_path / "whole")
    for index, layer in enumerate(model.model.layers):  # the first layer gets most, the last least
        layer.mlp.down_proj.weight.data *= (4.0, 1.0, 0.05)[index]
    settings = width.WidthSettings(ffn=96, budget="per_layer", kv_heads=1)
    shape = ModelShape.from_config(tmp_path / "whole")
    assert width.check(shape, settings) == []
    report = width.prune_width(model, settings, tokens())
    assert sum(report.ffn) == 3 * 96
    assert report.ffn[0] > report.ffn[2] >= 32
    assert model.config.ffn_widths == list(report.ffn)
    model.save_pretrained(tmp_path / "hf")
    (tmp_path / "hf" / "tokenizer.model").write_bytes((tmp_path / "whole" / "tokenizer.model").read_bytes())
    assert convert([(tmp_path / "hf", tmp_path / "f32.gguf", "")]) == [""]
    check(measure(tmp_path / "hf", tmp_path / "f32.gguf"), BOUNDS["f32"])
    planned = width.after(shape, settings)
    assert weights(tmp_path / "f32.gguf") == planned.parameters() == report.parameters_after
    read = ModelShape.from_config(tmp_path / "hf")
    assert [layer[2] for layer in read.per_layer] == list(report.ffn)
    assert (read.expressible(), read.parameters()) == ([], planned.parameters())
    again = load(tmp_path / "hf")
    depth.prune_depth(again, depth.DepthSettings(layers=(1,)), ())
    assert again.config.ffn_widths == [report.ffn[0], report.ffn[2]]


def test_to_gguf_needs_not_be_told_the_pre_tokenizer_of_a_pruned_vocabulary(tmp_path: Path) -> None:
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(error.reason)
    pruned("gpt_bigcode", "vocabulary", tmp_path)
    assert to_gguf(tmp_path / "hf", tmp_path / "model.gguf", outtype="f32").is_file()
