"""Putting an answer together: run the query, count the lines, find the proof, write the sentence.

Knows the log through `LogSet.query`, `.counts` and `.lines` only. The file is scanned once for the query, once for the
counts where the log does not know them yet, and at most once more for the lines that prove the answer.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from edgeslm.answer.evidence import Line, Log, count_and_evidence, find_evidence
from edgeslm.answer.query_shape import read_gap, read_query
from edgeslm.answer.sentence import needs_total, write_sentence
from edgeslm.answer.values import is_nothing

EVIDENCE_TIMEOUT_S = 5.0


class _Counts(Protocol):
    @property
    def read(self) -> int: ...
    @property
    def unparsed(self) -> int: ...


class _Format(Protocol):
    @property
    def name(self) -> str: ...


class AskedLog(Log, Protocol):
    """What is needed of a `LogSet`."""

    @property
    def format(self) -> _Format: ...
    @property
    def notes(self) -> Sequence[str]: ...
    def counts(self) -> _Counts: ...


@dataclass(frozen=True)
class Query:
    """The SQL to run and what is known about it. evidence_where: None for every line, "" to read it off the SQL."""

    sql: str
    question: str | None = None
    model: str | None = None
    subject: str = ""
    now: datetime | None = None
    now_source: str = ""
    evidence_where: str | None = ""
    timing_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What was found.

    lines_read and lines_unparsed are None when the query was only shown; notes say what was changed in reading.
    """

    query: Query
    columns: list[str]
    rows: list[tuple[Any, ...]]
    sentence: str
    sentence_covers: bool
    evidence: list[Line]
    lines_read: int | None
    lines_unparsed: int | None
    format: str
    timing_ms: dict[str, float]
    notes: list[str] = field(default_factory=list)
    was_run: bool = True

    @property
    def exit_status(self) -> int:
        """0 when something was found, 1 when there was nothing, as grep has it."""
        return 1 if self.was_run and is_nothing(self.rows) else 0


def show_only(log: AskedLog, query: Query) -> Answer:
    """The answer that holds the query, not run."""
    return Answer(query, [], [], "", False, [], None, None, log.format.name, dict(query.timing_ms), was_run=False)


def find_answer(
    log: AskedLog, query: Query, *, timeout_s: float = 20.0, progress: Callable[[str], None] = lambda label: None
) -> Answer:
    """Run the query on the log and say what it found. Raises QueryError."""
    timing = dict(query.timing_ms)
    shape, gap_where = read_query(query.sql), read_gap(query.sql)

    progress("running the query")
    start = time.perf_counter()
    result = log.query(query.sql, timeout_s=timeout_s)
    timing["query"] = _ms_since(start)

    progress("finding the lines that prove it")
    start = time.perf_counter()
    own_where = shape.where if shape is not None else ""
    where = own_where if query.evidence_where == "" else query.evidence_where
    patience_s = min(timeout_s, EVIDENCE_TIMEOUT_S)
    total = None
    if shape is not None and needs_total(shape, result.rows):
        total, evidence = count_and_evidence(log, own_where, timeout_s=patience_s)
        if (where or "") != own_where or not evidence:
            evidence = find_evidence(log, shape, result, where, timeout_s=patience_s)
    else:
        evidence = find_evidence(log, shape, result, where, gap_where=gap_where, timeout_s=patience_s)
    timing["evidence"] = _ms_since(start)

    progress("counting lines")
    start = time.perf_counter()
    counts = log.counts()
    timing["counts"] = _ms_since(start)

    sentence = write_sentence(
        shape,
        result.columns,
        result.rows,
        subject=query.subject,
        total=total,
        is_gap=gap_where is not None,
        now=query.now,
        now_source=query.now_source,
    )
    return Answer(
        query,
        result.columns,
        result.rows,
        sentence.text,
        sentence.covers,
        evidence,
        counts.read,
        counts.unparsed,
        log.format.name,
        timing,
        list(log.notes),
    )


def _ms_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 1)
