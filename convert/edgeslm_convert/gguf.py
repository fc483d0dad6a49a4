"""From a Hugging Face checkpoint folder to a GGUF, by the converter that comes with the pinned llama.cpp source.

The converter knows the architectures and runs as a process of its own, with its own gguf package. This module knows
what may be given to it (safetensors only: a pickle runs code when it is read) and that nothing half-written may ever
bear the output's name. It refuses to know what is in a tensor.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from edgeslm.errors import ModelError
from edgeslm_convert.pre_tokenizer import recorded_pre_tokenizer
from edgeslm_convert.stored import store_as_configured

OUTPUT_TYPES = ("f32", "f16", "bf16", "q8_0")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_EXCEPTION_LINE = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b", re.MULTILINE)
_LOGGED_ERROR = re.compile(r"^(?:ERROR|CRITICAL):[\w.-]+:(.*)$", re.MULTILINE)
_REASON_LENGTH = 500
_NAMED = 5


def converter_script() -> Path:
    """convert_hf_to_gguf.py of the llama.cpp source: LLAMA_CPP_SOURCE_DIR, or the build's. Raises ModelError."""
    named = os.environ.get("LLAMA_CPP_SOURCE_DIR")
    root = Path(__file__).resolve().parents[2]
    places = [Path(named)] if named else sorted(root.glob("build/*/source/*/vendor/llama.cpp"))
    for place in places:
        if (place / "convert_hf_to_gguf.py").is_file():
            return (place / "convert_hf_to_gguf.py").resolve()
    raise ModelError(
        "cannot convert to GGUF",
        reason="the llama.cpp source with its converter is not here",
        hint="run `make run` once in a checkout, or set LLAMA_CPP_SOURCE_DIR to a llama.cpp source",
    )


def check_checkpoint(model: Path) -> None:
    """Raise ModelError unless `model` is a folder with config.json and whole safetensors; no tensor is read."""
    if not model.is_dir():
        raise ModelError(
            f"no checkpoint folder at {model}",
            reason="it is a file" if model.exists() else "it is not there",
            hint="name the folder that holds config.json and model.safetensors",
        )
    files = sorted(model.glob("model*.safetensors"))
    index = model / "model.safetensors.index.json"
    if not files and not index.is_file():
        pickled = sorted(path.name for path in model.iterdir() if path.suffix in _PICKLES)
        raise ModelError(
            f"{model} holds no safetensors",
            reason=f"{', '.join(pickled)} is pickled, and reading a pickle runs whatever code it holds"
            if pickled
            else "there is no model.safetensors and no model.safetensors.index.json",
            hint="save the model again with `save_pretrained`, which writes safetensors",
        )
    _read_json(model / "config.json")
    parts = _parts(_read_json(index), index) if index.is_file() else {}
    files = sorted({*files, *(model / name for name in parts)})
    reasons = [reason for path in files if (reason := _damage(path, parts.get(path.name, set())))]
    if reasons:
        raise ModelError(
            f"the checkpoint {model} is damaged", reason="; ".join(reasons), hint="copy or download it again"
        )


def to_gguf(
    model: Path,
    out: Path,
    *,
    outtype: str = "f16",
    metadata: Path | None = None,
    pre_tokenizer: str = "",
    title: str | None = None,
) -> Path:
    """Write the GGUF of a HF checkpoint folder, moved into place whole, and return its path.

    outtype: one of OUTPUT_TYPES. metadata: JSON of `general.*` keys to set. pre_tokenizer: llama.cpp's name of the
    BPE pre-tokenizer, only for a vocabulary that its converter does not know; a pruned one has it on record. title:
    what an error calls the model. Raises ModelError with the converter's last words.
    """
    if outtype not in OUTPUT_TYPES:
        raise ModelError(f"cannot write type {outtype}", reason=f"the converter writes {', '.join(OUTPUT_TYPES)}")
    check_checkpoint(model)
    script = str(converter_script())
    beside = out.with_name(out.name + ".part")
    command = [sys.executable, str(Path(__file__).with_name("run_converter.py"))]
    command += [script, pre_tokenizer or recorded_pre_tokenizer(model)]
    command += [str(model.resolve()), "--outfile", str(beside.resolve()), "--outtype", outtype]
    command += ["--metadata", str(metadata.resolve())] if metadata else []
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        run_converter(command, beside, str(title or model))
        store_as_configured(model, beside)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return out


def run_converter(command: list[str], made: Path, title: str) -> None:
    """Run a converter of llama.cpp that is to make the file `made`. Raises ModelError with its last words."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=_environment())
    if done.returncode != 0 or not made.is_file():
        raise ModelError(f"cannot convert {title} to GGUF", reason=_last_words(done.stderr))


def _environment() -> dict[str, str]:
    """The caller's environment, less what would give the converter another gguf package, and offline."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_LOCAL_GGUF", "PYTHONSAFEPATH")}
    return {**kept, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def _last_words(stderr: str) -> str:
    """Why the converter gave up: the exception that ended it, else the last error it logged, else its last lines."""
    text = stderr.strip()
    exceptions = list(_EXCEPTION_LINE.finditer(text))
    if exceptions:
        return text[exceptions[-1].start() :][:_REASON_LENGTH]
    logged = _LOGGED_ERROR.findall(text)
    return logged[-1].strip() if logged else text[-_REASON_LENGTH:] or "the converter gave no reason"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}", reason=str(error), hint="name a whole checkpoint folder") from error
    if not isinstance(read, dict):
        raise ModelError(f"cannot read {path}", reason="it is not a JSON object")
    return read


def _parts(index: dict[str, Any], path: Path) -> dict[str, set[str]]:
    """Name of each file that an index lists -> the tensors it must hold. Raises ModelError for a malformed index."""
    held: dict[str, set[str]] = {}
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(
        isinstance(file, str) and file == Path(file).name for file in places.values()
    ):
        raise ModelError(f"cannot read {path}", reason="its weight_map does not name files beside it")
    for tensor, file in places.items():
        held.setdefault(file, set()).add(tensor)
    return held


def _damage(path: Path, expected: set[str]) -> str:
    """What is wrong with a safetensors file by its header, its size and the tensors it lacks; empty if nothing is."""
    try:
        with safe_open(path, framework="numpy") as file:
            missing = sorted(expected - set(file.keys()))
    except (SafetensorError, OSError) as error:
        return f"{path.name}: {error}"
    return f"{path.name}: lacks {', '.join(missing[:_NAMED])} ({len(missing)} tensors)" if missing else ""
