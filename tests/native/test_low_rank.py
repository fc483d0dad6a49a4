"""Matrices stored as two factors: multiplied as two, and refused where the factors do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from edgeslm.engine import Model
from edgeslm.engine.evaluate import token_logits
from edgeslm.errors import ModelError
from stored_files import rewrite, tensor

TOKENS = [1, 300, 301, 302, 40, 41, 42]
NAMES = [f"blk.1.{name}" for name in ("attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up", "ffn_down")]


def factor(matrix: Any, rank: int) -> tuple[Any, Any]:
    """(first [rank, n_in], second [n_out, rank]) as rows are stored, second @ first being nearest to `matrix`."""
    left, values, right = numpy.linalg.svd(matrix, full_matrices=False)
    return right[:rank], left[:, :rank] * values[:rank]


def factored(source: Path, out: Path, names: list[str], rank: int) -> Path:
    tensors: dict[str, Any] = {}
    for name in names:
        first, second = factor(tensor(source, f"{name}.weight"), rank)
        tensors |= {f"{name}.low_rank_a.weight": first, f"{name}.low_rank_b.weight": second}
    return rewrite(source, out, drop=lambda found: found.removesuffix(".weight") in names, tensors=tensors)


def multiplied_out(source: Path, out: Path, names: list[str], rank: int) -> Path:
    tensors = {}
    for name in names:
        first, second = factor(tensor(source, f"{name}.weight"), rank)
        tensors[f"{name}.weight"] = second @ first
    return rewrite(source, out, tensors=tensors)


def refuse(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Model(path)
    return str(caught.value)


def test_factors_give_the_logits_of_their_product(tmp_path: Path, tiny_llama: Path) -> None:
    low = token_logits(factored(tiny_llama, tmp_path / "low.gguf", NAMES, 8), TOKENS)
    product = token_logits(multiplied_out(tiny_llama, tmp_path / "product.gguf", NAMES, 8), TOKENS)
    numpy.testing.assert_allclose(numpy.array(low), numpy.array(product), rtol=2e-3, atol=2e-3)
    whole = numpy.array(token_logits(tiny_llama, TOKENS))
    assert numpy.abs(whole - numpy.array(product)).max() > 0.1  # rank 8 of 64 is not the same model


def test_a_shared_layer_may_be_stored_as_factors(tmp_path: Path, tiny_llama: Path) -> None:
    of_first = [name.replace("blk.1", "blk.0") for name in NAMES]
    low = factored(tiny_llama, tmp_path / "low.gguf", of_first, 8)
    shared = rewrite(
        low,
        tmp_path / "shared.gguf",
        drop=lambda name: name.startswith("blk.1."),
        arrays={"llama.layer_sharing": [0, 0]},
    )
    copies = {}
    for name in of_first:
        for part in ("a", "b"):
            found = tensor(low, f"{name}.low_rank_{part}.weight")
            copies[f"{name}.low_rank_{part}.weight".replace("blk.0", "blk.1")] = found
    for kind in ("attn_norm", "attn_v", "ffn_norm"):
        copies[f"blk.1.{kind}.weight"] = tensor(low, f"blk.0.{kind}.weight")
    plain = rewrite(shared, tmp_path / "plain.gguf", tensors=copies)
    assert token_logits(shared, TOKENS) == token_logits(plain, TOKENS)


def test_factors_of_another_inner_size_are_refused(tmp_path: Path, tiny_llama: Path) -> None:
    path = factored(tiny_llama, tmp_path / "bad.gguf", NAMES[:1], 8)
    second = tensor(path, "blk.1.attn_q.low_rank_b.weight")
    path = rewrite(path, tmp_path / "worse.gguf", tensors={"blk.1.attn_q.low_rank_b.weight": second[:, :4]})
    assert "tensor 'blk.1.attn_q.low_rank_b.weight' has wrong shape" in refuse(path)


def test_factors_of_another_width_are_refused(tmp_path: Path, tiny_llama: Path) -> None:
    path = factored(tiny_llama, tmp_path / "bad.gguf", NAMES[:1], 8)
    first = tensor(path, "blk.1.attn_q.low_rank_a.weight")
    path = rewrite(path, tmp_path / "worse.gguf", tensors={"blk.1.attn_q.low_rank_a.weight": first[:, :32]})
    assert "tensor 'blk.1.attn_q.low_rank_a.weight' has wrong shape" in refuse(path)


def test_a_factor_without_its_other_is_refused(tmp_path: Path, tiny_llama: Path) -> None:
    path = factored(tiny_llama, tmp_path / "bad.gguf", NAMES[:1], 8)
    path = rewrite(path, tmp_path / "worse.gguf", drop=lambda name: name.endswith("low_rank_b.weight"))
    assert "tensor 'blk.1.attn_q.low_rank_b.weight' not found" in refuse(path)


def test_a_norm_cannot_be_two_factors(tmp_path: Path, tiny_llama: Path) -> None:
    path = rewrite(
        tiny_llama,
        tmp_path / "bad.gguf",
        drop=lambda name: name == "blk.1.attn_norm.weight",
        tensors={
            "blk.1.attn_norm.low_rank_a.weight": numpy.ones((2, 64)),
            "blk.1.attn_norm.low_rank_b.weight": numpy.ones((1, 2)),
        },
    )
    assert "blk.1.attn_norm.weight is not a matrix" in refuse(path)
