"""Bounds and token files: every offender is named, with its value."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from edgeslm.errors import InputError, ModelError
from edgeslm_convert.verify import BOUNDS, Agreement, Bounds, Closeness, check, random_tokens, read_tokens


def agreement(mean_kl: float = 0.0, top1: float = 1.0) -> Agreement:
    return Agreement(positions=1000, mean_kl=mean_kl, max_kl=10 * mean_kl, top1=top1)


def test_the_error_names_every_bound_that_is_broken_and_the_value() -> None:
    with pytest.raises(ModelError) as caught:
        check(agreement(mean_kl=2e-6, top1=0.998), BOUNDS["f32"])
    assert caught.value.message == "the GGUF does not compute what its checkpoint computes"
    assert caught.value.reason == (
        "mean KL divergence is 2e-06, above the bound of 1e-06; top-1 agreement is 0.998, below the bound of 0.999"
    )


def test_what_is_at_the_bound_is_within_it() -> None:
    check(agreement(mean_kl=1e-6, top1=0.999), BOUNDS["f32"])
    check(agreement(mean_kl=1e-4, top1=0.5), BOUNDS["f16"])


def test_numbers_that_are_no_numbers_break_every_bound() -> None:
    with pytest.raises(ModelError, match="mean KL divergence is nan"):
        check(agreement(mean_kl=float("nan")), BOUNDS["f16"])


def test_an_encoder_is_held_to_its_smallest_cosine() -> None:
    with pytest.raises(ModelError) as caught:
        check(Closeness(positions=9, mean_cosine=1.0, min_cosine=0.9), BOUNDS["f16"])
    assert caught.value.reason == "smallest cosine is 0.9, below the bound of 0.9999"


def test_bounds_are_read_from_text() -> None:
    assert Bounds.parse(["mean_kl=1e-3", "top1=0.9"]) == Bounds(mean_kl=1e-3, top1=0.9)


def test_every_bound_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InputError) as caught:
        Bounds.parse(["kl=1", "top1=high", "top1=0.9", "max_kl"])
    assert caught.value.message == "no such bound: kl=1, top1=high, max_kl"
    assert caught.value.hint == "give name=number, names: mean_kl, max_kl, top1, min_cosine"


def test_tokens_are_read_a_sequence_a_line(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("1 2 3\n\n4 5\n")
    assert read_tokens(tmp_path / "tokens") == [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize("text", ["", "1 two\n"])
def test_a_file_without_tokens_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(InputError, match="cannot read tokens from"):
        read_tokens(tmp_path / "tokens")


def test_random_tokens_are_always_the_same() -> None:
    assert random_tokens(50, length=8) == random_tokens(50, length=8)
    assert {len(tokens) for tokens in random_tokens(50, length=8)} == {8}
