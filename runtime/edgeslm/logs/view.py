"""The view `logs` as SQL text: each column its own expression over the raw line, so that what a query does not ask
for is never computed.

Refuses to run anything. Invariant: for every line the view's columns equal what `Format.record` gives in Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgeslm.logs import pattern as cuts
from edgeslm.logs.clean import MAX_LINE, SEPARATOR
from edgeslm.logs.entities import load_entities
from edgeslm.logs.format import FIXED, LOGFMT_FIELD, OWN, Format, Kind
from edgeslm.logs.levels import level_sql
from edgeslm.logs.source import Source
from edgeslm.logs.sqltext import identifier, quote
from edgeslm.logs.stamps import Clock, stamp_sql

BUFFER = 4 << 20
_TYPES: dict[Kind, str] = {"time": "TIMESTAMP", "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE"}


@dataclass(frozen=True)
class Column:
    """A column of the view. entity: found in the message, not in the line's layout."""

    name: str
    kind: Kind
    entity: bool = False


@dataclass(frozen=True)
class Part:
    """One file of the view: its source, how it is read, and whether records go on over several lines.

    alone: it must be scanned by itself, because its lines are not numbered as those of other files.
    """

    source: Source
    format: Format
    clock: Clock
    continued: bool = False
    alone: bool = False


def runs(parts: Sequence[Part]) -> list[list[Part]]:
    """The files in order, neighbours that one scan can read together: a scan costs as much as thousands of lines."""
    found: list[list[Part]] = []
    for part in parts:
        last = found[-1][-1] if found else None
        together = (
            last is not None
            and not (part.continued or part.alone or last.continued or last.alone)
            and (part.format, part.clock, part.source.crlf) == (last.format, last.clock, last.source.crlf)
            and part.source.path not in {one.source.path for one in found[-1]}
        )
        if together:
            found[-1].append(part)
        else:
            found.append([part])
    return found


def scan_sql(sources: Sequence[Source]) -> str:
    """The table function that gives the files' lines in order: a VARCHAR column `line`, nothing quoted or skipped.

    Several files, which must agree in their line ends, also give the column `filename`.
    """
    newline = r"\r\n" if sources[0].crlf else r"\n"
    options = (
        f"columns = {{'line': 'VARCHAR'}}, delim = {quote(SEPARATOR.decode())}, quote = '', escape = '', comment = '', "
        "header = false, auto_detect = false, strict_mode = false, force_not_null = ['line'], compression = 'none', "
        f"new_line = '{newline}', max_line_size = {MAX_LINE + 4096}, buffer_size = {BUFFER}"
    )
    paths = ", ".join(quote(str(source.path)) for source in sources)
    return f"read_csv([{paths}], {options}, filename = true)" if len(sources) > 1 else f"read_csv({paths}, {options})"


def view_columns(parts: list[Part]) -> list[Column]:
    """The columns of the view over these files, in order."""
    names = dict(FIXED)
    if len(parts) > 1:
        names["source"] = "text"
    for part in parts:
        names |= {n: k for n, k in part.format.extra_columns.items() if n not in names}
    if any(part.continued for part in parts):
        names["record"] = "integer"
    columns = [Column(name, kind) for name, kind in names.items()]
    entities = [Column(e.name, _entity_kind(e.kind), True) for e in load_entities().values() if e.name not in names]
    return columns + entities


def _entity_kind(kind: str) -> Kind:
    return "integer" if kind == "integer" else "text"


def view_sql(parts: list[Part]) -> str:
    """The SELECT behind the view `logs`."""
    columns = view_columns(parts)
    return "\nUNION ALL\n".join(_run_sql(run, columns) for run in runs(parts))


def _run_sql(run: list[Part], columns: list[Column]) -> str:
    expressions = Expressions(run[0], file_name=len(run) > 1)
    listed = ",\n  ".join(f"{expressions.column(c)} AS {identifier(c.name)}" for c in columns)
    # The message is a column of an inner query: DuckDB does not share a part of a CASE or a coalesce between columns.
    message = f"(SELECT *, {expressions.message()} AS message FROM {_numbered_sql(run)})"
    return f"SELECT\n  {listed}\nFROM {message}"


def _numbered_sql(run: list[Part]) -> str:
    scan = scan_sql([part.source for part in run])
    if len(run) > 1:
        return f"(SELECT number - before AS line_no, line, file_name FROM {_counted_sql(run, scan)})"
    if not run[0].continued:
        return f"(SELECT row_number() OVER () AS line_no, line FROM {scan})"
    is_head = f"regexp_matches(line, {quote(run[0].format.head_pattern)})"
    frame = "OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    head = f"last_value(CASE WHEN {is_head} THEN line END IGNORE NULLS) {frame} AS head"
    record = f"last_value(CASE WHEN {is_head} THEN line_no END IGNORE NULLS) {frame} AS record"
    return f"(SELECT *, {record} FROM (SELECT row_number() OVER () AS line_no, line, {head} FROM {scan}))"


def _counted_sql(run: list[Part], scan: str) -> str:
    """Lines numbered through all files, each with the name of its file and the number of lines before that."""
    rows, before = [], 0
    for part in run:
        rows.append(f"({quote(str(part.source.path))}, {before}, {quote(part.source.name)})")
        before += part.source.lines
    files = f"(VALUES {', '.join(rows)}) AS files(filename, before, file_name)"
    return f"(SELECT row_number() OVER () AS number, line, filename FROM {scan}) JOIN {files} USING (filename)"


class Expressions:
    """The SQL expression of each column of one file, over its `line` (and `head`, where records are continued).

    file_name: the name of the file is a column, because several files are read like this one.
    """

    def __init__(self, part: Part, *, file_name: bool = False) -> None:
        self.part = part
        self.file_name = file_name
        self.format = part.format
        self.head = "head" if part.continued else "line"

    def column(self, column: Column) -> str:
        """The expression of a column; NULL of its type where this file's format has none."""
        name = column.name
        if name in ("line_no", "line", "message", "record") and (name != "record" or self.part.continued):
            return name
        if name == "source":
            return "file_name" if self.file_name else quote(self.part.source.name)
        if name == "ts" and self.has_ts:
            return self.ts()
        if name in ("level", "level_text"):
            return self.level(name)
        if name in self.format.column_names:
            return self.typed(name, column.kind)
        if column.entity:
            return load_entities()[name].sql("message")
        return f"NULL::{_TYPES[column.kind]}"

    def text(self, name: str, line: str) -> str:
        """The text of one of the format's parts in the SQL expression `line`; '' or NULL where it is missing."""
        format = self.format
        if format.kind == "json":
            key = format.fields[name]
            plain = f"json_extract_string({line}, {quote(_json_path(key))})"
            return f"CASE WHEN json_valid({line}) THEN {plain} END"
        if format.kind == "logfmt":
            field = quote(LOGFMT_FIELD.format(key=_escaped(format.fields[name])))
            is_head = f"regexp_matches({line}, {quote(format.head_pattern)})"
            found = f"CASE WHEN {is_head} THEN nullif(regexp_extract({line}, {field}, 1), '') END"
            inner = f"regexp_replace(substr({found}, 2, length({found}) - 2), '\\\\(.)', '\\1', 'g')"
            return f"CASE WHEN {found} LIKE '\"%\"' THEN {inner} ELSE {found} END"
        return self._group(name, line)

    def _group(self, name: str, line: str) -> str:
        """A group by the shortest part of the pattern that finds it: to the timestamp, to the message, or in it."""
        pattern, spans = self.format.pattern, self.format.spans
        if name in ("ts", "date", "time"):
            return _extract(line, cuts.through(pattern, spans, name), name)
        if spans[name].start < spans["message"].start:
            return _extract(line, cuts.before(pattern, spans, "message"), name)
        if line != "line":
            return _extract(line, cuts.opened(pattern, spans, "message", name), name)
        # Only a line that is not understood is its own message.
        found = _extract("message", cuts.within(pattern, spans, "message", name), name)
        return f"CASE WHEN message <> line THEN {found} END"

    @property
    def has_ts(self) -> bool:
        """Whether this file's lines have a timestamp."""
        return bool(self.format.layouts) and (self.format.kind == "regex" or "ts" in self.format.fields)

    def ts_text(self) -> str:
        """The timestamp as written; '' or NULL where the line has none."""
        if self.format.kind == "regex" and "date" in self.format.group_index:
            return f"trim({self.text('date', self.head)} || ' ' || {self.text('time', self.head)})"
        return self.text("ts", self.head)

    def ts(self, text: str = "") -> str:
        """The wall time, of the timestamp's text or of the SQL expression given for it."""
        return stamp_sql(text or self.ts_text(), list(self.format.layouts), self.part.clock)

    def level(self, name: str) -> str:
        """The level, normalised or as written."""
        has = "level" in self.format.column_names
        if name == "level_text":
            return f"nullif({self.text('level', 'line')}, '')" if has else "NULL::VARCHAR"
        if not has:
            return "NULL::log_level"
        return level_sql(self.text("level", "line"), self.format.levels, modulo=self.format.level_modulo)

    def message(self) -> str:
        """The rest of the line after what the layout says; the whole line where it is not understood."""
        if self.format.kind != "regex":
            return f"coalesce({self.text('message', 'line')}, line)" if "message" in self.format.fields else "line"
        prefix = cuts.before(self.format.pattern, self.format.spans, "message")
        return "line" if prefix == "^" else f"regexp_replace(line, {quote(prefix)}, '')"

    def typed(self, name: str, kind: Kind) -> str:
        """One of the format's own columns."""
        text = self.text(name, "line" if name in OWN else self.head)
        for null in ("", *(n for n in self.format.nulls if n)):
            text = f"nullif({text}, {quote(null)})"
        return text if kind == "text" else f"try_cast({text} AS {_TYPES[kind]})"


def _extract(text: str, pattern: str, name: str) -> str:
    pattern, index = cuts.alone(pattern, name)
    return f"regexp_extract({text}, {quote(pattern)}, {index})"


def _json_path(key: str) -> str:
    """The path of a key: itself if an object has it, its dotted parts are tried by the caller's choice of key."""
    return "$" + "".join(f'."{part}"' for part in key.split("."))


def _escaped(key: str) -> str:
    return key.replace(".", r"\.")
