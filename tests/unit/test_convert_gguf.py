"""What may be given to the converter, and that a failure has a clear error and leaves no file."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from click.testing import CliRunner
from safetensors import safe_open

from edgeslm.engine.gguf_file import check_header
from edgeslm.errors import ModelError
from edgeslm_convert import cli
from edgeslm_convert.gguf import check_checkpoint, converter_script, to_gguf
from edgeslm_convert.run_converter import merge_scores
from tiny_checkpoints import write_checkpoint


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.file,))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint("llama", tmp_path / "hf")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out" / "model.gguf"


def needs_converter() -> None:
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(error.reason)


def refusal(checkpoint: Path, out: Path) -> ModelError:
    """The error of a conversion that must fail; nothing may be left."""
    with pytest.raises(ModelError) as caught:
        to_gguf(checkpoint, out)
    assert list(out.parent.glob("*")) == []
    return caught.value


def fake_converter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    """Make `code` the converter; `sys`, `Path` and the output's path `out` are there for it."""
    folder = tmp_path / "llama.cpp"
    (folder / "conversion").mkdir(parents=True)
    (folder / "conversion" / "base.py").write_text("class TextModel:\n    get_vocab_base_pre = None\n")
    beginning = "import sys\nfrom pathlib import Path\nout = Path(sys.argv[sys.argv.index('--outfile') + 1])\n"
    (folder / "convert_hf_to_gguf.py").write_text(beginning + code)
    monkeypatch.setenv("LLAMA_CPP_SOURCE_DIR", str(folder))


def test_to_gguf_writes_a_whole_file_and_says_so(checkpoint: Path, out: Path) -> None:
    needs_converter()
    result = CliRunner().invoke(cli.to_gguf, [str(checkpoint), str(out), "--type", "q8_0"])
    assert result.exception is None
    assert result.output == f"wrote {out}, {out.stat().st_size:,} bytes\n"
    assert list(out.parent.iterdir()) == [out]
    check_header(out)


def test_an_unknown_architecture_is_named(checkpoint: Path, out: Path) -> None:
    needs_converter()
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "architectures": ["NoSuchForCausalLM"]}))
    error = refusal(checkpoint, out)
    assert error.message == f"cannot convert {checkpoint} to GGUF"
    assert error.reason == "Model NoSuchForCausalLM is not supported"


def test_a_pickled_checkpoint_is_refused_unread(tmp_path: Path, checkpoint: Path, out: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    error = refusal(checkpoint, out)
    assert error.message == f"{checkpoint} holds no safetensors"
    assert error.reason == "pytorch_model.bin is pickled, and reading a pickle runs whatever code it holds"
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_named_safetensors_is_refused_unread(tmp_path: Path, checkpoint: Path, out: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert refusal(checkpoint, out).message == f"the checkpoint {checkpoint} is damaged"
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_beside_safetensors_is_not_read(tmp_path: Path, checkpoint: Path) -> None:
    (checkpoint / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    check_checkpoint(checkpoint)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_safetensors_cut_short_are_refused(checkpoint: Path, out: Path, keep: int) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    error = refusal(checkpoint, out)
    assert error.message == f"the checkpoint {checkpoint} is damaged"
    assert error.reason.startswith("model.safetensors: ")


def test_every_damaged_or_missing_part_is_named(checkpoint: Path, out: Path) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "model-00001-of-00003.safetensors")
    (checkpoint / "model-00002-of-00003.safetensors").write_bytes(b"\xff" * 64)
    parts = [f"model-0000{part}-of-00003.safetensors" for part in (1, 2, 3)]
    with safe_open(checkpoint / parts[0], framework="numpy") as whole:
        held = dict.fromkeys(whole.keys(), parts[0])
    index = {"weight_map": {**held, "b": parts[1], "c": parts[2]}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    reason = refusal(checkpoint, out).reason
    assert [part in reason for part in parts] == [False, True, True]


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_config_that_is_no_json_object_is_refused(checkpoint: Path, out: Path, text: str) -> None:
    (checkpoint / "config.json").write_text(text)
    assert refusal(checkpoint, out).message == f"cannot read {checkpoint / 'config.json'}"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, out: Path) -> None:
    assert refusal(tmp_path / "none", out).message == f"no checkpoint folder at {tmp_path / 'none'}"


def test_an_unknown_type_is_refused(checkpoint: Path, out: Path) -> None:
    with pytest.raises(ModelError, match="cannot write type q4_0") as caught:
        to_gguf(checkpoint, out, outtype="q4_0")
    assert caught.value.reason == "the converter writes f32, f16, bf16, q8_0"


def test_a_converter_that_dies_in_the_middle_leaves_nothing_and_its_last_words_are_the_reason(
    checkpoint: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_converter(monkeypatch, tmp_path, "out.write_bytes(b'GGUF')\nraise OSError(28, 'No space left on device')\n")
    assert refusal(checkpoint, out).reason == "OSError: [Errno 28] No space left on device"


def test_a_failed_conversion_leaves_the_file_of_an_earlier_one(
    checkpoint: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_converter(monkeypatch, tmp_path, "out.write_bytes(b'half')\nsys.exit(1)\n")
    out.parent.mkdir()
    out.write_bytes(b"whole")
    with pytest.raises(ModelError, match="the converter gave no reason"):
        to_gguf(checkpoint, out)
    assert [(path.name, path.read_bytes()) for path in out.parent.iterdir()] == [("model.gguf", b"whole")]


def test_a_llama_cpp_source_without_its_converter_is_named(
    checkpoint: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_CPP_SOURCE_DIR", str(tmp_path))
    assert refusal(checkpoint, out).reason == "the llama.cpp source with its converter is not here"


@pytest.mark.parametrize("merges", [["a b", "ab c"], [["a", "b"], ["ab", "c"]]])
def test_a_token_that_is_merged_earlier_has_a_higher_score(merges: list[object]) -> None:
    vocabulary = {"a": 0, "b": 1, "c": 2, "abc": 3, "ab": 4}
    assert merge_scores({"model": {"vocab": vocabulary, "merges": merges}}) == {4: 0.0, 3: -1.0}
