"""Ranks a log's message shapes for a question. The lexical ranker stands where the sentence encoder will.

A ranker proposes; which shape a question means is the planner's choice. Knows nothing of SQL or handles.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

from edgeslm.ask.lexicon import column_stems, stems, synonyms
from edgeslm.ask.profile import Profile
from edgeslm.ask.shapes import Shape
from edgeslm.ask.typos import nearest

SYNONYM, PREFIX, TYPO, COLUMN, LIGHT = 0.5, 0.65, 0.8, 0.4, 0.3
PARTICLES = frozenset({"off", "down", "out"})  # the ones that turn a verb round; `on`, `up` and `in` say less
PARTICLE = 0.2  # what each of them is worth
TRACE = 2.0  # taken off a line of a stack trace when the question asks for none
CAPITALS = 1.5  # for each word in capitals of the question that a message has in capitals
SAME = 0.1  # for each word that a message has in the question's own form: connect, not connection
NEGATION = 0.35  # taken off a message that says `no` or `not` when the question does not


@dataclass(frozen=True)
class RankedShape:
    """A shape, its score, and which of its stems the question's words met: {question word: shape stem}."""

    shape: Shape
    score: float
    matched: dict[str, str]
    coverage: float
    exact: frozenset[str] = frozenset()


class ShapeRanker(Protocol):
    """What the planner needs of a ranker: shapes in falling order of fitness for the content words of a question."""

    def rank(
        self,
        words: Sequence[str],
        profile: Profile,
        bonus: dict[int, float],
        light: set[str],
        *,
        negative: bool = False,
        particles: frozenset[str] = frozenset(),
        capitals: frozenset[str] = frozenset(),
    ) -> list[RankedShape]: ...


class LexicalRanker:
    """Ranks by shared stems, weighted by rarity in the log, with synonyms, prefixes and typos at a discount."""

    def rank(
        self,
        words: Sequence[str],
        profile: Profile,
        bonus: dict[int, float],
        light: set[str],
        *,
        negative: bool = False,
        particles: frozenset[str] = frozenset(),
        capitals: frozenset[str] = frozenset(),
    ) -> list[RankedShape]:
        """words: the question's content words. bonus: id(shape) -> extra score, from values found in its slots.

        light: words that already stand for a value of a column and count for little here.
        negative: the question says `no` or `not`; otherwise messages that do are put back a little. particles: those of
        PARTICLES that it says: a message that says another one is put back, one that says the same is preferred.
        capitals: what it writes in capitals, which says more of a message that does so too.
        """
        frequency, total = profile.stem_frequency, max(1, len(profile.shapes))
        known = tuple(frequency)
        named = own_columns(profile)
        options: list[tuple[str, list[tuple[str, float]], float]] = []
        for word in dict.fromkeys(words):
            near = _near_stems(word, known)
            if not near:
                options.append((word, [], math.log(total + 1)))
                continue
            best = min(frequency[stem] for stem, quality in near if quality == max(q for _, q in near))
            rarity = math.log((total + 1) / (best + 0.5)) + 0.3
            if any(stem in column_stems() or stem in named for stem in stems(word)):
                rarity *= COLUMN
            if word in light:
                rarity *= LIGHT
            options.append((word, near, rarity))
        asks_negative = negative or not NEGATIONS.isdisjoint(
            stem for word in words for own in stems(word) for stem in (own, *synonyms(own))
        )
        asks_trace = not _TRACES.isdisjoint(words)
        names = {word for word in words if word in light or _names_column(word, profile, named)}
        whole = sum(rarity for _, _, rarity in options) or 1.0
        ranked = []
        for shape in profile.shapes:
            score, matched, exact = 0.0, {}, set()
            for word, near, rarity in options:
                hit = max(((quality, stem) for stem, quality in near if stem in shape.stem_words), default=None)
                if hit is None and word in names and _holds(shape, word):
                    score += rarity * PREFIX
                elif hit:
                    score += rarity * hit[0] + (SAME if word in shape.words else 0.0)
                    matched[word] = hit[1]
                    if hit[0] >= PREFIX:
                        exact.add(word)
            score += 0.25 * _adjacent(list(matched.values()), shape)
            extra = bonus.get(id(shape), 0.0)
            score += CAPITALS * sum(any(_has_word(part, name) for part in shape.literals()) for name in capitals)
            if extra <= 0 and not any(word not in names for word in matched):
                continue
            coverage = score / whole
            if not asks_negative and not NEGATIONS.isdisjoint(shape.stem_words):
                score -= NEGATION
            own = _particles(shape)
            score += PARTICLE * (len(own & particles) - len(own - particles))
            if not asks_trace and _TRACE.match(shape.example):
                score -= TRACE
            score += extra + 0.03 * math.log(1 + shape.count) - 0.004 * sum(len(part) for part in shape.literals()) / 8
            ranked.append(RankedShape(shape, score, matched, coverage, frozenset(exact)))
        return sorted(ranked, key=lambda one: -one.score)


NEGATIONS = frozenset(stem for word in ("no", "not", "cannot", "without", "never") for stem in stems(word))
_TRACE = re.compile(r"\s*(?:at [\w.$/<>@-]+\(|\.\.\. \d+ (?:more|common)|File \"[^\"]+\", line \d+)")
_TRACES = frozenset("trace traces stack stacktrace stacktraces frame frames backtrace traceback called".split())
COLUMN_OF = {
    "ip": "ip", "address": "ip", "user": "user", "usernam": "user", "host": "host", "hostnam": "host",
    "machin": "host", "server": "host", "port": "port", "process": "app", "program": "app", "pid": "pid",
    "compon": "component", "class": "component", "level": "level", "status": "status", "path": "path", "url": "path",
    "thread": "thread", "method": "method", "servic": "app", "node": "host",
}  # fmt: skip


def _holds(shape: Shape, word: str) -> bool:
    """The shape has a slot of the kind that the word names a column by: an address."""
    kinds = {COLUMN_OF.get(stem) for stem in stems(word)}
    return any(slot.kind in kinds for slot in shape.slots)


def _has_word(text: str, word: str) -> bool:
    return word in text and re.search(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", text) is not None


def _particles(shape: Shape) -> frozenset[str]:
    """Those that are words of their own in the shape's texts: `SCREEN_OFF`, not `timeout`."""
    places = ((particle, shape.stem_words.get(particle, ())) for particle in PARTICLES)
    return frozenset(one for one, found in places if any(end - start == len(one) for _, start, end in found))


def own_columns(profile: Profile) -> frozenset[str]:
    """The stems of the columns' names that are one word."""
    return frozenset(stem for column in profile.columns if "_" not in column.name for stem in stems(column.name))


def _names_column(word: str, profile: Profile, own: frozenset[str]) -> bool:
    """The word names a column that the log has, so that meeting it in a message says little."""
    return any(stem in own or profile.column(COLUMN_OF.get(stem, "")) is not None for stem in stems(word))


@lru_cache(maxsize=4096)
def _near_stems(word: str, known: tuple[str, ...]) -> list[tuple[str, float]]:
    """The log's stems a word may stand for, with the quality of the match."""
    table = set(known)
    near: dict[str, float] = {}
    for stem in stems(word):
        if stem in table:
            near[stem] = 1.0
        for other in synonyms(stem):
            if other in table:
                near[other] = max(near.get(other, 0), SYNONYM)
        if len(stem) >= 4:
            for other in known:
                if other == stem or len(other) < 4:
                    continue
                again = other == f"re{stem}" or stem == f"re{other}"
                if again or other.startswith(stem) or stem.startswith(other):
                    near[other] = max(near.get(other, 0), PREFIX)
    if not any(quality >= PREFIX for quality in near.values()) and len(word) >= 5 and word.isalpha():
        for other in nearest(stems(word)[0], known, least=84, most=2):
            if len(other) >= 4:
                near[other] = max(near.get(other, 0), TYPO)
    return sorted(near.items(), key=lambda pair: -pair[1])


def _adjacent(stems_in_order: list[str], shape: Shape) -> int:
    """How many neighbouring question words also stand next to each other in the shape."""
    pairs = 0
    for left, right in pairwise(stems_in_order):
        for part, _, end in shape.stem_words.get(left, ()):
            if any(part == other and 0 <= start - end <= 3 for other, start, _ in shape.stem_words.get(right, ())):
                pairs += 1
                break
    return pairs
