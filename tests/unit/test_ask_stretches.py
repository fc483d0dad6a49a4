"""What a question says outright of time, and that the grammar then gives nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from asked_log import make_profile, open_view
from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.stretches import (
    amount_bucket,
    asked_bucket,
    asks_for_gap,
    asks_for_one_bucket,
    asks_for_time_between,
    asks_when,
    asks_when_most,
    best_bucket,
    may_ask_for_gap,
    names_time,
)
from gbnf import Grammar

NOW = datetime(2024, 5, 3, 12, 0)
COUNT = "SELECT count(*) FROM logs"


def grammar_of(question: str) -> Grammar:
    return Grammar(build_grammar(link(question, make_profile(), now=NOW)))


@pytest.mark.parametrize(
    ("asks", "yes", "no"),
    [
        (asks_when, "so when did the backup start?", "when was it busiest"),
        (asks_when, "at what time did root first log in", "how long ago did the backup start"),
        (names_time, "what is the last time it failed", "what is the last status"),
        (asks_for_gap, "what was the largest time gap", "largest backup"),
        (may_ask_for_gap, "how long was it silent", "how many bytes"),
        (asks_for_one_bucket, "on which day were there more errors", "errors per day"),
        (asks_for_time_between, "how long did it take from shutdown until ready", "how long did the shutdown take"),
        (asks_for_time_between, 'seconds between "stopped" and "started"', "seconds from first to the last line"),
        (asks_for_time_between, "how many minutes passed until it was up", "how many minutes were there on average"),
    ],
)
def test_what_words_say_of_time(asks: Callable[[str], bool], yes: str, no: str) -> None:
    assert asks(yes)
    assert not asks(no)


@pytest.mark.parametrize(
    ("question", "every", "best", "amount"),
    [
        ("errors per hour", "hour", "", ""),
        ("error counts for each day", "day", "", ""),
        ("monthly failures", "month", "", ""),
        ("lines by date", "", "", ""),
        ("errors per hour and per day", "", "", ""),  # which of them?
        ("which hour had the most errors", "", "hour", ""),
        ("on what date were there most failures", "", "day", ""),
        ("which hours had errors", "", "", ""),
        ("average latency per hour", "", "", "hour"),
        ("longest backup by day", "", "", "day"),
        ("average number of errors per hour", "", "", ""),  # of counts, which no form gives
        ("busiest minute", "", "", ""),
        ("top 3 hosts per day", "", "", ""),
    ],
)
def test_pieces_of_time(question: str, every: str, best: str, amount: str) -> None:
    assert (asked_bucket(question), best_bucket(question), amount_bucket(question)) == (every, best, amount)


@pytest.mark.parametrize(
    ("question", "order"),
    [
        ("when was the drive hottest?", "DESC"),
        ("at what time was the queue at its smallest", "ASC"),
        ("when was the busiest hour", ""),
        ("when was the longest silence", ""),
        ("when was the latest login", ""),
        ("when was it hottest and coldest", ""),
        ("the highest temperature", ""),
    ],
)
def test_the_moment_of_the_highest(question: str, order: str) -> None:
    assert asks_when_most(question) == order


def test_a_piece_of_time_that_is_asked_for_is_all_the_grammar_gives() -> None:
    series = "SELECT date_trunc('{0}', ts) AS {0}, count(*) AS count FROM logs GROUP BY {0} ORDER BY "
    each = grammar_of("failed passwords per hour")
    assert each.accepts(series.format("hour") + "hour")
    assert not any(each.accepts(sql) for sql in (COUNT, series.format("day") + "day"))
    assert not each.accepts(series.format("hour") + "count DESC LIMIT 1")
    best = grammar_of("which hour had the most failed passwords?")
    assert best.accepts(series.format("hour") + "count DESC LIMIT 1")
    assert not best.accepts(series.format("hour") + "hour")
    assert not best.accepts(COUNT)


def test_a_moment_is_no_number_and_no_list() -> None:
    accepts = grammar_of("when did root log in?").accepts
    assert accepts("SELECT min(ts) FROM logs WHERE user = V1")
    assert not accepts(COUNT)
    assert not accepts("SELECT DISTINCT user FROM logs WHERE user IS NOT NULL")


def test_the_time_between_two_events_is_that_of_two_conditions() -> None:
    accepts = grammar_of("how long did it take from the full disk until the backup?").accepts
    between = "SELECT epoch(min(ts) FILTER (WHERE message LIKE S1)) - epoch(min(ts) FILTER (WHERE message LIKE S2))"
    assert accepts(f"{between} FROM logs")
    assert not accepts("SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs WHERE message LIKE S1")
    assert not accepts(COUNT)


def test_the_longest_silence_is_nothing_else() -> None:
    accepts = grammar_of("what was the longest silence?").accepts
    assert accepts("SELECT max(gap) FROM (SELECT epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs)")
    assert not accepts("SELECT epoch(max(ts)) - epoch(min(ts)) FROM logs")


@pytest.mark.parametrize(
    ("question", "form"),
    [
        (
            "average backup time in ms per hour",
            "SELECT date_trunc('hour', ts) AS hour, avg({0}) AS value FROM logs WHERE message LIKE S1"
            " AND {0} IS NOT NULL GROUP BY hour ORDER BY hour",
        ),
        (
            "when did a backup take longest, in ms?",
            "SELECT ts, {0} FROM logs WHERE message LIKE S1 AND {0} IS NOT NULL ORDER BY {0} DESC LIMIT 1",
        ),
    ],
)
def test_a_named_number_by_time(question: str, form: str) -> None:
    found = link(question, make_profile(), now=NOW)
    took = next(slot.handle for slot in found.slots if slot.slot.numeric and slot.handle in found.named)
    accepts = Grammar(build_grammar(found)).accepts
    planned = form.format(took)
    assert accepts(planned)
    assert not accepts(COUNT)
    rows = open_view().execute(expand(planned, found)).fetchall()
    assert len(rows) == 1
    assert isinstance(rows[0][0], datetime)
    assert rows[0][1] > 0
