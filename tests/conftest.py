"""What tests of every folder share. Kept small: helpers with a subject of their own are modules beside this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_models import write_tiny_llama


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama-architecture GGUF of about half a megabyte."""
    return write_tiny_llama(tmp_path_factory.mktemp("models") / "tiny.gguf")
