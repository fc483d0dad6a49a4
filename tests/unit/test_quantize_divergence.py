"""The table of quantized files, and perplexity's arithmetic, on numbers that are known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="the conversion room needs the extra `convert`")
pytest.importorskip("gguf", reason="the conversion room needs the extra `convert`")

import numpy

from edgeslm.engine.evaluate import Evaluator
from edgeslm.errors import ModelError
from edgeslm_convert.quantize import Divergence, Perplexity, Reference, perplexity
from edgeslm_convert.quantize.table import Row, to_markdown


def test_perplexity_and_divergence_are_those_of_the_definition(tiny_llama: Path) -> None:
    sequences = [[1, 270, 300, 290, 310], [1, 280, 281]]
    total, count = 0.0, 0
    with Evaluator(tiny_llama, n_ctx=8) as model:
        for tokens in sequences:
            for row, token in zip(model.logits(tokens), tokens[1:], strict=False):
                total -= row[token] - math.log(sum(math.exp(value) for value in row))
                count += 1
    found = perplexity(tiny_llama, sequences)
    assert found.tokens == count == 6
    assert found.value == pytest.approx(math.exp(total / count), rel=1e-4)

    same = Reference(tiny_llama, sequences).compare(tiny_llama)
    assert (same.positions, same.top1) == (8, 1.0)
    assert same.mean_kl == pytest.approx(0, abs=1e-7)
    assert same.perplexity == found == same.reference


def test_what_is_given_is_not_predicted(tiny_llama: Path) -> None:
    sequences = [[1, 270, 300, 290, 310], [1, 280, 281]]
    total = 0.0
    with Evaluator(tiny_llama, n_ctx=8) as model:
        for tokens, given in zip(sequences, (3, 2), strict=True):
            rows = model.logits(tokens)
            for at in range(given, len(tokens)):
                row = rows[at - 1]
                total -= row[tokens[at]] - math.log(sum(math.exp(value) for value in row))
    found = perplexity(tiny_llama, sequences, given=[3, 2])
    assert found.tokens == 3
    assert found.value == pytest.approx(math.exp(total / 3), rel=1e-4)


def test_divergence_is_that_of_the_other_from_the_reference(tiny_llama: Path, tmp_path: Path) -> None:
    from tiny_models import write_tiny_llama

    other = write_tiny_llama(tmp_path / "other.gguf", seed=2)
    tokens = [1, 270, 300]
    with Evaluator(tiny_llama, n_ctx=8) as one, Evaluator(other, n_ctx=8) as two:
        expected = [_kl(list(p), list(q)) for p, q in zip(one.logits(tokens), two.logits(tokens), strict=True)]
    found = Reference(tiny_llama, [tokens]).compare(other)
    assert found.mean_kl == pytest.approx(sum(expected) / 3, rel=1e-4)
    assert found.max_kl == pytest.approx(max(expected), rel=1e-4)


def test_nothing_is_measured_without_tokens(tiny_llama: Path) -> None:
    with pytest.raises(ModelError, match="there are no tokens"):
        Reference(tiny_llama, [])
    with pytest.raises(ModelError, match="single tokens"):
        perplexity(tiny_llama, [[1]])


def test_the_table_has_ratios_to_the_reference() -> None:
    base, worse = Perplexity(10, 0.1, 100), Perplexity(12.5, 0.2, 100)
    found = Divergence(100, 0.01, 0.5, 0.95, worse, base)
    text = to_markdown([Row("f16", 2000, 16.0, None, base), Row("q4", 600, 4.5, found, worse)])
    assert text.split("\n")[-1] == "| q4 | 600 | 4.50 | 12.5 ± 0.2 | 1.250 | 0.01 | 0.5 | 95.00% |"


def _kl(expected: list[float], found: list[float]) -> float:
    one, other = (numpy.array(row, dtype=float) for row in (expected, found))
    one -= numpy.log(numpy.exp(one).sum())
    other -= numpy.log(numpy.exp(other).sum())
    return float((numpy.exp(one) * (one - other)).sum())
