"""How people write times: the regular expressions of dates, clocks and spans, and the words and units in them.

Data for times.py, which gives the matches a meaning. Groups end in a tag (`hh1`, `hh2`), so that a rule can hold two.
"""

import re
from functools import cache

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "mon tue wed thu fri sat sun".split()
UNITS = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600,
    "d": 86400, "day": 86400, "w": 604800, "week": 604800,
}  # fmt: skip
NUMBERS = {
    word: number
    for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
} | {
    "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "sixty": 60, "ninety": 90,
    "a": 1, "an": 1, "couple of": 2, "few": 3,
}  # fmt: skip
PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (0, 6), "forenoon": (6, 12)}

_MONTH = (
    r"(?P<month@>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+)?"
_DATE = (
    r"(?:(?P<iso@>\d{4}-\d\d?-\d\d?)"
    rf"|{_WEEKDAY}{_MONTH}\s+(?:the\s+)?(?P<mday@>\d\d?)(?:st|nd|rd|th)?(?!\d|:)(?:,?\s+(?P<myear@>\d\d\d\d))?"
    rf"|(?:the\s+)?(?P<dday@>\d\d?)(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH.replace('month', 'dmonth')}"
    r"(?:,?\s+(?P<dyear@>\d\d\d\d))?"
    r"|(?:the\s+)?(?P<only@>\d\d?)(?:st|nd|rd|th)(?!\w)"
    r"|(?P<today@>today|yesterday)"
    r"|(?:the\s+)?(?P<wday@>(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:mon|tue|wed|thu|fri|sat|sun)\b)"
    r"(?:,?\s+(?:the\s+)?(?P<wnum@>\d\d?)(?:st|nd|rd|th))?)"
)
_CLOCK = (
    r"(?:(?P<hh@>\d\d?)[:h](?P<mm@>\d\d)(?::(?P<ss@>\d\d)(?:[.,]\d+)?)?\s*(?P<apm@>am|pm|a\.m\.|p\.m\.)?"
    r"|(?P<h12@>\d\d?)\s*(?:o'?clock\s*)?"
    r"(?P<ap@>am|pm|a\.m\.|p\.m\.|in the morning|in the afternoon|in the evening|at night)"
    r"|(?P<hc@>\d\d?)\s*o'?clock"
    r"|(?P<word@>noon|midday|midnight))"
)
_COUNT = r"(?P<n>\d+|" + "|".join(sorted((re.escape(w) for w in NUMBERS), key=len, reverse=True)) + r")"
_UNIT = r"(?P<u>seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)\b"
_LAST = r"(?:last|past|previous|latest|preceding|most recent)"
AGO = re.compile(
    rf"\b(?:(?:(?:in|over|during|within|for|from|throughout)\s+)?(?:the\s+)?{_LAST}\s+(?:{_COUNT}[\s-]*)?{_UNIT}"
    rf"|(?:since\s+|from\s+)?{_COUNT.replace('P<n>', 'P<n2>')}\s*{_UNIT.replace('P<u>', 'P<u2>')}\s+(?:ago|back)"
    rf"|(?:in\s+)?the\s+{_COUNT.replace('P<n>', 'P<n3>')}\s+{_UNIT.replace('P<u>', 'P<u3>')}"
    r"\s+(?:before|up to|until)\s+(?:now|then))",
    re.I,
)
_WHEN = r"(?:\b(?:on|for|during|of|from|at|in|to|this)\s+)?"
_JOIN = r"\s*(?:and|to|till|until|through|thru|-|–|\.\.|up to)\s*"
_AFTER = r"(?:after|since|later than|past|starting(?:\s+(?:at|from))?|from|as of|beginning(?:\s+at)?|following)"
_BEFORE = r"(?:before|until|till|up to|up until|prior to|earlier than|by)"
_AT = (
    r"(?:at|in the minute(?: of)?|during minute|in minute|in the hour(?: of| from| starting(?: at)?)?"
    r"|during the hour(?: of| from)?|around|during)"
)


def _d(tag: str) -> str:
    return _DATE.replace("@", tag)


def _c(tag: str) -> str:
    return _CLOCK.replace("@", tag)


_STAMP = rf"{_d('1')}[\sT,]+(?:at\s+)?{_c('1')}"
_ONWARDS = r"(?:\s+(?:on|onwards?)\b)?"
# Tried in this order; what a rule has taken, later ones do not see.
RULES: dict[str, str] = {
    "stamps": rf"\b(?:between|from)\s+{_STAMP}{_JOIN}{_d('2')}[\sT,]+(?:at\s+)?{_c('2')}",
    "date_clocks": rf"{_WHEN}\b{_d('1')},?\s*[,T]?\s*(?:,|in the time|any ?time)?\s*(?:between|from|,)?\s*"
    rf"{_c('1')}{_JOIN}{_c('2')}",
    "clocks_date": rf"\b(?:between|from)?\s*\b{_c('1')}{_JOIN}{_c('2')}\s*,?\s*(?:on|of)?\s*\b{_d('1')}",
    "clocks": rf"\b(?:between|from|in the time from)\s+{_c('1')}{_JOIN}{_c('2')}"
    rf"|\b(?<![\d.:-]){_c('3')}\s*(?:-|–|to|till|until)\s*{_c('4')}",
    "bare_hours": rf"\b(?:between|from)\s+(?P<b1>\d\d?){_JOIN}(?P<b2>\d\d?)\s*"
    r"(?P<bap>am|pm|h\b|o'?clock)?(?![\w:.-])",
    "dates": rf"\b(?:between|from)\s+{_d('1')}{_JOIN}{_d('2')}",
    "clock_date_after": rf"\b{_AFTER}\s+{_c('1')}\s*,?\s*(?:on|of)?\s*\b{_d('1')}(?:\s+(?:on|onwards?))?",
    "clock_date_before": rf"\b{_BEFORE}\s+{_c('1')}\s*,?\s*(?:on|of)?\s*\b{_d('1')}",
    "date_after_clock": rf"{_WHEN}\b{_d('1')},?\s*{_AFTER}\s+{_c('1')}(?:\s+(?:on|onwards?))?",
    "date_before_clock": rf"{_WHEN}\b{_d('1')},?\s*{_BEFORE}\s+{_c('1')}",
    "date_part": rf"{_WHEN}\b{_d('1')}\s*(?:in the|during the|at)?\s*(?P<part1>morning|afternoon|evening|night)\b"
    rf"|(?:in|during) the (?P<part2>morning|afternoon|evening) (?:of|on) {_d('3')}",
    "stamp_after": rf"\b{_AFTER}\s+{_STAMP}",
    "stamp_before": rf"\b{_BEFORE}\s+{_STAMP}",
    "stamp": rf"\b(?:at\s+|on\s+)?{_STAMP}|\b(?:at\s+){_c('3')}\s+on\s+{_d('3')}",
    "after": rf"\b{_AFTER}\s+{_c('1')}{_ONWARDS}",
    "before": rf"\b{_BEFORE}\s+{_c('1')}",
    "after_date": rf"\b(?:after|since|later than|starting|from)\s+{_d('1')}{_ONWARDS}",
    "before_date": rf"\b{_BEFORE}\s+{_d('1')}",
    "clock": rf"\b{_AT}\s+{_c('1')}",
    "date": rf"{_WHEN}\b{_d('1')}(?!\w)",
    "part": r"\b(?:in the|during the|at|this)\s+(?P<part1>morning|afternoon|evening|night)\b",
}
# A question without any of these words or signs names no date and no clock; most do not, and are spared the rules.
HINT = re.compile(
    r"\d:\d|\d{4}-\d|\d\s*(?:am|pm|a\.m|p\.m|h\b|o'?clock|st\b|nd\b|rd\b|th\b)|o'?clock|noon|midday|midnight"
    r"|today|yesterday|morning|afternoon"
    r"|evening|night|\b(?:mon|tue|wed|thu|fri|sat|sun)(?:s|nes|rs|ur)?(?:day)?\b"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:uary|ruary|ch|il|ust|ember|tember|ober)?\b"
    r"|\b\d\d?\s*(?:-|–|to|and|till|until)\s*\d",
    re.I,
)


@cache
def rule(name: str) -> re.Pattern[str]:
    """The compiled rule of that name; compiling one takes milliseconds, so only those that are tried are compiled."""
    return re.compile(RULES[name], re.I)
