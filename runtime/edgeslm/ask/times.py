"""Time words of a question, resolved to ranges: "last 30 min", "on May 3 after 7pm", "between 08:00 and 09:00", "yesterday".

Resolves against `now` and the log's own range, in the log's wall time. Knows nothing of columns or intents.
Invariant: both ends of a range are inclusive. General date parsers were tried and left: they take a single moment, not a
range, cannot take a missing date from the log, and cost 0.3 s to import.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "mon tue wed thu fri sat sun".split()
_MONTH = r"(?P<month@>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
_DATE = (
    r"(?:(?P<iso@>\d{4}-\d\d?-\d\d?)"
    rf"|(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+)?{_MONTH}\s+(?:the\s+)?(?P<mday@>\d\d?)(?:st|nd|rd|th)?(?!\d|:)(?:,?\s+(?P<myear@>\d\d\d\d))?"
    rf"|(?:the\s+)?(?P<dday@>\d\d?)(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH.replace('month', 'dmonth')}(?:,?\s+(?P<dyear@>\d\d\d\d))?"
    r"|(?:the\s+)?(?P<only@>\d\d?)(?:st|nd|rd|th)(?!\w)"
    r"|(?P<today@>today|yesterday)"
    r"|(?:the\s+)?(?P<wday@>(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:mon|tue|wed|thu|fri|sat|sun)\b)(?:,?\s+(?:the\s+)?(?P<wnum@>\d\d?)(?:st|nd|rd|th))?)"
)
_CLOCK = (
    r"(?:(?P<hh@>\d\d?)[:h](?P<mm@>\d\d)(?::(?P<ss@>\d\d)(?:[.,]\d+)?)?\s*(?P<apm@>am|pm|a\.m\.|p\.m\.)?"
    r"|(?P<h12@>\d\d?)\s*(?:o'?clock\s*)?(?P<ap@>am|pm|a\.m\.|p\.m\.|in the morning|in the afternoon|in the evening|at night)"
    r"|(?P<hc@>\d\d?)\s*o'?clock"
    r"|(?P<word@>noon|midday|midnight))"
)
_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800}
_NUMBERS = {w: n for n, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())} | {
    "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "sixty": 60, "ninety": 90, "a": 1, "an": 1, "couple of": 2, "few": 3}  # fmt: skip
_COUNT = r"(?P<n>\d+|" + "|".join(sorted((re.escape(w) for w in _NUMBERS), key=len, reverse=True)) + r")"
_UNIT = r"(?P<u>seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)\b"
_AGO = re.compile(
    rf"\b(?:(?:(?:in|over|during|within|for|from|throughout)\s+)?(?:the\s+)?(?:last|past|previous|latest|preceding|most recent)\s+(?:{_COUNT}[\s-]*)?{_UNIT}"
    rf"|(?:since\s+|from\s+)?{_COUNT.replace('P<n>', 'P<n2>')}\s*{_UNIT.replace('P<u>', 'P<u2>')}\s+(?:ago|back)"
    rf"|(?:in\s+)?the\s+{_COUNT.replace('P<n>', 'P<n3>')}\s+{_UNIT.replace('P<u>', 'P<u3>')}\s+(?:before|up to|until)\s+(?:now|then))",
    re.I,
)
_PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (0, 6), "forenoon": (6, 12)}
_WHEN = r"(?:\b(?:on|for|during|of|from|at|in|to|this)\s+)?"
_JOIN = r"\s*(?:and|to|till|until|through|thru|-|–|\.\.|up to)\s*"
_AFTER = r"(?:after|since|later than|past|starting(?:\s+(?:at|from))?|from|as of|beginning(?:\s+at)?|following)"
_BEFORE = r"(?:before|until|till|up to|up until|prior to|earlier than|by)"


def _d(tag: str) -> str:
    return _DATE.replace("@", tag)


def _c(tag: str) -> str:
    return _CLOCK.replace("@", tag)


_RULES: dict[str, str] = {
    name: pattern
    for name, pattern in (
        ("stamps", rf"\b(?:between|from)\s+{_d('1')}[\sT,]+(?:at\s+)?{_c('1')}{_JOIN}{_d('2')}[\sT,]+(?:at\s+)?{_c('2')}"),
        ("date_clocks", rf"{_WHEN}\b{_d('1')},?\s*[,T]?\s*(?:,|in the time|any ?time)?\s*(?:between|from|,)?\s*{_c('1')}{_JOIN}{_c('2')}"),
        ("clocks_date", rf"\b(?:between|from)?\s*\b{_c('1')}{_JOIN}{_c('2')}\s*,?\s*(?:on|of)?\s*\b{_d('1')}"),
        ("clocks", rf"\b(?:between|from|in the time from)\s+{_c('1')}{_JOIN}{_c('2')}|\b(?<![\d.:-]){_c('3')}\s*(?:-|–|to|till|until)\s*{_c('4')}"),
        ("bare_hours", rf"\b(?:between|from)\s+(?P<b1>\d\d?){_JOIN}(?P<b2>\d\d?)\s*(?P<bap>am|pm|h\b|o'?clock)?(?![\w:.-])"),
        ("dates", rf"\b(?:between|from)\s+{_d('1')}{_JOIN}{_d('2')}"),
        ("clock_date_after", rf"\b{_AFTER}\s+{_c('1')}\s*,?\s*(?:on|of)?\s*\b{_d('1')}(?:\s+(?:on|onwards?))?"),
        ("clock_date_before", rf"\b{_BEFORE}\s+{_c('1')}\s*,?\s*(?:on|of)?\s*\b{_d('1')}"),
        ("date_after_clock", rf"{_WHEN}\b{_d('1')},?\s*{_AFTER}\s+{_c('1')}(?:\s+(?:on|onwards?))?"),
        ("date_before_clock", rf"{_WHEN}\b{_d('1')},?\s*{_BEFORE}\s+{_c('1')}"),
        ("date_part", rf"{_WHEN}\b{_d('1')}\s*(?:in the|during the|at)?\s*(?P<part1>morning|afternoon|evening|night)\b|(?:in|during) the (?P<part2>morning|afternoon|evening) (?:of|on) {_d('3')}"),
        ("stamp_after", rf"\b{_AFTER}\s+{_d('1')}[\sT,]+(?:at\s+)?{_c('1')}"),
        ("stamp_before", rf"\b{_BEFORE}\s+{_d('1')}[\sT,]+(?:at\s+)?{_c('1')}"),
        ("stamp", rf"\b(?:at\s+|on\s+)?{_d('1')}[\sT,]+(?:at\s+)?{_c('1')}|\b(?:at\s+){_c('3')}\s+on\s+{_d('3')}"),
        ("after", rf"\b{_AFTER}\s+{_c('1')}(?:\s+(?:on|onwards?)\b)?"),
        ("before", rf"\b{_BEFORE}\s+{_c('1')}"),
        ("after_date", rf"\b(?:after|since|later than|starting|from)\s+{_d('1')}(?:\s+(?:on|onwards?)\b)?"),
        ("before_date", rf"\b{_BEFORE}\s+{_d('1')}"),
        ("clock", rf"\b(?:at|in the minute(?: of)?|during minute|in minute|in the hour(?: of| from| starting(?: at)?)?|during the hour(?: of| from)?|around|during)\s+{_c('1')}"),
        ("date", rf"{_WHEN}\b{_d('1')}(?!\w)"),
        ("part", r"\b(?:in the|during the|at|this)\s+(?P<part1>morning|afternoon|evening|night)\b"),
    )
}  # fmt: skip
# A question without any of these words or signs names no date and no clock; most do not, and are spared the rules.
_HINT = re.compile(
    r"\d:\d|\d{4}-\d|\d\s*(?:am|pm|a\.m|p\.m|h\b|o'?clock|st\b|nd\b|rd\b|th\b)|o'?clock|noon|midday|midnight|today|yesterday|morning|afternoon"
    r"|evening|night|\b(?:mon|tue|wed|thu|fri|sat|sun)(?:s|nes|rs|ur)?(?:day)?\b"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:uary|ruary|ch|il|ust|ember|tember|ober)?\b|\b\d\d?\s*(?:-|–|to|and|till|until)\s*\d",
    re.I,
)


@cache
def _rule(name: str) -> re.Pattern[str]:
    return re.compile(_RULES[name], re.I)


@dataclass(frozen=True)
class TimeRange:
    """A resolved range: [start, end] of `ts`, or of the time of day where `daily`. at: the characters of the question."""

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
            return f"CAST({column} AS TIME) BETWEEN TIME '{low}' AND TIME '{high}'"
        if self.start and self.end:
            return f"{column} BETWEEN TIMESTAMP '{_stamp(self.start)}' AND TIMESTAMP '{_stamp(self.end)}'"
        if self.start:
            return f"{column} >= TIMESTAMP '{_stamp(self.start)}'"
        return f"{column} <= TIMESTAMP '{_stamp(self.end or datetime.max)}'"


def _stamp(moment: datetime) -> str:
    return moment.isoformat(sep=" ")


def find_times(question: str, *, now: datetime, log_range: tuple[datetime, datetime] | None) -> list[TimeRange]:
    """The time ranges a question names, in order, never overlapping.

    now: what "last hour" counts back from. log_range: first and last timestamp; gives the date or year where the question has none.
    """
    found: list[TimeRange] = []
    blank = _blank_quotes(question)
    for match in _AGO.finditer(blank):
        count = match["n"] or match["n2"] or match["n3"] or "1"
        unit = (match["u"] or match["u2"] or match["u3"]).lower()
        number = int(count) if count.isdigit() else _NUMBERS[count.lower()]
        seconds = _UNITS[unit.rstrip("s") or "s"] * number
        if not _plausible_ago(blank, match):
            continue
        at = match.span()
        found.append(TimeRange(at, question[at[0] : at[1]], now - timedelta(seconds=seconds), now, relative=True))
        blank = blank[: at[0]] + "\x00" * (at[1] - at[0]) + blank[at[1] :]
    for name in _RULES if _HINT.search(blank) else ():
        for match in _rule(name).finditer(blank):
            at = _trim(blank, match.span())
            try:
                resolved = _resolve(name, match, at, question, now, log_range)
            except ValueError:
                continue
            if resolved:
                found.append(resolved)
                blank = blank[: at[0]] + "\x00" * (at[1] - at[0]) + blank[at[1] :]
    return sorted(found, key=lambda span: span.at)


def _plausible_ago(text: str, match: re.Match[str]) -> bool:
    """Not the `latest minute` of "which minute", nor the bare letter of "last m"."""
    unit = match["u"] or ""
    if len(unit) == 1 and not match["n"]:
        return False
    return not (match["n"] is None and re.search(r"\b(?:first and|the first or)\s*$", text[: match.start()]))


def _blank_quotes(question: str) -> str:
    return re.sub(r"\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']*'(?!\w)|`[^`]*`", lambda m: "\x00" * len(m.group()), question)


def _trim(text: str, at: tuple[int, int]) -> tuple[int, int]:
    start, end = at
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == ","):
        end -= 1
    return start, end


def _date(match: re.Match[str], tag: str, now: datetime, log_range: tuple[datetime, datetime] | None) -> date | None:
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
        month, day = _MONTHS.index(month_name[:3].lower()) + 1, int(day_text)
        if year_text:
            return date(int(year_text), month, day)
        candidates = [date(year, month, day) for year in range(last.year, first.year - 1, -1)]
        inside = [one for one in candidates if first.date() <= one <= last.date()]
        return (inside or candidates)[0]
    days = [last.date() - timedelta(days=back) for back in range(min((last.date() - first.date()).days, 400) + 1)]
    if number := has("only") or has("wnum"):
        hits = [one for one in days if one.day == int(number)]
        return hits[0] if hits else (last.date().replace(day=int(number)) if 1 <= int(number) <= 28 else None)
    if weekday := has("wday"):
        hits = [one for one in days if one.weekday() == _DAYS.index(weekday[:3].lower())]
        return hits[0] if hits else None
    return None


def _clock(match: re.Match[str], tag: str) -> tuple[time, int] | None:
    """The time of day and how many seconds it stands for: a minute for 08:15, an hour for 8am, a second for 08:15:30."""
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
        return time(int(has("hc") or 0) % 24), 3600
    return None


def _half(hour: int, mark: str | None) -> int:
    mark = (mark or "").lower().replace(".", "")
    if mark in ("pm", "in the afternoon", "in the evening") and hour < 12:
        return hour + 12
    if mark in ("am", "in the morning", "at night") and hour == 12:
        return 0
    if mark == "at night" and 6 <= hour < 12:
        return hour + 12
    return hour


def _resolve(
    name: str,
    match: re.Match[str],
    at: tuple[int, int],
    question: str,
    now: datetime,
    log_range: tuple[datetime, datetime] | None,
) -> TimeRange | None:
    text = question[at[0] : at[1]]
    groups = match.groupdict()
    day = _date(match, "1", now, log_range) or _date(match, "3", now, log_range)
    first = _clock(match, "1") or _clock(match, "3")
    second = _clock(match, "2") or _clock(match, "4")
    if name == "bare_hours":
        low, high = int(groups["b1"]), int(groups["b2"])
        mark = groups["bap"] if (groups["bap"] or "").lower() in ("am", "pm") else None
        if low > 24 or high > 24 or not (mark or groups["bap"]):
            return None
        first, second, name = (time(_half(low, mark) % 24), 3600), (time(_half(high, mark) % 24), 3600), "clocks"
    part = groups.get("part1") or groups.get("part2")
    if name in ("date", "after_date", "before_date", "date_part") or "date" in name or "stamp" in name:
        if day is None:
            return None
    single = log_range is not None and log_range[0].date() == log_range[1].date()
    if day is None and single and log_range:
        day = log_range[0].date()
    if part:
        low, high = _PARTS[part]
        return _between(at, text, day, time(low), _before_end(time(high % 24)))
    if name == "stamps" and first and second and day:
        last_day = _date(match, "2", now, log_range) or day
        return TimeRange(at, text, datetime.combine(day, first[0]), datetime.combine(last_day, second[0]))
    if name == "dates" and day:
        last_day = _date(match, "2", now, log_range) or day
        return TimeRange(at, text, datetime.combine(day, time(0)), datetime.combine(last_day, time.max))
    if "clocks" in name and first and second:
        return _between(at, text, day, first[0], second[0])
    if name in ("date",) and day:
        return TimeRange(at, text, datetime.combine(day, time(0)), datetime.combine(day, time.max))
    if name == "after_date" and day:
        skip = text.lower().startswith(("after", "later"))
        return TimeRange(at, text, datetime.combine(day + timedelta(days=skip), time(0)), None)
    if name == "before_date" and day:
        keep = text.lower().startswith(("until", "till", "up", "by"))
        return TimeRange(at, text, None, datetime.combine(day - timedelta(days=not keep), time.max))
    if first is None:
        return None
    moment, width = first
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
