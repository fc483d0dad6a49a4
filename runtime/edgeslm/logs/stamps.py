"""Timestamp layouts: how a text becomes a wall time, once in Python and once in SQL.

A layout is a strptime pattern (a part both Python's and DuckDB's strptime know), or one of the names `iso`
(YYYY-MM-DD HH:MM:SS with optional fraction after '.' or ',', 'T' allowed), `iso_offset` (the same, a zone offset is
dropped), `epoch` (seconds, milli-, micro- or nanoseconds since 1970, by magnitude, read as UTC), `boot` (seconds since
boot, counted from 1970-01-01). A layout of a time of day alone is read as of 1970-01-01. Wall times stay as written:
an offset is never applied. Refuses to know where in a line the text stands, and where a missing year comes from: the
caller gives a `Clock`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from edgeslm.logs.sqltext import quote

MONTHS = {m: i for i, m in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
NAMED = ("iso", "iso_offset", "epoch", "boot")
EPOCH = datetime(1970, 1, 1)

TimeScale = Literal["calendar", "day", "boot"]


@dataclass(frozen=True)
class Clock:
    """Where a missing year comes from: `year` is that of the file's end, `end_month` its month (0: unknown)."""

    year: int = 1970
    end_month: int = 0

    def year_of(self, month: int) -> int:
        """The year of a line of that month: a month after the file's last one is of the year before."""
        return self.year - 1 if self.end_month and month > self.end_month else self.year


_PIECES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "b": r"(?P<b>[A-Za-z]{3})",
    "a": r"[A-Za-z]{3}",
    "H": r"(?P<H>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,6})",
}


def has_year(layout: str) -> bool:
    """Whether the layout itself tells the year."""
    return layout in NAMED or "%Y" in layout or "%y" in layout or not _has_date(layout)


def time_scale(layouts: Sequence[str]) -> TimeScale:
    """What times of these layouts are: moments of days, times of a day that nothing tells, or since the boot."""
    if layouts and all(layout == "boot" for layout in layouts):
        return "boot"
    return "day" if layouts and not any(layout in NAMED or _has_date(layout) for layout in layouts) else "calendar"


def _has_date(layout: str) -> bool:
    return "%d" in layout


Reader = Callable[[str, Clock], datetime | None]


def reader(layout: str) -> Reader:
    """A function from text and clock to the wall time, None where the text is not of this layout."""
    if layout in ("iso", "iso_offset"):
        return _read_iso
    if layout == "epoch":
        return _read_epoch
    if layout == "boot":
        return _read_boot
    regex = re.compile(_layout_regex(layout))
    base = {} if _has_date(layout) else {"Y": "1970"}

    def read(text: str, clock: Clock) -> datetime | None:
        match = regex.fullmatch(text)
        return _build({**base, **match.groupdict()}, clock) if match else None

    return read


def _layout_regex(layout: str) -> str:
    out, i = [], 0
    while i < len(layout):
        char = layout[i]
        if char == "%":
            out.append(_PIECES[layout[i + 1]])
            i += 2
        else:
            out.append(r"\s+" if char == " " else re.escape(char))
            i += 1
    return "".join(out)


def _build(parts: dict[str, str | None], clock: Clock) -> datetime | None:
    month_name = parts.get("b")
    month = MONTHS.get(month_name.lower(), 0) if month_name else int(parts.get("m") or 1)
    if parts.get("Y"):
        year = int(parts["Y"] or 0)
    elif parts.get("y"):
        short = int(parts["y"] or 0)
        year = short + (2000 if short < 69 else 1900)
    else:
        year = clock.year_of(month)
    fraction = (parts.get("f") or "0").ljust(6, "0")
    hour, minute, second = (int(parts.get(key) or 0) for key in "HMS")
    try:
        return datetime(year, month, int(parts.get("d") or 1), hour, minute, second, int(fraction))
    except ValueError:
        if month == 2 and parts.get("d") == "29" and "Y" not in parts:
            return _build({**parts, "Y": str(leap_year(year))}, clock)
        return None


def leap_year(year: int) -> int:
    """The last leap year not after `year`: where a yearless 29 February must lie."""
    while year % 4 or (year % 100 == 0 and year % 400):
        year -= 1
    return year


_OFFSET = re.compile(r"\s?(?:Z|UTC|[+-]\d\d:?\d\d)$")


def _read_iso(text: str, clock: Clock) -> datetime | None:
    text = _OFFSET.sub("", text).replace(",", ".")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _read_epoch(text: str, clock: Clock) -> datetime | None:
    try:
        number = float(text)
    except ValueError:
        return None
    micros = number * _scale(number) if "." in text else int(text) * _scale(number)
    try:
        return EPOCH + timedelta(microseconds=int(micros))
    except OverflowError:
        return None


_SCALES = (("1e11", 1_000_000), ("1e14", 1_000), ("1e17", 1))


def _scale(number: float) -> float:
    """Microseconds a unit: seconds below 1e11, then milli-, micro- and nanoseconds."""
    return next((float(micros) for bound, micros in _SCALES if number < float(bound)), 0.001)


def _read_boot(text: str, clock: Clock) -> datetime | None:
    try:
        return EPOCH + timedelta(microseconds=round(float(text) * 1e6))
    except ValueError:
        return None


def stamp_sql(text_sql: str, layouts: list[str], clock: Clock) -> str:
    """The SQL expression of the TIMESTAMP for the SQL expression of a text: what the readers do, first that fits."""
    options = [_one_sql(text_sql, layout, clock) for layout in layouts]
    return options[0] if len(options) == 1 else f"coalesce({', '.join(options)})"


def _one_sql(text: str, layout: str, clock: Clock) -> str:
    if layout in ("iso", "iso_offset"):
        plain = f"regexp_replace({text}, {quote(_OFFSET.pattern)}, '')" if layout == "iso_offset" else text
        return f"try_cast(replace({plain}, ',', '.') AS TIMESTAMP)"
    if layout == "epoch":
        number = f"try_cast({text} AS DECIMAL(28,6))"
        scale = " ".join(f"WHEN {number} < {bound} THEN {micros}" for bound, micros in _SCALES)
        scale = f"CASE {scale} ELSE 0.001 END"
        return f"make_timestamp(({number} * ({scale}))::BIGINT)"
    if layout == "boot":
        return f"make_timestamp(round(try_cast({text} AS DOUBLE) * 1e6)::BIGINT)"
    if not _has_date(layout):
        return f"try_strptime('1970 ' || {text}, '%Y {layout}')"
    if has_year(layout):
        return f"try_strptime({text}, '{layout}')"
    return _yearless_sql(text, layout, clock)


def _yearless_sql(text: str, layout: str, clock: Clock) -> str:
    def of(year: int) -> str:
        own, leap = (f"try_strptime('{y} ' || {text}, '%Y {layout}')" for y in (year, leap_year(year)))
        return own if leap == own else f"coalesce({own}, {leap})"

    this = of(clock.year)
    if not clock.end_month or clock.end_month == 12:
        return this
    return f"CASE WHEN month({this}) > {clock.end_month} THEN {of(clock.year - 1)} ELSE {this} END"
