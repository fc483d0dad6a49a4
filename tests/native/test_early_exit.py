"""A context with an exit layer computes what the model cut off after that layer does, and the full model unchanged."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from edgeslm.engine.evaluate import token_logits
from edgeslm.errors import InputError
from edgeslm.generate import Decoder
from stored_files import rewrite
from tiny_models import write_tiny_llama

TOKENS = [1, 300, 301, 302, 40, 41, 42, 43, 44]
LAYERS = 4


@pytest.fixture(scope="module")
def four_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("exit") / "four.gguf", layers=LAYERS)


def cut_off(source: Path, out: Path, layers: int) -> Path:
    """The model's first layers as a model of its own."""
    path = rewrite(source, out, drop=lambda name: name.startswith("blk.") and int(name.split(".")[1]) >= layers)
    reader = gguf.GGUFReader(path, "r+")
    reader.fields["llama.block_count"].parts[-1][0] = layers
    return path


def best(path: Path, tokens: list[int]) -> list[int]:
    return [max(range(len(row)), key=row.__getitem__) for row in token_logits(path, tokens, kv_type="f16")]


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_an_exit_gives_what_the_model_cut_off_there_gives(tmp_path: Path, four_layers: Path, layer: int) -> None:
    short = cut_off(four_layers, tmp_path / "short.gguf", layer)
    with Decoder(four_layers, n_ctx=64) as decoder:
        decoder.exit_layer = layer
        decoder.read(TOKENS, outputs=len(TOKENS))
        found, _ = decoder.best(0, len(TOKENS))
    assert found == best(short, TOKENS)


def test_after_an_exit_the_whole_model_computes_as_ever(four_layers: Path) -> None:
    with Decoder(four_layers, n_ctx=64) as decoder:
        decoder.read(TOKENS[:-1])
        decoder.exit_layer = 2
        decoder.read(TOKENS[-1:])
        decoder.keep(len(TOKENS) - 1)
        decoder.exit_layer = 0
        decoder.read(TOKENS[-1:])
        after = decoder.best(0, 1)
        decoder.keep(len(TOKENS) - 1)
        decoder.read(TOKENS[-1:])
        assert decoder.best(0, 1) == after  # margins too: the same number
    assert after[0] == best(four_layers, TOKENS)[-1:]


def test_a_graph_is_not_used_again_for_another_exit_layer(four_layers: Path) -> None:
    with Decoder(four_layers, n_ctx=64) as decoder:
        margins = []
        for layer in (0, 1, 2, 3, 0):
            decoder.exit_layer = layer
            decoder.keep(0)
            decoder.read(TOKENS)
            margins.append(decoder.best(len(TOKENS) - 1, 1))
    assert margins[0] == margins[4]
    assert len({str(margin) for margin in margins}) == LAYERS


def test_the_models_own_number_of_layers_means_all(four_layers: Path) -> None:
    with Decoder(four_layers, n_ctx=64) as decoder:
        decoder.exit_layer = LAYERS
        assert decoder.exit_layer == 0


@pytest.mark.parametrize("layer", [-1, LAYERS + 1, 1000])
def test_a_layer_that_is_not_there_is_refused(four_layers: Path, layer: int) -> None:
    with Decoder(four_layers, n_ctx=64) as decoder:
        with pytest.raises(InputError) as caught:
            decoder.exit_layer = layer
        assert str(caught.value) == f"there is no exit layer {layer}\n  because the model has layers 1 to 4"
        assert decoder.exit_layer == 0
