"""What a log format is: the data of one formats/*.toml file, checked, and how it reads a line in Python.

Kinds: `regex` (one pattern with named groups), `json` (one object a line), `logfmt` (key=value). The groups `ts` (or
`date` and `time`), `host`, `app`, `pid`, `level` and `message` feed the fixed columns, every other group is an extra
column. `message` ends the pattern and takes any rest. Refuses to know SQL and files. Invariant: a line whose head
(the pattern up to the timestamp) matches is a record; any other is a continuation or not understood.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from edgeslm.errors import FormatError
from edgeslm.logs import pattern as cuts
from edgeslm.logs import stamps
from edgeslm.logs.levels import level_of

Kind = Literal["time", "text", "integer", "number", "level"]
FIXED: dict[str, Kind] = {
    "line_no": "integer",
    "ts": "time",
    "host": "text",
    "app": "text",
    "pid": "integer",
    "level": "level",
    "level_text": "text",
    "message": "text",
    "line": "text",
}
OWN = ("level", "level_text", "message", "line", "line_no")
"""Columns a continuation line never inherits."""
STAMP = ("ts", "date", "time")
LONG_LINE = 2048
GROUPS = ("ts", "date", "time", "host", "app", "pid", "level", "message")
LOGFMT_FIELD = r'(?:^|\s){key}=("(?:[^"\\]|\\.)*"|\S*)'


@dataclass(frozen=True)
class Format:
    """A log format as data. Use `formats.load_formats()` for those that ship."""

    name: str
    title: str
    kind: str = "regex"
    pattern: str = ""
    layouts: tuple[str, ...] = ()
    kinds: dict[str, Kind] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    level_modulo: int = 0
    nulls: tuple[str, ...] = ()
    multiline: bool = False
    priority: int = 50
    marker: str = ""
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    samples: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise FormatError(f"log format {self.name} is wrong", reason=problem)

    def _problem(self) -> str:
        if self.kind not in ("regex", "json", "logfmt"):
            return f"kind {self.kind} is not regex, json or logfmt"
        if self.kind != "regex":
            return ""
        try:
            spans = self.spans
        except (IndexError, re.error) as error:
            return str(error)
        message = spans.get("message")
        if not self.pattern.startswith("^") or not message or message.depth or message.end != len(self.pattern):
            return "the pattern must start with ^ and end with the group message"
        if ("ts" in spans or "date" in spans) != bool(self.layouts):
            return "a timestamp group needs layouts, and layouts a timestamp group"
        return ""

    @cached_property
    def spans(self) -> dict[str, cuts.Span]:
        """Where the pattern's groups stand."""
        return cuts.group_spans(self.pattern)

    @cached_property
    def group_index(self) -> dict[str, int]:
        """The number of each named group (as in Python and RE2)."""
        return dict(self._whole.groupindex)

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    @cached_property
    def head_pattern(self) -> str:
        """What a line must match to be a record: the pattern up to its timestamp, or up to its message."""
        if self.kind != "regex":
            return r"^\s*\{" if self.kind == "json" else r"^(?:\S+ )?[A-Za-z_][\w.-]*="
        for name in ("ts", "time"):
            if name in self.spans:
                return cuts.through(self.pattern, self.spans, name)
        return cuts.before(self.pattern, self.spans, "message")

    @cached_property
    def _head(self) -> re.Pattern[str]:
        return re.compile(self.head_pattern, re.ASCII)

    @cached_property
    def extra_columns(self) -> dict[str, Kind]:
        """The columns beyond the fixed ones, in the order of the pattern (or of the fields)."""
        if self.kind == "regex":
            names = [n for n in self.group_index if n not in GROUPS]
        else:
            names = [n for n in self.fields if n not in FIXED]
        return {n: self.kinds.get(n, "text") for n in names}

    @cached_property
    def group_names(self) -> frozenset[str]:
        """The names of the pattern's groups (none for json and logfmt)."""
        return frozenset(self.group_index) if self.kind == "regex" else frozenset()

    @cached_property
    def column_names(self) -> set[str]:
        """The fixed columns this format can fill and its extra ones."""
        found = set(self.group_index) if self.kind == "regex" else set(self.fields)
        return found | set(self.extra_columns)

    @property
    def needs_year(self) -> bool:
        """Whether a timestamp of this format lacks the year."""
        return any(not stamps.has_year(layout) for layout in self.layouts)

    @cached_property
    def _readers(self) -> list[stamps.Reader]:
        return [stamps.reader(layout) for layout in self.layouts]

    def read_ts(self, text: str | None, clock: stamps.Clock) -> datetime | None:
        """The wall time of a timestamp text, by the first layout that fits."""
        if text:
            for read in self._readers:
                if found := read(text, clock):
                    return found
        return None

    def is_head(self, line: str) -> bool:
        """Whether the line begins a record."""
        return self._head.match(line[:LONG_LINE]) is not None

    def parts(self, line: str) -> dict[str, str | None] | None:
        """The texts of the line's columns (`ts` and `level` still as written), or None if it is no record."""
        if self.kind == "json":
            return self._json_parts(line)
        if self.kind == "logfmt":
            return self._logfmt_parts(line)
        if len(line) > LONG_LINE:
            # Python's re may take quadratic time where RE2 does not; the layout is at the front of the line.
            found = self.parts(line[:LONG_LINE])
            if found and found["message"] is not None:
                found["message"] += line[LONG_LINE:]
            return found
        match = self._whole.match(line)
        if not match:
            head = self._head.match(line) if self.layouts else None
            return {"message": None} | {n: t for n, t in head.groupdict().items() if n in STAMP} if head else None
        return match.groupdict()

    def _json_parts(self, line: str) -> dict[str, str | None] | None:
        value = _load_object(line)
        return None if value is None else {n: _scalar(_lookup(value, key)) for n, key in self.fields.items()}

    def _logfmt_parts(self, line: str) -> dict[str, str | None] | None:
        return {n: logfmt_value(line, key) for n, key in self.fields.items()} if self.is_head(line) else None

    def record(self, line: str, line_no: int | None, clock: stamps.Clock) -> dict[str, Any]:
        """One line as a record: every fixed and extra column, as the view gives it (continuations apart)."""
        row: dict[str, Any] = dict.fromkeys(FIXED)
        row |= {"line_no": line_no, "message": line, "line": line} | dict.fromkeys(self.extra_columns)
        parts = self.parts(line)
        if parts is None:
            return row
        if self.kind == "regex" and "date" in parts:
            parts["ts"] = f"{parts.pop('date')} {parts.pop('time')}"
        row["ts"] = self.read_ts(parts.pop("ts", None), clock)
        for name, text in parts.items():
            if name == "level":
                row["level_text"] = text or None
                row["level"] = level_of(text, self.levels, modulo=self.level_modulo)
            elif name == "message":
                row["message"] = line if text is None else text
            elif name in row:
                row[name] = self._typed(name, text)
        return row

    def _typed(self, name: str, text: str | None) -> Any:
        if not text or text in self.nulls:
            return None
        kind = FIXED.get(name) or self.kinds.get(name, "text")
        try:
            return int(text) if kind == "integer" else float(text) if kind == "number" else text
        except ValueError:
            return None

    def resolved(self, lines: Iterable[str]) -> "Format":
        """This format with the fields that these lines really have (json and logfmt; others as they are)."""
        if self.kind == "regex":
            return self
        from edgeslm.logs.fields import resolve_fields

        fields, kinds = resolve_fields(self, lines)
        return replace(self, fields=fields, kinds={**self.kinds, **kinds})


def parse_lines(
    format: Format, lines: Iterable[str], *, clock: stamps.Clock | None = None, first_line_no: int = 1
) -> list[dict[str, Any]]:
    """The records of lines, as the view gives them, without DuckDB: the fixed and extra columns as keys."""
    return list(iter_records(format, enumerate(lines, first_line_no), clock or stamps.Clock(datetime.now().year)))


def iter_records(
    format: Format, lines: Iterable[tuple[int | None, str]], clock: stamps.Clock
) -> Iterator[dict[str, Any]]:
    """The records of numbered lines; a continuation inherits what is not its own from the record it follows."""
    head: dict[str, Any] | None = None
    for line_no, text in lines:
        line = text.rstrip("\n").removesuffix("\r")
        row = format.record(line, line_no, clock)
        if format.multiline and head is not None and row["ts"] is None and not format.is_head(line):
            row |= {name: value for name, value in head.items() if name not in OWN}
        else:
            head = row
        yield row


def _load_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _lookup(value: dict[str, Any], key: str) -> Any:
    if key in value:
        return value[key]
    found: Any = value
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def logfmt_value(line: str, key: str) -> str | None:
    """The value of a key in a key=value line, unquoted, or None."""
    if f"{key}=" not in line:  # most lines lack most keys, and a search is forty times as slow
        return None
    match = re.search(LOGFMT_FIELD.format(key=re.escape(key)), line)
    if not match or not match[1]:
        return None
    text = match[1]
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
