"""From the trained planner to the GGUF that ships, by the converter that comes with the pinned llama.cpp source."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from edgeslm.ask.prompt import FINETUNE_NAME
from edgeslm.errors import ModelError
from edgeslm_convert.logmodel.train import TrainSettings, make_model

# SentencePiece as llama.cpp reads it: nothing put before the text, a begin token, no end token.
_TOKENIZER_CONFIG = {
    "add_prefix_space": False,
    "add_bos_token": True,
    "add_eos_token": False,
    "tokenizer_class": "LlamaTokenizer",
}


def checkpoint_model(checkpoint: Path, settings: TrainSettings) -> LlamaForCausalLM:
    """The model of a training checkpoint, in float32 on the CPU."""
    model = make_model(settings)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=False)["model"])
    return model.float()


def converter_script() -> Path:
    """convert_hf_to_gguf.py of the llama.cpp source: LLAMA_CPP_SOURCE_DIR, or the build's. Raises ModelError."""
    named = os.environ.get("LLAMA_CPP_SOURCE_DIR")
    root = Path(__file__).resolve().parents[3]
    places = [Path(named)] if named else sorted(root.glob("build/*/source/*/vendor/llama.cpp"))
    for place in places:
        if (place / "convert_hf_to_gguf.py").is_file():
            return place / "convert_hf_to_gguf.py"
    raise ModelError(
        "cannot convert to GGUF",
        reason="the llama.cpp source with its converter is not here",
        hint="run `make run` once in a checkout, or set LLAMA_CPP_SOURCE_DIR to a llama.cpp source",
    )


def export_planner(
    model: Path, tokenizer: Path, out: Path, *, outtype: str = "q8_0", name: str = "edgeslm-planner"
) -> Path:
    """Write the GGUF of a HF-layout model folder and its SentencePiece tokenizer; moved into place whole.

    outtype: f32, f16, bf16 or q8_0, as the converter has them. Raises ModelError with the converter's last words.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        for file in ("config.json", "model.safetensors"):
            shutil.copy(model / file, staged / file)
        shutil.copy(tokenizer, staged / "tokenizer.model")
        (staged / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER_CONFIG))
        metadata = staged / "metadata.json"
        metadata.write_text(json.dumps({"general.name": name, "general.finetune": FINETUNE_NAME}))
        beside = out.with_suffix(".part")
        command: list[str | Path] = [sys.executable, converter_script(), staged, "--metadata", metadata]
        command += ["--outfile", beside, "--outtype", outtype]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not beside.is_file():
        beside.unlink(missing_ok=True)
        reason = done.stderr.strip()[-500:] or "the converter gave no reason"
        raise ModelError("cannot convert the planner to GGUF", reason=reason)
    beside.replace(out)
    return out
