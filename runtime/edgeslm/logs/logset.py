"""`open_logs` and `LogSet`: log files as one locked-down DuckDB view, with what a question's planner needs of them.

Ties source, detection, view and sandbox together; refuses to know any one's details. Invariant: what a `LogSet`
says of its files (counts, time range, continued records) is of the whole files, not of a sample.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeslm.logs.detect import detect_format
from edgeslm.logs.files import expand_paths
from edgeslm.logs.format import Format, iter_records
from edgeslm.logs.sandbox import Result, locked_connection, run_select
from edgeslm.logs.source import Source, open_source
from edgeslm.logs.sqltext import ordered_levels, quote
from edgeslm.logs.stamps import Clock, TimeScale, time_scale
from edgeslm.logs.view import Column, Expressions, Part, runs, scan_sql, view_columns, view_sql

SAMPLE_RECORDS = 5000
DETECT_LINES = 600


@dataclass(frozen=True)
class Counts:
    """Lines read, and how many of them were not understood (no record and no continuation of one)."""

    read: int
    unparsed: int


@dataclass(frozen=True)
class Line:
    """One line of one file, as written."""

    file: str
    line_no: int
    text: str


class LogSet:
    """Log files open for questions: a context manager, or `close()` it."""

    def __init__(self, parts: list[Part], *, memory_limit_mb: int, threads: int | None) -> None:
        self._parts = parts
        self.format: Format = parts[0].format
        paths = [part.source.path for part in parts]
        scans = runs(parts)
        summaries = {f"summary_{i}": _summary_sql(scan) for i, scan in enumerate(scans)}
        self.connection = locked_connection(paths, summaries, memory_limit_mb=memory_limit_mb, threads=threads)
        try:
            self._summaries = [
                one for name, scan in zip(summaries, scans, strict=True) for one in self._read(name, scan)
            ]
        except BaseException:
            self.connection.close()
            raise
        self._leading = [0] * len(parts)
        for i, (part, summary) in enumerate(zip(parts, self._summaries, strict=True)):
            # Line numbers through several files are right only if DuckDB sees the lines that we count.
            parts[i] = part = replace(part, alone=summary.rows != part.source.lines)
            if part.format.multiline and 0 < summary.heads < part.source.lines:
                self._leading[i] = (_first_head(part, summary.heads) or 1) - 1
                parts[i] = replace(part, continued=summary.heads < part.source.lines - self._leading[i])
        self.columns: list[Column] = view_columns(parts)
        self.view_sql: str = view_sql(parts)
        for name in summaries:
            self.connection.execute(f"DROP VIEW {name}")
        self.connection.execute(f"CREATE VIEW logs AS {self.view_sql}")

    def __enter__(self) -> "LogSet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database and removes temporary copies."""
        self.connection.close()
        for part in self._parts:
            part.source.close()

    @property
    def notes(self) -> list[str]:
        """What a person should know: what was changed in reading the files, and that times count from the boot."""
        notes = [note for part in self._parts for note in part.source.notes]
        return [*notes, "times count from the boot: the log tells no dates"] if self.time_scale == "boot" else notes

    @property
    def time_scale(self) -> TimeScale:
        """What `ts` counts in: "day" where no file tells a date, "boot" where all count from the boot."""
        scales = {time_scale(part.format.layouts) for part in self._parts}
        return scales.pop() if len(scales) == 1 else "calendar"

    @property
    def files(self) -> list[str]:
        """The names of the files, in the order of the view (oldest first)."""
        return [part.source.name for part in self._parts]

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """Up to 5,000 records spread over the files, as the view gives them but without entity columns."""
        names = [column.name for column in self.columns if not column.entity]
        limit = max(1, SAMPLE_RECORDS // len(self._parts))
        rows: list[dict[str, Any]] = []
        for part in self._parts:
            for block in part.source.sample(limit):
                rows += _sample_rows(part, block, names)
        return rows

    def query(self, sql: str, *, timeout_s: float = 20.0) -> Result:
        """The result of one SELECT over `logs`. Raises QueryError if it is refused, fails or runs too long."""
        return run_select(self.connection, ordered_levels(sql), timeout_s)

    def counts(self) -> Counts:
        """How many lines there are and how many were not understood."""
        read = sum(part.source.lines for part in self._parts)
        unparsed = sum(
            leading if part.continued else part.source.lines - summary.heads
            for part, summary, leading in zip(self._parts, self._summaries, self._leading, strict=True)
        )
        return Counts(read, unparsed)

    def time_range(self) -> tuple[datetime, datetime] | None:
        """The earliest and the latest `ts` of all lines, or None where there is none."""
        starts = [s.start for s in self._summaries if s.start]
        ends = [s.end for s in self._summaries if s.end]
        return (min(starts), max(ends)) if starts and ends else None

    def lines(self, line_nos: Sequence[int | tuple[str, int]]) -> list[Line]:
        """The lines of these numbers, in the order asked for; (file, number) where there are several files."""
        found: list[Line] = []
        for part in self._parts:
            name = part.source.name
            wanted = [n if isinstance(n, int) else n[1] for n in line_nos if isinstance(n, int) or n[0] == name]
            texts = part.source.texts(wanted)
            found += [Line(name, n, texts[n]) for n in wanted if n in texts]
        return found

    def _read(self, name: str, scan: list[Part]) -> list["_Summary"]:
        """The summaries of the files that are read together, in their order."""
        rows = run_select(self.connection, f"SELECT * FROM {name}", timeout_s=600).rows
        by_path = {path: _Summary(*rest) for path, *rest in rows}
        return [by_path.get(str(part.source.path), _Summary(0, 0, None, None)) for part in scan]


@dataclass(frozen=True)
class _Summary:
    rows: int
    heads: int
    start: datetime | None
    end: datetime | None


def _summary_sql(scan: list[Part]) -> str:
    """A row for each file of a scan: path, lines, records, earliest and latest time; one regular expression a line."""
    expressions = Expressions(scan[0])
    source = scan_sql([part.source for part in scan])
    path = "filename" if len(scan) > 1 else f"{quote(str(scan[0].source.path))} AS filename"
    if expressions.has_ts and scan[0].format.kind == "regex":
        inner = f"SELECT {path}, {expressions.ts_text()} AS text FROM {source}"
        inner = f"SELECT filename, text <> '' AS head, {expressions.ts('text')} AS ts FROM ({inner})"
    else:
        is_head = f"regexp_matches(line, {quote(scan[0].format.head_pattern)})"
        ts = expressions.ts() if expressions.has_ts else "NULL::TIMESTAMP"
        inner = f"SELECT {path}, {is_head} AS head, {ts} AS ts FROM {source}"
    return f"SELECT filename, count(*), count(*) FILTER (WHERE head), min(ts), max(ts) FROM ({inner}) GROUP BY filename"


def _first_head(part: Part, heads: int) -> int | None:
    """The line number of the first record; None where there is none."""
    return next((n for n, text in part.source.numbered() if part.format.is_head(text)), None) if heads else None


def _sample_rows(part: Part, block: list[tuple[int, str]], names: Sequence[str]) -> Iterable[dict[str, Any]]:
    record: int | None = None
    for row in iter_records(part.format, block, part.clock):
        if part.continued and part.format.is_head(row["line"]):
            record = row["line_no"]
        row |= {"source": part.source.name, "record": record}
        yield {name: row.get(name) for name in names}


def open_logs(
    paths: Sequence[str | Path],
    *,
    year: int | None = None,
    format_name: str | None = None,
    memory_limit_mb: int = 100,
    threads: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> LogSet:
    """Opens log files (globs and "-" allowed) as one view. year: of the file's end, for formats without one.

    Raises InputError for what cannot be read as a log, FormatError for a wrong format file.
    """
    sources: list[Source] = []
    try:
        for path in expand_paths(paths):
            sources.append(open_source(path, progress))
        parts = [_part(source, year, format_name) for source in sources]
        return LogSet(parts, memory_limit_mb=memory_limit_mb, threads=threads)
    except BaseException:
        for source in sources:
            source.close()
        raise


def _part(source: Source, year: int | None, format_name: str | None) -> Part:
    texts = [text for block in source.sample(DETECT_LINES) for _, text in block]
    format = detect_format(texts, format_name)
    return Part(source, format, _clock(format, source, year) if format.needs_year else Clock())


def _clock(format: Format, source: Source, year: int | None) -> Clock:
    """The year and month of the file's end; if no year is given, the last that does not put it after the file time."""
    modified = datetime.fromtimestamp(source.modified) if source.modified else datetime.now()
    clock = Clock(year or modified.year)
    stamps = [row["ts"] for row in iter_records(format, ((None, text) for text in source.tail()), clock)]
    last = next((ts for ts in reversed(stamps) if ts), None)
    if last is None:
        return clock
    if year is None and last > modified + timedelta(days=1):
        clock = Clock(clock.year - 1)
    return replace(clock, end_month=last.month)
