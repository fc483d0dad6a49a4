"""What is done to a question before it is linked, and what its numbers can be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from asked_log import COLUMNS, make_profile, make_records, open_view
from edgeslm.ask.amounts import (
    asks_for_more_severe,
    asks_for_share_of_some,
    compares,
    find_aggregates,
    find_counts,
    find_measures,
)
from edgeslm.ask.asked import AGGREGATES
from edgeslm.ask.expand import expand
from edgeslm.ask.find_values import find_numbers
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.outright import (
    asks_for_different,
    asks_for_lines,
    asks_for_order,
    asks_for_things,
    asks_for_values,
    asks_how_many,
    asks_whether,
    counts_lines,
)
from edgeslm.ask.phrases import may_rank
from edgeslm.ask.profile import Profile, build_profile
from edgeslm.ask.stretches import asks_for_gap, asks_for_one_bucket, may_ask_for_gap, may_ask_when
from edgeslm.ask.wording import is_whole, write_out
from gbnf import Grammar

NOW = datetime(2024, 5, 3, 12, 0)


@pytest.fixture(scope="module")
def profile() -> Profile:
    """The sample's profile, with a field `cmp`."""
    records = make_records()
    for number, record in enumerate(records[:6]):
        record["message"] = f"started task cmp=com.example.part{number % 3}"
    return build_profile(records, COLUMNS)


@pytest.mark.parametrize(
    ("question", "written"),
    [
        ("lines w/ a timeout", "lines with a timeout"),
        ("sshd lines w/o root", "sshd lines without root"),
        ("everything W/O debug", "everything without debug"),
        ("errors w/retries", "errors with retries"),
        ("# errors per hour", "number of errors per hour"),
        ("# of distinct users", "number of distinct users"),
        ("reads & writes", "reads and writes"),
        ("errors per day, leaving out days without any", "errors per day"),
        ("errors per hour without empty hours", "errors per hour"),
        ("logins by minute (skip the minutes with no logins)", "logins by minute"),
        ("which parts (cmp=) were started?", "which cmp were started?"),
    ],
)
def test_shorthand_is_written_out(question: str, written: str, profile: Profile) -> None:
    assert write_out(question, profile) == written


@pytest.mark.parametrize(
    "question",
    [
        'lines with "w/o a key" in them',
        "requests for /w/x/y",
        "what is behind issue #42",
        "which parts (name=) were started?",  # no field of that name
        "users without any failed logins",
        "lines without a day",
        "how many R&D hosts are there",
        "",
    ],
)
def test_what_means_something_stays(question: str, profile: Profile) -> None:
    assert write_out(question, profile) == question


@pytest.mark.parametrize(
    ("before", "whole"),
    [
        ("show the lines whose whole message is just ", True),
        ("lines whose message equals ", True),
        ("messages that are exactly: ", True),
        ("how often does the message say nothing but ", True),
        ("lines whose message contains ", False),
        ("lines in which the message says ", False),
        ("exactly how many lines have ", False),
        ("the message is ", False),
    ],
)
def test_a_text_may_be_all_of_a_message(before: str, whole: bool) -> None:
    assert is_whole(before) is whole


def test_a_whole_message_is_compared_and_not_searched() -> None:
    records = make_records()
    for record, message in zip(records, ["Ready", "ready ", "not ready", "Ready to go 100%"], strict=False):
        record["message"] = message
    candidates = link('how many lines whose entire message is "ready"?', build_profile(records, COLUMNS), now=NOW)
    sql = expand("SELECT count(*) FROM logs WHERE line LIKE V1", candidates)
    assert sql == "SELECT count(*) FROM logs WHERE lower(trim(message)) = 'ready'"
    assert open_view(records).execute(sql).fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("question", "bound"),
    [
        ("users with more than 5 failures", True),
        ("waits of 30 seconds or longer", True),
        ("took >= 30", True),
        ("between 3 and 9 retries", True),
        ("replies from 3 to 9", True),
        ("waits over 3s", True),
        ("5+ retries", True),
        ("top 5 users", False),
        ("what did worker 3 do", False),
        ("lines with status 404", False),
    ],
)
def test_a_number_is_a_bound_only_where_something_is_compared(question: str, bound: bool) -> None:
    assert compares(question) is bound


@pytest.mark.parametrize(
    ("question", "measured"),
    [
        ("steps that took more than 21 seconds", {"N1"}),
        ("files over 5 MB on the top 3 hosts", {"N1"}),
        ("cpu above 90%", {"N1"}),
        ("top 5 seconds by lines", set()),
        ("users with more than 21 logins", set()),
    ],
)
def test_amounts_with_a_unit_count_nothing(question: str, measured: set[str]) -> None:
    assert find_measures(question, find_numbers(question)) == measured


@pytest.mark.parametrize(
    ("question", "counted"),
    [
        ("which 3 process ids are the most talkative?", {"N1"}),
        ("4 busiest hosts", {"N1"}),
        ("the top 5 users over 3 ports", {"N1"}),
        ("port 22 clients", set()),
        ("more than 5 users", set()),
        ("the 5 slowest requests", set()),  # requests are no column: it may be anything
    ],
)
def test_a_number_before_a_columns_noun_is_no_value(question: str, counted: set[str]) -> None:
    assert find_counts(question, find_numbers(question)) == counted


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        ("Show me the lines that say how the election went", True),
        ("please list all log entries which mention root", True),
        ("show me where the link was lost", True),
        ("show every message with a timeout", True),
        ("lines with a timeout", True),
        ("lines with a timeout, how many?", False),
        ("lines with a timeout per hour", False),
        ("show me the lines per hour", False),
        ("show the lines with the highest latency", False),
        ("show me the number of lines that mention root", False),
        ("show me the first lines that mention root", False),
        ("show me which users log in where", False),
        ("how many lines mention root", False),
        ("list the lines that mention root, grouped by host", False),
    ],
)
def test_lines_are_asked_for_outright_or_not(question: str, lines: bool) -> None:
    assert asks_for_lines(question) is lines


@pytest.mark.parametrize(
    ("question", "listed", "bucket"),
    [
        ("distinct status codes", True, False),
        ("all the unique users of sshd", True, False),
        ("number of distinct users", False, False),
        ("distinct users, how many", False, False),
        ("which users are distinct", False, False),
        ("on which day were there more errors", False, True),
        ("what hour was the busiest", False, True),
        ("on which days were there more errors", False, False),
        ("on which day did it start", False, False),
    ],
)
def test_different_values_and_one_stretch_of_time(question: str, listed: bool, bucket: bool) -> None:
    assert (asks_for_values(question), asks_for_one_bucket(question)) == (listed, bucket)
    grammar = Grammar(build_grammar(link(question, make_profile(), now=NOW)))
    may_count = not listed and "distinct" in question and "which users" not in question
    assert grammar.accepts("SELECT count(DISTINCT user) FROM logs") is may_count
    unit, other = ("hour", "day") if "hour" in question else ("day", "hour")
    series = "SELECT date_trunc('{0}', ts) AS {0}, count(*) AS count FROM logs GROUP BY {0} ORDER BY"
    assert grammar.accepts(f"{series.format(unit)} {unit}") is not bucket
    ranked = "which" in question or "what" in question
    assert grammar.accepts(f"{series.format(unit)} count DESC LIMIT 1") is ranked
    assert grammar.accepts(f"{series.format(other)} count DESC LIMIT 1") is (ranked and not bucket)


@pytest.mark.parametrize(
    ("question", "moment"),
    [
        ("when did root log in", True),
        ("ts of the disk error", True),
        ("last reboot?", True),
        ("how long ago was the reboot", True),
        ("what was the slowest step, in milliseconds", False),
        ("lines that mention root", False),
    ],
)
def test_a_moment_is_answered_only_where_words_could_ask_for_one(question: str, moment: bool) -> None:
    assert may_ask_when(question) is moment
    grammar = Grammar(build_grammar(link(question, make_profile(), now=NOW)))
    assert grammar.accepts("SELECT max(ts) FROM logs") is moment


def test_where_lines_are_asked_for_outright_the_grammar_gives_lines() -> None:
    grammar = Grammar(build_grammar(link("show me the lines that mention root", make_profile(), now=NOW)))
    assert grammar.accepts("SELECT line_no, line FROM logs")
    assert not grammar.accepts("SELECT count(*) FROM logs")
    assert not grammar.accepts("SELECT DISTINCT user FROM logs WHERE user IS NOT NULL")


@pytest.mark.parametrize(
    ("question", "ordered"),
    [
        ("status codes, most frequent first", True),
        ("hosts by errors, highest count first", True),
        ("users from most to least", True),
        ("top 3 users, busiest first", True),
        ("which user failed first", False),
        ("the most frequent user of the first day", False),
        ("most recent first", False),
    ],
)
def test_an_order_is_told_from_a_first(question: str, ordered: bool) -> None:
    assert asks_for_order(question) is ordered


@pytest.mark.parametrize(
    ("question", "possible", "impossible"),
    [
        (
            "users, most frequent first",
            ["SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user ORDER BY count DESC"],
            [
                "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"
                " ORDER BY count DESC LIMIT 1"
            ],
        ),
        (
            "4 users, most frequent first",
            [
                "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"
                " ORDER BY count DESC LIMIT N1"
            ],
            [
                "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"
                " ORDER BY count DESC LIMIT 1"
            ],
        ),
        (
            "which 3 users come from most ports?",
            [
                "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"
                " ORDER BY count DESC LIMIT N1"
            ],
            ["SELECT DISTINCT user FROM logs WHERE port = N1 AND user IS NOT NULL"],
        ),
        (
            "which users come from port 3?",
            ["SELECT DISTINCT user FROM logs WHERE port = N1 AND user IS NOT NULL"],
            [
                "SELECT DISTINCT user FROM logs WHERE port > N1 AND user IS NOT NULL",
                "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"
                " HAVING count(*) > N1 ORDER BY count DESC",
            ],
        ),
        (
            "which users had more than 3 failures?",  # of what failed, not of all lines
            [
                "SELECT user, count(*) AS count FROM logs WHERE message LIKE S1 AND user IS NOT NULL GROUP BY user"
                " HAVING count(*) > N1 ORDER BY count DESC"
            ],
            [
                "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"
                " HAVING count(*) > N1 ORDER BY count DESC"
            ],
        ),
        (
            "which users waited more than 3 seconds?",
            ["SELECT DISTINCT user FROM logs WHERE port > N1 AND user IS NOT NULL"],
            [
                "SELECT user, count(*) AS count FROM logs WHERE user IS NOT NULL GROUP BY user"
                " HAVING count(*) > N1 ORDER BY count DESC",
                "SELECT line_no, line FROM logs ORDER BY ts LIMIT N1",
            ],
        ),
    ],
)
def test_the_grammar_follows_what_a_number_can_be(question: str, possible: list[str], impossible: list[str]) -> None:
    grammar = Grammar(build_grammar(link(question, make_profile(), now=NOW)))
    assert all(grammar.accepts(sql) for sql in possible)
    assert not any(grammar.accepts(sql) for sql in impossible)


@pytest.mark.parametrize(
    ("asks", "yes", "no"),
    [
        (asks_for_more_severe, "errors or worse", "ERROR lines in the last hour"),
        (counts_lines, "how many error lines are there", "how many different users are there"),
        (counts_lines, "how often did it fail", "how many users failed"),
        (may_rank, "busiest hour", "failures per hour"),
        (may_rank, "top 3 users", "count failures by hour"),
        (may_ask_for_gap, "longest time without a line", "longest statement in ms"),
        (asks_for_gap, "what was the longest silence", "how long did it last"),
        (asks_for_things, "which upstreams failed a health check", "which lines mention root"),
        (asks_for_things, "who used sudo", "which error came last"),
        (asks_how_many, "how many sessions were closed", "how many seconds passed"),
        (asks_whether, "did we ever run out of memory?", "did more mails come from here than from there"),
        (asks_whether, "any trouble with the pumps", "how many were there"),
        (asks_for_different, "how many kinds of errors", "how many errors"),
        (asks_for_lines, "show the OpenSSL error lines", "show the number of error lines"),
        (asks_for_share_of_some, "what share of the errors came from sshd", "share of error lines"),
    ],
)
def test_what_words_say_outright(asks: Callable[[str], bool], yes: str, no: str) -> None:
    assert asks(yes)
    assert not asks(no)


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("average duration", ("avg",)),
        ("median size", ("median",)),
        ("how many sets were compacted? I mean the 'Compacted' lines", ("max", "min", "sum")),
        ("what is the mean size", ("avg",)),
        ("longest step", ("avg", "max", "sum", "median")),
        ("shortest step", ("avg", "min", "sum", "median")),
        ("slowest and fastest step", AGGREGATES),
        ("lowest and highest average", AGGREGATES),
        ("slowest transfer rate", AGGREGATES),
        ("sizes", AGGREGATES),
    ],
)
def test_aggregates_that_words_rule_out(question: str, left: tuple[str, ...]) -> None:
    assert find_aggregates(question, AGGREGATES) == left


def test_examples_in_brackets_are_left_out() -> None:
    assert write_out("lines per program (kubelet, containerd, ...)", make_profile()) == "lines per program"
    assert write_out("lines per program (sshd, kernel and backupd)", make_profile()) == "lines per program"
    assert write_out("lines per program (sshd)", make_profile()) == "lines per program (sshd)"


def test_brackets_that_only_explain_a_noun_are_left_out() -> None:
    assert write_out("which loggers (class and program) failed", make_profile()) == "which loggers failed"
    assert write_out("failed passwords (of root)", make_profile()) == "failed passwords (of root)"
    assert write_out('lines with "x (class)"', make_profile()) == 'lines with "x (class)"'
