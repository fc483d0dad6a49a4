"""How a model is held in memory: what fits is chosen in order of quality, what does not is said."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgeslm.engine import Model
from edgeslm.engine.gguf_metadata import read_metadata
from edgeslm.engine.memory import KV_TYPES, LOAD_MODES, ModelSize, Plan, choose_plan
from edgeslm.errors import InputError, ModelError
from tiny_models import write_tiny_llama

# TinyLlama-1.1B in Q8_0.
SIZE = ModelSize(file_bytes=1_170_000_000, n_layer=22, kv_width=22 * 512, head_width=64, train_context=2048)


def test_the_size_is_read_from_the_file_alone(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", layers=3)
    found = ModelSize.from_file(path)
    assert found == ModelSize(path.stat().st_size, n_layer=3, kv_width=3 * 2 * 2 * 16, head_width=16, train_context=512)


def test_metadata_is_what_llama_cpp_reads(tiny_llama: Path) -> None:
    found = read_metadata(tiny_llama)
    with Model(tiny_llama) as model:
        known = model.metadata
    scalars = {key: value for key, value in found.items() if not isinstance(value, list)}
    assert set(scalars) <= set(known)
    assert {key: known[key] for key in scalars if not isinstance(scalars[key], float)} == {
        key: str(value) for key, value in scalars.items() if not isinstance(value, float)
    }


def test_without_a_limit_all_of_the_context_is_held_in_f16() -> None:
    assert choose_plan(SIZE, 4096) == Plan(2048, "f16", "read")


@pytest.mark.parametrize(
    ("limit", "plan"),
    [
        (1_400_000_000, Plan(2048, "f16", "read")),
        (1_360_000_000, Plan(2048, "q8_0", "read")),
        (1_352_000_000, Plan(2048, "q8_0", "read")),
        (1_341_000_000, Plan(2048, "q4_0", "read")),
        (1_335_000_000, Plan(1024, "q4_0", "read")),
        (1_000_000_000, Plan(2048, "f16", "map")),
        (50_000_000, Plan(1536, "q4_0", "map")),
    ],
)
def test_the_best_that_fits_is_chosen(limit: int, plan: Plan) -> None:
    found = choose_plan(SIZE, 2048, limit)
    assert found == plan
    assert found.bytes(SIZE) <= limit


def test_what_does_not_fit_is_said_in_numbers() -> None:
    with pytest.raises(InputError) as caught:
        choose_plan(SIZE, 2048, 30_000_000)
    message = str(caught.value)
    assert message.startswith("the model does not fit 30,000,000 bytes\n  because its file has 1,170,000,000, 256 ")
    assert "hint: allow at least 41,622,016 with --max-memory" in message


def test_heads_that_are_no_whole_blocks_keep_f16() -> None:
    odd = ModelSize(file_bytes=10**9, n_layer=22, kv_width=22 * 480, head_width=60, train_context=2048)
    assert choose_plan(odd, 2048, 1_170_000_000).kv_type == "f16"


@pytest.mark.parametrize("plan", [Plan(256, kind, mode) for kind in KV_TYPES for mode in LOAD_MODES])
def test_every_plan_loads_and_writes(tmp_path: Path, plan: Plan) -> None:
    path = write_tiny_llama(tmp_path / "wide.gguf", width=128, heads=4)
    with Model(path, plan=plan) as model:
        assert len(model.complete("the log", max_tokens=4, ignore_end=True).tokens) == 4


@pytest.mark.parametrize("kept", [20, 40, 300, 2000])
def test_metadata_that_ends_early_is_refused(tmp_path: Path, tiny_llama: Path, kept: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny_llama.read_bytes()[:kept])
    with pytest.raises(ModelError):
        read_metadata(path)


def test_a_length_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 60) + b"key")
    with pytest.raises(ModelError) as caught:
        read_metadata(path)
    assert "a value claims 1152921504606846976 bytes" in str(caught.value)
