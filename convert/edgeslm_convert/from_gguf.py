"""Back from a llama GGUF to a Hugging Face checkpoint, so that the steps of a recipe can begin there.

Weights are what the GGUF holds, quantized values as the numbers they stand for: transformers reads it and computes what
llama.cpp computes. Its SentencePiece vocabulary becomes a tokenizer.model, and what general.* and edgeslm.* say is kept
in metadata.json for `to_gguf`. Refuses other architectures and vocabularies: nothing else is needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeslm.errors import ModelError
from edgeslm_convert.place import into_place
from edgeslm_convert.share.gguf_copy import Source

METADATA = "metadata.json"
_KEPT_PREFIXES = ("general.name", "general.finetune", "edgeslm.")


def checkpoint_of(path: Path, out: Path) -> Path:
    """Write the checkpoint folder of the GGUF `path` to `out`, in float32, moved into place whole.

    Raises ModelError for a file that is no llama with a SentencePiece vocabulary.
    """
    file = Source(path)
    if file.architecture != "llama" or file.value("tokenizer.ggml.model") != "llama":
        raise ModelError(
            f"cannot make a checkpoint of {path}",
            reason=f"it is {file.architecture} with vocabulary {file.value('tokenizer.ggml.model')}, "
            "and only llama with SentencePiece is known",
        )
    with into_place(out) as beside:
        beside.mkdir(parents=True, exist_ok=True)
        _write_weights(path, beside)
        (beside / "tokenizer.model").write_bytes(_sentencepiece(file))
        (beside / "tokenizer_config.json").write_text(json.dumps(_tokenizer_config(file)))
        kept = {key: str(file.value(key)) for key in file.fields if key.startswith(_KEPT_PREFIXES)}
        (beside / METADATA).write_text(json.dumps(kept))
    return out


def _write_weights(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path.parent.resolve(), gguf_file=path.name, dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"transformers cannot read {path}", reason=str(error)) from error
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # the values are written out
    for attribute in ("hf_quantizer", "quantization_method"):
        if hasattr(model, attribute):
            delattr(model, attribute)
    model.save_pretrained(folder)


def _sentencepiece(file: Source) -> bytes:
    """The vocabulary as a SentencePiece model: pieces, scores and kinds as the GGUF has them (the numbers agree)."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = proto.ModelProto()
    pieces = zip(*(file.value(f"tokenizer.ggml.{key}") for key in ("tokens", "scores", "token_type")), strict=True)
    for text, score, kind in pieces:
        model.pieces.add(piece=text, score=score, type=kind)
    model.trainer_spec.model_type = proto.TrainerSpec.BPE
    model.trainer_spec.vocab_size = len(model.pieces)
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = bool(file.value("tokenizer.ggml.add_space_prefix", True))
    model.normalizer_spec.remove_extra_whitespaces = False
    data: bytes = model.SerializeToString()
    return data


def _tokenizer_config(file: Source) -> dict[str, Any]:
    return {
        "add_prefix_space": bool(file.value("tokenizer.ggml.add_space_prefix", True)),
        "add_bos_token": bool(file.value("tokenizer.ggml.add_bos_token", True)),
        "add_eos_token": bool(file.value("tokenizer.ggml.add_eos_token", False)),
        "tokenizer_class": "LlamaTokenizer",
    }
