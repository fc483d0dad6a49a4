"""Tiny random models in memory, and calibration tokens, for the tests of pruning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM

from tiny_checkpoints import ENCODERS, VOCABULARY, write_checkpoint

DECODERS = ("llama", "mistral", "granite", "gemma", "gpt_bigcode", "phi")


def load(folder: Path) -> Any:
    """The model of a checkpoint folder, as the tests compare it."""
    auto = AutoModel if folder_is_encoder(folder) else AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype=torch.float32).eval()


def folder_is_encoder(folder: Path) -> bool:
    return any(f'"model_type": "{name}"' in (folder / "config.json").read_text() for name in ENCODERS)


def tiny_model(name: str, folder: Path, *, seed: int = 0, **changes: Any) -> Any:
    return load(write_checkpoint(name, folder, seed=seed, **changes))


def tokens(count: int = 3, length: int = 24, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY - 40, (1, length), generator=generator) for _ in range(count)]


@torch.no_grad()
def outputs(model: Any, sequence: torch.Tensor) -> torch.Tensor:
    """Logits, or an encoder's last hidden states: [t, n]."""
    model.eval()
    given = model(input_ids=sequence, attention_mask=torch.ones_like(sequence))
    return (given.logits if hasattr(given, "logits") else given.last_hidden_state)[0]


def parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
