"""From ranked shapes to patterns: the stretch of constant text that a question is about, and which shapes share it.

"failed passwords" over `Failed password for <user> …` and `Failed password for invalid user <user> …` gives one
pattern, `Failed password`, that both share. Knows nothing of handles or SQL.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgeslm.ask.lexicon import column_stems, locate_words, stems, stop_words
from edgeslm.ask.profile import Profile
from edgeslm.ask.rank import RankedShape
from edgeslm.ask.shapes import Shape
from edgeslm.ask.values import LEVEL_WORDS

LONG_WORD = 10  # characters of a word that stands for itself: getaddrinfo
LONGEST_PIECE = 48
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
_TRIM = " \t,;:.!-–=([{<'\""


@dataclass(frozen=True)
class Fragment:
    """Literal pieces to look for in order, the shape to show for it, how many sampled messages hold it, its score."""

    pieces: tuple[str, ...]
    shape: Shape
    count: int
    score: float
    members: frozenset[int]
    window: tuple[int, int]  # part of the shape the first piece is in, and its start there

    def matches(self, message: str) -> bool:
        at = 0
        for piece in self.pieces:
            at = message.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        return True


def choose_fragments(
    ranked: Sequence[RankedShape],
    profile: Profile,
    most: int,
    question_stems: frozenset[str] = frozenset(),
    held: Mapping[int, int] = MappingProxyType({}),
    verbatim: Sequence[str] = (),
    nouns: frozenset[str] = frozenset(),
) -> list[Fragment]:
    """At most `most` patterns for the best-ranked shapes, without two that select the same messages.

    question_stems: of all words of the question; a pattern grows over neighbours that are among them ("time out").
    held: id(shape) -> the part of it that holds a value of the question; a shape that no word met is known by what
    stands before that. verbatim: names of the question (`status=bounced`) that constant texts hold as they are: where
    one stands, it is what the question is about. nouns: the stems of what is asked for, where a column or field has
    that name: a pattern is not narrowed by them.
    """
    chosen: list[Fragment] = []
    floor = ranked[0].score * 0.3 if ranked else 0.0
    for one in ranked[:14]:
        if len(chosen) >= most or one.score < floor:
            break
        fragment = _fragment(one, profile, question_stems, held.get(id(one.shape)), verbatim, nouns)
        if fragment is None or any(other.members == fragment.members for other in chosen):
            continue
        chosen.append(fragment)
    return chosen


def _fragment(
    one: RankedShape,
    profile: Profile,
    known: frozenset[str],
    held: int | None,
    verbatim: Sequence[str],
    nouns: frozenset[str],
) -> Fragment | None:
    named = _verbatim(one.shape, verbatim)
    places = [(word, place) for word, stem in one.matched.items() for place in one.shape.stem_words.get(stem, ())]
    if not places:
        places = _text_before(one.shape, held) or _first_text(one.shape)
    if not places and not named:
        return None
    by_part: dict[int, list[tuple[str, tuple[int, int, int]]]] = {}
    for word, place in places:
        by_part.setdefault(place[0], []).append((word, place))
    most = max(by_part.values(), key=lambda found: (len({word for word, _ in found}), -found[0][1][0]), default=[])
    best = named or _without_columns(most, one.exact, nouns)
    words = {word for word, _ in by_part.get(named[0][1][0], ())} if named else {word for word, _ in best}
    pieces = [(best[0][1][0], _piece(one.shape, best, known, one.exact, profile))]
    left = {word for word in one.exact - words if (column_stems() | nouns).isdisjoint(stems(word))}
    for at, found in sorted(by_part.items()):
        extra = {word for word, _ in found} & left
        if len(extra) > (1 if named else 0) and at != pieces[0][0]:
            spots = [pair for pair in found if pair[0] in extra]
            pieces.append((at, _piece(one.shape, spots, known, one.exact, profile)))
            left -= extra
    whole = _probe(one, profile, sorted(pieces, key=lambda pair: pair[0]))
    if whole is None or len(pieces) > 1 or named:
        return whole
    texts = _apart(one.shape, best, known)
    apart = _probe(one, profile, [(best[0][1][0], text) for text in texts]) if len(texts) > 1 else None
    return apart if apart is not None and len(apart.members) > len(whole.members) else whole


def _probe(one: RankedShape, profile: Profile, pieces: Sequence[tuple[int, tuple[str, int]]]) -> Fragment | None:
    """The pattern of these pieces (their part, text and start there), with the shapes that it selects."""
    texts = tuple(text for _, (text, _) in pieces if text)
    if not texts:
        return None
    probe = Fragment(texts, one.shape, 0, one.score, frozenset(), (pieces[0][0], pieces[0][1][1]))
    members = [index for index, shape in enumerate(profile.shapes) if probe.matches(shape.example)]
    count = sum(profile.shapes[index].count for index in members)
    return Fragment(texts, one.shape, count, one.score, frozenset(members), probe.window)


_Place = tuple[str, tuple[int, int, int]]  # a word of the question, and where it stands: part, start, end


def _verbatim(shape: Shape, names: Sequence[str]) -> list[_Place]:
    """The place of the first of these names that a constant text of the shape holds; at most one."""
    for name in names:
        for at, part in enumerate(shape.parts):
            if isinstance(part, str) and (found := re.search(re.escape(name), part, re.I)):
                return [(name, (at, *found.span()))]
    return []


def _nearest_places(found: Sequence[_Place]) -> list[_Place]:
    """One place for each word of a part, so that they stand as near to each other as they can."""
    ordered = sorted(found, key=lambda one: one[1][1])
    words = {word for word, _ in found}
    best: list[_Place] = []
    for first in range(len(ordered)):
        taken: dict[str, _Place] = {}
        for place in ordered[first:]:
            taken.setdefault(place[0], place)
            if len(taken) == len(words):
                break
        if len(taken) < len(words):
            break
        span = max(place[1][2] for place in taken.values()) - ordered[first][1][1]
        if not best or span < max(place[1][2] for place in best) - best[0][1][1]:
            best = sorted(taken.values(), key=lambda one: one[1][1])
    return best


def _apart(shape: Shape, found: Sequence[_Place], known: frozenset[str]) -> list[tuple[str, int]]:
    """The texts of the words of a part without the words between them that the question does not say, and their starts.

    "SASL authentication failed" over `SASL LOGIN authentication failed` is `SASL` and then `authentication failed`.
    """
    part = shape.parts[found[0][1][0]]
    assert isinstance(part, str), "matched words stand in constant text"
    runs: list[tuple[int, int]] = []
    for _, (_, start, end) in _nearest_places(found):
        between = locate_words(part[runs[-1][1] : start]) if runs else []
        if runs and all(known & set(stems(word)) for word, _, _ in between):
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return [(part[start:end], start) for start, end in (_whole_words(part, *run) for run in runs)]


def _whole_words(part: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and part[start - 1].isalnum():
        start -= 1
    while end < len(part) and part[end].isalnum():
        end += 1
    return start, end


def _without_columns(
    found: list[tuple[str, tuple[int, int, int]]], exact: frozenset[str], nouns: frozenset[str]
) -> list[tuple[str, tuple[int, int, int]]]:
    """Places without words that name a column and stand apart, where a word of the question's own is left.

    `user` of "failed passwords per user" goes in `Failed password for invalid user`, but not of "invalid users".
    """

    def apart(one: tuple[str, tuple[int, int, int]]) -> bool:
        word, (_, start, end) = one
        others = (place for other, place in found if other != word)
        near = any(0 <= low - end <= 3 or 0 <= start - high <= 3 for _, low, high in others)
        return not near and not (column_stems() | nouns).isdisjoint(stems(word))

    kept = [one for one in found if not apart(one)]
    return kept if any(word in exact for word, _ in kept) else found


def _text_before(shape: Shape, held: int | None) -> list[tuple[str, tuple[int, int, int]]]:
    """The place of the last word of the constant text right before a part; at most one."""
    if not held:
        return []
    part = shape.parts[held - 1]
    words = locate_words(part) if isinstance(part, str) else []
    return [("", (held - 1, words[-1][1], words[-1][2]))] if words else []


def _first_text(shape: Shape) -> list[tuple[str, tuple[int, int, int]]]:
    """The place of the first constant text that says something, for a shape that no word met; at most one."""
    for at, part in enumerate(shape.parts):
        if isinstance(part, str) and part.strip(_TRIM):
            return [("", (at, 0, len(part)))]
    return []


def _piece(
    shape: Shape, found: Sequence[_Place], known: frozenset[str], exact: frozenset[str], profile: Profile
) -> tuple[str, int]:
    """The text of the matched words of a part, widened where it says too little by itself, and its start."""
    at = found[0][1][0]
    part = shape.parts[at]
    assert isinstance(part, str), "matched words stand in constant text"
    found = _nearest_places(found)
    start, end = min(place[1] for _, place in found), max(place[2] for _, place in found)
    distinct = {word for word, _ in found}
    grown = 0
    for word, low, high in locate_words(part):
        if 0 < low - end <= 3 and known & set(stems(word)):
            end, grown = high, grown + 1
    for word, low, high in reversed(locate_words(part)):
        if 0 < start - high <= 3 and known & set(stems(word)):
            start, grown = low, grown + 1
    start, end = _whole_words(part, start, end)
    distinct |= {""} if grown else set()
    alone = len(distinct) < 2 and end - start < LONG_WORD
    if alone and not profile.has_levels and _is_severity(part[start:end], profile):
        return part[start:end], start
    if alone or end - start > 3 * LONGEST_PIECE:
        wide = _widen(part, start, end)
        shared = _shared(part, start, end, wide, profile) if alone else None
        if alone and shared is None and distinct & exact and _is_word_of_several(part[start:end], profile):
            return part[start:end], start
        start, end = shared or wide
    text = part[start:end]
    left = len(text) - len(text.lstrip(_TRIM))
    return text.strip(_TRIM), start + left


def _is_word_of_several(text: str, profile: Profile) -> bool:
    """Whether messages of several shapes have a word that says something, and none has it inside another word."""
    if text.casefold() in stop_words() or not column_stems().isdisjoint(stems(text)):
        return False
    holding = [shape.example for shape in profile.shapes if text in shape.example]
    inside = re.compile(rf"[^\W_]{re.escape(text)}|{re.escape(text)}[^\W_]")
    return len(holding) > 1 and not any(inside.search(example) for example in holding)


def _is_severity(word: str, profile: Profile) -> bool:
    """Whether it is a word for a level in messages of several shapes: all that a log without levels says of it."""
    return word.casefold() in LEVEL_WORDS and sum(word in shape.example for shape in profile.shapes) > 1


def _shared(part: str, start: int, end: int, wide: tuple[int, int], profile: Profile) -> tuple[int, int] | None:
    """The widest text about a word that all messages with the word have, if that says more than the word.

    `ABORTED in phase`, not `ABORTED in phase HOLDING: agitator`, where others were aborted in other phases.
    """
    word = part[start:end]
    holding = [shape.example for shape in profile.shapes if word in shape.example]
    low, high = start, end
    said = False
    for other, left, right in locate_words(part):
        if end <= left and right <= wide[1] and all(part[start:right] in text for text in holding):
            high, said = right, said or other not in stop_words()
    for other, left, right in reversed(locate_words(part)):
        if right <= start and left >= wide[0] and all(part[left:high] in text for text in holding):
            low, said = left, said or other not in stop_words()
    return (low, high) if said else None


def _widen(part: str, start: int, end: int) -> tuple[int, int]:
    """Grow to the whole constant text, but to at most LONGEST_PIECE characters, cut at words."""
    low, high = max(0, end - LONGEST_PIECE), min(len(part), start + LONGEST_PIECE)
    while 0 < low < start and part[low - 1].isalnum():
        low += 1
    while end < high < len(part) and part[high].isalnum():
        high -= 1
    # A number that happens to be the same in the whole sample (`status: 200`) is not what the question is about.
    for number in _NUMBER.finditer(part):
        if low <= number.start() and number.end() <= start:
            low = number.end()
        elif end <= number.start() < high:
            high = number.start()
            break
    return low, high
