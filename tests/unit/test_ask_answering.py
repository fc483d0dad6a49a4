"""From a plan to an answer: which reading answers, and what the others may cost."""

import time
from dataclasses import replace
from typing import Any

import pytest

from edgeslm.answer.answer import Answer, Query
from edgeslm.ask.answering import answer_plan, to_query
from edgeslm.ask.planner import Plan
from edgeslm.ask.readings import Reading
from edgeslm.ask.trust import Doubts
from edgeslm.errors import QueryError


def reading(sql: str, confidence: float = 0.5) -> Reading:
    return Reading(sql, sql, confidence, evidence_where=None, subject="", words=f"words of {sql}")


def plan_of(first: str, *others: str) -> Plan:
    rest = tuple(reading(sql) for sql in others)
    return Plan(reading(first), "which", None, "", "model", sure=not others, others=rest)


class Finder:
    """Answers queries from a table (a list of rows, or an error to raise), and notes what it was asked, for how long.

    lasts_s: how long each query takes.
    """

    def __init__(self, lasts_s: float = 0.0, **found: Any) -> None:
        self.found, self.lasts_s, self.asked = found, lasts_s, list[tuple[str, float]]()

    def __call__(self, query: Query, timeout_s: float) -> Answer:
        self.asked.append((query.sql, timeout_s))
        time.sleep(self.lasts_s)
        rows = self.found[query.sql]
        if isinstance(rows, Exception):
            raise rows
        return Answer(query, ["count"], rows, "", False, [], 1, 0, "plain", {})


def test_the_first_reading_answers_where_it_finds_something() -> None:
    find = Finder(a=[(3,)], b=[(4,)])
    assert answer_plan(plan_of("a", "b"), find, time_limit_s=9).rows == [(3,)]
    assert find.asked == [("a", 9)]


def test_where_it_finds_nothing_the_next_that_finds_something_answers() -> None:
    find = Finder(a=[], b=[], c=[(4,)], d=[(5,)])
    answer = answer_plan(plan_of("a", "b", "c", "d"), find, time_limit_s=9)
    assert (answer.rows, answer.query.sql) == ([(4,)], "c")
    assert [sql for sql, _ in answer.query.readings] == ["words of a", "words of b"]  # what else may have been meant


def test_another_reading_that_fails_is_passed_over() -> None:
    find = Finder(a=[], b=QueryError("the query took too long"), c=[(4,)])
    assert answer_plan(plan_of("a", "b", "c"), find, time_limit_s=9).rows == [(4,)]
    find = Finder(a=[], b=QueryError("the query took too long"))
    assert answer_plan(plan_of("a", "b"), find, time_limit_s=9).exit_status == 1


def test_a_first_reading_that_fails_is_an_error() -> None:
    with pytest.raises(QueryError, match="took too long"):
        answer_plan(plan_of("a", "b"), Finder(a=QueryError("the query took too long")), time_limit_s=9)


def test_all_readings_share_one_time_limit() -> None:
    find = Finder(lasts_s=0.04, a=[], b=[], c=[], d=[], e=[(1,)])
    assert answer_plan(plan_of("a", "b", "c", "d", "e"), find, time_limit_s=0.1).exit_status == 1
    limits = [limit_s for _, limit_s in find.asked]
    assert limits[0] == 0.1
    assert len(limits) < 5
    assert limits == sorted(limits, reverse=True)


def test_a_reading_that_a_person_chose_leaves_no_doubt() -> None:
    plan = plan_of("a", "b")
    assert (to_query(plan, plan.others[0]).sure, to_query(plan, plan.others[0], chosen=True).sure) == (False, None)
    assert to_query(plan, plan.others[0], chosen=True).readings == ()


def test_an_empty_answer_is_trusted_less_and_a_sure_one_shows_no_other_readings() -> None:
    doubts = Doubts(least=0.79, words=2, unmatched=0, guess=False)
    plan = replace(plan_of("a", "b"), doubts=doubts, unmatched=("valve",))
    plan = replace(plan, reading=reading("a", 0.9))
    found = answer_plan(plan, Finder(a=[(3,)], b=[(1,)]), time_limit_s=1)
    empty = answer_plan(plan, Finder(a=[], b=[]), time_limit_s=1)
    assert (found.query.sure, found.query.readings, found.query.unmatched) == (True, (), ())
    assert (empty.query.sure, empty.query.unmatched) == (False, ("valve",))
    assert empty.query.readings
    assert empty.query.confidence is not None
    assert found.query.confidence is not None
    assert empty.query.confidence < found.query.confidence
