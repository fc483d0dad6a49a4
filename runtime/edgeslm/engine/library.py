"""Finds the compiled llama.cpp beside this package and loads it with its ctypes bindings.

The bindings (`edgeslm.lib.llama_cpp`) are the ctypes modules of the pinned llama-cpp-python, put there by the build:
importing them costs 20 ms, where importing the whole package would also bring numpy, jinja2 and diskcache.
It refuses to know what a model is; `edgeslm.engine.model` does.

Invariant: bindings and library come from one source distribution; no other llama.cpp on the machine is ever picked up.
EDGESLM_LIB_PATH names another folder of libraries built from the same pin (a sanitizer build, an unpatched one).
EDGESLM_LOG=1 lets llama.cpp write its log to stderr.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import ModelError

# How often an OpenMP thread that waits between two graphs looks before it sleeps, 1 to 2 ms; within a graph threads
# wait as runtime/native/edgeslm_wait.h says. With OpenMP's own 300,000 it may hold a core that others need.
_SPIN_COUNT = "30000"
REINSTALL = "install edgeslm again (`make run` in a checkout, `pip install --force-reinstall .` elsewhere)"


@dataclass(frozen=True)
class Library:
    """The loaded libraries: `llama` is the bindings module, `own` is libedgeslm with its signatures set."""

    folder: Path
    llama: Any
    own: Any

    def abi_report(self) -> dict[str, Any]:
        """What was compiled: pin, patches_sha256, sizes of structs and offsets of fields in bytes."""
        report: dict[str, Any] = json.loads(self.own.edgeslm_abi_report())
        return report

    def take_log(self) -> str:
        """Warnings and errors that llama.cpp wrote since the last call, which are then forgotten."""
        text = ctypes.create_string_buffer(4097)
        self.own.edgeslm_log_take(text, len(text))
        return text.value.decode("utf-8", "replace").strip()


def library_folder() -> Path:
    """Where the compiled libraries are. Raises ModelError if the build did not put them there."""
    override = os.environ.get("EDGESLM_LIB_PATH")
    if override:
        return Path(override).resolve()
    try:
        package = importlib.import_module("edgeslm.lib")
    except ImportError as error:
        raise ModelError("llama.cpp is not built", reason=str(error), hint=REINSTALL) from error
    return Path(str(package.__file__)).resolve().parent


@functools.cache
def load_library() -> Library:
    """Load the libraries once per process. Raises ModelError with a remedy when that fails."""
    folder = library_folder()
    try:
        llama = _import_bindings(folder)
        own = ctypes.CDLL(str(folder / f"libedgeslm{_library_suffix(folder)}"))
        _declare_own_functions(own, llama)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise ModelError(f"cannot load llama.cpp from {folder}", reason=str(error), hint=REINSTALL) from error
    own.edgeslm_log_collect(os.environ.get("EDGESLM_LOG", "") not in ("", "0"))
    llama.llama_backend_init()
    return Library(folder, llama, own)


def _import_bindings(folder: Path) -> Any:
    """Import the ctypes bindings so that they open the library in `folder`, whatever the caller's environment says."""
    settings = {"LLAMA_CPP_LIB_PATH": str(folder)}
    if "OMP_WAIT_POLICY" not in os.environ:
        settings["GOMP_SPINCOUNT"] = os.environ.get("GOMP_SPINCOUNT", _SPIN_COUNT)
    with _environment(settings):
        return importlib.import_module("edgeslm.lib.llama_cpp")


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while: they are read as the library is loaded and meant for nobody else."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _library_suffix(folder: Path) -> str:
    return ".so" if (folder / "libedgeslm.so").exists() else ".dylib"


def _declare_own_functions(own: Any, llama: Any) -> None:
    """The signatures of runtime/native/edgeslm.h."""
    own.edgeslm_abi_report.argtypes = []
    own.edgeslm_abi_report.restype = ctypes.c_char_p
    own.edgeslm_log_collect.argtypes = [ctypes.c_bool]
    own.edgeslm_log_collect.restype = None
    own.edgeslm_log_take.argtypes = [ctypes.c_char_p, ctypes.c_int32]
    own.edgeslm_log_take.restype = ctypes.c_int32
    own.edgeslm_load_model.argtypes = [ctypes.c_char_p, llama.llama_model_params]
    own.edgeslm_load_model.restype = llama.llama_model_p_ctypes
    own.edgeslm_make_context.argtypes = [llama.llama_model_p_ctypes, llama.llama_context_params]
    own.edgeslm_make_context.restype = llama.llama_context_p_ctypes
    own.edgeslm_sample_token.argtypes = [
        llama.llama_context_p_ctypes,
        llama.llama_sampler_p_ctypes,
        ctypes.c_float,
        ctypes.c_float,
        ctypes.POINTER(ctypes.c_float),
    ]
    own.edgeslm_sample_token.restype = ctypes.c_int32


def first_reason(log: str) -> str:
    """The first error of llama.cpp's log, which is the cause of those after it, without the function's name."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "failed" in line.lower()] or lines
    if not errors:
        return ""
    function, separator, rest = errors[0].partition(": ")
    return rest if separator and function.replace("_", "").isalnum() else errors[0]
