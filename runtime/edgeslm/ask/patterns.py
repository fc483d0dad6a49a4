"""The message patterns that linking offers for a question: S1, S2 …, likeliest first, with what is known of each."""

import re
from collections.abc import Sequence

from edgeslm.ask.candidates import MAX_SHAPES, ShapeHandle, ValueHandle
from edgeslm.ask.find_values import strip_edges
from edgeslm.ask.fragments import Fragment, choose_fragments
from edgeslm.ask.lexicon import content_words, split_words, stems
from edgeslm.ask.profile import Profile
from edgeslm.ask.rank import PARTICLES, RankedShape, ShapeRanker
from edgeslm.ask.shapes import Slot
from edgeslm.ask.slots import CODE_LABELS, is_code
from edgeslm.ask.things import asked_things

_HELD, _CODE_HELD = 0.8, 0.6  # what a value in a slot, and a code that could be there, add to a shape's score
_EVERYWHERE = {"app", "component", "user", "ip", "level"}  # columns whose values say nothing of a message's kind
_NEGATIVE = set(
    "no not never without none nobody nothing didn't doesn't wasn't weren't isn't don't can't couldn't".split()
)
_SHORTEST_NAME = 5
_PLAIN_COMPOUND = re.compile(r"[a-z]+(?:-[a-z]+)+|[\d:.,/-]+")  # break-in, keep-alive; times and numbers


def offer_patterns(
    question: str,
    named: str,
    capitals: frozenset[str],
    values: Sequence[ValueHandle],
    profile: Profile,
    ranker: ShapeRanker,
) -> tuple[list[RankedShape], list[ShapeHandle]]:
    """All shapes by how well they fit the question, and the patterns made of the best.

    named: the question's words without its times, values and numbers. capitals: those of them in capitals.
    """
    said = split_words(named)
    held = _holding(values, profile)
    ranked = ranker.rank(
        content_words(named),
        profile,
        {shape: bonus for shape, (bonus, _) in held.items()},
        # Words that are values count for little.
        {word for value in values if value.plain and value.columns for word in content_words(value.text)},
        negative=not _NEGATIVE.isdisjoint(said),
        particles=PARTICLES & set(said),
        capitals=capitals,
    )
    fragments = choose_fragments(
        ranked,
        profile,
        MAX_SHAPES,
        frozenset(stem for word in said for stem in stems(word)),
        {shape: at for shape, (_, at) in held.items()},
        _names(question),
        _asked_nouns(question, profile),
    )
    return ranked, [
        ShapeHandle(f"S{n}", one, one.shape, one.count, holds=_kinds_held(one, profile), stands=_beside(one, profile))
        for n, one in enumerate(fragments, 1)
    ]


def _names(question: str) -> list[str]:
    """The tokens of a question that are put together by signs: `status=bounced`, `imap-login`, longest first."""
    tokens = (question[slice(*strip_edges(question, *match.span()))] for match in re.finditer(r"\S+", question))
    names = (token for token in tokens if len(token) >= _SHORTEST_NAME and re.search(r"\w[=:_./-]+\w", token))
    return sorted((name for name in names if not _PLAIN_COMPOUND.fullmatch(name)), key=len, reverse=True)


def _holding(values: Sequence[ValueHandle], profile: Profile) -> dict[int, tuple[float, int]]:
    """id(shape) -> how much it speaks for a shape that it can hold a value of the question, and in which part of it."""
    found: dict[int, tuple[float, int]] = {}
    for value in values:
        if value.columns and _EVERYWHERE.issuperset(value.columns):
            continue
        for shape, position in profile.slot_index.get(value.text.casefold(), ()):
            places = [at for at, part in enumerate(shape.parts) if isinstance(part, Slot)]
            found[id(shape)] = (_HELD, places[position])
        if not value.columns and is_code(value.text):
            for shape in profile.shapes:
                for at, part in enumerate(shape.parts):
                    if isinstance(part, str) and part.rstrip().endswith(CODE_LABELS):
                        found.setdefault(id(shape), (_CODE_HELD, at + 1))
    return found


def _asked_nouns(question: str, profile: Profile) -> frozenset[str]:
    """The stems of the nouns of what is asked for that fields or columns are called by."""
    names = [word for one in profile.fields for word in one.words]
    names += [word for column in profile.columns for word in column.name.split("_")]
    called = {stem for word in names for stem in stems(word)}
    return frozenset(stem for noun in asked_things(question) for stem in stems(noun) if stem in called)


def _kinds_held(fragment: Fragment, profile: Profile) -> frozenset[str]:
    """The kinds of slots that messages of a pattern have."""
    return frozenset(slot.kind for index in fragment.members for slot in profile.shapes[index].slots)


def _beside(fragment: Fragment, profile: Profile) -> dict[str, frozenset[str]]:
    """The values that columns were seen to have beside messages of a pattern."""
    found: dict[str, set[str]] = {}
    for index in fragment.members:
        for name, values in profile.shapes[index].columns.items():
            found.setdefault(name, set()).update(values)
    return {name: frozenset(values) for name, values in found.items()}
