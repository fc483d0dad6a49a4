"""From a checkpoint to a GGUF that stores layers once or matrices as factors, and what the runtime makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy
import pytest
import torch

from edgeslm.engine.evaluate import token_logits
from edgeslm.errors import InputError, PlanError
from edgeslm_convert.checkpoint import load_model, save_model
from edgeslm_convert.gguf import converter_script, to_gguf
from edgeslm_convert.low_rank import LowRankSettings, check, low_rank, rank_of
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.share.files import unshare_file
from edgeslm_convert.single import Task, run
from edgeslm_convert.stored import factor_file, split
from edgeslm_convert.verify import Agreement, measure
from tiny_checkpoints import pre_tokenizer as known
from tiny_checkpoints import write_checkpoint

try:
    converter_script()
except Exception as error:
    pytest.skip(str(error), allow_module_level=True)

TOKENS = [1, 5, 9, 20, 33, 40, 7, 8]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint("llama", tmp_path_factory.mktemp("stored") / "model")


@pytest.fixture(scope="module")
def plain(checkpoint: Path) -> Path:
    return to_gguf(checkpoint, checkpoint.with_name("plain.gguf"), outtype="f32")


def names(path: Path) -> set[str]:
    return {tensor.name for tensor in gguf.GGUFReader(path).tensors}


def largest_divergence(checkpoint: Path, path: Path) -> float:
    measured = measure(checkpoint, path)
    assert isinstance(measured, Agreement)
    return measured.max_kl


def do(checkpoint: Path, out: Path, kind: str, **settings: object) -> dict[str, object]:
    return run(checkpoint, out, Task([(kind, settings)]), say=lambda line: None)


@pytest.mark.parametrize("architecture", ["llama", "gpt_bigcode"])
def test_a_shared_checkpoint_becomes_a_gguf_that_holds_the_layers_once(tmp_path: Path, architecture: str) -> None:
    report = do(write_checkpoint(architecture, tmp_path / "model"), tmp_path / "shared", "share", keep_last=1)
    assert report["layer_sharing"] == [0, 0, 2]
    path = to_gguf(tmp_path / "shared", tmp_path / "shared.gguf", outtype="f32", pre_tokenizer=known(architecture))
    assert not [name for name in names(path) if name.startswith("blk.1.") and "norm" not in name]
    assert largest_divergence(tmp_path / "shared", path) < 1e-4
    unshare_file(path, tmp_path / "plain.gguf")
    assert token_logits(tmp_path / "plain.gguf", TOKENS) == token_logits(path, TOKENS)


def test_a_shared_checkpoint_is_tied_when_it_is_loaded(checkpoint: Path, tmp_path: Path) -> None:
    do(checkpoint, tmp_path / "shared", "share", keep_last=1)
    assert json.loads((tmp_path / "shared/config.json").read_text())["layer_sharing"] == [0, 0, 2]
    layers = load_model(tmp_path / "shared").model.layers
    assert layers[1].mlp.up_proj.weight is layers[0].mlp.up_proj.weight
    assert layers[2].mlp.up_proj.weight is not layers[0].mlp.up_proj.weight


def test_factors_are_stored_and_compute_the_checkpoints_logits(checkpoint: Path, tmp_path: Path) -> None:
    model = load_model(checkpoint)
    report = low_rank(model, LowRankSettings(share=0.9), [torch.tensor([TOKENS])])
    assert report.parameters_after < report.parameters_before
    save_model(model, checkpoint, tmp_path / "low")
    path = to_gguf(tmp_path / "low", tmp_path / "low.gguf", outtype="f32")
    factored = {name for name in names(path) if "low_rank" in name}
    assert len(factored) == 2 * 3 * len(report.ranks)
    assert largest_divergence(tmp_path / "low", path) < 1e-3


def test_a_matrix_that_was_trained_since_is_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        factor_file(plain, tmp_path / "low.gguf", {"mlp.up_proj": 32})
    assert "blk.0.ffn_up.weight as two factors\n  because it is not of rank 32" in str(caught.value)


def test_a_part_that_is_not_there_is_named(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        factor_file(plain, tmp_path / "low.gguf", {"mlp.sideways": 32})
    assert "it has no mlp.sideways" in str(caught.value)


def test_factors_of_a_matrix_are_exact_at_its_rank() -> None:
    random = numpy.random.default_rng(1)
    matrix = (random.standard_normal((50, 8)) @ random.standard_normal((8, 70))).astype(numpy.float32)
    first, second = split(matrix, 8)
    assert first.shape == (8, 70)
    assert second.shape == (50, 8)
    numpy.testing.assert_allclose(second @ first, matrix, atol=1e-4)


def test_the_inputs_decide_what_is_kept() -> None:
    """A direction that the text never takes costs nothing to lose, however large its weights are."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4
    )
    torch.manual_seed(1)
    model = LlamaForCausalLM(config).eval()
    tokens = [torch.randint(0, 64, (1, 64), generator=torch.Generator().manual_seed(1))]
    with torch.no_grad():
        model.model.layers[0].post_attention_layernorm.weight[16:] = 0.0  # these channels never reach the FFN
        model.model.layers[0].mlp.up_proj.weight[:, 16:] *= 100.0
        before = model(tokens[0]).logits
    settings = LowRankSettings(share=0.8, multiple=4)
    assert rank_of(64, 32, settings) == 16
    low_rank(model, settings, tokens)
    with torch.no_grad():
        turned = torch.nn.functional.cosine_similarity(model(tokens[0]).logits, before, dim=-1)
    assert torch.linalg.matrix_rank(model.model.layers[0].mlp.up_proj.weight.double(), rtol=1e-5) <= 16
    assert turned.min() > 0.98


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (LowRankSettings(share=1.5), "low_rank: share is 1.5, between 0 and 1"),
        (LowRankSettings(parts=("head",)), "low_rank: no parts 'head'; there are ffn, attention"),
        (LowRankSettings(parts=()), "low_rank: no parts are named"),
        (LowRankSettings(multiple=0), "low_rank: ranks cannot be multiples of 0"),
        (LowRankSettings(share=0.1), "low_rank: 160 x 64 matrices at 10% would have a rank below 32"),
    ],
)
def test_settings_that_cannot_be_followed_are_named(settings: LowRankSettings, wrong: str) -> None:
    shape = ModelShape("llama", 3, 64, 4, 2, 16, 160, 384, 256, tied=False)
    assert check(shape, LowRankSettings(share=0.8)) == []
    assert wrong in check(shape, settings)


def test_a_step_tells_all_that_is_wrong_before_anything_is_loaded(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        do(checkpoint, tmp_path / "out", "share", scheme="mirror", weights="last")
    assert "no scheme 'mirror'" in str(caught.value)
    assert "no weights 'last'" in str(caught.value)
    assert not (tmp_path / "out").exists()
