"""Bounds of a range, and the question they are found in: its atoms, now, the log's range, and the sums over them.

Knows nothing of the rules. Invariant: both ends are inclusive, so a range up to a moment ends a tick before it.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from edgeslm.ask.time_atoms import DATE, DAY, Atoms, Moment
from edgeslm.ask.times import Span

TICK = timedelta(microseconds=1)
_SOME_DAY = date(2000, 1, 1)  # stands in for the day in sums over the time of day


@dataclass(frozen=True)
class Bounds:
    """A range without its place in the question; see TimeRange."""

    start: datetime | None = None
    end: datetime | None = None
    daily: tuple[time, time] | None = None
    relative: bool = False


@dataclass(frozen=True)
class Scene:
    """A question's atoms, now, and the log's range, if it has one."""

    question: str
    atoms: Atoms
    now: datetime
    log_range: Span | None

    @property
    def only_day(self) -> date | None:
        """The day of a log that has only one."""
        if self.log_range is None or self.log_range[0].date() != self.log_range[1].date():
            return None
        return self.log_range[0].date()

    def day(self, match: re.Match[str]) -> date | None:
        """The day named before or after the moments of a match."""
        for group in ("d0", "d9"):
            if found := self.atoms.moment(match, group):
                return found.day
        return None

    def moment(self, match: re.Match[str], group: str = "m1") -> Moment:
        """A moment of a match, on the day named beside it. Raises ValueError where that makes two days."""
        found, day = self.atoms.moment(match, group) or Moment(), self.day(match)
        if day and (found.day or found.exact):
            raise ValueError("two days for one moment")
        return replace(found, day=day or found.day)

    def starts_with_date(self, match: re.Match[str], group: str = "m1") -> bool:
        """Whether a moment is written with its day first."""
        return re.match(rf"(?:the\s+)?{DATE}", match[group], re.I) is not None

    def is_weak(self, match: re.Match[str]) -> bool:
        """Whether a moment is an ordinal or a short weekday."""
        return not self.atoms.weak.isdisjoint(range(*match.span("m1")))

    def range(self, low: Moment, high: Moment) -> Bounds | None:
        """From one moment to the other, the days of neither, one or both being named."""
        exact = low.exact or high.exact
        default = self.only_day or (self.now.date() if exact else None)
        low_day = low.day or (high.day if low.clock else None) or default
        high_day = high.day or (low.day if high.clock else None) or default
        if low.clock and high.clock and not low_day and not exact:
            return Bounds(daily=(low.clock, high.clock))
        start = low.exact or (datetime.combine(low_day, low.clock or time(0)) if low_day else None)
        end = high.exact or (datetime.combine(high_day, high.clock or time.max) if high_day else None)
        if not start or not end:
            return None
        if end < start and high_day == low_day and not exact:
            end += DAY
        elif end < start <= end + 7 * DAY and low.weekly:
            start -= 7 * DAY  # "Friday to Monday" in a log that ends on a Tuesday
        if end < start:
            return None
        return Bounds(start, end, relative=bool(exact))

    def stretch(self, moment: Moment, shift: timedelta, length: timedelta) -> Bounds | None:
        """The range of that length from the moment, shifted."""
        if moment.exact:
            return Bounds(moment.exact + shift, moment.exact + shift + length, relative=True)
        day = moment.day or self.only_day
        if day is None and (moment.clock is None or length >= DAY):
            return None
        start = datetime.combine(day or _SOME_DAY, moment.clock or time(0)) + shift
        end = start + length - TICK
        return Bounds(start, end) if day else Bounds(daily=(start.time(), end.time()))

    def clocks(self, day: date | None, low: time, high: time) -> Bounds:
        """From clock to clock on that day, else on the log's only day, else on every day; over midnight if need be."""
        if not (day := day or self.only_day):
            return Bounds(daily=(low, high))
        return Bounds(datetime.combine(day, low), datetime.combine(day, high) + DAY * (high < low))

    def back(self, length: timedelta) -> Bounds:
        """The time of that length up to now."""
        return Bounds(self.now - length, self.now, relative=True)


def whole_days(first: date, last: date | None = None, *, relative: bool = False) -> Bounds:
    """From the first moment of a day to the last of it, or of another."""
    return Bounds(datetime.combine(first, time(0)), datetime.combine(last or first, time.max), relative=relative)


def whole_month(year: int, month: int, *, relative: bool = False) -> Bounds:
    following = date(year + month // 12, month % 12 + 1, 1)
    return whole_days(date(year, month, 1), following - DAY, relative=relative)


def before(moment: time) -> time:
    """The last tick before that time of day; before midnight, the day's last."""
    return time.max if moment == time(0) else (datetime.combine(_SOME_DAY, moment) - TICK).time()
