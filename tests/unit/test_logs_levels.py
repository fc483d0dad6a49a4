"""Level words, letters and numbers."""

import pytest

from edgeslm.logs.levels import LEVELS, SEVERITIES, WORDS, level_of


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("warn", "WARN"),
        ("Warning", "WARN"),
        ("V", "TRACE"),
        ("severe", "ERROR"),
        ("emerg", "FATAL"),
        ("FINE", "DEBUG"),
        ("x", None),
        ("", None),
    ],
)
def test_a_level_text_is_normalised(text: str, level: str | None) -> None:
    assert level_of(text) == level


def test_a_pri_holds_the_severity_in_its_low_bits() -> None:
    assert (level_of("165", modulo=8), level_of("11", modulo=8), level_of("x", modulo=8)) == ("NOTICE", "ERROR", None)


def test_a_formats_own_words_go_first() -> None:
    assert level_of("50", {"50": "ERROR"}) == "ERROR"


def test_every_word_stands_for_a_level_of_the_view() -> None:
    assert {*WORDS.values(), *SEVERITIES.values()} <= set(LEVELS)
