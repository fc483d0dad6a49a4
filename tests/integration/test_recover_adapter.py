"""A fine-tuned model in the runtime: base GGUF with adapter GGUF, and the merged model's GGUF, against transformers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import ModelError

torch = pytest.importorskip("torch", reason="torch is not installed (extra: convert)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra: convert)")
peft = pytest.importorskip("peft", reason="peft is not installed (extra: convert)")
tiny_checkpoints = pytest.importorskip("tiny_checkpoints")
gguf = pytest.importorskip("edgeslm_convert.gguf")
verify = pytest.importorskip("edgeslm_convert.verify")
checkpoint = pytest.importorskip("edgeslm_convert.checkpoint")
finetune = pytest.importorskip("edgeslm_convert.recover.finetune")

try:
    gguf.converter_script()
except ModelError as error:
    pytest.skip(f"{error}", allow_module_level=True)


@dataclass
class Made:
    """A tiny base with its adapter: the checkpoint folders and the GGUFs of base, merged and adapter."""

    base: Path
    merged: Path
    base_gguf: Path
    merged_gguf: Path
    adapter: Path
    adapter_gguf: Path


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["llama", "gpt_bigcode"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Every linear module of the tiny model adapted, far enough to be seen."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    base = tiny_checkpoints.write_checkpoint(name, folder / "base")
    model = transformers.AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(3)
    data = [(ids, ids) for ids in (torch.randint(3, 384, (4, 24), generator=generator) for _ in range(4))]
    settings = finetune.FinetuneSettings(steps=6, rate=2e-2, targets=("all-linear",))
    report = finetune.finetune(model, lambda epoch: data, settings, folder / "run")
    merged = checkpoint.save_model(model, base, folder / "merged")
    hint = tiny_checkpoints.pre_tokenizer(name)
    return Made(
        base,
        merged,
        gguf.to_gguf(base, folder / "base.gguf", outtype="f32", pre_tokenizer=hint),
        gguf.to_gguf(merged, folder / "merged.gguf", outtype="f32", pre_tokenizer=hint),
        report.adapter,
        finetune.adapter_to_gguf(report.adapter, base, folder / "adapter.gguf"),
    )


def test_the_base_with_the_adapter_computes_what_transformers_with_peft_computes(made: Made) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(made.base, attn_implementation="eager")
    adapted = peft.PeftModel.from_pretrained(base, made.adapter).eval()

    @torch.inference_mode()
    def reference(tokens: Any) -> Any:
        return adapted(input_ids=torch.tensor([list(tokens)])).logits[0]

    measured = verify.measure(made.base, made.base_gguf, reference=reference, adapter=made.adapter_gguf)
    verify.check(measured, verify.BOUNDS["f32"])


def test_the_merged_models_gguf_computes_what_the_merged_model_computes(made: Made) -> None:
    verify.check(verify.measure(made.merged, made.merged_gguf), verify.BOUNDS["f32"])


def test_the_base_with_the_adapter_computes_what_the_merged_model_computes(made: Made) -> None:
    verify.check(verify.measure(made.merged, made.base_gguf, adapter=made.adapter_gguf), verify.BOUNDS["f32"])


def test_without_the_adapter_the_bounds_are_broken(made: Made) -> None:
    with pytest.raises(ModelError, match="does not compute what its checkpoint computes"):
        verify.check(verify.measure(made.merged, made.base_gguf), verify.BOUNDS["f32"])


def test_a_folder_without_an_adapter_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no adapter in"):
        finetune.adapter_to_gguf(made.base, made.base, tmp_path / "adapter.gguf")


def test_an_adapter_that_cannot_be_converted_leaves_nothing(made: Made, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_config.json").write_text((made.adapter / "adapter_config.json").read_text())
    (broken / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot convert the adapter"):
        finetune.adapter_to_gguf(broken, made.base, tmp_path / "adapter.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]
