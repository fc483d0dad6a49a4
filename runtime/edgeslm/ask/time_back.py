"""Ranges counted from now or from the log's ends: "last 10 minutes", "2 hours ago", "this week", "the first hour".

One function a rule of time_rules.py, of its name; None where the words name no time after all.
"""

import re
from datetime import datetime, time, timedelta

from edgeslm.ask.time_atoms import DAY
from edgeslm.ask.time_bounds import TICK, Bounds, Scene, whole_days, whole_month
from edgeslm.ask.time_words import UNITS

_MINUTE = timedelta(minutes=1)
# In a question with these, "within 10 minutes" is a distance between two events.
_PACE = (
    r"\b(?:times|twice|once|other|followed|again|row|consecutive|re\w+ed|(?:finish|complet|respon|repl|answer|clos|end"
    r"|repeat|return|succeed|happen)\w*|each|every|same|more than|at least|after|pairs?|per)\b"
    r"|\b(?:\d+|two|three|four|five|several|many|multiple)\s+(?:\w+\s+){1,2}within\b"
)


def far(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "more than 2 hours ago", "older than 3 days"; "older than 30 seconds" is no time of a log."""
    if moment := scene.atoms.moment(match, "m1"):
        return Bounds(None, moment.exact, relative=True) if moment.exact != scene.now else None
    length = _length(scene, match)
    return Bounds(None, scene.now - length, relative=True) if length >= _MINUTE else None


def ago(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """From then till now; "2 days ago" with no "since" or the like is that day."""
    moment = scene.moment(match)
    if moment.exact is None or moment.exact == scene.now:
        return None
    words = scene.question[slice(*match.span("m1"))]
    if re.search(r"\bdays?\s+ago$", words, re.I) and not match["op"] and not match["on"]:
        return whole_days(moment.exact.date(), relative=True)
    return Bounds(moment.exact, scene.now, relative=True)


def recent(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """Not the "last minute" of "the first and last minute", nor the bare letter of "last m"."""
    unit = match["unit"]
    if unit and (len(unit) == 1 or re.search(r"\b(?:first and|the first or)\s*$", match.string[: match.start()], re.I)):
        return None
    length = _length(scene, match) * (1.5 if match["half"] else 1)
    if match["log"] and scene.log_range:
        return Bounds(scene.log_range[1] - length, scene.log_range[1])
    return None if match["other"] else scene.back(length)


def young(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "not older than 2 hours", "since 20 minutes", "within 20 min"; no duration or pace."""
    words, length = match["word"].lower(), _length(scene, match)
    if words in ("less than", "under") and not match["old"]:
        return None
    if words in ("since", "within") and length < _MINUTE:
        return None
    if words == "within" and (
        re.search(_PACE, match.string, re.I) or not re.match(r"\s*(?:$|[,.;?!])", match.string[match.end() :])
    ):
        return None
    return scene.back(length)


def opening(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """The first of the log; a unit without a number needs more to tell it from "the first minute with errors"."""
    if scene.log_range is None or (match["unit"] and not match["lead"] and not match["log"]):
        return None
    first = scene.log_range[0]
    return Bounds(first, first + _length(scene, match) - TICK)


def this(scene: Scene, match: re.Match[str]) -> Bounds | None:
    unit, now = (match["unit"] or match["unit2"]).lower(), scene.now
    today = now.date()
    if unit == "month":
        return whole_month(today.year, today.month, relative=True)
    if unit == "day":
        return whole_days(today, relative=True)
    if unit == "week":
        monday = today - timedelta(days=today.weekday())
        return whole_days(monday, monday + 6 * DAY, relative=True)
    start = now.replace(second=0, microsecond=0, minute=0 if unit == "hour" else now.minute)
    return Bounds(start, start + timedelta(seconds=UNITS[unit]) - TICK, relative=True)


def day(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "on the previous day" is the one before now's; "on the first day", "on the last day" are the log's."""
    which = match["which"].lower()
    if which in ("previous", "preceding", "prior"):
        return whole_days(scene.now.date() - DAY, relative=True)
    return whole_days(scene.log_range[which != "first"].date()) if scene.log_range else None


def night(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """From 18:00 to 06:00."""
    evening = scene.now.date() - DAY * (match["which"].lower() != "tonight")
    start = datetime.combine(evening, time(18))
    end = scene.now if (match["op"] or "").lower() == "since" else start + timedelta(hours=12) - TICK
    return Bounds(start, end, relative=True)


def part_bound(scene: Scene, match: re.Match[str]) -> Bounds | None:
    """ "since this morning", "until yesterday evening": from its begin or after its end, up to its begin or its end."""
    hours, day, words = scene.atoms.values[match.start("part")], scene.day(match), match["op"].lower()
    if not isinstance(hours, tuple):
        return None
    edge = hours[words in ("after", "until", "till") or words.startswith("up")]
    moment = datetime.combine(day or scene.now.date(), time(0)) + timedelta(hours=edge)
    if words not in ("since", "after"):
        return Bounds(None, moment - TICK, relative=day is None)
    if day:
        return Bounds(moment, None)
    return Bounds(moment, scene.now, relative=True) if moment < scene.now else None


def _length(scene: Scene, match: re.Match[str]) -> timedelta:
    """The span in a match, or its bare unit: "last 10 minutes", "last hour"."""
    groups = match.groupdict()
    for group in ("n", "n2"):
        if groups.get(group) and (found := scene.atoms.length(match, group)) is not None:
            return found
    return timedelta(seconds=UNITS[(groups.get("unit") or "").lower()]) if groups.get("unit") else timedelta(0)
