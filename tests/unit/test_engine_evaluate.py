"""Raw logits of the engine: the same numbers that its completions are made of, and clear refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeslm.engine import Model
from edgeslm.engine.evaluate import Evaluator, token_logits
from edgeslm.errors import ModelError


@pytest.fixture(scope="module")
def evaluator(tiny_llama: Path) -> Iterator[Evaluator]:
    with Evaluator(tiny_llama, n_ctx=64) as loaded:
        yield loaded


def test_the_most_likely_token_is_the_one_that_a_greedy_completion_writes(tiny_llama: Path) -> None:
    with Model(tiny_llama) as model:
        tokens = model.tokenize("the log")
        (written,) = model.complete("the log", max_tokens=1).tokens
    rows = token_logits(tiny_llama, tokens)
    assert len(rows) == len(tokens)
    assert max(range(len(rows[-1])), key=rows[-1].__getitem__) == written


def test_a_row_depends_on_the_tokens_before_it_only(evaluator: Evaluator) -> None:
    long, short = evaluator.logits([1, 40, 50, 60, 70]), evaluator.logits([1, 40, 50])
    assert [list(row) for row in long[:3]] == [pytest.approx(list(row), abs=1e-5) for row in short]
    assert {len(row) for row in long} == {evaluator.n_vocab}


def test_a_call_does_not_depend_on_the_call_before(evaluator: Evaluator) -> None:
    first = evaluator.logits([1, 40, 50])
    evaluator.logits([9, 9, 9, 9])
    assert evaluator.logits([1, 40, 50]) == first


def test_an_f16_cache_changes_some_digits(tiny_llama: Path) -> None:
    full, half = (token_logits(tiny_llama, [1, 40, 50, 60], kv_type=kind)[-1] for kind in ("f32", "f16"))
    assert full != half
    assert list(full) == pytest.approx(list(half), abs=0.1)


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ([], "there are 0 tokens and the context holds 64"),
        ([1] * 65, "there are 65 tokens and the context holds 64"),
        ([1, -1], "token -1 is not one of its "),
        ([1, 10**6], "token 1000000 is not one of its "),
    ],
)
def test_tokens_that_cannot_be_read_are_refused(evaluator: Evaluator, tokens: list[int], reason: str) -> None:
    with pytest.raises(ModelError) as caught:
        evaluator.logits(tokens)
    assert caught.value.reason.startswith(reason)


def test_a_language_model_has_no_embeddings_to_give(evaluator: Evaluator) -> None:
    with pytest.raises(ModelError, match="is no encoder"):
        evaluator.embeddings([1])


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"PK\x03\x04" * 10)
    with pytest.raises(ModelError, match="is not a GGUF file"):
        Evaluator(tmp_path / "no.gguf")
