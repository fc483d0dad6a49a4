"""Checkpoints in Hugging Face's layout: where one comes from, how it is loaded, how it is saved.

A checkpoint is a folder with config.json, safetensors and a tokenizer's files. Invariants: nothing pickled is read, no
code that comes with a checkpoint is run, no weight that a config promises is made up, and a saved folder is whole.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.gguf import check_checkpoint
from edgeslm_convert.place import into_place
from edgeslm_convert.shape import ENCODERS, ModelShape

# What a tokenizer, and a sentence encoder's pooling, consist of; the same names are asked of the hub.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
ENCODER_COMPANIONS = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)
COMPANIONS = (*TOKENIZER_FILES, *ENCODER_COMPANIONS)
_FROM_HUB = ("config.json", "generation_config.json", *COMPANIONS)
_WEIGHTS = ("model*.safetensors", "model.safetensors.index.json")
READ_FILES = (*_FROM_HUB, *_WEIGHTS)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_MAY_BE_MISSING = ("pooler.",)  # llama.cpp leaves it out too
_LONGEST_REASON = 500


def fetch(source: str | Path, revision: str | None = None, *, weights: bool = True) -> Path:
    """The local folder of a checkpoint: `source` itself if it is one, else a download of that hub id.

    Of a hub repository only config, safetensors (unless `weights` is false) and the tokenizer are fetched. Raises
    InputError.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if not isinstance(source, str) or not _HUB_ID.fullmatch(source):
        raise InputError(
            f"no checkpoint at {source}",
            reason="it is a file" if folder.exists() else "there is no such folder, and it is no hub id (owner/name)",
            hint="name the folder that holds config.json and model.safetensors",
        )
    return _download(source, revision, weights)


def model_shape(folder: Path) -> ModelShape:
    """The shape that the folder's config.json states."""
    return ModelShape.from_config(folder)


def load_model(folder: Path, *, dtype: str = "float32", attention: str = "sdpa") -> Any:
    """The transformers model in `folder`, in eval mode on the CPU: with its head for decoders, without for encoders.

    dtype: a name in torch. attention: transformers' attn_implementation. Raises ModelError for a damaged checkpoint,
    for an architecture that transformers has no class for, and where tensors are missing or superfluous.
    """
    check_checkpoint(folder)
    shape = ModelShape.from_config(folder)
    if shape.architecture == "openelm":
        raise ModelError(
            f"cannot load {folder}",
            reason="transformers has no class for openelm, and code that comes with a checkpoint is never run",
            hint="convert it as it is: steps that need the model itself are not for OpenELM",
        )
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    kind = AutoModel if shape.architecture in ENCODERS else AutoModelForCausalLM
    try:
        model, info = kind.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"transformers cannot load {folder}", reason=str(error)[:_LONGEST_REASON]) from error
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(_MAY_BE_MISSING))
    if missing:
        # transformers would go on with random weights in their place.
        raise ModelError(
            f"the checkpoint {folder} is not whole",
            reason=f"it lacks {', '.join(missing)}"[:_LONGEST_REASON],
            hint="copy or download it again",
        )
    if getattr(model.config, "layer_sharing", None):
        from edgeslm_convert.share.tie import tie_again

        tie_again(model)
    return model.eval()


def save_model(model: Any, tokenizer_from: Path, out: Path) -> Path:
    """Save `model` with the tokenizer's files of folder `tokenizer_from` as folder `out`, moved into place whole."""
    with into_place(out) as beside:
        try:
            with _written_out(model):
                model.save_pretrained(beside, safe_serialization=True)
        except SafetensorError as error:  # a full disk is one of these
            raise InputError(
                f"cannot write {out}", reason=str(error), hint="make room or name another place"
            ) from error
        copy_companions(tokenizer_from, beside)
    return out


def _written_out(model: Any) -> AbstractContextManager[None]:
    """While a model is saved, layers that share weights have copies of their own: checkpoints know no sharing."""
    if not getattr(model.config, "layer_sharing", None):
        return nullcontext()
    from edgeslm_convert.share.tie import untied

    return untied(model)


def copy_companions(source: Path, target: Path, names: Sequence[str] = COMPANIONS) -> None:
    """Copy the tokenizer's files (and a sentence encoder's pooling); what `target` already has stays."""
    for name in names:
        if (source / name).is_file() and not (target / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)


def _download(source: str, revision: str | None, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(source, revision=revision, allow_patterns=[*_FROM_HUB, *(_WEIGHTS if weights else ())])
        )
    except Exception as error:  # errors of its HTTP library come through, and which one that is depends on its version
        words = str(error).strip().splitlines()
        raise InputError(
            f"cannot fetch {source} from the hub",
            reason=words[0][:_LONGEST_REASON] if words else type(error).__name__,
            hint="check the name and the network, or download it elsewhere and name the local folder",
        ) from error
