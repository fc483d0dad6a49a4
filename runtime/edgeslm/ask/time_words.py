"""How people write dates, clocks, spans and parts of the day: the words, and one regular expression of these atoms.

Data for time_atoms.py, which gives the atoms a meaning; how they join into a range is in time_rules.py.
"""

import re
from functools import cache

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "mon tue wed thu fri sat sun".split()
UNITS = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "mn": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600,
    "d": 86400, "day": 86400, "w": 604800, "week": 604800, "month": 2592000,
}  # fmt: skip
NUMBERS: dict[str, float] = {
    word: number
    for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
} | {
    "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "sixty": 60, "ninety": 90,
    "a": 1, "an": 1, "couple": 2, "couple of": 2, "a couple": 2, "a couple of": 2, "few": 3, "a few": 3,
    "half": 0.5, "half a": 0.5, "half an": 0.5, "a half": 0.5, "quarter of an": 0.25, "a quarter of an": 0.25,
}  # fmt: skip
PARTS = {
    "morning": (6, 12), "early morning": (5, 8), "late morning": (9, 12), "forenoon": (6, 12),
    "afternoon": (12, 18), "early afternoon": (12, 15), "late afternoon": (15, 18),
    "evening": (18, 24), "early evening": (18, 21), "late evening": (21, 24), "night": (0, 6), "overnight": (0, 6),
}  # fmt: skip

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
UNIT = r"(?:seconds?|secs?|s|minutes?|mins?|mn|m|hours?|hrs?|h|days?|d|weeks?|w|months?)\b"
LAST = r"(?:last|past|previous|prev|latest|preceding|most recent|final)"
_COUNT = (
    r"(?:\d+(?:\.\d+)?|(?:" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + r")(?=[\s-]))(?:\s+and\s+a\s+half\b)?"
)
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+)?"
_JOIN = r"\s*(?:and|to|till|until|through|-|–)\s*"
_MARK = r"am|pm|a\.m\.|p\.m\."
# An ordinal or a short weekday is a date only where no noun follows: not "the 2nd attempt", "the mon daemon".
_NO_NOUN = (
    r"(?=\s*(?:[^\w\s]|$)|\s+(?:\d|(?:a[nt]|any|and|are|as|after|before|between|by|during|earlier|for|from|had|has|in|is"
    r"|later|midnight|noon|of|on|onwards?|only|or|past|prior|since|starting|till?|to|through|until|up|was|were|with"
    r"|morning|afternoon|evening|night)\b))"
)
# The alternatives are tried in this order; `pair` are the hours of "between 3 and 5 pm" and "3-5pm".
_ATOM = (
    rf"(?:\b(?:between|from)\s+(?P<pair1>\d\d?){_JOIN}|(?<![\w.:-])(?P<pair3>\d\d?)\s*[-–]\s*)"
    rf"(?P<pair2>\d\d?)\s*(?P<pair>{_MARK}|h\b|o'?clock)(?![\w:-])"
    r"|(?P<date>(?<![\w./-])(?P<iso>\d{4}[-/]\d\d?[-/]\d\d?)(?![/-]|(?!t\d)\w|\.\w)"
    rf"|\b{_WEEKDAY}(?P<month>{MONTH})\.?\s+(?:the\s+)?(?P<mday>\d\d?)(?:st|nd|rd|th)?(?![\d:]|\.\d)(?!\w)"
    r"(?:,?\s+(?P<myear>\d{4})\b)?"
    rf"|(?:(?<![\w.:-])|(?<=\b\d-)|(?<=\b\d\d-))(?P<dday>\d\d?)(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<dmonth>{MONTH})(?:,?\s+(?P<dyear>\d{{4}})\b)?"
    r"|\b(?P<today>today|yesterday)\b"
    rf"|\b(?P<wday>(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|(?:mon|tues?|weds?|thu|thurs?|fri|sat|sun)\b"
    rf"(?:{_NO_NOUN}|(?=,?\s+(?:the\s+)?\d\d?(?:st|nd|rd|th))))(?:,?\s+(?:the\s+)?(?P<wnum>\d\d?)(?:st|nd|rd|th))?"
    rf"|\b(?P<only>\d\d?)(?:st|nd|rd|th){_NO_NOUN})"
    r"|(?P<clock>(?:(?<![\w:])(?<!\w\.)|(?<=\dt))(?P<hh>\d\d?)[:h](?P<mm>\d\d)(?::(?P<ss>\d\d)(?:[.,]\d+)?)?"
    rf"(?:\s*(?P<apm>{_MARK})(?!\w)|z|\s?(?:hrs|hours|h|uhr|o'?clock|utc|gmt)(?!\w))?(?![\w:])(?!\.\d)"
    rf"|(?:(?<![\w.:-])|(?<=[ap]m-))(?P<h12>\d\d?)\s*(?:o'?clock\s*)?(?P<ap>(?:{_MARK})(?!\w)"
    r"|(?:in the morning|in the afternoon|in the evening|at night)\b)"
    r"|(?<![\w.:-])(?P<hc>\d\d?)\s*o'?clock\b"
    r"|\b(?P<word>noon|midday|midnight)\b)"
    rf"|(?P<span>(?:(?P<minus>(?<![^\s(])-)|(?<![\w.:-]))(?P<n>{_COUNT})[\s-]*"
    rf"(?P<last>(?:last|past|previous|latest|final|most recent)\s+)?(?:(?:full|whole)\s+)?(?P<u>{UNIT})"
    r"(?P<half>\s+and\s+a\s+half\b)?(?P<ago>\s+(?:ago|back)\b)?)"
    r"|(?P<part>\b(?:(?:(?:early|late)\s+)?(?:morning|afternoon|evening)|forenoon|overnight|(?<!last )night))s?\b"
    r"|(?P<now>\bnow\b)"
)


@cache
def atom_pattern() -> re.Pattern[str]:
    """The expression of every atom; compiled where a question may name a time, since that takes milliseconds."""
    return re.compile(_ATOM, re.I)
