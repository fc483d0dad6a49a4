"""How dates, clocks and spans join into a range of time: regular expressions over a question whose atoms are masked.

Data for times.py, which gives each rule's match a meaning. See time_atoms.py for the masks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from edgeslm.ask.time_atoms import AGO, CLOCK, DATE, FILL, LENGTH, PART, RECENT
from edgeslm.ask.time_words import LAST, MONTH, MONTHS

_D = rf"(?:the\s+)?{DATE}{FILL}*+"
_C, _A, _N, _R, _P = (f"{sign}{FILL}*+" for sign in (CLOCK, AGO, LENGTH, RECENT, PART))
_STAMP = rf"{_D}[\sT,]+(?:at\s+)?{_C}|{_C}\s*,?\s*(?:on\s+|of\s+)?{_D}"
_M = rf"(?:{_STAMP}|{_D}|{_C}|{_A})"
_UNIT = r"(?:second|minute|hour|day|week)"
_WHEN = r"(?:\b(?:on|for|during|of|from|at|in|to|this|last|throughout|within)\s+)?(?:(?:this|last)\s+)?"
_END = r"(?=\s*(?:[-,.;:?!)\x00]|$|(?:only|and|but|or|by|in|of|for|with|were|was|are|is)\b))"
_PRE = (
    rf"(?:{_WHEN}(?P<d0>{_D})\s*,?\s*(?:(?:(?:in|during|over)\s+(?:the\s+)?(?:(?:time|window|period|interval|range)\s+)?"
    r"|at\s+any\s+time|any\s?time|sometime|only|at)\s*)?)?"
)
_POST = rf"(?:\s*,?\s*(?:on|of)\s+(?P<d9>{_D}))?"
_ONWARDS = (
    rf"(?:\s*,?\s*(?P<on>onwards?|and\s+(?:later|after|onwards?){_END}|or\s+later|on{_END}"
    r"|(?:un)?til(?:l)?\s+now|(?:up\s+)?to\s+now))?"
)
_JOIN = r"\s*(?:to|till|until|through|thru|-|–|—|\.\.\.?|…|up\s+to|up\s+until)\s*"
_AND = rf"(?:{_JOIN}|\s*(?:and|&)\s*)"
_WINDOW = r"(?:in|during|over|for)\s+the\s+(?:time|window|period|interval|range|span)"
_LEAD = rf"\b(?:(?:in\s+)?between(?:\s+the\s+(?:times|hours|dates))?|from|within|{_WINDOW}\s+(?:between|from))"
_OPEN = (
    rf"(?:\b(?:{_WINDOW}(?:\s+of)?|between|from|since|after|starting(?:\s+(?:at|from))?|beginning(?:\s+at)?"
    r"|during|within|in|over|time)\s+)?"
)
_NOT = r"(?:not|no|never|nothing)"
# How a bound is written. Strict ones leave a day out that is named without a clock.
LATER = r"after|later\s+than|past|following|subsequent\s+to|newer\s+than|more\s+recent\s+than|(?<![-=])>(?!=)"
SINCE = (
    rf"(?:ever\s+)?since|from|(?:starting|beginning)(?:\s+(?:at|from|on|with))?|as\s+(?:of|from)|(?:on|at)\s+or\s+after"
    rf"|{_NOT}\s+(?:before|earlier\s+than|prior\s+to|sooner\s+than|older\s+than)|>=|=>|≥"
)
EARLIER = r"before(?:\s+it\s+was)?|prior\s+to|earlier\s+than|older\s+than|ahead\s+of|preceding|<(?![=-])"
UNTIL = (
    r"up\s+to\s+and\s+including|(?:from\s+the\s+(?:start|beginning)\s+)?(?:until|till|up\s+to|up\s+until)|from\s+the\s+(?:start|beginning)\s+to"
    rf"|by|leading\s+up\s+to|(?:on|at)\s+or\s+before|ending(?:\s+(?:at|by|on|with))?"
    rf"|{_NOT}\s+(?:after|later\s+than|past)|<=|=<|≤"
)
_BOUND = rf"(?:(?<!\w)(?:{SINCE}|{UNTIL}|{LATER}|{EARLIER})(?!\w))"
_AT = (
    r"(?:at|(?:in|during)\s+(?:the\s+)?minute(?:\s+of)?|around|about|during)(?:\s+(?:exactly|precisely|about|around))?"
)
_SIDE = (
    r"(?P<side>after|following|from|starting(?:\s+(?:at|from))?|beginning(?:\s+(?:at|from))?|since|of|around|before"
    r"|preceding|prior\s+to|up\s+to|until|leading\s+up\s+to)"
)
_WHOLE = r"of\s+(?:the\s+|this\s+)?(?:whole\s+|entire\s+)?(?:log|file|recording|capture|trace)s?(?:\s*file)?\b"


@dataclass(frozen=True)
class Rule:
    """A way to write a range. needs: signs of atoms, or words, one of which it can't do without."""

    pattern: str
    needs: Sequence[str]


# Tried in this order; what a rule has taken, later ones do not see. Groups: m1, m2 moments, d0, d9 days, n a span.
RULES: dict[str, Rule] = {
    "between": Rule(rf"{_PRE}{_LEAD}\s+(?P<m1>{_M}){_AND}(?P<m2>{_M})", DATE + CLOCK + AGO),
    "days": Rule(
        rf"(?:{_LEAD}\s+(?P<m1>{_D}){_AND}|{_WHEN}(?P<m2>{_D}){_JOIN})(?:the\s+)?(?P<last>\d\d?)(?:st|nd|rd|th)?"
        rf"(?![\w:-]){_END}"
        rf"|{_LEAD}\s+(?:the\s+)?(?P<first>\d\d?)(?:st|nd|rd|th)?{_AND}(?P<m3>{_D})"
        rf"|{_WHEN}(?<![\w.:-])(?P<first2>\d\d?)(?:st|nd|rd|th)?{_JOIN}(?P<m4>{_D})",
        DATE,
    ),
    "to": Rule(rf"{_PRE}{_OPEN}(?P<m1>{_M}){_JOIN}(?P<m2>{_M})", DATE + CLOCK + AGO),
    "both": Rule(
        rf"{_PRE}(?P<op1>{_BOUND})\s*(?P<m1>{_M})\s*,?\s*(?:(?:and|but)\s+)?(?P<op2>{_BOUND})\s*(?P<m2>{_M}){_POST}",
        DATE + CLOCK + AGO,
    ),
    "later": Rule(rf"\bbetween\s+(?P<m1>{_M})\s+and\s+(?P<n>{_N})\s+(?:later|after)\b", LENGTH),
    "plus": Rule(
        rf"{_PRE}(?:\b(?:from|starting(?:\s+(?:at|from))?|beginning(?:\s+at)?|at|after|since)\s+)?(?P<m1>{_M})\s*,?\s*"
        r"(?:(?:and\s+)?for|plus|\+|and(?=\s+(?:the\s+)?(?:next|following)))\s*(?:the\s+)?(?:(?:next|following)\s+)?"
        rf"(?P<n>{_N})",
        LENGTH,
    ),
    "beside": Rule(
        rf"{_PRE}(?<!per )(?<!each )(?<!every )(?:\b(?P<lead>in|during|within|for|over)\s+)?(?:(?P<the>the|an?)\s+)?"
        rf"(?:(?P<order>first|next|last|final)\s+)?(?:(?P<n>{_N})|(?<!\w)(?P<unit>{_UNIT}))\s+{_SIDE}\s+(?P<m1>{_M})",
        DATE + CLOCK + AGO,
    ),
    "named_hour": Rule(rf"{_PRE}\b(?:in|during|for|within)\s+the\s+(?P<m1>{_C})\s+hour\b", CLOCK),
    "day": Rule(
        rf"\bon\s+the\s+(?P<which>previous|preceding|prior|last|final|first)\s+day\b(?:\s+{_WHOLE})?(?!\s+of\b)",
        (" day",),
    ),
    "far": Rule(
        rf"\b(?<!not )(?<!no )(?:(?:(?:more|longer|earlier)\s+than|over|before)\s+(?P<m1>{_A})"
        rf"|(?:older|earlier)\s+than\s+(?P<n>{_N})|more\s+than\s+(?P<n2>{_N})\s+old\b)",
        LENGTH + AGO,
    ),
    "ago": Rule(
        r"(?:\b(?P<op>since|from|after|starting|beginning|up\s+to|at\s+most|going|(?:no|not)\s+more\s+than|less\s+than"
        rf"|within|under)\s+)?(?P<m1>{_A}){_ONWARDS}",
        AGO,
    ),
    "recent": Rule(
        r"(?:\b(?:in|over|during|within|for|from|since|throughout|across)\s+)?(?:(?:the|these|this|our)\s+)?"
        rf"(?:(?P<n>{_R})|\b{LAST}\s+(?:one\s+)?(?:(?P<n2>{_N})|(?P<unit>{_UNIT}|[smhdw])\b"
        rf"(?P<half>\s+and\s+a\s+half\b)?))(?:\s+(?P<log>{_WHOLE}))?"
        rf"(?P<other>\s+of\s+(?:(?:the|each|every|that)\s+)?(?:day|week|month|year|hour|session|run|{MONTH}|{DATE})"
        r"|\s+(?:before|after|preceding|prior\s+to|leading\s+up\s+to|following)\s+(?:the|it|its|that|a|an)\b)?",
        ("last", "past", "prev", "latest", "preceding", "most recent", "final", RECENT),
    ),
    "young": Rule(
        r"\b(?P<word>(?:going|looking|dating|reaching)\s+back|(?:not|no)\s+(?:older|earlier)\s+than"
        r"|(?:newer|younger|more\s+recent|less)\s+than|under|since|within)\s+(?:the\s+)?"
        rf"(?P<n>{_N})(?P<old>\s+old\b)?",
        LENGTH,
    ),
    "opening": Rule(
        rf"(?:\b(?P<lead>in|during|within|for|over)\s+)?\b(?:the\s+)?(?:very\s+)?(?:first|opening|initial)\s+"
        rf"(?:(?P<n>{_N})|(?P<unit>{_UNIT})\b)(?P<log>\s+{_WHOLE})?"
        r"(?!\s+(?:of|after|from|following|since|when|where|that|which|with|containing|having|by|ranked|sorted|in)\b)",
        ("first", "opening", "initial"),
    ),
    "this": Rule(
        r"(?:\b(?:in|during|for|within|of|on|from)\s+)?(?:\bthis\s+(?P<unit>minute|hour|week|month)"
        r"|\bthe\s+current\s+(?P<unit2>minute|hour|day|week|month))\b",
        ("this", "current"),
    ),
    "night": Rule(r"(?:\b(?P<op>since|during|from|in)\s+)?\b(?P<which>last\s+night|tonight)\b", ("night",)),
    "part_bound": Rule(
        rf"(?<!\w)(?P<op>since|after|before|until|till|up\s+to|by|prior\s+to)\s+"
        rf"(?:(?P<d0>{_D})\s*|this\s+|the\s+)(?P<part>{_P})",
        PART,
    ),
    "date_part": Rule(
        rf"{_WHEN}(?P<d0>{_D})\s*,?\s*(?:(?:in|during|over)\s+the|at|in|during)?\s*(?P<part>{_P})"
        rf"|(?:\b(?:in|during|over|on)\s+)?(?:the\s+)?(?P<part2>{_P})\s+(?:of|on)\s+(?P<d9>{_D})",
        PART,
    ),
    "trailing": Rule(
        rf"{_PRE}(?:\b(?:at|from|on)\s+)?(?P<m1>{_M})\s*,?\s*(?:(?P<on>onwards?|(?:or|and)\s+later|(?:or|and)\s+after{_END}"
        rf"|and\s+onwards?)|(?P<off>(?:or|and)\s+earlier|(?:or|and)\s+before{_END}))(?!\w){_POST}",
        DATE + CLOCK,
    ),
    "bound": Rule(
        rf"{_PRE}(?P<op>{_BOUND})\s*(?:(?:this|last)\s+(?=[{CLOCK}{DATE}]))?(?P<m1>{_M}){_ONWARDS}{_POST}",
        DATE + CLOCK + AGO,
    ),
    "stamp": Rule(rf"(?<!\w)(?:(?:{_AT}|on|for)\s+)?(?P<m1>{_STAMP})", DATE),
    "clock": Rule(rf"{_PRE}\b{_AT}\s+(?P<m1>{_C})", CLOCK),
    "date_alone": Rule(rf"(?P<lead>{_WHEN})(?P<m1>{_D})(?![\w{FILL}])", DATE),
    "part": Rule(
        rf"\b(?P<lead>in\s+the|during\s+the|over\s+the|through\s+the|at|by|this)\s+(?P<part>{_P})"
        rf"|(?:\b(?:in|during|at)\s+(?:the\s+)?)?(?P<part2>{_P}){_END}",
        PART,
    ),
    "month": Rule(
        rf"\b(?P<lead>in|during|throughout|since)\s+(?:the\s+month\s+of\s+)?(?P<month>{MONTH})(?:,?\s+(?P<year>\d{{4}})\b)?"
        r"(?!\s*[\d-])",
        MONTHS,
    ),
}


@cache
def rule(name: str) -> re.Pattern[str]:
    """The compiled rule of that name; compiling one takes a moment, so only those that are tried are compiled."""
    return re.compile(RULES[name].pattern, re.I)
