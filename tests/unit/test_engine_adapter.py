"""LoRA adapters in the engine: as if the product of their matrices were added to the weights, and clear refusals."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import gguf
import numpy
import pytest

from edgeslm.engine import Model
from edgeslm.engine.evaluate import Evaluator
from edgeslm.engine.library import load_library
from edgeslm.errors import ModelError

WIDTH, FEED_FORWARD, RANK, ALPHA = 64, 96, 4, 12.0
TARGETS = {"blk.0.attn_q.weight": (WIDTH, WIDTH), "blk.1.ffn_down.weight": (WIDTH, FEED_FORWARD)}
TOKENS = [1, 40, 50, 60, 270]


def matrices(target: str, rank: int = RANK) -> tuple[Any, Any]:
    """A [rank, columns] and B [rows, rank] of one adapted tensor."""
    rows, columns = TARGETS[target]
    draws = numpy.random.default_rng([7, *target.encode()])
    first, second = draws.normal(0, 0.2, (rank, columns)), draws.normal(0, 0.2, (rows, rank))
    return first.astype(numpy.float32), second.astype(numpy.float32)


def write_adapter(path: Path, *, architecture: str = "llama", kind: str = "adapter", **changes: Any) -> Path:
    """changes: rank; tensors (names instead of TARGETS'); general_type_number (a number where a text belongs)."""
    writer = gguf.GGUFWriter(path, architecture)
    if changes.get("general_type_number"):
        writer.add_uint32("general.type", 3)
    else:
        writer.add_type(kind)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for target in TARGETS:
        first, second = matrices(target, changes.get("rank", RANK))
        name = changes.get("rename", {}).get(target, target)
        writer.add_tensor(f"{name}.lora_a", first)
        writer.add_tensor(f"{name}.lora_b", second)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_merged(base: Path, path: Path) -> Path:
    """A copy of the tiny model whose target weights have alpha / rank times B A added."""
    path.write_bytes(base.read_bytes())
    reader = gguf.GGUFReader(path, "r+")
    for tensor in reader.tensors:
        if tensor.name in TARGETS:
            first, second = matrices(tensor.name)
            tensor.data[:] += ALPHA / RANK * second @ first
    reader.data.flush()
    return path


def write_rounded(base: Path, quantized: Path, path: Path) -> Path:
    """A copy of the tiny model with the values that its weights have in its quantized copy, in float32."""
    path.write_bytes(base.read_bytes())
    rounded = {tensor.name: tensor for tensor in gguf.GGUFReader(quantized).tensors}
    reader = gguf.GGUFReader(path, "r+")
    for tensor in reader.tensors:
        tensor.data[:] = gguf.quants.dequantize(rounded[tensor.name].data, rounded[tensor.name].tensor_type)
    reader.data.flush()
    return path


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "adapter.gguf")


def rows(path: Path, adapter: Path | None = None) -> Any:
    with Evaluator(path, n_ctx=32, adapter=adapter) as model:
        return numpy.array(model.logits(TOKENS))


def test_a_model_with_an_adapter_computes_what_merged_weights_compute(
    tiny_llama: Path, adapter: Path, tmp_path: Path
) -> None:
    merged = write_merged(tiny_llama, tmp_path / "merged.gguf")
    found = rows(tiny_llama, adapter)
    assert found == pytest.approx(rows(merged), abs=2e-4)
    assert numpy.abs(found - rows(tiny_llama)).max() > 1


def test_an_adapter_works_beside_a_quantized_model(tiny_llama: Path, adapter: Path, tmp_path: Path) -> None:
    library = load_library().llama
    quantized = tmp_path / "q4_0.gguf"  # which the loader lays out anew for the CPU
    params = library.llama_model_quantize_default_params()
    params.ftype = library.LLAMA_FTYPE_MOSTLY_Q4_0
    assert library.llama_model_quantize(bytes(tiny_llama), bytes(quantized), ctypes.byref(params)) == 0
    same = write_merged(write_rounded(tiny_llama, quantized, tmp_path / "rounded.gguf"), tmp_path / "merged.gguf")
    found, plain = rows(quantized, adapter), rows(quantized)
    # Not exact: with quantized weights llama.cpp rounds activations too.
    assert numpy.abs(found - rows(same)).mean() < 0.1 * numpy.abs(plain - rows(same)).mean()


def test_a_completion_is_written_with_the_adapter(tiny_llama: Path, adapter: Path, tmp_path: Path) -> None:
    merged = write_merged(tiny_llama, tmp_path / "merged.gguf")
    texts = []
    for path, lora in ((tiny_llama, adapter), (merged, None), (tiny_llama, None)):
        with Model(path, n_ctx=64, adapter=lora) as model:
            texts.append(model.complete("the log", max_tokens=12).tokens)
    assert texts[0] == texts[1] != texts[2]


def test_loading_and_closing_many_times_leaves_nothing_wrong(tiny_llama: Path, adapter: Path) -> None:
    first = rows(tiny_llama, adapter)
    assert all((rows(tiny_llama, adapter) == first).all() for _ in range(3))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architecture": "gpt2"}, "model arch and LoRA arch mismatch"),
        ({"kind": "model"}, "expect general.type to be 'adapter', but got: model"),
        ({"rename": {"blk.0.attn_q.weight": "blk.9.attn_q.weight"}}, "does not exist in base model"),
        ({"rename": {"blk.0.attn_q.weight": "blk.0.ffn_gate.weight"}}, "has incorrect shape"),
        ({"general_type_number": True}, "GGML_ASSERT"),
    ],
)
def test_an_adapter_of_another_model_is_refused(
    tiny_llama: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = write_adapter(tmp_path / "other.gguf", **changes)
    with pytest.raises(ModelError, match="cannot load the adapter") as caught:
        Evaluator(tiny_llama, n_ctx=32, adapter=path)
    assert reason in caught.value.reason


def test_an_adapter_that_is_cut_short_is_refused(tiny_llama: Path, adapter: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    path.write_bytes(adapter.read_bytes()[:-2000])
    with pytest.raises(ModelError, match="cannot load the adapter"):
        Model(tiny_llama, n_ctx=32, adapter=path)


def test_an_adapter_that_is_not_there_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        Model(tiny_llama, n_ctx=32, adapter=tmp_path / "no.gguf")
