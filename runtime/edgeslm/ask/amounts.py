"""What a question says outright of numbers: what its own can be, and which amount, share or aggregate it asks for."""

import re
from collections.abc import Mapping, Sequence

from edgeslm.ask.lexicon import column_words
from edgeslm.ask.measures import is_unit
from edgeslm.ask.outright import asks_how_many
from edgeslm.ask.phrases import HIGH, LOW, MEANS, OPENING, SHARES, SPEEDS, words_of

COMPARED = re.compile(  # what stands before a number that values are compared with
    r"(?:[<>]=?|\b(?:than|over|above|below|under|exceed(?:s|ed|ing)?|beyond|past|least|most|up to|reach(?:es|ed|ing)?"
    r"|greater or equal to|topp(?:ed|ing)))\s*$",
    re.I,
)
_COMPARING = frozenset(
    "than over above below under beneath past beyond upto upward upwards between within outside minimum maximum min max"
    " excess until through limit inferior superior more less fewer longer shorter greater higher lower bigger larger"
    " smaller slower faster older newer later earlier worse better further topped topping hitting crosses crossed"
    " crossing".split()
)
_COMPARING_STARTS = ("exceed", "surpass", "reach")
_COMPARES = re.compile(r"[<>≤≥]|\b(?:at (?:least|most)|up to|and up|or so|from \S+ to)\b|\d ?(?:-|to) ?\d|\d\+", re.I)
_UNIT = r"\s*(?:%|(?:ms|msecs?|millis|milliseconds?|[kmgt]i?b|[kmgt]?bytes?|percent|degrees)\b)"
_TIME_UNIT = r"\s*(?:s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?)\b"
_ASKED_FOR = (
    r"(?:^|\b(?:which|what|the|top|first|last|latest|show|list|give|me|name|find|bottom|best|worst|busiest"
    r"|leading))\s*$"
)
_NOUNS = r"\s+(?:[a-z-]+\s+){0,2}?([a-z]+s)\b"
_SEVERER = frozenset(
    "up upwards anything severe severer severest severity serious problem problems problematic trouble"
    " troubles bad wrong important urgent issue issues alarming plus".split()
)
_SHARE_OF = (  # the whole, and the verb or preposition that the share comes after
    r"\b(?:percentage|percent|share|fraction|proportion|pct|portion) of "
    r"((?:(?!\b(?:percentage|percent|share)\b).)*?(\b(?:is|are|was|were|comes?|came|has|have|had|says?|said|concerns?"
    r"|that|which|from|about|ends?|ended|goes|went|belongs?|contains?|mentions?|hits?|fails?|failed with|took|takes"
    r"|does|do|did|due)\b).*)"
)
_ALL_LINES = frozenset(
    "a all the of in this these our my its whole entire complete total log logs file line lines entry entries message"
    " messages record records event events everything it and".split()
)
_BY_AMOUNT = (
    r"\bby (?:the |their )?(?:total|sum|summed|average|avg|mean|median|combined|maximum|minimum|max|min)\b"
    r" (?!(?:number|count|lines|messages|errors|entries)\b)"
    r"|\b(?:most|fewest|least) (?:bytes|[kmgt]i?b|(?:kilo|mega|giga)bytes)\b"
)
_HOW_MUCH = OPENING + r"how (?:many|much) (\w+)"
_IN_ALL = r"\b(?:in (?:all|total|sum)|altogether|all together|add(?:ed)? (?:them |it )?(?:all )?up|sum of|total of)\b"
_TO_MEAN = r"\b(?:(?:i|we|you|they)|do(?:es)? (?:it|that|this))\s+mean\b"  # what is said, not what is reckoned
_PERCENT = frozenset("percentages percents perc percentual ratio ratios rate rates often likely part many much".split())
_SHARE_SAID = (
    r"\b(?:share|portion|fraction|proportion)s?\b(?! [a-z]+s\b)"
    r"|\b(?:share|portion|fraction|proportion)s? (?:is|was|has|does)\b"
)
_SHARE_ASKED = OPENING + r"(?:what(?:'s| is| was)? )?(?:the )?(?:percentage|percent|pct|proportion|fraction|share) of\b"


def compares(question: str) -> bool:
    """Whether the question says anything by which a number may be a bound: `more than 5`, `5 or longer`, `> 5`."""
    words = words_of(question)
    return (
        not _COMPARING.isdisjoint(words)
        or any(word.startswith(_COMPARING_STARTS) for word in words)
        or _COMPARES.search(question) is not None
    )


def find_measures(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that are a size or a duration, never how many lines or values: `more than 5 seconds`.

    "the 5 seconds with most lines" has none: a count may stand before a word for a time unless it is compared with.
    """
    found = set()
    for handle, ((start, end), _) in numbers.items():
        after = question[end:]
        timed = re.match(_TIME_UNIT, after, re.I) and COMPARED.search(question[:start])
        if timed or re.match(_UNIT, after, re.I):
            found.add(handle)
    return frozenset(found)


def find_counts(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that say how many values to give, never what a value is: `which 3 process ids`."""
    return frozenset(
        handle
        for handle, ((start, end), _) in numbers.items()
        if (after := re.match(_NOUNS, question[end:], re.I))
        and after[1].casefold() in column_words()
        and re.search(_ASKED_FOR, question[:start], re.I)
    )


def asks_for_more_severe(question: str) -> bool:
    """Whether a level may be meant with those above it: `errors or worse`, `severe problems`."""
    return compares(question) or not _SEVERER.isdisjoint(words_of(question))


def asks_for_share_of_some(question: str) -> bool:
    """Whether it asks for a share of some lines only: `what percentage of the failed logins came from …`.

    Of a "percentage of errors" without a verb the errors are the share, and all lines the whole.
    """
    found = re.search(_SHARE_OF, question, re.I) if not SHARES.isdisjoint(words_of(question)) else None
    if found is None:
        return False
    whole, _, part = found[1].partition(found[2])
    said = [word for word in words_of(whole) if word not in _ALL_LINES]
    return bool(said) and bool(part.strip())


def asks_for_amount(question: str) -> str:
    """The unit of which it asks how much there is, so for no number of lines: of `how many bytes were sent`."""
    found = re.match(_HOW_MUCH, question, re.I)
    return found[1] if found is not None and is_unit(found[1]) and found[1].casefold() not in SHARES else ""


def ranks_by_amount(question: str) -> bool:
    """Whether what it ranks by is a sum or an average, no number of lines: `by total bytes`, `the most bytes`."""
    return re.search(_BY_AMOUNT, question, re.I) is not None


def find_aggregates(question: str, every: Sequence[str]) -> tuple[str, ...]:
    """Those of the aggregates that it may ask for: for `average` no other; for `longest` no minimum."""
    words = set(words_of(re.sub(_TO_MEAN, " ", question, flags=re.I)))
    means, median = not MEANS.isdisjoint(words), "median" in words
    high, low = not HIGH.isdisjoint(words), not LOW.isdisjoint(words)
    if (means or median) and not high and not low:
        return tuple(one for one in every if (one == "avg" and means) or (one == "median" and median))
    if asks_how_many(question):
        every = [one for one in every if one not in ("avg", "median")]
    if "sum" in every and not high and not low and ranks_by_amount(question):
        return ("sum",)
    if "sum" in every and not high and not low and re.search(_IN_ALL, question, re.I):
        return ("sum",)
    if not words.isdisjoint(SPEEDS) or high == low:
        return tuple(every)
    return tuple(one for one in every if one != ("min" if high else "max"))


def may_ask_for_share(question: str) -> bool:
    """Whether any word of it could ask for a share in percent; `share connects` does not."""
    words = set(words_of(question))
    other = words & (SHARES - {"share", "portion", "fraction", "proportion"} | _PERCENT)
    return (
        bool(other)
        or re.search(r"%|\S / \S", question) is not None
        or re.search(_SHARE_SAID, question, re.I) is not None
    )


def asks_for_share(question: str) -> bool:
    """Whether it asks outright for a share of lines in percent: `what percentage of`, `pct of`."""
    grouped = not {"per", "by", "each", "every"}.isdisjoint(words_of(question))
    return not grouped and re.match(_SHARE_ASKED, question, re.I) is not None


def find_bounds(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that something is compared with: `more than ten`."""
    return frozenset(
        handle
        for handle, ((start, end), _) in numbers.items()
        if COMPARED.search(question[:start]) and not re.match(_TIME_UNIT, question[end:], re.I)
    )
