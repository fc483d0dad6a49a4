"""What the numbers of a question can be: amounts with a unit, or something to compare with. The grammar asks.

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
