"""Tiny random Hugging Face checkpoints of the architectures we convert, with tokenizers made here; no downloads.

Weights are drawn so that predictions are sharp (logits spread by about 2): at the usual initial scale every model is
nearly uniform, and even a wrong GGUF would be within the bounds.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file

from openelm_reference import write_openelm

VOCABULARY = 384
_TEXT = "the log of errors counts lines from hosts where SELECT count FROM logs level message time warn info".split()

_DECODER = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
_LLAMA = {
    **_DECODER,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


# Name -> configuration class, model class, its shape, and the tokenizer it comes with.
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", _LLAMA, "sentencepiece"),
    "mistral": ("MistralConfig", "MistralForCausalLM", {**_LLAMA, "sliding_window": None}, "sentencepiece"),
    "granite": (
        "GraniteConfig",
        "GraniteForCausalLM",
        {
            **_LLAMA,
            "embedding_multiplier": 2.0,
            "attention_multiplier": 0.2,
            "residual_multiplier": 0.7,
            "logits_scaling": 0.8,
        },
        "sentencepiece",
    ),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", {**_LLAMA, "head_dim": 32}, "sentencepiece"),
    "gpt_bigcode": (
        "GPTBigCodeConfig",
        "GPTBigCodeForCausalLM",
        {**_DECODER, "n_embd": 64, "n_inner": 256, "n_layer": 3, "n_head": 4, "n_positions": 256, "multi_query": True},
        "bpe",
    ),
    "phi": (
        "PhiConfig",
        "PhiForCausalLM",
        {**_LLAMA, "intermediate_size": 256, "num_key_value_heads": 4, "partial_rotary_factor": 0.5},
        "bpe",
    ),
    "bert": (
        "BertConfig",
        "BertModel",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 64,
            "intermediate_size": 160,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
        },
        "wordpiece",
    ),
    "distilbert": (
        "DistilBertConfig",
        "DistilBertModel",
        {
            "vocab_size": VOCABULARY,
            "dim": 64,
            "hidden_dim": 160,
            "n_layers": 3,
            "n_heads": 4,
            "max_position_embeddings": 256,
        },
        "wordpiece",
    ),
}
OPENELM = "openelm"  # transformers has no class for it: its reference is in openelm_reference
NAMES = (*ARCHITECTURES, OPENELM)
ENCODERS = ("bert", "distilbert")
_HEADS = 4
# What the converter must be told, because it knows tokenizers by a hash over the vocabulary.
_PRE_TOKENIZERS = {"bpe": "starcoder", "wordpiece": "default"}
_ATTENTION_OUTPUT = re.compile(
    r"\b0\.(self_attn\.(o_proj|dense)|attn\.c_proj|attention\.output\.dense|attention\.out_lin|attn\.out_proj)\.weight$"
)


def pre_tokenizer(name: str) -> str:
    """What the converter must be told of the made tokenizer of architecture `name`."""
    return _PRE_TOKENIZERS.get(ARCHITECTURES[name][3], "") if name in ARCHITECTURES else ""


def write_checkpoint(name: str, folder: Path, *, tokenizer: Path | None = None, seed: int = 0, **changes: Any) -> Path:
    """A checkpoint folder of architecture `name`, as `save_pretrained` leaves it, with random weights.

    tokenizer: a folder to take the tokenizer's files from, instead of a made one.
    """
    if name == OPENELM:
        write_openelm(folder, vocabulary=VOCABULARY, seed=seed)
        _write_sentencepiece(folder)
        return folder
    config_class, model_class, shape, made = ARCHITECTURES[name]
    torch.manual_seed(seed)
    config = getattr(transformers, config_class)(**{**shape, **changes})
    model = getattr(transformers, model_class)(config)
    _draw_weights(model)
    model.save_pretrained(folder)
    if tokenizer is None:
        _TOKENIZERS[made](folder)
    else:
        for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copyfile(tokenizer / file, folder / file)
    return folder


def swap_layers(folder: Path) -> None:
    """Plant an error: the first two layers change places."""
    tensors = load_file(folder / "model.safetensors")
    places = {"0": "1", "1": "0"}
    swapped = {
        re.sub(r"\.(\d+)\.", lambda match: f".{places.get(match[1], match[1])}.", key, count=1): tensor
        for key, tensor in tensors.items()
    }
    assert swapped.keys() == tensors.keys()
    save_file(swapped, folder / "model.safetensors", metadata={"format": "pt"})


def turn_head(folder: Path) -> None:
    """Plant an error: what the first layer's first head gives is read in reverse order."""
    tensors = load_file(folder / "model.safetensors")
    (name,) = [key for key in tensors if _ATTENTION_OUTPUT.search(key)]
    weight = tensors[name].clone()
    width = weight.shape[1] // _HEADS
    weight[:, :width] = weight[:, :width].flip(1)
    save_file({**tensors, name: weight}, folder / "model.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def _draw_weights(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:  # norms and biases, around what they begin at
            parameter += 0.2 * torch.randn_like(parameter)
        elif "wte" in name:  # GPTBigCode ties it to the head; see docs/log.md on llama.cpp's GELU
            parameter.normal_(0, 0.5)
        elif "embed" in name or "wpe" in name:  # Gemma multiplies its own by the root of the width
            parameter.normal_(0, 0.15 if model.config.model_type == "gemma" else 0.3)
        else:
            parameter.normal_(0, (2 if "lm_head" in name else 1) / parameter.shape[-1] ** 0.5)


def _write_sentencepiece(folder: Path) -> None:
    import sentencepiece

    draws = random.Random(0)
    sentences = [" ".join(draws.choices(_TEXT, k=8)) for _ in range(200)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=VOCABULARY,
        hard_vocab_limit=False,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))


def _write_bpe(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(_TEXT)] * 3, trainer)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)


def _write_wordpiece(folder: Path) -> None:
    letters = [chr(code) for code in range(33, 127)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *_TEXT]
    pieces += [f"[unused{index}]" for index in range(VOCABULARY - len(pieces))]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))


_TOKENIZERS: dict[str, Callable[[Path], None]] = {
    "sentencepiece": _write_sentencepiece,
    "bpe": _write_bpe,
    "wordpiece": _write_wordpiece,
}
