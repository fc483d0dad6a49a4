"""How far an answer can be trusted: what raises and what lowers it, and that an empty result does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeslm.ask.trust import SURE, Doubts

NONE = Doubts(least=0.79, words=2, unmatched=0, guess=False)


def test_a_probable_plan_of_a_short_question_is_sure() -> None:
    assert NONE.trust(0.95) > SURE
    assert NONE.trust(0.02) < SURE


def test_trust_grows_with_the_models_probability() -> None:
    found = [NONE.trust(probability) for probability in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 1


@pytest.mark.parametrize(
    "doubts",
    [replace(NONE, words=9), replace(NONE, unmatched=2), replace(NONE, guess=True), replace(NONE, least=0.95)],
)
def test_every_doubt_lowers_it(doubts: Doubts) -> None:
    assert doubts.trust(0.9) < NONE.trust(0.9)


def test_an_empty_result_lowers_it() -> None:
    assert NONE.trust(0.9, found=False) < NONE.trust(0.9)
