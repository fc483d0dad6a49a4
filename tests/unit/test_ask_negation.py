"""What a question leaves out: told by its words, refused by the grammar and by what nobody means, and put in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from asked_log import COLUMNS, make_profile, make_records
from edgeslm.ask.amend import amend
from edgeslm.ask.candidates import Candidates
from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.negation import excludes_outright, left_out_words, may_exclude
from edgeslm.ask.profile import build_profile
from edgeslm.ask.sense import nonsense
from gbnf import Grammar

NOW = datetime(2024, 5, 3, 12, 0)


def ask(question: str) -> Candidates:
    return link(question, make_profile(), now=NOW)


def texts(candidates: Candidates, handles: frozenset[str]) -> set[str]:
    return {candidates.value(handle).text for handle in handles}


@pytest.mark.parametrize(
    ("asks", "yes", "no"),
    [
        (may_exclude, "errors except of sshd", "errors of sshd"),
        (may_exclude, "who isn't root", "who is root"),
        (may_exclude, "host != gate", "host = gate"),
        (may_exclude, "everything ignoring backups", "all backups"),
        (may_exclude, "failures, -root", "well-known failures"),
        (excludes_outright, "anything other than failed passwords", "more than 3 failed passwords"),
        (excludes_outright, "warnings not about passwords", "warnings about passwords not long ago"),
        (excludes_outright, "errors apart from sshd's", "two errors apart"),
    ],
)
def test_words_that_may_leave_something_out(asks: Callable[[str], bool], yes: str, no: str) -> None:
    assert asks(yes)
    assert not asks(no)


@pytest.mark.parametrize(
    ("question", "out"),
    [
        ("failed passwords apart from root and alice", {"root", "alice"}),
        ("lines that are not from sshd", {"sshd"}),
        ("lines that don't mention root", {"root"}),
        ("failed passwords of users other than alice on gate", {"alice"}),
        ("what happened, leaving sshd aside", {"sshd"}),
        ("how many failed passwords for root on gate", set()),
        ("is it root that logged in, not alice?", set()),  # said in passing: the planner's choice
    ],
)
def test_the_values_that_are_left_out(question: str, out: set[str]) -> None:
    found = ask(question)
    assert texts(found, found.asked.left_out) == out


def test_what_something_is_from_is_not_left_out() -> None:
    found = ask("failures from 10.0.0.2 that are not about backups")
    assert texts(found, found.asked.kept) == {"10.0.0.2"}
    accepts = Grammar(build_grammar(found)).accepts
    assert accepts("SELECT count(*) FROM logs WHERE ip = V1")
    assert not accepts("SELECT count(*) FROM logs WHERE ip <> V1")
    assert not accepts("SELECT count(*) FROM logs WHERE line NOT LIKE V1")
    assert ask("all that is not from 10.0.0.2").asked.kept == frozenset()


def test_what_is_left_out_can_only_be_left_out() -> None:
    found = ask("failed passwords apart from root")
    accepts = Grammar(build_grammar(found)).accepts
    assert found.values[0].columns == {"user": "root"}
    assert accepts("SELECT count(*) FROM logs WHERE user <> V1")
    assert accepts("SELECT count(*) FROM logs WHERE line NOT LIKE V1")
    assert not accepts("SELECT count(*) FROM logs WHERE user = V1")
    assert not accepts("SELECT count(*) FROM logs WHERE line LIKE V1")


def test_where_nothing_can_be_left_out_no_condition_is_turned_round() -> None:
    accepts = Grammar(build_grammar(ask("failed passwords for root"))).accepts
    assert accepts("SELECT count(*) FROM logs WHERE user = V1")
    assert not accepts("SELECT count(*) FROM logs WHERE user <> V1")
    assert not accepts("SELECT count(*) FROM logs WHERE message NOT LIKE S1")


def test_nobody_asks_for_all_where_something_is_left_out() -> None:
    found = ask("warnings that are not about passwords")
    assert nonsense("SELECT count(*) FROM logs WHERE level = V1", found) == "all where something is left out"
    assert nonsense("SELECT count(*) FROM logs WHERE level = V1 AND message NOT LIKE S1", found) == ""


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("new bans (without restored bans)", {"restor"}),  # bans are asked for too
        ("jobs that ended; aborted ones do not count", {"abort"}),
        ("failures except retries, per hour", {"retri"}),
        ("time without a line", set()),
        ("failures", set()),
    ],
)
def test_words_of_what_is_left_out(question: str, words: set[str]) -> None:
    assert left_out_words(question) >= words
    assert {"ban", "job", "fail", "hour"}.isdisjoint(left_out_words(question))


def banned() -> Any:
    messages = [(f"Ban 10.0.0.{n}", f"Restore Ban 10.0.0.{n}", f"Found 10.0.0.{n}")[n % 3] for n in range(60)]
    records = [record | {"message": text} for record, text in zip(make_records(60), messages, strict=True)]
    return build_profile(records, COLUMNS)


def test_a_pattern_of_what_is_left_out_is_only_left_out() -> None:
    found = link("how many bans on gate, without restored bans?", banned(), now=NOW)
    restored = next(one.handle for one in found.shapes if "Restore" in " ".join(one.fragment.pieces))
    assert found.gone == {restored}
    accepts = Grammar(build_grammar(found)).accepts
    assert accepts(f"SELECT count(*) FROM logs WHERE message NOT LIKE {restored} AND host = V1")
    assert not accepts(f"SELECT count(*) FROM logs WHERE message LIKE {restored} AND host = V1")
    planned = "SELECT count(*) FROM logs WHERE host = V1"
    assert nonsense(planned, found) == "all where something is left out"
    assert amend(planned, found) == f"SELECT count(*) FROM logs WHERE message NOT LIKE {restored} AND host = V1"


@pytest.mark.parametrize(
    ("question", "planned", "amended"),
    [
        (
            "failed passwords from 10.0.0.2",
            "SELECT count(*) FROM logs WHERE message LIKE S1",
            "SELECT count(*) FROM logs WHERE ip = V1 AND message LIKE S1",
        ),
        (
            "users with failed passwords after 08:10",
            "SELECT user, count(*) AS count FROM logs GROUP BY user ORDER BY count DESC",
            "SELECT user, count(*) AS count FROM logs WHERE ts IN T1 GROUP BY user ORDER BY count DESC",
        ),
        (
            'last line with "ssh2" that is not from 10.0.0.2',
            "SELECT line_no, line FROM logs WHERE ip <> V2 ORDER BY ts DESC LIMIT 1",
            "SELECT line_no, line FROM logs WHERE line LIKE V1 AND ip <> V2 ORDER BY ts DESC LIMIT 1",
        ),
        (
            "failed passwords apart from 10.0.0.2",
            "SELECT count(*) FROM logs WHERE message LIKE S1",
            "SELECT count(*) FROM logs WHERE ip <> V1 AND message LIKE S1",
        ),
        ("failed passwords", "SELECT count(*) FROM logs WHERE message LIKE S1", ""),  # nothing is missing
        (
            "share of lines from 10.0.0.2",  # of which part?
            "SELECT 100.0 * count(*) FILTER (WHERE message LIKE S1) / count(*) FROM logs",
            "",
        ),
        ("backups above 70 ms", "SELECT count(*) FROM logs WHERE message LIKE S1", ""),  # which number?
        (
            "lines after 08:10 and before 08:05",
            "SELECT count(*) FROM logs WHERE ts IN T1",
            "",  # one or the other
        ),
    ],
)
def test_what_a_query_leaves_unsaid_is_put_in(question: str, planned: str, amended: str) -> None:
    found = ask(question)
    assert amend(planned, found) == amended
    if amended:
        assert nonsense(planned, found) == "less than the question says"
        assert nonsense(amended, found) == ""
        assert expand(amended, found)
