"""Every kind of bad model file gives a ModelError that says what is wrong, in a process that lives on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeslm.engine import Model
from edgeslm.errors import ModelError
from tiny_models import write_tiny_llama


def refuse(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Model(path)
    return str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    assert refuse(path) == f"no such model: {path}\n  hint: check the path given with --model"


def test_directory(tmp_path: Path) -> None:
    assert refuse(tmp_path) == f"{tmp_path} is a directory\n  hint: name the .gguf file in it"


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.touch()
    assert refuse(path) == (
        f"{path} is not a GGUF file\n  because it is empty\n  hint: convert the model to GGUF first"
    )


def test_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("Dec 10 06:55:46 host sshd[1]: hello\n")
    assert refuse(path).startswith(f"{path} is not a GGUF file\n  because it begins with b'Dec '")


def test_unknown_gguf_version(tmp_path: Path, tiny_llama: Path) -> None:
    path = tmp_path / "version.gguf"
    path.write_bytes(b"GGUF\x63\0\0\0" + tiny_llama.read_bytes()[8:])
    assert refuse(path).startswith(f"{path} has GGUF version 99\n")


@pytest.mark.parametrize("kept", [6, 100, 4_000, 0.5, 0.999])
def test_truncated_file(tmp_path: Path, tiny_llama: Path, kept: float) -> None:
    data = tiny_llama.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else int(kept)])
    message = refuse(path)
    assert message.startswith((f"cannot load the model {path}", f"{path} is cut short"))
    assert "because" in message


def test_unknown_architecture(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "unknown.gguf", architecture="notamodel")
    assert "unknown model architecture: 'notamodel'" in refuse(path)


def test_encoder(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "encoder.gguf", metadata={"llama.attention.causal": False})
    assert refuse(path) == (
        f"{path} is not a causal language model\n"
        "  because llama is an encoder: it reads text and writes none\n"
        "  hint: name a GGUF that generates text"
    )


def test_missing_tensor(tmp_path: Path, tiny_llama: Path) -> None:
    data = tiny_llama.read_bytes()
    path = tmp_path / "missing.gguf"
    path.write_bytes(data.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight"))
    assert "blk.1.ffn_up.weight" in refuse(path)


def test_a_file_that_fails_an_assertion_of_llama_cpp_does_not_end_the_process(tmp_path: Path, tiny_llama: Path) -> None:
    path = tmp_path / "twice.gguf"
    path.write_bytes(tiny_llama.read_bytes().replace(b"<0x41>", b"<0x42>", 1))  # two tokens of one text
    message = refuse(path)
    assert message.startswith(f"cannot load the model {path}\n")
    assert "GGML_ASSERT(id_to_token.size() == token_to_id.size()) failed" in message


def test_weights_that_are_not_numbers(tmp_path: Path, tiny_llama: Path) -> None:
    path = tmp_path / "nan.gguf"
    shutil.copy(tiny_llama, path)
    with path.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    with Model(path) as model, pytest.raises(ModelError, match="gives no usable numbers"):
        model.complete("hello")


def test_a_good_model_loads_after_all_bad_ones(tiny_llama: Path) -> None:
    with Model(tiny_llama) as model:
        assert model.complete("x", max_tokens=1).completion_tokens == 1
