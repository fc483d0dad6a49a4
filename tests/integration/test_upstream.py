"""A converted file loads in llama.cpp without our patches, and gives the same logits there."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from edgeslm.engine.evaluate import Evaluator
from edgeslm.errors import ModelError
from edgeslm_convert.gguf import converter_script, to_gguf
from edgeslm_convert.quantize.apply import quantize
from tiny_checkpoints import pre_tokenizer, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = Path(os.environ.get("EDGESLM_UPSTREAM", ROOT / "build" / "upstream"))
TOKENS = [1, 5, 300, 77, 12, 8, 200, 31]

pytestmark = pytest.mark.upstream


@pytest.fixture(scope="module")
def upstream() -> Path:
    """The folder of the unpatched build."""
    if not (UPSTREAM / "bindings" / "llama_cpp.py").is_file() or not list((UPSTREAM / "lib").glob("libllama.*")):
        pytest.skip(f"needs llama.cpp without our patches in {UPSTREAM}: run `make test-upstream`")
    return UPSTREAM


@pytest.mark.parametrize(
    ("name", "changes", "kind"),
    [
        ("llama", {}, "f16"),
        ("llama", {"intermediate_size": 96, "num_hidden_layers": 2}, "q4_0"),
        ("gpt_bigcode", {"n_inner": 160}, "f16"),  # a width that the converter alone would write wrongly
        ("phi", {"intermediate_size": 96}, "q8_0"),
    ],
)
def test_a_converted_file_gives_the_same_logits_in_unpatched_llama_cpp(
    upstream: Path, tmp_path: Path, name: str, changes: dict[str, Any], kind: str
) -> None:
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(error.reason)
    checkpoint = write_checkpoint(name, tmp_path / "hf", **changes)
    gguf = to_gguf(checkpoint, tmp_path / "f16.gguf", pre_tokenizer=pre_tokenizer(name))
    if kind != "f16":
        gguf = quantize(gguf, tmp_path / f"{kind}.gguf", kind).path
    with Evaluator(gguf, n_ctx=len(TOKENS), threads=1) as model:
        expected = b"".join(row.tobytes() for row in model.logits(TOKENS))
    script = str(Path(__file__).resolve().parents[1] / "upstream_logits.py")
    command = [sys.executable, script, str(upstream), str(gguf), *map(str, TOKENS)]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert len(found) == len(expected) > 0
    assert max(abs(one - other) for one, other in zip(array("f", expected), array("f", found), strict=True)) == 0
