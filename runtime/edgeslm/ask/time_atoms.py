"""The dates, clocks, spans and parts of the day in a question, each with its value, and the question with them masked.

Resolves against `now` and the log's range. Knows nothing of how they join into a range (see time_rules.py).
Invariant: the masked text is as long as the question; an impossible date or clock is masked and has no value.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from edgeslm.ask.time_words import DAYS, MONTHS, NUMBERS, PARTS, UNITS, atom_pattern
from edgeslm.ask.times import Span

# A masked atom is the sign of its kind, then fill up to its length.
FILL, DATE, CLOCK, AGO, LENGTH, RECENT, PART, NOTHING = "\ue000\ue001\ue002\ue003\ue004\ue005\ue006\ue007"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Moment:
    """A day, a clock, both, or an exact time.

    width: the seconds its clock stands for, a minute for 08:15. weekly: whether its day is a weekday, which recurs.
    """

    day: date | None = None
    clock: time | None = None
    width: int = 60
    exact: datetime | None = None
    weekly: bool = False


@dataclass
class Atoms:
    """The masked text, and what starts at a place of it: a moment, a span of time, or a part of the day in hours.

    weak: places of ordinals and short weekdays ("the 2nd", "sun"), which need a word such as "on" before them.
    """

    text: str
    values: dict[int, Moment | timedelta | tuple[int, int]]
    weak: set[int]

    def moment(self, match: re.Match[str], group: str) -> Moment | None:
        """What the atoms in a group of a match make together, or None where the group took no part."""
        if group not in match.re.groupindex or match[group] is None:
            return None
        found = [self.values[at] for at in range(*match.span(group)) if at in self.values]
        moments = [one for one in found if isinstance(one, Moment)]
        clocks = [one for one in moments if one.clock]
        return Moment(
            next((one.day for one in moments if one.day), None),
            clocks[0].clock if clocks else None,
            clocks[0].width if clocks else 60,
            next((one.exact for one in moments if one.exact), None),
            any(one.weekly for one in moments),
        )

    def length(self, match: re.Match[str], group: str = "n") -> timedelta | None:
        """The span of time in a group of a match."""
        value = self.values.get(match.start(group)) if match[group] else None
        return value if isinstance(value, timedelta) else None

    def hide(self, at: tuple[int, int]) -> None:
        """Take a part of the text out of what the rules see."""
        self.text = self.text[: at[0]] + "\x00" * (at[1] - at[0]) + self.text[at[1] :]


def find_atoms(question: str, now: datetime, log_range: Span | None) -> Atoms:
    """The atoms of a question; what stands in quotes is hidden."""
    quoted = r"\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']*'(?!\w)|`[^`]*`"
    text = re.sub(quoted, lambda match: "\x00" * len(match.group()), question)
    atoms = Atoms(text, {}, set())
    for match in atom_pattern().finditer(text):
        if match["pair"]:
            _hour_pair(atoms, match)
            continue
        group = next(name for name in ("date", "clock", "span", "part", "now") if match[name])
        sign, value = NOTHING, None
        with suppress(ValueError, OverflowError):
            sign, value = _value(group, match, now, log_range)
        if sign is NOTHING and group == "date" and (match["only"] or match["wday"]):
            continue
        _mask(atoms, match.span(), sign)
        if value is not None:
            atoms.values[match.start()] = value
        if match["only"] or len(match["wday"] or "monday") < 6:
            atoms.weak.add(match.start())
    return atoms


def _mask(atoms: Atoms, at: tuple[int, int], sign: str) -> None:
    atoms.text = atoms.text[: at[0]] + sign + FILL * (at[1] - at[0] - 1) + atoms.text[at[1] :]


def _value(
    group: str, match: re.Match[str], now: datetime, log_range: Span | None
) -> tuple[str, Moment | timedelta | tuple[int, int] | None]:
    """The sign and the value of an atom. Raises ValueError or OverflowError for one that cannot be."""
    if group == "part":
        return PART, PARTS[" ".join(match["part"].lower().split())]
    if group == "now":
        return AGO, Moment(exact=now)
    if group == "clock":
        return CLOCK, _clock(match)
    if group == "date":
        day = _date(match, now, log_range)
        return (DATE, Moment(day=day, weekly=bool(match["wday"]))) if day else (NOTHING, None)
    length = _length(match)
    if match["ago"]:
        return AGO, Moment(exact=now - length)
    if match["minus"] and " " in match["span"]:
        return NOTHING, None
    return RECENT if match["minus"] or match["last"] else LENGTH, length


def _length(match: re.Match[str]) -> timedelta:
    count, half, _ = " ".join(match["n"].lower().split()).partition(" and a half")
    if len(count) > 12 and count[0].isdigit():
        raise OverflowError
    number = NUMBERS[count] if count in NUMBERS else float(count)
    number += 0.5 if half or match["half"] else 0
    return timedelta(seconds=number * UNITS[match["u"].lower().rstrip("s") or "s"])


def _hour_pair(atoms: Atoms, match: re.Match[str]) -> None:
    """The two hours of "between 11 and 1 pm": the mark is of both, unless that would put them in the wrong order."""
    first = "pair1" if match["pair1"] else "pair3"
    low, high, mark = int(match[first]), int(match["pair2"]), match["pair"].lower()
    half = mark if mark[0] in "ap" else None
    try:
        last = _half(high, half)
        hours = (_half(low, half) if _half(low, half) <= last else low) % 24, last % 24
    except ValueError:
        atoms.hide(match.span())
        return
    places = match.span(first), (match.start("pair2"), match.end())
    for at, hour in zip(places, hours, strict=True):
        _mask(atoms, at, CLOCK)
        atoms.values[at[0]] = Moment(clock=time(hour), width=3600)


def _clock(match: re.Match[str]) -> Moment:
    """The time of day and the seconds it stands for: a minute for 08:15, an hour for 8am, a second for 08:15:30."""
    if word := match["word"]:
        return Moment(clock=time(0 if word.lower() == "midnight" else 12), width=3600)
    if match["hh"]:
        hour, seconds = _half(int(match["hh"]), match["apm"]), match["ss"]
        return Moment(clock=time(hour % 24, int(match["mm"]), int(seconds or 0)), width=1 if seconds else 60)
    return Moment(clock=time(_half(int(match["h12"] or match["hc"]), match["ap"]) % 24), width=3600)


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


def _date(match: re.Match[str], now: datetime, log_range: Span | None) -> date | None:
    """The day that an atom names, or None. Raises ValueError for a day that no calendar has."""
    if iso := match["iso"]:
        year, month, day = (int(part) for part in re.split("[-/]", iso))
        return date(year, month, day)
    if word := match["today"]:
        return now.date() - (DAY if word.lower() == "yesterday" else timedelta(0))
    first, last = log_range or (now, now)
    if name := match["month"] or match["dmonth"]:
        year_text = match["myear"] or match["dyear"]
        month = MONTHS.index(name[:3].lower()) + 1
        return _month_day(
            month, int(match["mday"] or match["dday"]), int(year_text) if year_text else None, first, last
        )
    reach = min((last.date() - first.date()).days, 400)
    days = [last.date() - timedelta(days=back) for back in range(reach + 1)]
    if number := match["only"] or match["wnum"]:
        hits = [one for one in days if one.day == int(number)]
        return hits[0] if hits else (last.date().replace(day=int(number)) if 1 <= int(number) <= 28 else None)
    weekday = DAYS.index(match["wday"][:3].lower())
    hits = [one for one in days if one.weekday() == weekday]
    if hits or len(match["wday"]) < 6:
        return hits[0] if hits else None
    return last.date() - timedelta(days=(last.date().weekday() - weekday) % 7)  # outside the log: nothing will match


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
