"""The lines of the log that prove an answer: at most five, as they stand in the file.

Asks the log for no more than it must: lines the result already names cost no query, a search stops at its fifth line.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from edgeslm.answer.query_shape import QueryShape
from edgeslm.answer.values import is_nothing
from edgeslm.errors import QueryError

MOST_LINES = 5


class Line(Protocol):
    """A line of a log, as `LogSet.lines` gives it."""

    @property
    def file(self) -> str: ...
    @property
    def line_no(self) -> int: ...
    @property
    def text(self) -> str: ...


class Rows(Protocol):
    """A query's result, as `LogSet.query` gives it."""

    @property
    def columns(self) -> list[str]: ...
    @property
    def rows(self) -> list[tuple[Any, ...]]: ...


class LogColumn(Protocol):
    """A column of the view, as `LogSet.columns` has it."""

    @property
    def name(self) -> str: ...


class Log(Protocol):
    """What is needed of a `LogSet`."""

    @property
    def columns(self) -> Sequence[LogColumn]: ...
    def query(self, sql: str, *, timeout_s: float = ...) -> Rows: ...
    def lines(self, line_nos: Sequence[Any]) -> Sequence[Line]: ...


def place_columns(log: Log) -> list[str]:
    """The columns that say where a line stands: its number, and its file where there are several."""
    return ["source", "line_no"] if any(column.name == "source" for column in log.columns) else ["line_no"]


def find_evidence(
    log: Log,
    shape: QueryShape | None,
    result: Rows,
    where: str | None,
    *,
    gap_where: str | None = None,
    timeout_s: float = 20.0,
) -> list[Line]:
    """The lines that prove the result: those it names, the first or last one itself, or the first that match `where`.

    where: the condition such a line meets, None for every line; gap_where: the condition of a query for the longest
    time between lines, which the two lines around it prove. A search that fails or runs out of time proves nothing:
    the answer then stands without lines.
    """
    if is_nothing(result.rows):
        return []
    place = place_columns(log)
    if set(place) <= set(result.columns):
        at = [result.columns.index(name) for name in place]
        return _lines(log, [tuple(row[i] for i in at) for row in result.rows])
    found: list[tuple[Any, ...]] = []
    try:
        for sql in _searches(shape, result, where, place) if gap_where is None else [_gap_search(gap_where, place)]:
            for row in log.query(sql, timeout_s=timeout_s).rows:
                found += [row[i : i + len(place)] for i in range(0, len(row), len(place))]
    except QueryError:
        return []
    return _lines(log, found)


def _lines(log: Log, places: Sequence[tuple[Any, ...]]) -> list[Line]:
    whole = list(dict.fromkeys(place for place in places if None not in place))[:MOST_LINES]
    return list(log.lines([place[0] if len(place) == 1 else place for place in whole]))


def _searches(shape: QueryShape | None, result: Rows, where: str | None, place: Sequence[str]) -> list[str]:
    if shape is not None and shape.is_plain:
        limit = MOST_LINES if shape.limit is None else min(MOST_LINES, shape.limit)
        return [_search(place, shape.where, order=shape.order_terms, limit=limit, offset=shape.offset)]
    if shape is not None and shape.is_one_group and len(result.rows) == 1:
        ends = [
            _search(
                place,
                f"({shape.where}) AND {item.argument} = {literal}" if shape.where else f"{item.argument} = {literal}",
                limit=1,
            )
            for item, value in zip(shape.items, result.rows[0], strict=False)
            if item.call in ("min", "max") and "," not in item.argument and (literal := _literal(value))
        ]
        if ends:
            return ends[:MOST_LINES]
        spans = [item for item in shape.items if item.is_span]
        if spans and (filters := spans[0].filters):
            wheres = [f"({shape.where}) AND ({one})" if shape.where else one for one in filters]
            return [_search(place, one, order=[("ts", False)], limit=1) for one in wheres]
        if spans:
            return [_search(place, shape.where, order=[("ts", last)], limit=1) for last in (False, True)]
    return [_search(place, where or "", limit=MOST_LINES)]


def _gap_search(where: str, place: Sequence[str]) -> str:
    """The two lines around the longest time between lines."""
    before = ", ".join(f"lag({name}) OVER (ORDER BY ts) AS before_{name}" for name in place)
    return (
        f"SELECT {', '.join(f'before_{name}' for name in place)}, {', '.join(place)} FROM (SELECT {', '.join(place)},"
        f" {before}, epoch(ts) - epoch(lag(ts) OVER (ORDER BY ts)) AS gap FROM logs"
        f"{f' WHERE {where}' if where else ''}) WHERE gap IS NOT NULL ORDER BY gap DESC LIMIT 1"
    )


def _search(
    place: Sequence[str], where: str, *, limit: int, order: Sequence[tuple[str, bool]] = (), offset: str = ""
) -> str:
    terms = ", ".join(f"{term}{' DESC' if descending else ''}" for term, descending in order)
    parts = [f"SELECT {', '.join(place)} FROM logs"]
    parts += [f"WHERE {where}"] if where else []
    parts += [f"ORDER BY {terms}"] if terms else []
    parts += [f"LIMIT {limit}"]
    parts += [f"OFFSET {offset}"] if offset else []
    return " ".join(parts)


def _literal(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return ""
