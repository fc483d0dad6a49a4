"""Hugging Face checkpoints with random weights, of any configuration, to measure speed and memory on.

The tokenizer is made here: a few invented words, the rest of the vocabulary stays empty, so that embedding and head
have the size that the configuration says and nothing is downloaded. Refuses to know any model's configuration.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError

_SYLLABLES = "ba ce di fo gu la me ni po ru sa te vi xo zu".split()
# A vocabulary that llama.cpp's converter does not know by its hash is read with this pre-tokenizer.
PRE_TOKENIZER = "gpt-2"


def make_random(shape: dict[str, Any], out: Path, *, dtype: str | None = None, seed: int = 0) -> Path:
    """Write a checkpoint folder of that shape, the content of a config.json, moved into place whole, and return it.

    dtype: of the stored weights, by default what the shape says. Weights are drawn as transformers initialises
    them, from `seed`. Raises InputError if transformers has no such architecture.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {key: value for key, value in shape.items() if key not in ("model_type", "architectures", "dtype")}
    stored = dtype or shape.get("dtype", "float32")
    try:
        config = AutoConfig.for_model(shape["model_type"], **settings)
    except (KeyError, ValueError) as error:
        raise InputError("cannot make a model of this shape", reason=str(error)) from error
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, stored))
    try:
        model = AutoModelForCausalLM.from_config(config)
    finally:
        torch.set_default_dtype(before)
    beside = out.with_name(out.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        model.save_pretrained(beside)
        write_tokenizer(beside)
        shutil.rmtree(out, ignore_errors=True)
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return out


def write_tokenizer(folder: Path) -> None:
    """A byte-level BPE tokenizer of invented words, in the files that transformers and the converter read."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    draws = random.Random(0)
    words = ["".join(draws.choices(_SYLLABLES, k=3)) for _ in range(200)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(words)], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
