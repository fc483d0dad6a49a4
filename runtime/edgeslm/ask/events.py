"""Which words of a question say what happened, and whether a message of the log says all of it.

`how many jobs succeeded` is about what succeeded; a number of all jobs answers something else. Knows no SQL.
"""

from collections.abc import Iterable, Sequence

from edgeslm.ask.candidates import ShapeHandle, SlotHandle
from edgeslm.ask.lexicon import column_nouns, column_stems, filler_words, split_words, stems, synonyms
from edgeslm.ask.measures import is_unit
from edgeslm.ask.things import NO_NAMES, asked_things


def event_words(words: Sequence[str], question: str, slots: Sequence[SlotHandle]) -> list[frozenset[str]]:
    """For each word of the question that may say what happened the stems that stand for it.

    words: those that may name something in the log. Words for things, columns, fields and units say nothing of that.
    """
    nouns = {noun for kind in ("column_nouns", "column_phrases") for noun, _ in column_nouns(kind)}
    fields = {word for slot in slots for word in split_words(f"{slot.name} {slot.field}")}
    besides = column_stems() | {stem for word in {*asked_things(question), *nouns, *fields} for stem in stems(word)}
    empty = NO_NAMES | filler_words()
    told = (stems(word) for word in words if not (word.isdigit() or word in empty or is_unit(word)))
    return [frozenset(own).union(*map(synonyms, own)) for own in told if besides.isdisjoint(own)]


def told_by(shapes: Iterable[ShapeHandle], events: Sequence[frozenset[str]]) -> bool:
    """Whether one of the patterns says all that the question says of what happened, and it says anything."""
    return bool(events) and any(all(one & _said(shape) for one in events) for shape in shapes)


def _said(shape: ShapeHandle) -> set[str]:
    return {stem for piece in shape.fragment.pieces for word in split_words(piece) for stem in stems(word)}
