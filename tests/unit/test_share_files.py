"""Shared GGUF files: smaller by exactly the copies, the same when written out again, refused where nothing is alike."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from edgeslm.engine.evaluate import token_logits
from edgeslm.errors import ModelError, PlanError
from edgeslm_convert.share.files import share_file, unshare_file
from stored_files import copy_layers, rewrite, tensor_names
from tiny_models import write_tiny_llama

PAIRS = [0, 0, 2, 2]
KEY = "llama.layer_sharing"


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four layers, pairs of them alike but for their norms."""
    folder = tmp_path_factory.mktemp("share")
    four = write_tiny_llama(folder / "four.gguf", layers=4)
    return copy_layers(four, folder / "tied.gguf", PAIRS, keep="norm")


def contents(path: Path) -> dict[str, bytes]:
    return {tensor.name: tensor.data.tobytes() for tensor in gguf.GGUFReader(path).tensors}


def test_copies_are_dropped_and_the_array_says_whose_they_were(tmp_path: Path, tied: Path) -> None:
    result = share_file(tied, tmp_path / "shared.gguf", PAIRS)
    whole, kept = contents(tied), contents(tmp_path / "shared.gguf")
    # The tiny models' norms are all ones, so these are alike too.
    assert set(whole) - set(kept) == {name for name in whole if name.startswith(("blk.1.", "blk.3."))}
    assert all(whole[name] == data for name, data in kept.items())
    fields = gguf.GGUFReader(tmp_path / "shared.gguf").fields
    assert fields[KEY].contents() == PAIRS
    assert "Shared layers: run edgeslm unshare. " in fields["general.description"].contents()
    assert result.tensors_dropped == 18
    assert result.bytes_after < 0.75 * result.bytes_before


def test_a_layer_keeps_what_differs(tmp_path: Path, tied: Path) -> None:
    other = rewrite(tied, tmp_path / "other.gguf", tensors={"blk.1.ffn_norm.weight": [0.5] * 64})
    share_file(other, tmp_path / "shared.gguf", PAIRS)
    assert [name for name in tensor_names(tmp_path / "shared.gguf") if name.startswith("blk.1.")] == [
        "blk.1.ffn_norm.weight"
    ]
    tokens = [1, 300, 301, 40]
    assert token_logits(tmp_path / "shared.gguf", tokens) == token_logits(other, tokens)


def test_unshare_gives_back_every_tensor_and_key(tmp_path: Path, tied: Path) -> None:
    share_file(tied, tmp_path / "shared.gguf", PAIRS)
    unshare_file(tmp_path / "shared.gguf", tmp_path / "plain.gguf")
    assert contents(tmp_path / "plain.gguf") == contents(tied)
    before, after = gguf.GGUFReader(tied).fields, gguf.GGUFReader(tmp_path / "plain.gguf").fields
    assert {key: field.contents() for key, field in after.items() if not key.startswith("GGUF.")} == {
        key: field.contents() for key, field in before.items() if not key.startswith("GGUF.")
    }


def test_layers_that_are_not_alike_are_refused(tmp_path: Path) -> None:
    four = write_tiny_llama(tmp_path / "four.gguf", layers=4)
    differing = rewrite(
        four, tmp_path / "differing.gguf", tensors={f"blk.1.{name}_norm.weight": [2.0] * 64 for name in ("attn", "ffn")}
    )
    with pytest.raises(PlanError) as caught:
        share_file(differing, tmp_path / "shared.gguf", [0, 0, 2, 3])
    assert "because layer 1 has no tensor in common with layer 0" in str(caught.value)
    assert not (tmp_path / "shared.gguf").exists()


@pytest.mark.parametrize("array", [[0, 0, 2], [0, 9, 2, 2], [1, 0, 2, 2]])
def test_an_array_that_the_runtime_would_refuse_is_not_written(tmp_path: Path, tied: Path, array: list[int]) -> None:
    with pytest.raises(PlanError):
        share_file(tied, tmp_path / "shared.gguf", array)
    assert not (tmp_path / "shared.gguf").exists()


def test_a_plain_file_is_not_written_out_again(tmp_path: Path, tied: Path) -> None:
    with pytest.raises(ModelError) as caught:
        unshare_file(tied, tmp_path / "plain.gguf")
    assert str(caught.value) == (
        f"{tied} shares no layers\n  because it has no {KEY}\n  hint: it is a plain GGUF already"
    )


def test_a_damaged_array_is_not_written_out(tmp_path: Path, tied: Path) -> None:
    path = rewrite(tied, tmp_path / "bad.gguf", arrays={KEY: [0, 7, 2, 2]})
    with pytest.raises(ModelError) as caught:
        unshare_file(path, tmp_path / "plain.gguf")
    assert "layer 1 names layer 7, the model has 4 layers" in str(caught.value)
