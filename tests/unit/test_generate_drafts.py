"""A looked-up draft is what followed the longest match among the latest places, and is followed while it is right."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import cast

from edgeslm.generate.decoder import Decoder
from edgeslm.generate.drafts import LookupDrafter


class Text:
    """A decoder that has read a text, as far as the drafter looks at it."""

    def __init__(self, tokens: list[int]) -> None:
        self._read = SimpleNamespace(tokens=tokens[:-1])
        self.pending = tokens[-1]
        self.drafter = LookupDrafter(cast(Decoder, self._read))

    def evidence(self) -> int | None:
        return self.drafter.evidence(self.pending)

    def write(self, token: int) -> None:
        self._read.tokens.append(self.pending)
        self.pending = token


def test_nothing_is_drafted_where_nothing_was_repeated() -> None:
    text = Text([1, 2, 3, 4, 5, 6])
    assert text.evidence() is None
    assert text.drafter.draft(6, 4) == []


def test_one_token_is_not_enough() -> None:
    assert Text([1, 2, 3, 9, 2]).evidence() is None


def test_the_longer_match_wins_over_the_later_one() -> None:
    text = Text([7, 1, 2, 3, 50, 51, 9, 2, 3, 60, 61, 7, 1, 2, 3])
    assert text.evidence() is not None
    assert text.drafter.draft(3, 2) == [50, 51]


def test_of_two_equal_matches_the_later_one_is_followed() -> None:
    text = Text([1, 2, 50, 8, 1, 2, 60, 9, 1, 2])
    text.evidence()
    assert text.drafter.draft(2, 1) == [60]


def test_evidence_grows_with_the_match() -> None:
    line = list(range(10, 30))
    text, seen = Text([*line, 99, line[0]]), []
    for token in line[1:12]:
        text.write(token)
        seen.append(text.evidence())
    assert seen[0] == 1
    assert seen == sorted(one for one in seen if one is not None)
    assert seen[-1] == 3  # 12 tokens agree


def test_a_place_is_left_once_it_was_wrong() -> None:
    text = Text([1, 2, 3, 4, 5, 99, 1, 2])
    text.evidence()
    assert text.drafter.draft(2, 2) == [3, 4]
    text.write(3)
    text.evidence()
    assert text.drafter.draft(3, 2) == [4, 5]
    text.write(77)
    assert text.evidence() is None


def test_steps_without_a_look_are_caught_up_with() -> None:
    looked, skipped = Text([1, 2, 3, 4, 5, 99, 1, 2]), Text([1, 2, 3, 4, 5, 99, 1, 2])
    for token in (3, 4):
        looked.evidence()
        for text in (looked, skipped):
            text.write(token)
    assert looked.evidence() == skipped.evidence()
    assert looked.drafter.draft(4, 3) == skipped.drafter.draft(4, 3) == [5, 99, 1]


def test_a_draft_follows_a_place_where_the_same_two_tokens_stood() -> None:
    draws = random.Random(5)
    for _ in range(200):
        tokens = [draws.randrange(5) for _ in range(draws.randrange(2, 60))]
        text = Text(tokens)
        found = text.evidence()
        pairs = [tuple(tokens[at : at + 2]) for at in range(len(tokens) - 2)]
        assert (found is not None) == (tuple(tokens[-2:]) in pairs)
        if found is not None:
            draft = text.drafter.draft(text.pending, 3)
            places = [at for at in range(2, len(tokens)) if tokens[at : at + len(draft)] == draft]
            assert any(tokens[at - 2 : at] == tokens[-2:] for at in places)
