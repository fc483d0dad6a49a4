"""Putting an answer together: run the query, count the lines, find the proof, write the sentence.

Knows the log through `LogSet.query`, `.counts` and `.lines` only. The file is scanned once for the query, and for the
lines that prove the answer until five are found.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from edgeslm.answer.evidence import Line, Log, Rows, find_evidence
from edgeslm.answer.query_shape import QueryShape, read_gap, read_query
from edgeslm.answer.sentence import wants_total, write_sentence
from edgeslm.answer.values import TimeBucket, TimeOfDay, is_nothing
from edgeslm.errors import QueryError

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
    @property
    def time_scale(self) -> str: ...
    def counts(self) -> _Counts: ...


@dataclass(frozen=True)
class _Result:
    columns: list[str]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Query:
    """The SQL to run and what is known about it. evidence_where: None for every line, "" to read it off the SQL.

    confidence: the chance that the reading is what was meant; sure: whether that is enough, None where nobody can say.
    readings: what else the question may mean, in words and SQL. unmatched: its words that nothing in the log matches.
    """

    sql: str
    question: str | None = None
    model: str | None = None
    subject: str = ""
    now: datetime | None = None
    now_source: str = ""
    evidence_where: str | None = ""
    confidence: float | None = None
    sure: bool | None = None
    readings: tuple[tuple[str, str], ...] = ()
    unmatched: tuple[str, ...] = ()
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
    result, total = _run(log, query.sql, shape, timeout_s)
    result = _name_buckets(result, shape)
    timing["query"] = _ms_since(start)

    progress("finding the lines that prove it")
    start = time.perf_counter()
    where = query.evidence_where
    if where == "":
        where = shape.where if shape is not None else None
    patience_s = min(timeout_s, EVIDENCE_TIMEOUT_S)
    evidence = find_evidence(log, shape, result, where, gap_where=gap_where, timeout_s=patience_s)
    timing["evidence"] = _ms_since(start)
    if (scale := log.time_scale) != "calendar":
        result = _Result(list(result.columns), [tuple(_as_written(one, scale) for one in row) for row in result.rows])

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
        now=_as_written(query.now, scale),
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


def _run(log: Log, sql: str, shape: QueryShape | None, timeout_s: float) -> tuple[Rows, int | None]:
    """The result, and where the sentence wants it, the sum of a ranking's groups from before its LIMIT.

    The sum rides along as one more column, which is taken off again: a scan of its own would double the time.
    """
    if shape is None or not wants_total(shape):
        return log.query(sql, timeout_s=timeout_s), None
    start = time.perf_counter()
    with_total = f"{sql[: shape.select_end]}, sum(count(*)) OVER () {sql[shape.select_end :]}"
    try:
        result = log.query(with_total, timeout_s=timeout_s)
    except QueryError:
        left_s = timeout_s - (time.perf_counter() - start)
        if left_s < timeout_s / 2:
            raise
        return log.query(sql, timeout_s=left_s), None
    total = int(result.rows[0][-1]) if result.rows else None
    return _Result(result.columns[:-1], [row[:-1] for row in result.rows]), total


def _name_buckets(result: Rows, shape: QueryShape | None) -> Rows:
    """The result with the times of a column like date_trunc('hour', ts) marked as standing for the whole hour."""
    units = [item.unit if item.is_time_bucket else "" for item in shape.items] if shape is not None else []
    if len(units) != len(result.columns) or not any(units):
        return result
    rows = [
        tuple(
            TimeBucket.of(value, unit) if unit and isinstance(value, datetime) else value
            for value, unit in zip(row, units, strict=True)
        )
        for row in result.rows
    ]
    return _Result(list(result.columns), rows)


def _as_written(value: Any, scale: str) -> Any:
    """A value of a result; times of a log that tells no dates as times of a day, or as the time since the boot.

    scale: "calendar", "day" or "boot", as `LogSet.time_scale` has it.
    """
    if scale == "calendar" or not isinstance(value, datetime):
        return value
    return TimeOfDay.of(value, getattr(value, "unit", "")) if scale == "day" else value - datetime(1970, 1, 1)


def _ms_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 1)
