"""The user's cache folder: what was measured of a model, and the KV cache of fixed prompt beginnings.

Private to the user (folder 0700, files 0600); an entry is used only if everything it depends on is the same and its
checksum is right, else it is removed. Losing it costs time only, so what cannot be read or written is passed over.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

_SAMPLE_BYTES = 1 << 16
_MOST_BYTES = 512 << 20  # of all entries together; the oldest go first
_MAGIC = b"edgeslm1"
_DIGEST_BYTES = 32


def cache_folder() -> Path | None:
    """$XDG_CACHE_HOME/edgeslm or ~/.cache/edgeslm, made private; None where that is not possible."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "edgeslm"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not folder.is_dir() or folder.is_symlink() or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
            return None
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    except (OSError, RuntimeError):
        return None
    return folder


def fingerprint(path: Path) -> str:
    """Tells one model file from another without reading a gigabyte: size, time of change, first and last 64 KiB."""
    status = path.stat()
    digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE_BYTES))
        file.seek(max(0, status.st_size - _SAMPLE_BYTES))
        digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def entry_key(kind: str, *parts: object) -> str:
    """The name of an entry that depends on `parts`."""
    return f"{hashlib.sha256(json.dumps([kind, *map(str, parts)]).encode()).hexdigest()}.{kind}"


def load(key: str, folder: Path | None = None) -> bytes | None:
    """The entry's content, or None. A damaged entry is removed."""
    folder = folder or cache_folder()
    if folder is None:
        return None
    path = folder / key
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + _DIGEST_BYTES
    content = data[head:]
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : head] != hashlib.sha256(key.encode() + content).digest():
        discard(key, folder)
        return None
    return content


def save(key: str, content: bytes, folder: Path | None = None) -> bool:
    """Keep an entry; True if it was written. It appears whole or not at all."""
    folder = folder or cache_folder()
    if folder is None or len(content) > _MOST_BYTES:
        return False
    digest = hashlib.sha256(key.encode() + content).digest()
    try:
        number, name = tempfile.mkstemp(dir=folder, suffix=".part")  # mode 0600
        try:
            with os.fdopen(number, "wb") as file:
                file.write(_MAGIC + digest + content)
            Path(name).replace(folder / key)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError:
        return False
    _trim(folder)
    return True


def discard(key: str, folder: Path | None = None) -> None:
    """Remove an entry, if it is there."""
    folder = folder or cache_folder()
    if folder is not None:
        with contextlib.suppress(OSError):
            (folder / key).unlink()


def load_json(key: str) -> Any:
    """An entry written by save_json, or None."""
    content = load(key)
    return None if content is None else json.loads(content)


def save_json(key: str, value: Any) -> None:
    """Keep a value of plain Python types."""
    save(key, json.dumps(value).encode())


def _trim(folder: Path) -> None:
    """Remove the entries longest unchanged until the rest is small enough."""
    with contextlib.suppress(OSError):
        entries = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for path in entries:
            total += path.stat().st_size
            if total > _MOST_BYTES:
                path.unlink()
