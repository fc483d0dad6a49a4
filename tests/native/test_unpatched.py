"""Beside llama.cpp without our patches: the same bits while no hook is used, and no garbage from a shared file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeslm.engine.evaluate import Evaluator
from edgeslm_convert.share.files import share_file, unshare_file
from stored_files import copy_layers
from tiny_models import write_tiny_llama
from tiny_starcoder import write_tiny_starcoder

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = Path(os.environ.get("EDGESLM_UPSTREAM", ROOT / "build" / "upstream"))
TOKENS = [1, 300, 301, 302, 40, 41, 42, 300]

pytestmark = pytest.mark.upstream


def unpatched(path: Path) -> subprocess.CompletedProcess[bytes]:
    """The logits of TOKENS on standard output, or why not on standard error."""
    if not (UPSTREAM / "bindings" / "llama_cpp.py").is_file():
        pytest.skip(f"needs llama.cpp without our patches in {UPSTREAM}: run `make test-upstream`")
    script = str(ROOT / "tests/upstream_logits.py")
    command = [sys.executable, script, str(UPSTREAM), str(path), *map(str, TOKENS)]
    return subprocess.run(command, capture_output=True, check=False)


def ours(path: Path) -> bytes:
    with Evaluator(path, n_ctx=len(TOKENS), threads=1) as model:
        return b"".join(row.tobytes() for row in model.logits(TOKENS))


@pytest.mark.parametrize("write", [write_tiny_llama, write_tiny_starcoder])
def test_with_the_hooks_unused_every_bit_is_the_same(tmp_path: Path, write: object) -> None:
    assert callable(write)
    path = write(tmp_path / "model.gguf", layers=3)
    found = unpatched(path).stdout
    assert len(found) > 0
    assert found == ours(path)


def test_a_shared_file_is_refused_by_name_and_its_plain_form_is_the_same(tmp_path: Path) -> None:
    four = write_tiny_llama(tmp_path / "four.gguf", layers=4)
    copies = copy_layers(four, tmp_path / "copies.gguf", [0, 0, 2, 2])
    share_file(copies, tmp_path / "shared.gguf", [0, 0, 2, 2])
    refused = unpatched(tmp_path / "shared.gguf")
    assert refused.returncode != 0
    assert b"tensor 'blk.1.attn_norm.weight' not found" in refused.stderr
    assert b"Shared layers: run edgeslm unshare" in refused.stderr  # general.description, which the log shows
    unshare_file(tmp_path / "shared.gguf", tmp_path / "plain.gguf")
    assert unpatched(tmp_path / "plain.gguf").stdout == ours(tmp_path / "shared.gguf")
