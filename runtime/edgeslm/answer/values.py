"""A value of a result as JSON, CSV or a person reads it. Knows Python types, nothing of columns or queries.

JSON and CSV: timestamps in ISO 8601 with 'T', without fraction when it is zero, with 3 digits when it is whole
milliseconds, else 6; a time that stands for a whole hour or the like no finer than that (`2015-12-10T09`); times of a
log that tells no dates without one (`09:15:02`); intervals in seconds; decimals as int where whole, else float; NULL,
NaN and infinity as null.
"""

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

NO_DATE = "no date"
_PRECISION = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H", "minute": "%Y-%m-%dT%H:%M"}


class TimeBucket(datetime):
    """The start of a year, month, day, hour or minute that stands for all of it: written no finer than its unit."""

    unit: str = ""

    @classmethod
    def of(cls, value: datetime, unit: str) -> "TimeBucket":
        """The bucket that starts at `value`. unit: a key of `_PRECISION`, else it is written in full."""
        made = cls(value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
        made.unit = unit
        return made


class TimeOfDay(TimeBucket):
    """A time of a log that tells no dates, or the start of an hour or minute of it: written without a date."""


def _iso(value: datetime | time) -> str:
    if isinstance(value, TimeOfDay):
        if value.unit in _PRECISION:
            return value.strftime("%H:%M") if value.unit in ("hour", "minute") else NO_DATE
        return _iso(value.time())
    if isinstance(value, TimeBucket) and value.unit in _PRECISION:
        return value.strftime(_PRECISION[value.unit])
    if value.microsecond == 0:
        return value.isoformat(timespec="seconds")
    return value.isoformat(timespec="milliseconds" if value.microsecond % 1000 == 0 else "microseconds")


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else value


def plain(value: Any) -> Any:
    """The value as JSON can hold it, by this module's rules."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | time):
        return _iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _whole(value.total_seconds())
    if isinstance(value, Decimal):
        return (int(value) if value == int(value) else float(value)) if value.is_finite() else None
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return str(value)


def shown(value: Any) -> str:
    """The value as a table's cell or a sentence shows it; NULL is empty. Not yet safe to print: see `terminal.safe`."""
    if isinstance(value, timedelta):
        return duration(value)
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    return str(value)


def number(value: int | float | Decimal, *, grouped: bool = False) -> str:
    """A number for reading: whole numbers exactly, others to six significant digits, or two decimals when large."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    comma = "," if grouped else ""
    if int(value) == value:
        return f"{int(value):{comma}}"
    text = f"{value:{comma}.2f}" if abs(float(value)) >= 10_000 else f"{value:{comma}.6g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def duration(value: timedelta) -> str:
    """A length of time for reading: `1 day 2:03:04.5`, `2:03:04`, `-0:00:01`."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    text = f"{hours}:{minutes:02d}:{seconds:02d}"
    if value.microseconds:
        text += f".{value.microseconds:06d}".rstrip("0")
    if value.days:
        text = f"{value.days} day{'s' if value.days != 1 else ''} {text}"
    return sign + text


def is_nothing(rows: list[tuple[Any, ...]]) -> bool:
    """Whether a result says that there was nothing: no row, or one row of only NULL and 0."""
    return not rows or (len(rows) == 1 and all(_nothing(value) for value in rows[0]))


def found_none(rows: list[tuple[Any, ...]]) -> bool:
    """Whether a result holds no value at all; the number 0 is one."""
    return not rows or (len(rows) == 1 and all(value is None for value in rows[0]))


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, int | float | Decimal | timedelta) and not value)
