"""From a GGUF back to a checkpoint: the way there and back loses nothing; what is no llama is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

import numpy

from edgeslm.errors import ModelError
from edgeslm.resources import default_model
from edgeslm_convert.from_gguf import METADATA, checkpoint_of
from edgeslm_convert.gguf import converter_script, to_gguf
from edgeslm_convert.share.gguf_copy import Source
from tiny_models import write_tiny_llama


@pytest.fixture(scope="module")
def planner() -> Path:
    try:
        converter_script()
        return default_model()
    except ModelError as error:
        pytest.skip(str(error))


def test_the_planner_goes_to_a_checkpoint_and_back_without_a_bit_changed(planner: Path, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(planner, tmp_path / "checkpoint")
    assert "quantization_config" not in json.loads((checkpoint / "config.json").read_text())
    back = to_gguf(checkpoint, tmp_path / "back.gguf", outtype="q8_0", metadata=checkpoint / METADATA)
    before, after = Source(planner), Source(back)
    assert {key: before.value(key) for key in before.fields} == {key: after.value(key) for key in after.fields}
    assert set(before.tensors) == set(after.tensors)
    assert all(numpy.array_equal(one.data, after.tensors[name].data) for name, one in before.tensors.items())


def test_another_architecture_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "other.gguf", architecture="gemma")
    with pytest.raises(ModelError, match="cannot make a checkpoint") as caught:
        checkpoint_of(path, tmp_path / "checkpoint")
    assert "it is gemma" in caught.value.reason
    assert [one.name for one in tmp_path.iterdir()] == ["other.gguf"]
