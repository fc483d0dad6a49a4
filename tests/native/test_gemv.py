"""Q4_0 times a vector: our kernel computes what the formats say, for all values a weight and a vector may have."""

from __future__ import annotations

import ctypes

import numpy
import pytest

from edgeslm.engine.library import library_folder

ROWS, BLOCK = 8, 32
LONGEST = 65536


@pytest.fixture(scope="module")
def gemv() -> ctypes._NamedFuncPointer:
    library = ctypes.CDLL(str(library_folder() / "libggml-cpu.so"))
    if not hasattr(library, "edgeslm_gemv_q4_0_8x8"):
        pytest.skip("this CPU has no AVX2, or the library has no patches")
    return library.edgeslm_gemv_q4_0_8x8


def pack(weights: numpy.ndarray, scales: numpy.ndarray) -> numpy.ndarray:
    """weights [columns, length] from -8 to 7 and scales [columns, length / 32] as block_q4_0x8, bytes."""
    columns, blocks = scales.shape
    out = numpy.zeros((columns // ROWS, blocks, 144), numpy.uint8)
    held = (
        (weights & 15).astype(numpy.uint8).reshape(columns // ROWS, ROWS, blocks, 2, 2, 8)
    )  # low/high, eight by eight
    halves = held[:, :, :, 0] | held[:, :, :, 1] << 4  # [groups, rows, blocks, 2, 8]
    out[:, :, 16:] = halves.transpose(0, 2, 3, 1, 4).reshape(columns // ROWS, blocks, 128)
    scaled = numpy.ascontiguousarray(scales.reshape(columns // ROWS, ROWS, blocks).transpose(0, 2, 1))
    out[:, :, :16] = scaled.astype(numpy.float16).view(numpy.uint8)
    return out


def pack_vector(values: numpy.ndarray, scales: numpy.ndarray) -> numpy.ndarray:
    """values [length] int8 and scales [length / 32] as block_q8_0, bytes."""
    own = scales.astype(numpy.float16).view(numpy.uint8).reshape(-1, 2)
    return numpy.concatenate([own, values.astype(numpy.int8).view(numpy.uint8).reshape(-1, BLOCK)], 1)


def multiply(
    gemv: ctypes._NamedFuncPointer, weights: numpy.ndarray, vector: numpy.ndarray, length: int
) -> numpy.ndarray:
    out = numpy.full(len(weights) * ROWS, numpy.nan, numpy.float32)
    as_pointer = ctypes.c_void_p
    done = gemv(length, out.ctypes.data_as(as_pointer), weights.ctypes.data_as(as_pointer),
                vector.ctypes.data_as(as_pointer), len(out))  # fmt: skip
    assert done == 1
    return out


@pytest.mark.parametrize(("columns", "length"), [(8, 32), (24, 2048), (40, 5632), (8, LONGEST)])
@pytest.mark.parametrize("kind", ["any", "largest"])
def test_the_product_is_that_of_the_weights_and_the_vector(
    gemv: ctypes._NamedFuncPointer, columns: int, length: int, kind: str
) -> None:
    rng = numpy.random.default_rng(7)
    weights = rng.integers(-8, 8, (columns, length))
    values = rng.integers(-127, 128, length)
    if kind == "largest":
        weights, values = numpy.where(weights < 0, -8, 7), numpy.where(values < 0, -127, 127)
        weights[0], values[:BLOCK] = -8, 127  # the largest sums a block can have
    scales = rng.uniform(0.001, 0.1, (columns, length // BLOCK)).astype(numpy.float16)
    own = rng.uniform(0.001, 0.1, length // BLOCK).astype(numpy.float16)
    products = (weights * values).reshape(columns, -1, BLOCK).sum(-1)
    wanted = (products * scales.astype(float) * own.astype(float)).sum(-1)
    found = multiply(gemv, pack(weights, scales), pack_vector(values, own), length)
    size = numpy.abs(products * scales.astype(float) * own.astype(float)).sum(-1)
    assert numpy.all(numpy.abs(found - wanted) <= 1e-5 * size)


def test_a_vector_that_is_too_long_is_left_to_ggml(gemv: ctypes._NamedFuncPointer) -> None:
    assert gemv(LONGEST + BLOCK, None, None, None, ROWS) == 0
