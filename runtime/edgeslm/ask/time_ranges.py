"""Ranges between, after, before and at the dates and clocks that a question names.

One function a rule of time_rules.py, of its name; None, or ValueError, where the words name no time after all.
"""

import re
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from edgeslm.ask.time_atoms import DAY, Moment
from edgeslm.ask.time_bounds import Bounds, Scene, before, whole_days, whole_month
from edgeslm.ask.time_rules import EARLIER, LATER, SINCE
from edgeslm.ask.time_words import MONTHS, PARTS, UNITS

_STRICT = rf"(?:{LATER}|{EARLIER})$"
_LOWER = rf"(?:{LATER}|{SINCE})$"
_INCLUSIVE = r"<=|=<|≤|no|ending|at or|on or|up to and"


def _is(kind: str, words: str) -> bool:
    return re.match(kind, words, re.I) is not None  # compiled, and kept by `re`, only where a question needs it


def between(scene: Scene, match: re.Match[str]) -> Bounds | None:
    return _forward(scene, *_pair(scene, match))


def days(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "May 1-3", "from 1 to 3 May": days of one month."""
    group = next(name for name in ("m1", "m2", "m3", "m4") if match[name])
    moment, other = scene.moment(match, group), match["first"] or match["first2"] or match["last"]
    named = moment.day
    if named is None or moment.weekly:
        return None
    first, last = sorted((named, named.replace(day=int(other))))
    return whole_days(first, last) if (first == named) == bool(match["last"]) else None


def to(scene: Scene, match: re.Match[str]) -> Bounds | None:
    low, high = _pair(scene, match)
    if not (low.exact or high.exact) and (low.clock is None) != (high.clock is None):
        return None
    return _forward(scene, low, high)


def _forward(scene: Scene, low: Moment, high: Moment) -> Bounds | None:
    """The range between two moments; days named in the wrong order are swapped."""
    if low.day and high.day and high.day < low.day and not (low.clock or high.clock or low.weekly):
        low, high = high, low
    return scene.range(low, high)


def both(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "after a and before b", "since a up to b", ">= a and <= b"."""
    low, high = _pair(scene, match)
    first, second = match["op1"], match["op2"]
    if _is(_LOWER, first) == _is(_LOWER, second):
        return None
    if not _is(_LOWER, first):
        low, high, first, second = high, low, second, first
    if _is(_STRICT, first) and low.day and not low.clock:
        low = Moment(low.day + DAY)
    if _is(_STRICT, second) and high.clock:
        high = replace(high, clock=before(high.clock))
    elif _is(_STRICT, second) and high.day:
        high = Moment(high.day - DAY)
    return scene.range(low, high)


def _pair(scene: Scene, match: re.Match[str]) -> tuple[Moment, Moment]:
    """The two moments. A day beside them is that of the first, and of the second unless that has its own."""
    low, day = scene.moment(match, "m1"), scene.day(match)
    high = scene.atoms.moment(match, "m2") or Moment()
    return low, replace(high, day=high.day or (day if high.clock else None))


def later(scene: Scene, match: re.Match[str]) -> Bounds | None:
    return plus(scene, match)


def plus(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "from 08:15 for an hour". A day and a span are no range: "on May 2 for 3 hours"."""
    moment, length = scene.moment(match), scene.atoms.length(match)
    return scene.stretch(moment, timedelta(0), length) if length and moment.clock else None


def named_hour(scene: Scene, match: re.Match[str]) -> Bounds | None:
    return scene.stretch(scene.moment(match), timedelta(0), timedelta(hours=1))


def beside(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "in the hour after 08:15", "within 5 minutes of 08:15", "the day before yesterday", "last hour of May 2"."""
    moment, length = scene.moment(match), scene.atoms.length(match)
    side, order, lead = match["side"].lower(), (match["order"] or "").lower(), (match["lead"] or "").lower()
    if length is None:
        unit = match["unit"].lower()
        if not (match["the"] or order or lead or (unit == "hour" and side == "of")):
            return None
        length = timedelta(seconds=UNITS[unit])
    if side == "around" or (side == "of" and not order and (match["n"] or match["the"] in ("a", "an"))):
        near = lead == "within" and (moment.clock or moment.exact)
        return scene.stretch(moment, -length, 2 * length) if near else None
    if side == "of" and order in ("last", "final"):
        return scene.stretch(Moment(moment.day + DAY), -length, length) if moment.day and not moment.clock else None
    ahead = re.match(r"before|preced|prior|up|until|lead", side)
    if moment.day and not moment.clock:
        if length % DAY == timedelta(0) and not order and (length == DAY or not lead):
            return whole_days(moment.day + (-length if ahead else length)) if ahead or side == "after" else None
        if side in ("after", "following"):
            moment = Moment(moment.day + DAY)
    return scene.stretch(moment, -length if ahead else timedelta(0), length)


def trailing(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "08:15 or later", "May 2 and before"."""
    return _open(scene, scene.moment(match), lower=bool(match["on"]), strict=False, upto=True, apart=False)


def bound(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "after 08:15", "not later than May 2", "since yesterday"; "from May 2" is that day."""
    words, moment = match["op"], scene.moment(match)
    lower = _is(_LOWER, words)
    named = scene.question[slice(*match.span("m1"))].lower()
    if re.match("from$", words, re.I) and not moment.clock and not moment.exact and not match["on"]:
        return None
    if re.match("since|from", words, re.I) and named == "midnight" and not moment.day and not scene.only_day:
        return Bounds(datetime.combine(scene.now.date(), time(0)), scene.now, relative=True)
    apart = scene.starts_with_date(match)
    upto = _is(_INCLUSIVE, words)
    return _open(scene, moment, lower=lower, strict=_is(_STRICT, words), upto=upto, apart=apart)


def _open(scene: Scene, moment: Moment, *, lower: bool, strict: bool, upto: bool, apart: bool) -> Bounds | None:
    """From the moment on, or up to it: within its day, unless the day comes first ("after May 2 08:15": apart)."""
    if moment.exact:
        return Bounds(moment.exact, scene.now, relative=True) if lower else Bounds(None, moment.exact, relative=True)
    if moment.clock and apart and moment.day:
        at = datetime.combine(moment.day, moment.clock)
        return Bounds(at, None) if lower else Bounds(None, at)
    if moment.clock and lower:
        return scene.clocks(moment.day, moment.clock, time.max)
    if moment.clock:
        last = moment.clock if upto and moment.clock != time(0) else before(moment.clock)
        return scene.clocks(moment.day, time(0), last)
    if moment.day and lower:
        return Bounds(datetime.combine(moment.day + DAY * strict, time(0)), None)
    return Bounds(None, datetime.combine(moment.day - DAY * strict, time.max)) if moment.day else None


def stamp(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """The minute, hour or second that a clock names."""
    moment = scene.moment(match)
    return scene.stretch(moment, timedelta(0), timedelta(seconds=moment.width))


def clock(scene: Scene, match: re.Match[str]) -> Bounds | None:
    return stamp(scene, match)


def date_alone(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """A whole day; an ordinal or a short weekday only after a word such as "on"."""
    moment = scene.moment(match)
    if moment.day is None or (scene.is_weak(match) and not match["lead"].strip()):
        return None
    return whole_days(moment.day)


def part(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "in the morning"; without such words only what can be nothing else: "early morning", "overnight"."""
    group = "part" if match["part"] else "part2"
    words = scene.question[slice(*match.span(group))].lower()
    if group == "part2" and not words.startswith(("early", "late", "overnight")) and not words.endswith("s"):
        return None
    return _part(scene, match.start(group), None)


def date_part(scene: Scene, match: re.Match[str]) -> Bounds | None:
    return _part(scene, match.start("part" if match["part"] else "part2"), scene.day(match))


def _part(scene: Scene, at: int, day: date | None) -> Bounds | None:
    hours = scene.atoms.values[at]
    if day and hours == PARTS["night"]:  # the night that begins on it
        return scene.clocks(day, time(18), before(time(6)))
    return scene.clocks(day, time(hours[0]), before(time(hours[1] % 24))) if isinstance(hours, tuple) else None


def month(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """A whole month, in the given year, else in the latest that puts it into the log."""
    number = MONTHS.index(match["month"][:3].lower()) + 1
    first, last = scene.log_range or (scene.now, scene.now)
    year = int(match["year"]) if match["year"] else last.year - (number > last.month and first.year < last.year)
    whole = whole_month(year, number)
    return Bounds(whole.start, None) if match["lead"].lower() == "since" else whole
