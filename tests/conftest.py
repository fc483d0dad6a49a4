"""What tests of every folder share. Kept small: helpers with a subject of their own are modules beside this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_models import write_tiny_llama


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama-architecture GGUF of about half a megabyte."""
    return write_tiny_llama(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training computes in float32 on every machine, for tests that compare what two trainings computed."""
    loop = pytest.importorskip("edgeslm_convert.recover.loop")
    monkeypatch.setattr(loop, "fast_bfloat16", lambda device: False)
