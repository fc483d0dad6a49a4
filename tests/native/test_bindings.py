"""The ctypes bindings and the compiled llama.cpp are of one version and agree on every struct the engine passes."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from edgeslm import doctor, resources
from edgeslm.engine.library import Library, load_library

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.fixture(scope="module")
def pin() -> dict[str, str]:
    return tomllib.loads((ROOT / "runtime/native/pin.toml").read_text())


def test_bindings_have_the_pinned_version(pin: dict[str, str]) -> None:
    assert import_module("edgeslm.lib").__version__ == pin["version"]


def test_library_was_compiled_from_the_pinned_source(library: Library, pin: dict[str, str]) -> None:
    assert library.abi_report()["pin"] == pin["version"]
    assert library.llama.llama_version().decode().startswith(pin["llama_cpp_version"])


@pytest.mark.parametrize(
    "struct",
    [
        "llama_token_data",
        "llama_token_data_array",
        "llama_batch",
        "llama_model_params",
        "llama_context_params",
        "llama_sampler_chain_params",
        "llama_chat_message",
    ],
)
def test_struct_has_the_same_size_in_python_and_in_the_library(library: Library, struct: str) -> None:
    assert ctypes.sizeof(getattr(library.llama, struct)) == library.abi_report()["sizes"][struct]


def test_no_struct_or_field_is_laid_out_differently(library: Library) -> None:
    assert doctor.find_abi_mismatches(library) == []


def test_a_drifted_struct_is_found(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    class Drifted(ctypes.Structure):
        _fields_ = [("role", ctypes.c_char_p)]

    monkeypatch.setattr(library.llama, "llama_chat_message", Drifted)
    assert doctor.find_abi_mismatches(library) == [
        "llama_chat_message has 8 bytes in the bindings and 16 in the library"
    ]


def test_library_was_built_with_the_patches_of_the_checkout(library: Library) -> None:
    assert resources.checkout() == ROOT
    assert library.abi_report()["patches_sha256"] == doctor.hash_patches(ROOT / "runtime/native/patches")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_no_other_llama_cpp_is_loaded_whatever_the_environment_says(library: Library, tmp_path: Path) -> None:
    code = (
        "from edgeslm.engine.library import load_library; load_library(); import os;"
        "print(os.environ['LLAMA_CPP_LIB_PATH']);"
        "print(*{line.split()[-1] for line in open('/proc/self/maps') if 'libllama' in line or 'libggml' in line})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LLAMA_CPP_LIB_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    environment, *loaded = done.stdout.split()
    assert environment == str(tmp_path)
    assert {Path(path).parent for path in loaded} == {library.folder}


def test_loading_the_library_imports_no_numpy() -> None:
    code = "import sys; from edgeslm.engine.library import load_library; load_library(); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
