"""The manifest of a conversion: what went in, what came out, with which tools, and what was measured.

It holds no time, no machine and no absolute path: the same recipe gives the same bytes. Written last, so that where a
manifest is, the files it names are whole.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tomllib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgeslm.engine.library import load_library
from edgeslm_convert.checkpoint import READ_FILES
from edgeslm_convert.place import into_place

NAME = "manifest.json"
_PACKAGES = ("edgeslm", "torch", "transformers", "tokenizers", "safetensors", "gguf", "numpy", "peft")
_CHUNK = 2**20


def tools() -> dict[str, Any]:
    """The pinned llama.cpp and the versions of everything that computes; a result of other tools may differ."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "packages": found, "pin": _pin()}


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a checkpoint folder that a conversion reads, by name."""
    paths = sorted({path for pattern in READ_FILES for path in folder.glob(pattern)})
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in paths if path.is_file()}


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def write_manifest(out: Path, content: Mapping[str, Any]) -> Path:
    """Write out/manifest.json, moved into place whole."""
    path = out / NAME
    with into_place(path) as beside:
        beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _pin() -> dict[str, str]:
    """The llama.cpp that computes here, and the patches in it."""
    library = load_library()
    file = library.folder / "pin.toml"
    pin = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {**pin, "patches_sha256": str(library.abi_report().get("patches_sha256", ""))}
