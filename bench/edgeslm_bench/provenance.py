"""Where a number comes from: which model file, which machine, when, of which commit. Refuses to measure."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from edgeslm_bench.machine import machine_line
from edgeslm_convert.place import into_place


def describe_model(path: Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a model file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest}


def provenance(command: str) -> dict[str, str]:
    """What a measurement by `command` that has just been made should be kept with."""
    return {"command": command, "date": _today(), "machine": machine_line(with_lnav=False), "commit": commit()}


def commit(folder: Path | None = None) -> str:
    """The commit checked out in `folder` (here), with "+" where files differ from it; empty where there is no git."""
    try:
        found = [
            subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found[0] + "+" * bool(found[1])


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a result, whole or not at all."""
    with into_place(path) as beside:
        beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
