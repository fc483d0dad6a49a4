"""Time words of a question, resolved to ranges: "last 30 min", "May 3 after 7pm", "between 8:00 and 9:00", "yesterday".

Resolves against `now` and the log's own range, in the log's wall time. Knows nothing of columns or intents.
Invariant: both ends of a range are inclusive. General date parsers were tried and left: they take a single moment, not
a range, cannot take a missing date from the log, and cost 0.3 s to import.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time

# A question without any of these words or signs names no time; most do not, and are spared the rules and their import.
_HINT = re.compile(
    r"\d:\d|\d{4}[-/]\d|\d\s*(?:a\.?m|p\.?m|st|nd|rd|th|[smhdw]|sec|min|mins|mn|hrs?|secs)\b|\dh\d|o'?clock"
    r"|\s(?:ago|back|old|now)\b|evening|noon|midday|midnight|today|yesterday|tonight|morning|night"
    r"|\b(?:last|past|prev\w*|latest|preceding|prior|recent|final|this|current|first|opening|initial|within|since|than"
    r"|under|back)\b[\s\w.-]{0,20}?[\s-](?:second|sec|minute|min|mn|hour|hr|day|week|month)s?\b"
    r"|\b(?:mon|tue|wed|thu|fri|sat|sun)(?:s|nes|rs|ur)?(?:day)?\b"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:uary|ruary|ch|il|ust|ember|tember|ober)?\b",
    re.I,
)

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class TimeRange:
    """A resolved range: [start, end] of `ts`, or of the time of day where `daily`. at: its place in the question.

    relative: whether it counts back from now.
    """

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
    if not _HINT.search(question):
        return []
    from edgeslm.ask import time_back, time_ranges
    from edgeslm.ask.time_atoms import find_atoms
    from edgeslm.ask.time_bounds import Scene
    from edgeslm.ask.time_rules import RULES, rule

    atoms = find_atoms(question, now, log_range)
    scene = Scene(question, atoms, now, log_range)
    found, lowered = [], atoms.text.lower()
    for name, one in RULES.items():
        if not any(sign in lowered for sign in one.needs):
            continue
        place, mean = 0, getattr(time_back, name, None) or getattr(time_ranges, name)
        while match := rule(name).search(atoms.text, place):
            try:
                bounds = mean(scene, match)
            except (ValueError, OverflowError):
                bounds = None
            place = match.end() if bounds else match.start() + 1
            if bounds:
                at = _trim(question, match.span())
                found.append(
                    TimeRange(at, question[at[0] : at[1]], bounds.start, bounds.end, bounds.daily, bounds.relative)
                )
                atoms.hide(at)
    return sorted(found, key=lambda span: span.at)


def _trim(text: str, at: tuple[int, int]) -> tuple[int, int]:
    start, end = at
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == ","):
        end -= 1
    return start, end
