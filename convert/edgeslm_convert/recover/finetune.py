"""Fine-tuning with LoRA: small matrices beside the weights learn from data, the weights themselves stay.

The adapter is written as peft writes it and added to the model's weights; `adapter_to_gguf` makes the file that the
runtime loads beside an unchanged GGUF. It refuses to know where batches come from and where a model is saved.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import Module

from edgeslm.errors import EdgeSlmError, InputError, ModelError
from edgeslm_convert.gguf import converter_script, run_converter
from edgeslm_convert.place import into_place
from edgeslm_convert.recover.distill import DistilSettings, Pupil
from edgeslm_convert.recover.loop import Batch, Batches, Run, Schedule, drive
from edgeslm_convert.shape import ModelShape

ALL_LINEAR = "all-linear"
# By config.model_type: what the reference study adapted in TinyLlama and in tiny_starcoder_py.
_TARGETS = {
    **dict.fromkeys(("llama", "mistral", "gemma", "granite", "phi"), ("q_proj", "v_proj")),
    "gpt_bigcode": ("c_attn", "c_proj", "c_fc"),
}
_EVALUATED = 16  # held-out batches looked at during training; at its end all are


@dataclass(frozen=True)
class FinetuneSettings(Schedule):
    """Size of the adapter, and the schedule. targets: names of linear modules, ("all-linear",) for all but the head.

    Without targets, what the reference study adapted: queries and values of a Llama, all linear modules of a
    GPTBigCode. Source: Hu et al. 2021, LoRA.
    """

    rate: float = 2e-4
    warmup: float = 0.1
    rank: int = 8
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ()

    def offenders(self) -> list[str]:
        """What cannot be trained with, in words."""
        wrong = super().offenders()
        wrong += [
            f"{name} is {getattr(self, name)}, at least 1" for name in ("rank", "alpha") if getattr(self, name) < 1
        ]
        return wrong if 0 <= self.dropout < 1 else [*wrong, f"dropout is {self.dropout}, from 0 to below 1"]


@dataclass(frozen=True)
class FinetuneReport:
    """How it went. before, after: held-out measures; parameters: those trained; adapter: its folder."""

    steps: int
    minutes: float
    tokens: int
    parameters: int
    adapter: Path
    before: dict[str, float]
    after: dict[str, float]


def finetune(
    model: Module,
    batches: Batches,
    settings: FinetuneSettings,
    out: Path,
    *,
    held_out: Sequence[Batch] = (),
) -> FinetuneReport:
    """Train an adapter, write it to out/adapter and add it to `model` in place. Goes on from out/checkpoint.pt.

    batches: the epoch's number to its batches of ids and labels, both [b, t], right-padded, -100 where a label is not
    to be learnt. held_out: measured before and after. Raises InputError that lists every offender.
    """
    if wrong := settings.offenders():
        raise InputError("cannot fine-tune with these settings", reason="; ".join(wrong))
    out.mkdir(parents=True, exist_ok=True)
    adapted = _with_adapter(model, settings)
    pupil = Pupil(adapted, None, DistilSettings(divergence=0.0, cross_entropy=1.0))
    run = Run(adapted, settings, out / "checkpoint.pt", betas=(0.9, 0.999))
    if run.step == 0:
        run.before = pupil.evaluate(held_out)
    measures = drive(
        run,
        batches,
        pupil.objective,
        out,
        evaluate=lambda final: pupil.evaluate(held_out if final else held_out[:_EVALUATED]),
    )
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    _save(adapted, out / "adapter")
    _merge(adapted)
    after = {name: value for name, value in measures.items() if name.startswith("held_out_")}
    return FinetuneReport(run.step, run.spent / 60, run.seen, trained, out / "adapter", run.before, after)


def check(shape: ModelShape, settings: FinetuneSettings) -> list[str]:
    """Why a model of `shape` cannot be fine-tuned with `settings`, in words."""
    wrong = settings.offenders()
    if shape.is_encoder:
        wrong.append(f"{shape.architecture} is an encoder, and fine-tuning is for models that predict the next token")
    elif not settings.targets and shape.architecture not in _TARGETS:
        wrong.append(f"which modules of {shape.architecture} to adapt is not known: name them as targets")
    return wrong


def merge_adapter(model: Module, adapter: Path) -> None:
    """Add the adapter in folder `adapter` to the weights of `model`, in place. Raises ModelError."""
    peft = _peft()
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(f"no adapter in {adapter}", hint="name the folder with adapter_model.safetensors")
    try:
        adapted = peft.PeftModel.from_pretrained(model, adapter, local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"cannot add the adapter {adapter} to the model", reason=str(error)[:500]) from error
    _merge(adapted)


def adapter_to_gguf(adapter: Path, base: Path, out: Path, *, outtype: str = "f32") -> Path:
    """Write the GGUF of adapter folder `adapter`, made for checkpoint folder `base`, moved into place whole.

    Only base's config.json is read. outtype: f32, f16, bf16 or q8_0. Raises ModelError with the converter's reason.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(f"no adapter in {adapter}", hint="name the folder with adapter_model.safetensors")
    script = converter_script().with_name("convert_lora_to_gguf.py")
    with into_place(out) as beside:
        command = [sys.executable, str(script), str(adapter.resolve()), "--base", str(base.resolve())]
        command += ["--outfile", str(beside.resolve()), "--outtype", outtype]
        run_converter(command, beside, f"the adapter {adapter}")
    return out


def _with_adapter(model: Any, settings: FinetuneSettings) -> Any:
    peft = _peft()
    known = settings.targets or _TARGETS.get(model.config.model_type, ())
    if not known:
        raise InputError(
            f"cannot fine-tune a {model.config.model_type} model",
            reason="it is not known which of its modules to adapt",
            hint=f'name them as targets, or "{ALL_LINEAR}" for all but the head',
        )
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=ALL_LINEAR if ALL_LINEAR in known else list(known),
    )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            return peft.get_peft_model(model, config)
    except ValueError as error:  # peft says which modules it did not find
        raise InputError("cannot fine-tune with these targets", reason=str(error)[:500]) from error


def _save(adapted: Any, out: Path) -> None:
    """In peft's layout, without what its own saving adds: a look at the hub, and where the model lies on this disk."""
    from safetensors.torch import save_file

    tensors = _peft().get_peft_model_state_dict(adapted)
    config = adapted.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = None, True
    with into_place(out) as beside:
        config.save_pretrained(beside)
        whole = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        save_file(whole, beside / "adapter_model.safetensors", metadata={"format": "pt"})


def _merge(adapted: Any) -> None:
    merged = adapted.merge_and_unload(safe_merge=True)
    for parameter in merged.parameters():
        parameter.requires_grad_(True)
    merged.eval()


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise EdgeSlmError(
            "fine-tuning needs peft", reason=str(error), hint="pip install 'edgeslm[convert]'"
        ) from error
    return peft
