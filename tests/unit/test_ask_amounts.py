"""What a question says outright of numbers, groups and things, and that the grammar then gives nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from asked_log import make_profile, open_view
from edgeslm.ask.amounts import (
    asks_for_amount,
    asks_for_share,
    find_aggregates,
    find_bounds,
    may_ask_for_share,
    ranks_by_amount,
)
from edgeslm.ask.asked import AGGREGATES
from edgeslm.ask.expand import expand
from edgeslm.ask.find_values import find_numbers
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.outright import (
    asks_for_extreme,
    asks_for_top_things,
    asks_how_many_each,
    asks_how_often_each,
    asks_what,
    may_join,
)
from edgeslm.ask.sense import nonsense
from gbnf import Grammar

NOW = datetime(2024, 5, 3, 12, 0)
COUNT = "SELECT count(*) FROM logs"
USERS = "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"


def grammar_of(question: str) -> Grammar:
    return Grammar(build_grammar(link(question, make_profile(), now=NOW)))


@pytest.mark.parametrize(
    ("asks", "yes", "no"),
    [
        (ranks_by_amount, "hosts by total bytes", "hosts by total number of lines"),
        (ranks_by_amount, "which user sent the most bytes", "which user sent the most mails"),
        (asks_for_share, "what percentage of lines are errors", "what percentage of lines per hour are errors"),
        (may_ask_for_share, "share of errors", "which share connects were refused"),
        (may_ask_for_share, "errors / all lines", "errors of /var"),
        (may_ask_for_share, "how likely is a failure", "which failure came last"),
        (asks_how_many_each, "which hosts failed, and how many times each?", "how many errors each hour"),
        (asks_how_many_each, "users with their counts", "users with their addresses"),
        (asks_what, "what is the last status", "what is the last message"),
        (asks_what, "what port did root use", "what time did root log in"),
        (asks_for_extreme, "what was the highest temperature", "what was the latest temperature"),
        (asks_for_extreme, "what is the slowest backup", "what is the busiest hour"),
        (asks_for_top_things, "top 3 hosts", "top 3 hours"),
        (asks_for_top_things, "top users by failures", "users by failures"),
        (may_join, "errors or warnings", "errors of sshd"),
    ],
)
def test_what_words_say_of_numbers(asks: Callable[[str], bool], yes: str, no: str) -> None:
    assert asks(yes)
    assert not asks(no)


@pytest.mark.parametrize(
    ("question", "unit"),
    [("how many bytes were sent", "bytes"), ("how many seconds did it take", "seconds"), ("how many lines", "")],
)
def test_the_unit_of_an_amount(question: str, unit: str) -> None:
    assert asks_for_amount(question) == unit


@pytest.mark.parametrize(
    ("question", "often"),
    [
        ("which hosts wrote exactly one line?", "= 1"),
        ("who logged in only once?", "= 1"),
        ("which users failed exactly 3 times", "= N1"),
        ("which users failed more than once", "> 1"),
        ("which users failed at least twice", "> 1"),
        ("which users failed", ""),
        ("which users had just one kind of error", ""),  # no number of lines
        ("how many users failed more than once", ""),  # a number of groups, which no form gives
    ],
)
def test_how_often_each_occurs(question: str, often: str) -> None:
    assert asks_how_often_each(question, find_numbers(question)) == often


@pytest.mark.parametrize(
    ("question", "bounds"),
    [
        ("backups that took more than 70 ms", {"N1"}),
        ("the 3 backups above 70 ms", {"N2"}),
        ("top 3 users", set()),
        ("status 404 lines", set()),
    ],
)
def test_numbers_that_something_is_compared_with(question: str, bounds: set[str]) -> None:
    assert find_bounds(question, find_numbers(question)) == bounds


@pytest.mark.parametrize(
    ("question", "left"),
    [("bytes sent in total", ("sum",)), ("users by total bytes", ("sum",)), ("longest in total", ("avg", "max"))],
)
def test_a_total_is_a_sum(question: str, left: tuple[str, ...]) -> None:
    found = find_aggregates(question, AGGREGATES)
    assert found == left if left == ("sum",) else set(left) <= set(found)


@pytest.mark.parametrize(
    ("question", "having"),
    [
        ("which users occur exactly one time?", " HAVING count(*) = 1"),
        ("which users failed exactly 4 times?", " HAVING count(*) = N1"),
        ("which users occur more than once?", " HAVING count(*) > 1"),
        ("which users are there, and how many lines each?", ""),
    ],
)
def test_things_by_how_often_they_occur(question: str, having: str) -> None:
    found = link(question, make_profile(), now=NOW)
    accepts = Grammar(build_grammar(found)).accepts
    planned = f"{USERS}{having} ORDER BY count DESC"
    assert accepts(planned)
    assert not accepts("SELECT DISTINCT user FROM logs WHERE user IS NOT NULL")
    assert not accepts(COUNT)
    assert accepts(f"{USERS} HAVING count(*) > 2 ORDER BY count DESC") is False
    rows = open_view().execute(expand(planned, found)).fetchall()
    assert all(len(row) == 2 for row in rows)
    assert bool(rows) is ("=" not in having)  # every user of this log occurs 20 times


def test_a_number_that_bounds_is_not_left_out() -> None:
    found = link("backups that took more than 70 ms", make_profile(), now=NOW)
    assert found.asked.bounds == {"N1"}
    assert nonsense("SELECT count(*) FROM logs WHERE message LIKE S1", found) == "less than the question says"
    took = next(slot.handle for slot in found.slots if slot.slot.numeric)
    assert nonsense(f"SELECT count(*) FROM logs WHERE message LIKE S1 AND {took} > N1", found) == ""


def test_top_things_are_no_times_and_an_extreme_is_no_line() -> None:
    top = grammar_of("top 3 users with failed passwords").accepts
    assert top(f"{USERS} ORDER BY count DESC LIMIT N1")
    assert not top("SELECT line_no, line FROM logs ORDER BY ts DESC LIMIT N1")
    assert not top(
        "SELECT date_trunc('day', ts) AS day, count(*) AS count FROM logs GROUP BY day ORDER BY count DESC LIMIT N1"
    )
    found = link("what was the longest backup in ms?", make_profile(), now=NOW)
    took = next(slot.handle for slot in found.slots if slot.slot.numeric)
    extreme = Grammar(build_grammar(found)).accepts
    assert extreme(f"SELECT max({took}) FROM logs WHERE message LIKE S1")
    assert not extreme(COUNT)
    assert not extreme("SELECT line_no, line FROM logs")


def test_an_amount_is_one_of_what_is_in_its_unit() -> None:
    found = link("how many milliseconds did the backups take in total?", make_profile(), now=NOW)
    took = next(slot.handle for slot in found.slots if slot.slot.numeric and slot.unit == "ms")
    accepts = Grammar(build_grammar(found)).accepts
    assert found.asked.aggregates == ("sum",)
    assert accepts(f"SELECT sum({took}) FROM logs WHERE message LIKE S1")
    assert not accepts("SELECT sum(pid) FROM logs")
    assert not accepts(COUNT)


def test_a_share_is_given_only_where_words_could_ask_for_one() -> None:
    share = "SELECT 100.0 * count(*) FILTER (WHERE message LIKE S1) / count(*) FROM logs"
    assert grammar_of("what percentage of lines are failed passwords").accepts(share)
    assert not grammar_of("what percentage of lines are failed passwords").accepts(COUNT)
    assert grammar_of("failed passwords / all lines").accepts(share)
    assert not grammar_of("how many failed passwords").accepts(share)
