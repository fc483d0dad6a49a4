"""From the trained planner to the GGUF that ships, by the converter that comes with the pinned llama.cpp source."""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from edgeslm.ask.prompt import FINETUNE_NAME
from edgeslm.ask.readings import SURE_KEY
from edgeslm_convert.gguf import to_gguf
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


def export_planner(
    model: Path,
    tokenizer: Path,
    out: Path,
    *,
    outtype: str = "q8_0",
    name: str = "edgeslm-planner",
    sure_above: float | None = None,
) -> Path:
    """Write the GGUF of a HF-layout model folder and its SentencePiece tokenizer; moved into place whole.

    outtype: f32, f16, bf16 or q8_0, as the converter has them. sure_above: the probability from which on its plans
    count as sure, as `measure.sure_above` found it. Raises ModelError with the converter's last words.
    """
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        for file in ("config.json", "model.safetensors"):
            shutil.copy(model / file, staged / file)
        shutil.copy(tokenizer, staged / "tokenizer.model")
        (staged / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER_CONFIG))
        metadata = staged / "metadata.json"
        own = {} if sure_above is None else {SURE_KEY: f"{sure_above:.4g}"}
        metadata.write_text(json.dumps({"general.name": name, "general.finetune": FINETUNE_NAME, **own}))
        return to_gguf(staged, out, outtype=outtype, metadata=metadata, title="the planner")
