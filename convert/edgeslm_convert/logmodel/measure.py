"""Execution accuracy of a planner on generated questions: its SQL and the intended SQL are run on the simulated log."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from edgeslm.ask.expand import expand
from edgeslm.ask.link import link
from edgeslm.ask.planner import write_sql
from edgeslm.ask.profile import Profile
from edgeslm.engine import Model
from edgeslm.errors import EdgeSlmError
from edgeslm_convert.logmodel.pair import Dropped, profile_log, write_query
from edgeslm_convert.logmodel.questions import Asker, Question
from edgeslm_convert.logmodel.simulate import Log, simulate
from edgeslm_convert.logmodel.table import open_table, rows_of

_PER_LOG = 12  # questions asked of one log


@dataclass
class Report:
    """tally: per intent and in all, [right, asked]; failures: readable; sureness: (probability, right) of each."""

    tally: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    failures: list[str] = field(default_factory=list)
    sureness: list[tuple[float, bool]] = field(default_factory=list)


def measure(path: Path, *, logs: int, seed: int, holdout: bool) -> Report:
    """Ask about `logs` simulated logs; holdout: with the sources and wordings that training never saw."""
    report = Report()
    with Model(path) as model:
        for number in range(logs):
            rng = random.Random(seed * 7919 + number)
            log = simulate(rng, held_out=holdout)
            profile = profile_log(log)
            asker = Asker(log, rng, profile.fields, holdout=holdout)
            connection = open_table(log)
            for _ in range(_PER_LOG):
                if question := asker.ask():
                    _ask(question, log, profile, model, connection, report)
            connection.close()
    return report


def _ask(
    question: Question,
    log: Log,
    profile: Profile,
    model: Model,
    connection: duckdb.DuckDBPyConnection,
    report: Report,
) -> None:
    """Compare the planner's query with the intended one; a question that linking cannot serve is not counted."""
    candidates = link(question.text, profile, now=question.now or log.records[-1]["ts"])
    try:
        wanted = write_query(question, log, candidates)
    except Dropped:
        return
    sure = 0.0
    try:
        written, sure = write_sql(model, candidates)
        right = written == wanted
        if not right:
            found, expected = (rows_of(connection, expand(sql, candidates)) for sql in (written, wanted))
            right = found == expected
    except (EdgeSlmError, duckdb.Error) as error:
        written, right = f"{type(error).__name__}: {error}", False
    report.sureness.append((sure, right))
    for key in ("all", question.intent):
        report.tally[key][0] += right
        report.tally[key][1] += 1
    if not right:
        failure = f"{question.intent}: {candidates.annotated}\n  wanted {wanted}\n  wrote  {written}"
        report.failures.append(failure)


def sure_above(sureness: list[tuple[float, bool]], precision: float) -> tuple[float, float] | None:
    """The least probability from which on answers are right at least that often, and the share of answers it leaves.

    sureness: (probability, right) of each answer. None where no share of the likeliest answers is that good.
    """
    best, right = None, 0
    ranked = sorted(sureness, key=lambda one: -one[0])
    for number, (probability, was_right) in enumerate(ranked, 1):
        right += was_right
        ends = number == len(ranked) or ranked[number][0] < probability
        if ends and right >= precision * number:
            best = (probability, number / len(ranked))
    return best
