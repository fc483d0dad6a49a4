"""Words of a question that were found nowhere in the log: a stretch to look for as text, and what to warn of."""

import re
from collections.abc import Collection, Sequence

from edgeslm.ask.candidates import MAX_SHAPES, MAX_VALUES, ValueHandle
from edgeslm.ask.fields import Field
from edgeslm.ask.find_values import EDGES, blank_out, strip_edges
from edgeslm.ask.lexicon import column_stems, content_words, filler_words, stems, stop_words
from edgeslm.ask.rank import RankedShape
from edgeslm.ask.values import LEVEL_WORDS

_GENERIC = set(
    "requests request recently common often codes ids events event logs file times per problem problems".split()
)
_JOINING = set("of the a to in out for on".split())
_GROUPING = set("by per each every".split())  # what follows is what to group by, nothing to look for
_PARTICLES = set("away back down off over up".split())  # of "turned down", "held back"
_LEAST_COVERAGE = 0.35  # share of the question's weight below which the best shape says nothing about its words
_ENOUGH_COVERAGE = 0.6
_SHORTEST = 3  # letters of a stretch


def number_values(
    values: Sequence[ValueHandle], rest: str, ranked: Sequence[RankedShape], coverage: float, named: frozenset[str]
) -> list[ValueHandle]:
    """The first values in the question's order as V1, V2 …, with the words that no shape covers as a guess.

    named: the log's columns and their stems, which are no guess.
    """
    found, open_text = list(values), rest
    for value in values:
        open_text = blank_out(open_text, value.at, "\x00")
    met = {word for one in ranked[:MAX_SHAPES] for word in one.matched} if coverage >= _LEAST_COVERAGE else set()
    if len(values) < MAX_VALUES and (spare := _stretch(open_text, met, coverage, named)):
        found.append(ValueHandle("", rest[spare[0] : spare[1]], {}, spare, True, guess=True))
    found = sorted(found, key=lambda value: value.at)[:MAX_VALUES]
    for number, value in enumerate(found, 1):
        value.handle = f"V{number}"
    return found


def _stretch(text: str, matched: set[str], coverage: float, named: frozenset[str]) -> tuple[int, int] | None:
    """The stretch of content words that no shape covers, when the best shape leaves much of the question open."""
    if coverage >= _ENOUGH_COVERAGE:
        return None
    tokens = [
        (found.start(), found.end(), found.group().casefold().strip(EDGES + "'").removesuffix("'s"))
        for found in re.finditer(r"\S+", text)
    ]

    def is_open(word: str) -> bool:
        if matched and (word in LEVEL_WORDS or word in _PARTICLES):  # "break-in warnings" are break-ins
            return False
        return not matched.issuperset(content_words(word) or [word]) and _says_something(word, named)

    content = [
        number
        for number, (_, _, word) in enumerate(tokens)
        if is_open(word) and (number == 0 or tokens[number - 1][2] not in _GROUPING)
    ]
    if not content:
        return None
    first, last = _longest_run(content, [word in _JOINING for _, _, word in tokens])
    if first > 0 and tokens[first - 1][2] == "out":
        first -= 1
    start, _ = strip_edges(text, tokens[first][0], tokens[first][1])
    _, end = strip_edges(text, tokens[last][0], tokens[last][1])
    return (start, end) if end - start >= _SHORTEST else None


def _longest_run(content: Sequence[int], joins: Sequence[bool]) -> tuple[int, int]:
    """First and last of the longest run of content words between which only joining words stand; the last of equals."""
    first = last = content[0]
    best = (first, last)
    for number in content[1:]:
        if not all(joins[last + 1 : number]):
            first = number
        last = number
        if last - first >= best[1] - best[0]:
            best = (first, last)
    return best


def _says_something(word: str, named: frozenset[str] = frozenset()) -> bool:
    """The word may name something in a log: no word of asking, no column (`named`: stems of the log's own)."""
    if len(word) < 2 or not word[0].isalpha() or word.removesuffix("'s") in stop_words():
        return False
    return (
        word not in named
        and word not in _GENERIC
        and word not in filler_words()
        and (column_stems() | named).isdisjoint(stems(word))
    )


def unmatched_words(
    words: Sequence[str],
    values: Sequence[ValueHandle],
    ranked: Sequence[RankedShape],
    fields: Sequence[Field],
    columns: Collection[str],
) -> tuple[str, ...]:
    """The words that say something and were found nowhere: in no shape, value, level, field or column's name."""
    met = {word for one in ranked for word in one.matched}
    met |= {word for value in values if value.columns or not value.plain for word in content_words(value.text)}
    names = [word for one in fields for word in one.words] + [word for name in columns for word in name.split("_")]
    named = {stem for word in names for stem in stems(word)}
    open_words = (word for word in words if word not in met and _says_something(word))
    return tuple(dict.fromkeys(word for word in open_words if named.isdisjoint(stems(word))))
