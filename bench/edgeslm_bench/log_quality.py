"""How good a planner is at its task: generated questions about simulated logs, its SQL run against the intended SQL.

Sources and wordings are held out of training; the same seed asks the same questions, made once for all models that are
compared. Knows no set of authored questions.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from edgeslm.ask.candidates import Candidates
from edgeslm.ask.expand import expand
from edgeslm.ask.link import link
from edgeslm.ask.planner import write_sql
from edgeslm.engine import Model
from edgeslm.errors import EdgeSlmError
from edgeslm_convert.logmodel.pair import Dropped, profile_log, write_query
from edgeslm_convert.logmodel.questions import Asker
from edgeslm_convert.logmodel.simulate import simulate
from edgeslm_convert.logmodel.table import open_table, rows_of

_A_LOG = 12  # questions


@dataclass(frozen=True)
class Question:
    """A linked question, the log's table, and the rows that the intended query gives."""

    candidates: Candidates
    table: duckdb.DuckDBPyConnection
    rows: Any


@dataclass
class LogQuality:
    """Of `asked` questions: for how many a query was written, was SQL that DuckDB parses, ran, gave the right rows."""

    asked: int = 0
    written: int = 0
    valid: int = 0
    ran: int = 0
    right: int = 0

    def percent(self, count: int) -> float:
        """That count of all asked, in percent."""
        return 100 * count / self.asked if self.asked else 0.0


def make_questions(logs: int, seed: int = 1) -> list[Question]:
    """Questions about `logs` simulated logs; those that linking cannot serve are left out."""
    found = []
    for number in range(logs):
        rng = random.Random(seed * 7919 + number)
        log = simulate(rng, held_out=True)
        profile = profile_log(log)
        asker = Asker(log, rng, profile.fields, holdout=True)
        table = open_table(log)
        for question in filter(None, (asker.ask() for _ in range(_A_LOG))):
            candidates = link(question.text, profile, now=question.now or log.records[-1]["ts"])
            try:
                rows = rows_of(table, expand(write_query(question, log, candidates), candidates))
            except (Dropped, duckdb.Error):  # no model could be right
                continue
            found.append(Question(candidates, table, rows))
    return found


def measure(
    path: Path, questions: Sequence[Question], *, exit_layer: int = 0, threads: int | None = None
) -> LogQuality:
    """Let a planner answer. exit_layer: where to leave, 0 for all layers. Raises ModelError if it cannot be loaded."""
    found = LogQuality(asked=len(questions))
    with Model(path, threads=threads) as model:
        if exit_layer:
            model.hooks().set_exit_layer(exit_layer, model.n_layer)
        for question in questions:
            try:
                sql = expand(write_sql(model, question.candidates)[0], question.candidates)
            except EdgeSlmError:
                continue
            _judge(question, sql, found)
    return found


def _judge(question: Question, sql: str, found: LogQuality) -> None:
    found.written += 1
    try:
        duckdb.extract_statements(sql)
        found.valid += 1
        rows = rows_of(question.table, sql)
    except (EdgeSlmError, duckdb.Error):
        return
    found.ran += 1
    found.right += rows == question.rows
