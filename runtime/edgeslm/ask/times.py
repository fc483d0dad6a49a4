"""Time words of a question, resolved to ranges: "last 30 min", "May 3 after 7pm", "between 8:00 and 9:00", "yesterday".

Resolves against `now` and the log's own range, in the log's wall time. Knows nothing of columns or intents.
Invariant: both ends of a range are inclusive. General date parsers were tried and left: they take a single moment, not
a range, cannot take a missing date from the log, and cost 0.3 s to import.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from edgeslm.ask.time_words import AGO, DAYS, HINT, MONTHS, NUMBERS, PARTS, RULES, UNITS, rule

Span = tuple[datetime, datetime]
_HOUR = re.compile(r"\b(?:in|during|within|for)\s+(?:(?:the|an|one|1)\s+)+hour\s+$", re.I)  # … from 10:30: no longer


@dataclass(frozen=True)
class TimeRange:
    """A resolved range: [start, end] of `ts`, or of the time of day where `daily`. at: its place in the question."""

    at: tuple[int, int]
    text: str
    start: datetime | None
    end: datetime | None
    daily: tuple[time, time] | None = None
    relative: bool = False

    def sql(self, column: str = "ts") -> str:
        """The condition this range stands for."""
        if self.daily:
            low, high = self.daily
            clock = f"CAST({column} AS TIME)"
            if high < low:  # over midnight
                return f"({clock} >= TIME '{low}' OR {clock} <= TIME '{high}')"
            return f"{clock} BETWEEN TIME '{low}' AND TIME '{high}'"
        if self.start and self.end:
            return f"{column} BETWEEN TIMESTAMP '{_stamp(self.start)}' AND TIMESTAMP '{_stamp(self.end)}'"
        if self.start:
            return f"{column} >= TIMESTAMP '{_stamp(self.start)}'"
        return f"{column} <= TIMESTAMP '{_stamp(self.end or datetime.max)}'"


def _stamp(moment: datetime) -> str:
    return moment.isoformat(sep=" ")


def find_times(question: str, *, now: datetime, log_range: Span | None) -> list[TimeRange]:
    """The time ranges a question names, in order, never overlapping; what is no possible time is left out.

    now: what "last hour" counts back from. log_range: first and last timestamp; gives the date or year where the
    question has none.
    """
    found: list[TimeRange] = []
    blank = _blank_quotes(question)
    for match in AGO.finditer(blank):
        at = match.span()
        try:
            start = now - timedelta(seconds=_seconds(match))
        except OverflowError:
            continue
        if not _plausible_ago(blank, match):
            continue
        found.append(TimeRange(at, question[at[0] : at[1]], start, now, relative=True))
        blank = _without(blank, at)
    for name in RULES if HINT.search(blank) else ():
        for match in rule(name).finditer(blank):
            at = _trim(blank, match.span())
            try:
                resolved = _resolve(name, match, at, question[at[0] : at[1]], now, log_range)
            except (ValueError, OverflowError):
                continue
            if resolved and name == "after" and _HOUR.search(question[: at[0]]):
                resolved = _first_hour(resolved)
            if resolved:
                found.append(resolved)
                blank = _without(blank, at)
    return sorted(found, key=lambda span: span.at)


def _seconds(match: re.Match[str]) -> int:
    count = match["n"] or match["n2"] or match["n3"] or "1"
    unit = (match["u"] or match["u2"] or match["u3"]).lower()
    if not count.isdigit():
        number = NUMBERS[count.lower()]
    elif len(count) > 12:
        raise OverflowError
    else:
        number = int(count)
    return UNITS[unit.rstrip("s") or "s"] * number


def _plausible_ago(text: str, match: re.Match[str]) -> bool:
    """Not the `latest minute` of "which minute", nor the bare letter of "last m"."""
    unit = match["u"] or ""
    if len(unit) == 1 and not match["n"]:
        return False
    return not (match["n"] is None and re.search(r"\b(?:first and|the first or)\s*$", text[: match.start()]))


def _blank_quotes(question: str) -> str:
    quoted = r"\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']*'(?!\w)|`[^`]*`"
    return re.sub(quoted, lambda match: "\x00" * len(match.group()), question)


def _without(text: str, at: tuple[int, int]) -> str:
    return text[: at[0]] + "\x00" * (at[1] - at[0]) + text[at[1] :]


def _trim(text: str, at: tuple[int, int]) -> tuple[int, int]:
    start, end = at
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == ","):
        end -= 1
    return start, end


def _date(match: re.Match[str], tag: str, now: datetime, log_range: Span | None) -> date | None:
    """The day that the groups with this tag name, or None. Raises ValueError for a day that no calendar has."""
    groups = match.groupdict()

    def has(name: str) -> str | None:
        return groups.get(name + tag)

    if iso := has("iso"):
        year, month, day = (int(part) for part in iso.split("-"))
        return date(year, month, day)
    first, last = log_range or (now, now)
    if word := has("today"):
        return now.date() - timedelta(days=word.lower() == "yesterday")
    month_name, day_text, year_text = (
        (has("month"), has("mday"), has("myear")) if has("month") else (has("dmonth"), has("dday"), has("dyear"))
    )
    if month_name and day_text:
        month = MONTHS.index(month_name[:3].lower()) + 1
        return _month_day(month, int(day_text), int(year_text) if year_text else None, first, last)
    days = [last.date() - timedelta(days=back) for back in range(min((last.date() - first.date()).days, 400) + 1)]
    if number := has("only") or has("wnum"):
        hits = [one for one in days if one.day == int(number)]
        return hits[0] if hits else (last.date().replace(day=int(number)) if 1 <= int(number) <= 28 else None)
    if weekday := has("wday"):
        hits = [one for one in days if one.weekday() == DAYS.index(weekday[:3].lower())]
        return hits[0] if hits else None
    return None


def _month_day(month: int, day: int, year: int | None, first: datetime, last: datetime) -> date:
    """That day in the given year, else in the latest year that puts it into the log, else in the log's last year."""
    if year is not None:
        return date(year, month, day)
    candidates = []
    for one in range(last.year, first.year - 1, -1):
        try:
            candidates.append(date(one, month, day))
        except ValueError:
            continue  # February 29
    inside = [one for one in candidates if first.date() <= one <= last.date()]
    return (inside or candidates or [date(last.year, month, day)])[0]


def _clock(match: re.Match[str], tag: str) -> tuple[time, int] | None:
    """The time of day and the seconds it stands for: a minute for 08:15, an hour for 8am, a second for 08:15:30."""
    groups = match.groupdict()

    def has(name: str) -> str | None:
        return groups.get(name + tag)

    if word := has("word"):
        return (time(12) if word.lower() != "midnight" else time(0)), 3600
    if has("hh"):
        hour = _half(int(has("hh") or 0), has("apm"))
        seconds = has("ss")
        return time(hour % 24, int(has("mm") or 0), int(seconds or 0)), (1 if seconds else 60)
    if has("h12"):
        return time(_half(int(has("h12") or 0), has("ap")) % 24), 3600
    if has("hc"):
        return time(_half(int(has("hc") or 0), None) % 24), 3600
    return None


def _half(hour: int, mark: str | None) -> int:
    """The hour of the day for an hour with am, pm or the like. Raises ValueError for an hour that no clock has."""
    if hour > 24:
        raise ValueError(hour)
    mark = (mark or "").lower().replace(".", "")
    if mark in ("pm", "in the afternoon", "in the evening") and hour < 12:
        return hour + 12
    if mark in ("am", "in the morning", "at night") and hour == 12:
        return 0
    if mark == "at night" and 6 <= hour < 12:
        return hour + 12
    return hour


def _resolve(
    name: str, match: re.Match[str], at: tuple[int, int], text: str, now: datetime, log_range: Span | None
) -> TimeRange | None:
    """What a rule's match means, or None where it means no time. Raises ValueError for an impossible one."""
    day = _date(match, "1", now, log_range) or _date(match, "3", now, log_range)
    first = _clock(match, "1") or _clock(match, "3")
    second = _clock(match, "2") or _clock(match, "4")
    if name == "bare_hours":
        hours = _bare_hours(match)
        if hours is None:
            return None
        first, second, name = (hours[0], 3600), (hours[1], 3600), "clocks"
    if day is None and ("date" in name or "stamp" in name):
        return None
    if day is None and log_range is not None and log_range[0].date() == log_range[1].date():
        day = log_range[0].date()
    groups = match.groupdict()
    if part := groups.get("part1") or groups.get("part2"):
        low, high = PARTS[part.lower()]
        return _between(at, text, day, time(low), _before_end(time(high % 24)))
    if name in ("stamps", "dates") and day:
        last_day = _date(match, "2", now, log_range) or day
        low_end, high_end = (first[0], second[0]) if name == "stamps" and first and second else (time(0), time.max)
        return TimeRange(at, text, datetime.combine(day, low_end), datetime.combine(last_day, high_end))
    if "clocks" in name and first and second:
        return _between(at, text, day, first[0], second[0])
    if name in ("date", "after_date", "before_date") and day:
        return _whole_days(name, at, text, day)
    return _one_clock(name, at, text, day, first) if first else None


def _bare_hours(match: re.Match[str]) -> tuple[time, time] | None:
    """The hours of "between 7 and 9 pm"; None for two numbers that nothing marks as hours."""
    low, high, mark = int(match["b1"]), int(match["b2"]), match["bap"]
    if not mark or low > 24 or high > 24:
        return None
    half = mark if mark.lower() in ("am", "pm") else None
    return time(_half(low, half) % 24), time(_half(high, half) % 24)


def _whole_days(name: str, at: tuple[int, int], text: str, day: date) -> TimeRange:
    if name == "after_date":
        skip = text.lower().startswith(("after", "later"))
        return TimeRange(at, text, datetime.combine(day + timedelta(days=skip), time(0)), None)
    if name == "before_date":
        keep = text.lower().startswith(("until", "till", "up", "by"))
        return TimeRange(at, text, None, datetime.combine(day - timedelta(days=not keep), time.max))
    return TimeRange(at, text, datetime.combine(day, time(0)), datetime.combine(day, time.max))


def _one_clock(
    name: str, at: tuple[int, int], text: str, day: date | None, clock: tuple[time, int]
) -> TimeRange | None:
    """The range of a rule with one clock: from it, up to it, or the minute or hour that it names."""
    moment, width = clock
    if name in ("stamp_after", "stamp_before") and day:
        bound = datetime.combine(day, moment)
        return TimeRange(at, text, bound, None) if name == "stamp_after" else TimeRange(at, text, None, bound)
    if "after" in name:
        return _between(at, text, day, moment, time.max)
    if "before" in name:
        return _between(at, text, day, time(0), _before_end(moment))
    if name in ("clock", "stamp"):
        if "hour" in text.lower():
            width = 3600
        end = (datetime.combine(day or date(2000, 1, 1), moment) + timedelta(seconds=width, microseconds=-1)).time()
        return _between(at, text, day, moment, end)
    return None


def _first_hour(span: TimeRange) -> TimeRange:
    """The range cut to its first hour."""
    hour = timedelta(hours=1, microseconds=-1)
    if span.daily:
        return replace(span, daily=(span.daily[0], (datetime.combine(date(2000, 1, 1), span.daily[0]) + hour).time()))
    return replace(span, end=span.start + hour) if span.start else span


def _before_end(moment: time) -> time:
    if moment == time(0):
        return time.max
    return (datetime.combine(date(2000, 1, 1), moment) - timedelta(microseconds=1)).time()


def _between(at: tuple[int, int], text: str, day: date | None, low: time, high: time) -> TimeRange:
    if day is None:
        return TimeRange(at, text, None, None, daily=(low, high))
    end = datetime.combine(day, high)
    if high < low:
        end += timedelta(days=1)
    return TimeRange(at, text, datetime.combine(day, low), end)
