"""What a question says outright of its answer's form: what its numbers can be, an order, lines. The grammar asks.

Only what no reading could mean is ruled out; which of the rest is meant is the planner's choice.
"""

import re
from collections.abc import Mapping

from edgeslm.ask.lexicon import column_words

_COMPARES = re.compile(
    r"[<>≤≥]|\bat (?:least|most)\b"
    r"|\b(?:than|over|above|below|under|beneath|past|beyond|up ?to|upwards?|between|within|outside|minimum|maximum|min"
    r"|max|excess|until|through|no later|or so|and up|limit|inferior|superior)\b"
    r"|\b(?:more|less|fewer|longer|shorter|greater|higher|lower|bigger|larger|smaller|slower|faster|older|newer|later"
    r"|earlier|worse|better|further|exceed\w*|surpass\w*|reach\w*|topp(?:ed|ing)|hitting|cross(?:es|ed|ing))\b"
    r"|\bfrom \S+ to \S+|\d ?(?:-|to) ?\d|\d\+",
    re.I,
)
COMPARED = re.compile(  # what stands before a number that values are compared with
    r"(?:[<>]=?|\b(?:than|over|above|below|under|exceed(?:s|ed|ing)?|beyond|past|least|most|up to|reach(?:es|ed|ing)?"
    r"|greater or equal to|topp(?:ed|ing)))\s*$",
    re.I,
)
_UNIT = re.compile(r"\s*(?:%|(?:ms|msecs?|millis|milliseconds?|[kmgt]i?b|[kmgt]?bytes?|percent|degrees)\b)", re.I)
_TIME_UNIT = re.compile(r"\s*(?:s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?)\b", re.I)


_ASKED_FOR = re.compile(
    r"(?:^|\b(?:which|what|the|top|first|last|latest|show|list|give|me|name|find|bottom|best|worst|busiest|leading))\s*$",
    re.I,
)
_NOUNS = re.compile(r"\s+(?:[a-z-]+\s+){0,2}?([a-z]+s)\b", re.I)


_ORDERED = re.compile(
    r"\b(?:(?:most|least) (?:common|frequent|often|active|seen|used|numerous)(?:ly)?|commonest"
    r"|highest(?: (?:count|number)s?)?|largest|biggest|busiest|lowest|smallest|worst|fewest|rarest) (?:ones? )?first\b"
    r"|\bfrom (?:most|highest|largest) to (?:least|lowest|smallest)\b|\b(?:in )?descending\b",
    re.I,
)


def asks_for_order(question: str) -> bool:
    """Whether it says in what order a ranking shall come, so that all of it is wanted: `most frequent first`."""
    return _ORDERED.search(question) is not None


_SHOW = r"^\W*(?:(?:please|can you|could you|would you)\s+)*(?:show|print|display|give|list|find|get|fetch)(?: me| us)?"
_LINES = re.compile(
    _SHOW + r"(?: all| every| each)?(?: of)?(?: the)?(?: whole| full| log)* (?:lines?|entries|entry|messages?|records?)"
    r" (?:that|which|where|in which|with|containing|mentioning|whose|about)\b|" + _SHOW + r" where\b",
    re.I,
)
_NO_LINES = re.compile(
    r"\b(?:per|by|each|every|grouped|how (?:many|much|often)|number|counts?|counted|share|percent\w*|average|mean|sum"
    r"|total|first|last|latest|earliest|most|least|fewest|top|\w{3,}est)\b",
    re.I,
)


_WHEN = re.compile(
    r"\b(?:when\w*|ts|times?|dates?|dated|days?|moments?|f[irs]{3}t|fir?ts|last\w*|lat+est|earliest|recent\w*|fresh\w*"
    r"|since|until|till|hours?|minutes?|o'clock|\w*stamp\w*|start\w*|beg[iau]n\w*|end\w*|finish\w*|clock|ago|point|initial\w*"
    r"|final\w*|newest|oldest|instant|onset|early|late\w*|soon\w*|how long|seen)\b",
    re.I,
)


def may_ask_when(question: str) -> bool:
    """Whether any word of it (without its time ranges) could ask for a moment: `when`, `last`, `started`, `ts`."""
    return _WHEN.search(question) is not None


def asks_for_lines(question: str) -> bool:
    """Whether it orders lines to be shown and names no order, number or group of them: `show me the lines that …`."""
    order = _LINES.match(question)
    return order is not None and _NO_LINES.search(question, order.end()) is None


def compares(question: str) -> bool:
    """Whether the question says anything by which a number may be a bound: `more than 5`, `5 or longer`, `> 5`."""
    return _COMPARES.search(question) is not None


def find_measures(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that are a size or a duration, never how many lines or values: `more than 5 seconds`.

    "the 5 seconds with most lines" has none: a count may stand before a word for a time unless it is compared with.
    """
    found = set()
    for handle, ((start, end), _) in numbers.items():
        after = question[end:]
        if _UNIT.match(after) or (_TIME_UNIT.match(after) and COMPARED.search(question[:start])):
            found.add(handle)
    return frozenset(found)


def find_counts(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that say how many values to give, never what a value is: `which 3 process ids`."""
    return frozenset(
        handle
        for handle, ((start, end), _) in numbers.items()
        if _ASKED_FOR.search(question[:start])
        and (after := _NOUNS.match(question[end:]))
        and after[1].casefold() in column_words()
    )
