"""The wording bank and the questions made from it: every place is known and filled, every intent is asked."""

from __future__ import annotations

import random
import re
from collections import Counter
from importlib import resources

import pytest

from edgeslm.ask.profile import LEVELS
from edgeslm_convert.logmodel.forms import SQL_FORMS
from edgeslm_convert.logmodel.manner import as_typed, plural, tidy
from edgeslm_convert.logmodel.phrases import PLACE, bank
from edgeslm_convert.logmodel.questions import NEEDS_COL, NUMERIC, WEIGHTS, Asker, Question, wordings
from edgeslm_convert.logmodel.simulate import simulate

EVERYWHERE = {"E", "E1", "did", "happened", "F", "T", "N", "V"}
BY_INTENT = {
    "between_events": {"B1", "B_happened"},
    "compare_two": {"V2", "col"},
    "count_not": {"col"},
    "distinct_per_group": {"cols2"},
    "top_distinct": {"cols2"},
}
SERIES = {"series", "busiest_one", "busiest_n", "quietest_one", "series_distinct"}
FORM_PLACES = {"C", "D", "X", "N", "B", "W", "W!C", "W>", "W<", "W>!C", "W<!C", "part", "first", "second"}
FILES = sorted(
    entry.name.removesuffix(".toml")
    for entry in resources.files("edgeslm_convert.logmodel").joinpath("wordings").iterdir()
    if entry.name.endswith(".toml")
)
SHARED = ["columns", "levels", "modifiers", "times"]


def places(text: str) -> set[str]:
    return set(PLACE.findall(text))


def texts(data: object) -> list[str]:
    """Every text in parsed TOML."""
    if isinstance(data, str):
        return [data]
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, list) else []
    return [text for part in parts for text in texts(part)]


def test_every_intent_has_a_weight_a_form_and_wordings() -> None:
    assert set(WEIGHTS) == set(SQL_FORMS) == set(FILES) - set(SHARED)
    assert set(WEIGHTS) >= NUMERIC | NEEDS_COL


@pytest.mark.parametrize("intent", WEIGHTS)
def test_wordings_use_known_places_only(intent: str) -> None:
    known = EVERYWHERE | BY_INTENT.get(intent, set())
    if intent in NEEDS_COL:
        known |= {"col", "cols"}
    if intent in NUMERIC:
        known |= {"num", "most", "least", "thing", "things"}
    if intent in SERIES:
        known |= {"unit", "unitly"}
    for wording in wordings(intent):
        assert places(wording) <= known, wording
        assert "{" not in PLACE.sub("", wording), wording
        assert "}" not in PLACE.sub("", wording), wording


@pytest.mark.parametrize("intent", WEIGHTS)
def test_wordings_are_many_and_differ(intent: str) -> None:
    found = wordings(intent)
    assert len(set(found)) == len(found) >= 24  # the held-out ones are every twelfth


@pytest.mark.parametrize("intent", SQL_FORMS)
def test_forms_use_known_symbols_only(intent: str) -> None:
    symbols = set(re.findall(r"\{([^{}]+)\}", SQL_FORMS[intent]))
    assert symbols <= FORM_PLACES
    assert ("C" in symbols) <= (intent in NEEDS_COL or intent == "compare_two")
    assert ("X" in symbols or symbols & {"W>", "W<", "W>!C", "W<!C"} != set()) == (intent in NUMERIC)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("columns", set()),
        ("levels", {"V"}),
        ("modifiers", {"V", "V2", "col", "N", "unit"}),
        ("times", {"n", "unit", "u", "a", "b", "date", "weekday", "part"}),
    ],
)
def test_shared_phrases_use_known_places_only(name: str, known: set[str]) -> None:
    for text in texts(bank(name)):
        assert places(text) <= known, text


def test_every_level_can_be_named() -> None:
    levels = bank("levels")
    assert all({"one", "many"} <= set(pair) for level in LEVELS for pair in levels[level]["nouns"])


def ask_many(seed: int, *, holdout: bool | None = None, each: int = 60) -> list[Question]:
    rng = random.Random(seed)
    asker = Asker(simulate(rng), rng, holdout=holdout)
    return [question for _ in range(each) if (question := asker.ask()) is not None]


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    return [question for seed in range(40) for question in ask_many(seed)]


def test_every_intent_is_asked(asked: list[Question]) -> None:
    assert set(Counter(question.intent for question in asked)) == set(WEIGHTS)


def test_no_place_is_left_open(asked: list[Question]) -> None:
    for question in asked:
        assert not places(question.text), question.text
        assert question.text.strip() == question.text != ""
        assert "  " not in question.text


def test_a_question_has_what_its_form_needs(asked: list[Question]) -> None:
    for question in asked:
        symbols = set(re.findall(r"\{([^{}]+)\}", question.form))
        assert ("C" not in symbols) or "col" in question.refs
        assert ("D" not in symbols) or "col2" in question.refs
        assert ("X" not in symbols) or "num" in question.refs
        assert ("N" not in symbols) or question.number is not None
        assert ("B" not in symbols) or question.bucket


def test_a_text_alone_is_counted_only_within_a_time(asked: list[Question]) -> None:
    bare = [wording for wording in wordings("count_mention") if not PLACE.sub("", wording).strip()]
    assert bare
    for question in asked:
        if question.intent == "count_mention" and not any(cond[0] == "T" for cond in question.conds):
            assert re.search(r"[a-z#]+", question.text.replace(next(c[1] for c in question.conds if c[0] == "L"), ""))


def test_one_of_two_events_is_asked_for_by_both(asked: list[Question]) -> None:
    either = [
        (question, cond[1]) for question in asked for cond in question.conds if cond[0] == "OR" and cond[1][0][0] == "S"
    ]
    assert len(either) > 5
    for question, (first, second) in either:
        assert first[1] != second[1]
        assert re.search(r" or | and |, ", question.text), question.text


def test_a_seed_decides_the_questions() -> None:
    assert [question.text for question in ask_many(3)] == [question.text for question in ask_many(3)]


@pytest.mark.parametrize("intent", WEIGHTS)
def test_held_out_wordings_are_never_trained_on(intent: str) -> None:
    kept = {index for index in range(len(wordings(intent))) if index % 12 == 5}
    assert kept


def test_held_out_questions_use_held_out_wordings_only() -> None:
    # A wording's own words before its first place, without what politeness may put before it.
    def starts(holdout: bool) -> set[str]:
        return {
            head
            for intent in WEIGHTS
            for index, wording in enumerate(wordings(intent))
            if (index % 12 == 5) is holdout and len(head := wording.split("{")[0].strip().lower()) > 14
        }

    only_held_out, only_trained = starts(True) - starts(False), starts(False) - starts(True)
    for seed in range(12):
        assert not [q.text for q in ask_many(seed, holdout=False) for head in only_held_out if q.text.lower() == head]
        for question in ask_many(seed, holdout=True):
            assert not [head for head in only_trained if question.text.lower().startswith(f"{head} {head}")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("how many  errors ?", "how many errors?"),
        (", how many errors , ?", "how many errors?"),
        (": count", "count"),
        ("", ""),
    ],
)
def test_empty_places_leave_no_gaps(text: str, expected: str) -> None:
    assert tidy(text) == expected


@pytest.mark.parametrize(("noun", "many"), [("address", "addresses"), ("box", "boxes"), ("host", "hosts")])
def test_nouns_have_plurals(noun: str, many: str) -> None:
    assert plural(noun) == many


def test_typing_leaves_quoted_text_and_numbers_alone() -> None:
    rng = random.Random(1)
    for _ in range(300):
        typed = as_typed('how many "Disk FULL" lines from 10.0.0.2 on Web-1?', bank("modifiers"), rng)
        assert '"Disk FULL"' in typed
        assert "10.0.0.2" in typed
        assert "web-1" in typed.lower()
