"""Quality columns: Python of a code model is judged by the study's prompts, random weights are not judged at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm_bench import study
from edgeslm_bench.matrix import BASE, Group, Technique
from edgeslm_bench.measure_model import Subject
from edgeslm_bench.quality import judge_group
from edgeslm_bench.variants import prepare
from tiny_models import write_tiny_llama

TECHNIQUES = (Technique(BASE), Technique("base-gguf-f16", variant="base"), Technique("pruned", variant="depth"))


def conversion(folder: Path) -> Path:
    """What `edgeslm convert` leaves, with a variant that was not made."""
    write_tiny_llama(folder / "base-f16.gguf")
    line = {"type": "f16", "file": "base-f16.gguf", "bytes": 1, "measured": {}}
    manifest = {"variants": [{"name": "base", "parameters": 1, "files": [line]}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_code_model_is_judged_on_every_prompt_of_the_study(tmp_path: Path) -> None:
    group = Group("code-model", TECHNIQUES[:2], conversion=tmp_path)
    path = write_tiny_llama(tmp_path / "tiny.gguf", context=1024)
    subjects = {BASE: Subject("base", tmp_path, "float32"), "base-gguf-f16": Subject("f16", path)}
    said: list[str] = []
    found, why = judge_group(group, subjects, 1, say=said.append)
    assert (list(found), why) == (["base-gguf-f16"], "")
    assert said == ["the study's prompts: f16"]
    quality = found["base-gguf-f16"]
    assert quality.asked == len(study.prompts())
    assert quality.quality_score < 0.5
    assert quality.note == f"Python, 0 of {quality.asked} prompts solved"


def test_random_weights_are_not_judged() -> None:
    group = Group("tinyllama-1.1b", TECHNIQUES[:1], shape="tinyllama-1.1b", questions=3)
    assert judge_group(group, {}, 1) == ({}, "random weights: speed and memory only")


def test_every_file_that_a_conversion_lacks_is_named(tmp_path: Path) -> None:
    group = Group("code-model", TECHNIQUES, conversion=conversion(tmp_path))
    with pytest.raises(InputError, match="lacks files of the matrix") as caught:
        prepare(group, tmp_path / "made")
    assert BASE in caught.value.reason
    assert "pruned (depth f16)" in caught.value.reason
    assert "base-gguf-f16" not in caught.value.reason
