"""From a plan to an answer: run its reading and, where that finds nothing, the others that may have been meant.

Refuses to plan and to print: `ask.planner` plans, `ask.cli` asks the person and prints.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeslm.answer.answer import Answer, Query
from edgeslm.answer.values import found_none
from edgeslm.ask.readings import MOST_READINGS, Reading, second_round
from edgeslm.ask.trust import SURE
from edgeslm.errors import QueryError

if TYPE_CHECKING:
    from edgeslm.ask.planner import Plan


def answer_plan(plan: "Plan", find: Callable[[Query, float], Answer], *, time_limit_s: float) -> Answer:
    """The answer of the likeliest reading that finds something; that of the first reading where none does.

    find runs one query within the seconds it is given. Only the first reading's query may fail (QueryError): another
    that fails, or that the time limit leaves no time for, is passed over, and "nothing found" stays the answer.
    """
    start = time.monotonic()
    first = find(to_query(plan, plan.reading), time_limit_s)
    if not first.exit_status:
        return first
    empty = replace(first, query=to_query(plan, plan.reading, found=False))
    for other in second_round(plan.reading, plan.others, none=found_none(first.rows)):
        left_s = time_limit_s - (time.monotonic() - start)
        if left_s <= 0:
            break
        try:
            second = find(to_query(plan, other), left_s)
        except QueryError:
            continue
        if not second.exit_status:
            return second
    return empty


def to_query(plan: "Plan", reading: Reading, *, chosen: bool = False, found: bool = True) -> Query:
    """The query of one of a plan's readings. chosen: by a person, so that there is no doubt left to speak of.

    found: whether it finds something, as far as is known.
    """
    confidence = plan.doubts.trust(reading.confidence, found=found) if plan.doubts else reading.confidence
    sure = confidence >= SURE if plan.doubts else plan.sure
    settled = chosen or sure is True
    unused = [one for one in (plan.reading, *plan.others) if one is not reading][: MOST_READINGS - 1]
    return Query(
        sql=reading.sql,
        question=plan.question,
        model=plan.model_name,
        subject=reading.subject,
        now=plan.now,
        now_source=plan.now_source,
        evidence_where=reading.evidence_where,
        confidence=confidence,
        sure=None if chosen else sure,
        readings=() if settled or not plan.others else tuple((one.words, one.sql) for one in unused),
        unmatched=() if settled else plan.unmatched,
        timing_ms=dict(plan.timing_ms),
    )
