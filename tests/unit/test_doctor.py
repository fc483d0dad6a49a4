"""`edgeslm doctor`: what it prints, and that every fault it can find comes with a remedy and exit code 1."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from edgeslm import cli, doctor, resources
from edgeslm.engine import library
from edgeslm.errors import ModelError


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tiny_llama: Path) -> Path:
    """An installation whose default model is a tiny one, so that the tests need no trained model."""
    monkeypatch.setattr(resources, "default_model", lambda: tiny_llama)
    return tiny_llama


def test_report_names_pin_patches_cpu_threads_memory_and_model(
    shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["doctor", "--output", "json"])
    report = json.loads(capsys.readouterr().out)
    assert report["pin"]["version"] == report["library"]["pin"]
    assert len(report["pin"]["sdist_sha256"]) == 64
    assert report["patches"]["sha256"] == doctor.hash_patches(
        Path(__file__).resolve().parents[2] / "runtime/native/patches"
    )
    assert report["cpu"]["threads"] >= 1
    assert report["memory"]["total"] > report["memory"]["available"] > 0
    assert report["model"]["sha256"] == hashlib.sha256(shipped.read_bytes()).hexdigest()
    assert report["model"]["train_context"] == 512


def test_a_good_installation_is_well_and_exits_with_0(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor"]) == 0
    text = capsys.readouterr().out
    assert text.endswith("\nall is well\n")
    assert f"SHA-256 {hashlib.sha256(shipped.read_bytes()).hexdigest()}" in text


def test_a_missing_model_is_found_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Path:
        raise ModelError(
            "the planner model is not installed", reason="there is no x.gguf", hint="install edgeslm again"
        )

    monkeypatch.setattr(resources, "default_model", fail)
    assert cli.run(["doctor"]) == 1
    assert capsys.readouterr().out.endswith(
        "\n\nproblem: the planner model is not installed: there is no x.gguf\n  do: install edgeslm again\n"
    )


def test_a_damaged_model_is_found(shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(shipped.read_bytes()[:-5000])
    monkeypatch.setattr(resources, "default_model", lambda: damaged)
    (finding,) = doctor.examine().findings
    assert finding.problem.startswith(f"cannot load the model {damaged}: ")


def test_a_library_that_was_not_built_is_found(shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGESLM_LIB_PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "load_library", library.load_library.__wrapped__)
    problems = [finding.problem for finding in doctor.examine().findings]
    assert any(problem.startswith(f"cannot load llama.cpp from {tmp_path}") for problem in problems)


def test_other_patches_than_those_compiled_are_found(
    shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    patches = tmp_path / "runtime/native/patches"
    patches.mkdir(parents=True)
    (patches / "0001-new.patch").write_text("new")
    monkeypatch.setattr(resources, "checkout", lambda: tmp_path)
    assert doctor.Finding("the library was built with other patches than the checkout's", "make run") in (
        doctor.examine().findings
    )


def test_memory_is_read_in_bytes(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        1000 kB\nMemFree: 1 kB\nMemAvailable:     400 kB\n")
    assert doctor.read_memory(meminfo) == {"total": 1_024_000, "available": 409_600}
