"""LoRA: only the adapter learns, it is written as peft writes it, and merging adds exactly what it computes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import EdgeSlmError, InputError, ModelError

torch = pytest.importorskip("torch", reason="torch is not installed (extra: convert)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra: convert)")
peft = pytest.importorskip("peft", reason="peft is not installed (extra: convert)")
module = pytest.importorskip("edgeslm_convert.recover.finetune")
FinetuneSettings, finetune, merge_adapter = module.FinetuneSettings, module.finetune, module.merge_adapter
VOCABULARY = 40


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_llama() -> Any:
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, initializer_range=0.1, tie_word_embeddings=True,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def make_bigcode() -> Any:
    torch.manual_seed(1)
    config = transformers.GPTBigCodeConfig(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.1,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return transformers.GPTBigCodeForCausalLM(config).eval()


def make_batches(count: int = 4) -> list[Any]:
    generator = torch.Generator().manual_seed(7)
    return [(ids, ids) for ids in (torch.randint(3, VOCABULARY, (4, 12), generator=generator) for _ in range(count))]


def logits(model: Any) -> Any:
    with torch.no_grad():
        return model(input_ids=make_batches(1)[0][0]).logits


@pytest.mark.parametrize("make", [make_llama, make_bigcode])
@pytest.mark.parametrize("targets", [(), ("all-linear",)])
def test_merging_adds_what_the_adapter_computes(tmp_path: Path, make: Any, targets: tuple[str, ...]) -> None:
    model, data = make(), make_batches()
    settings = FinetuneSettings(steps=6, rate=2e-2, targets=targets)
    report = finetune(model, lambda epoch: data, settings, tmp_path)
    # Merged in place: the same classes and names of weights as before, all trainable again.
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in make().named_parameters()]
    assert all(parameter.requires_grad for parameter in model.parameters())
    beside = peft.PeftModel.from_pretrained(make(), report.adapter).eval()
    assert torch.allclose(logits(model), logits(beside), atol=1e-4)
    assert (logits(model) - logits(make())).abs().max() > 0.1
    again = make()
    merge_adapter(again, report.adapter)
    assert torch.equal(logits(again), logits(model))


def test_fine_tuning_learns_with_few_parameters_and_leaves_the_others(tmp_path: Path) -> None:
    model, data = make_llama(), make_batches(1)
    embedding = model.model.embed_tokens.weight.clone()
    mlp = model.model.layers[0].mlp.up_proj.weight.clone()
    settings = FinetuneSettings(steps=60, rate=2e-2)
    report = finetune(model, lambda epoch: data, settings, tmp_path, held_out=data)
    assert report.after["held_out_loss"] < 0.9 * report.before["held_out_loss"]
    assert report.parameters == 2 * 8 * ((16 + 16) + (16 + 8))  # two layers, rank 8, queries and values
    assert torch.equal(model.model.embed_tokens.weight, embedding)
    assert torch.equal(model.model.layers[0].mlp.up_proj.weight, mlp)
    assert not model.training


def test_the_adapter_says_nothing_of_this_machine(tmp_path: Path) -> None:
    report = finetune(make_llama(), lambda epoch: make_batches(1), FinetuneSettings(steps=1), tmp_path)
    assert {path.name for path in report.adapter.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((report.adapter / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (8, 32, None)
    assert sorted(config["target_modules"]) == ["q_proj", "v_proj"]
    checkpoint = torch.load(tmp_path / "checkpoint.pt")
    assert all("lora" in name for name in checkpoint["model"])


def test_a_killed_run_ends_with_the_adapter_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = pytest.importorskip("edgeslm_convert.recover.loop")
    data, settings = make_batches(), FinetuneSettings(steps=7, rate=1e-2, dropout=0.3, checkpoint_minutes=0.0)
    whole = finetune(make_llama(), lambda epoch: data, settings, tmp_path / "whole")
    real, calls = loop.Run.train_on, 0

    def killed(run: Any, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        real(run, *arguments)

    monkeypatch.setattr(loop.Run, "train_on", killed)
    with pytest.raises(KeyboardInterrupt):
        finetune(make_llama(), lambda epoch: data, settings, tmp_path / "cut")
    assert not (tmp_path / "cut" / "adapter").exists()
    monkeypatch.setattr(loop.Run, "train_on", real)
    model = make_llama()
    torch.manual_seed(99)  # whatever was drawn in between
    resumed = finetune(model, lambda epoch: data, settings, tmp_path / "cut")
    model = make_llama()
    torch.manual_seed(97)
    other = finetune(model, lambda epoch: data, settings, tmp_path / "other")
    name = "adapter_model.safetensors"
    for again in (resumed, other):
        assert (again.adapter / name).read_bytes() == (whole.adapter / name).read_bytes()


def test_wrong_settings_are_told_at_once(tmp_path: Path) -> None:
    settings = FinetuneSettings(rank=0, alpha=-1, dropout=1.0, steps=0)
    with pytest.raises(InputError) as caught:
        finetune(make_llama(), lambda epoch: [], settings, tmp_path)
    for words in ("rank is 0", "alpha is -1", "dropout is 1.0", "steps is 0"):
        assert words in caught.value.reason


def test_targets_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot fine-tune with these targets"):
        finetune(make_llama(), lambda epoch: [], FinetuneSettings(targets=("no_proj",)), tmp_path)


def test_an_architecture_without_known_targets_is_refused(tmp_path: Path) -> None:
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    with pytest.raises(InputError, match="cannot fine-tune a gpt2 model"):
        finetune(transformers.GPT2LMHeadModel(config), lambda epoch: [], FinetuneSettings(), tmp_path)


def test_an_encoder_and_an_unknown_architecture_are_offenders() -> None:
    shape = pytest.importorskip("edgeslm_convert.shape").ModelShape(
        architecture="bert", n_layer=1, n_embd=16, n_head=2, n_head_kv=2, head_dim=8, n_ff=32, n_vocab=40, n_ctx=64,
        tied=False,
    )  # fmt: skip
    assert "is an encoder" in module.check(shape, FinetuneSettings())[0]
    other = replace(shape, architecture="openelm")
    assert "which modules of openelm" in module.check(other, FinetuneSettings())[0]
    assert module.check(other, FinetuneSettings(targets=("qkv_proj",))) == []


def test_an_adapter_of_another_shape_is_refused(tmp_path: Path) -> None:
    report = finetune(make_bigcode(), lambda epoch: make_batches(1), FinetuneSettings(steps=1), tmp_path)
    with pytest.raises(ModelError, match="cannot add the adapter"):
        merge_adapter(make_llama(), report.adapter)
    with pytest.raises(ModelError, match="no adapter in"):
        merge_adapter(make_llama(), tmp_path)


def test_a_missing_peft_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(EdgeSlmError, match="fine-tuning needs peft"):
        finetune(make_llama(), lambda epoch: [], FinetuneSettings(), tmp_path)
