"""Layers that share weights: computed as with the copies written out, held once, and malformed files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeslm.engine import Model
from edgeslm.engine.evaluate import token_logits
from edgeslm.errors import ModelError
from stored_files import copy_layers, rewrite, tensor_names
from tiny_models import write_tiny_llama

TOKENS = [1, 300, 301, 302, 40, 41, 42, 300]
PAIRS = [0, 0, 2, 2]
KEY = "llama.layer_sharing"


@pytest.fixture(scope="module")
def four_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("sharing") / "four.gguf", layers=4)


def share(source: Path, out: Path, sharing: Any, *, keep: str = "") -> Path:
    """As copy_layers, with the copies left out and the array written instead."""

    def is_copy(name: str) -> bool:
        if not name.startswith("blk.") or (keep and keep in name):
            return False
        layer = int(name.split(".")[1])
        return bool(sharing[layer] != layer)

    return rewrite(source, out, drop=is_copy, arrays={KEY: sharing})


def refuse(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Model(path)
    return str(caught.value)


@pytest.mark.parametrize("keep", ["", "norm"])
def test_a_shared_file_computes_what_the_file_with_the_copies_does(
    tmp_path: Path, four_layers: Path, keep: str
) -> None:
    plain = copy_layers(four_layers, tmp_path / "plain.gguf", PAIRS, keep=keep)
    shared = share(plain, tmp_path / "shared.gguf", PAIRS, keep=keep)
    assert len(tensor_names(shared)) < len(tensor_names(plain))
    assert token_logits(shared, TOKENS) == token_logits(plain, TOKENS)
    assert token_logits(shared, TOKENS) != token_logits(four_layers, TOKENS)


def test_layers_of_a_cycle_share_with_a_layer_far_before(tmp_path: Path, four_layers: Path) -> None:
    cycle = [0, 1, 0, 1]
    plain = copy_layers(four_layers, tmp_path / "plain.gguf", cycle)
    shared = share(plain, tmp_path / "shared.gguf", cycle)
    assert token_logits(shared, TOKENS) == token_logits(plain, TOKENS)


def test_an_array_in_which_no_layer_shares_changes_nothing(tmp_path: Path, four_layers: Path) -> None:
    marked = rewrite(four_layers, tmp_path / "marked.gguf", arrays={KEY: [0, 1, 2, 3]})
    assert token_logits(marked, TOKENS) == token_logits(four_layers, TOKENS)


def test_every_layer_has_its_own_place_in_the_kv_cache(tmp_path: Path, four_layers: Path) -> None:
    plain = copy_layers(four_layers, tmp_path / "plain.gguf", PAIRS)
    shared = share(plain, tmp_path / "shared.gguf", PAIRS)
    with Model(plain, n_ctx=64) as one, Model(shared, n_ctx=64) as other:
        assert other.complete("the log", max_tokens=24).tokens == one.complete("the log", max_tokens=24).tokens


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        ([0, 0, 2], "llama.layer_sharing has 3 entries, the model has 4 layers"),
        ([0, 0, 2, 2, 4], "llama.layer_sharing has 5 entries, the model has 4 layers"),
        ([0, 4, 2, 2], "llama.layer_sharing: layer 1 names layer 4, the model has 4 layers"),
        ([0, -1, 2, 2], "llama.layer_sharing: layer 1 names layer -1, the model has 4 layers"),
        ([1, 0, 2, 2], "llama.layer_sharing: layer 0 names layer 1, which names layer 0"),
        ([0, 0, 1, 2], "llama.layer_sharing: layer 2 names layer 1, which names layer 0"),
        ([1, 1, 2, 2], "llama.layer_sharing: layer 0 names layer 1, which comes after it"),
        ([0.0, 0.0, 2.0, 2.0], "llama.layer_sharing is not an array of int32"),
        (7, "llama.layer_sharing is not an array of int32"),
    ],
    ids=["short", "long", "beyond", "negative", "cycle", "chain", "later", "floats", "number"],
)
def test_a_malformed_array_is_refused(tmp_path: Path, four_layers: Path, array: Any, reason: str) -> None:
    path = rewrite(four_layers, tmp_path / "bad.gguf", arrays={KEY: array})
    assert reason in refuse(path)


def test_a_tensor_that_no_layer_holds_is_missed_by_name(tmp_path: Path, four_layers: Path) -> None:
    path = rewrite(
        four_layers,
        tmp_path / "bad.gguf",
        drop=lambda name: name in ("blk.0.ffn_up.weight", "blk.1.ffn_up.weight"),
        arrays={KEY: PAIRS},
    )
    assert "tensor 'blk.0.ffn_up.weight' not found" in refuse(path)


def test_a_file_that_lacks_layers_and_has_no_array_is_refused(tmp_path: Path, four_layers: Path) -> None:
    path = rewrite(four_layers, tmp_path / "bad.gguf", drop=lambda name: name.startswith("blk.1."))
    assert "tensor 'blk.1.attn_norm.weight' not found" in refuse(path)
