"""Linking: what of a question is found in the log. Candidates only; which of them count is the planner's choice.

Values, numbers and time words become handles (V1, N1, T1), ranked message shapes S1…, their slots A1…
Every handle stands for something the question or the log really contains. Knows nothing of intents.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgeslm.ask.candidates import (
    MAX_FIELDS,
    MAX_NUMBERS,
    MAX_SHAPES,
    MAX_SLOTS,
    MAX_TIMES,
    MAX_VALUES,
    Candidates,
    ShapeHandle,
    SlotHandle,
    ValueHandle,
)
from edgeslm.ask.events import event_words, told_by
from edgeslm.ask.find_values import blank_out, find_numbers, find_values, mend_spelling, name_columns
from edgeslm.ask.lexicon import column_nouns, column_stems, content_words, split_words, stems, stop_words
from edgeslm.ask.negation import left_out_words
from edgeslm.ask.outright import asks_whether
from edgeslm.ask.patterns import offer_patterns
from edgeslm.ask.profile import Profile
from edgeslm.ask.rank import NEGATIONS, LexicalRanker, ShapeRanker, own_columns
from edgeslm.ask.read_asked import read_asked
from edgeslm.ask.slots import bind, name_slots, named_columns, named_fields, without_patterns
from edgeslm.ask.things import NUMBERING, grouped_by, listable, may_count_values, nouns_of_groups
from edgeslm.ask.times import TimeRange, find_times
from edgeslm.ask.unlinked import number_values, unmatched_words
from edgeslm.ask.values import LEVEL_WORDS
from edgeslm.ask.wording import write_out

__all__ = [
    "MAX_NUMBERS", "MAX_SHAPES", "MAX_SLOTS", "MAX_TIMES", "MAX_VALUES",
    "Candidates", "ShapeHandle", "SlotHandle", "ValueHandle", "link",
]  # fmt: skip

_SPOKEN_OF = 0.45  # of a question's weight: what no message says so much of does not happen in the log


@dataclass(frozen=True)
class _Found:
    """What a question names outright. blank: it, with spaces for times and values; rest: for its numbers too."""

    question: str
    times: Sequence[TimeRange]
    values: list[ValueHandle]
    numbers: Mapping[str, tuple[tuple[int, int], str]]
    blank: str
    rest: str


def link(question: str, profile: Profile, *, now: datetime, ranker: ShapeRanker | None = None) -> Candidates:
    """Offer candidates for a question over a profiled log. Deterministic; never raises on odd input."""
    found = _find(question, profile, now)
    named = _named(found, profile)
    words, known = content_words(named), frozenset(stem for word in split_words(named) for stem in stems(word))
    capitals = _in_capitals(named)
    ranked, shapes = offer_patterns(found.question, named, capitals, found.values, profile, ranker or LexicalRanker())
    coverage = ranked[0].coverage if ranked else 0.0

    own = named_columns(profile, known)
    spoken = named_fields(nouns_of_groups(found.question), words, known, found.values, profile, MAX_FIELDS - len(own))
    slots = name_slots(shapes, own, spoken, profile, frozenset(split_words(found.question)))
    bind(found.values, slots)

    columns = {column.name for column in profile.columns}
    stems_of_own = {stem for column in own for word in column.name.split("_") for stem in stems(word)}
    unmatched = unmatched_words(words, found.values, ranked, spoken, columns)
    values = number_values(found.values, found.rest, ranked, coverage, own_columns(profile) | stems_of_own | columns)
    absent = coverage < _SPOKEN_OF and asks_whether(found.blank) and any(value.guess for value in values)
    if absent:
        shapes, slots = [], without_patterns(slots, values)  # what is asked about is nowhere in the log
    asked = read_asked(found.question, found.blank, found.numbers, values)
    return Candidates(
        question=question,
        annotated=_annotate(found, values),
        columns=[column for column in profile.columns if column not in own],
        shapes=shapes,
        slots=slots,
        values=values,
        times={f"T{number}": span for number, span in enumerate(found.times, 1)},
        numbers={handle: text for handle, (_, text) in found.numbers.items()},
        has_levels=profile.has_levels,
        coverage=coverage,
        unmatched=unmatched,
        asked=asked,
        listable=listable(found.question, profile, shapes, slots),
        counts_values=may_count_values(named, slots, own_columns(profile)),
        grouped=grouped_by(found.question, slots),
        measured=_measured(profile, known, slots),
        named=_named_numbers(slots, shapes),
        capitals=_capitals(capitals, shapes, values),
        gone=_gone(found.blank, shapes),
        absent=absent,
        told=(asked.number or asked.things) and told_by(shapes, event_words(words, found.question, slots)),
    )


def _find(question: str, profile: Profile, now: datetime) -> _Found:
    """The times, values and numbers of a question that is written out, with its slips mended."""
    question = name_columns(write_out(question, profile), profile, column_nouns("column_nouns"))
    question = mend_spelling(question, profile)
    times = find_times(question, now=now, log_range=profile.time_range)[:MAX_TIMES]
    blank = question
    for span in times:
        blank = blank_out(blank, span.at)
    values, blank = find_values(blank, profile)
    numbers = find_numbers(blank)
    rest = blank
    for at, _ in numbers.values():
        rest = blank_out(rest, at)
    return _Found(question, times, values, numbers, blank, rest)


def _named(found: _Found, profile: Profile) -> str:
    """The words that are left to look for: what is no time, value or number, and what quotes hold."""
    quoted = [value.text for value in found.values if not value.plain and not value.columns and " " in value.text]
    return name_columns(" ".join([found.rest, *quoted]), profile, column_nouns("column_phrases"))


def _in_capitals(text: str) -> frozenset[str]:
    """The words in capitals of a text that is not all so."""
    return frozenset(re.findall(r"(?<![\w-])[A-Z]{3,}(?![\w-])", text)) if text != text.upper() else frozenset()


def _measured(profile: Profile, known: frozenset[str], slots: Sequence[SlotHandle]) -> frozenset[str]:
    """The numbers that may be averaged: of columns not those that number things, unless the question names them."""
    columns = {column.name for column in profile.columns if column.numeric}
    counted = {name for name in columns if name not in NUMBERING or not known.isdisjoint(NUMBERING[name])}
    return frozenset(counted | {slot.handle for slot in slots})


def _named_numbers(slots: Sequence[SlotHandle], shapes: Sequence[ShapeHandle]) -> frozenset[str]:
    """The handles of numbers that the question names: fields and columns, and the meant of a pattern's."""
    fields = {slot.handle for slot in slots if slot.slot.numeric and (slot.field or slot.column)}
    meant = {shape.slots[position] for shape in shapes for position in shape.meant if position in shape.slots}
    return frozenset(fields | {slot.handle for slot in slots if slot.handle in meant})


def _capitals(words: Iterable[str], shapes: Sequence[ShapeHandle], values: Sequence[ValueHandle]) -> frozenset[str]:
    """Those of the words in capitals that a listed pattern has so too; no levels, and no words of asking."""
    texts = [" ".join(shape.fragment.pieces) for shape in shapes]
    held = {value.text.casefold() for value in values if value.columns}
    return frozenset(
        word
        for word in words
        if word.casefold() not in stop_words() | held | set(LEVEL_WORDS)
        and column_stems().isdisjoint(stems(word))
        and any(word in text for text in texts)
    )


def _gone(question: str, shapes: Sequence[ShapeHandle]) -> frozenset[str]:
    """The patterns that speak of a word that only stands in what the question leaves out, and say no `no` of it."""
    out = left_out_words(question)
    if not out:
        return frozenset()
    return frozenset(
        shape.handle
        for shape in shapes
        if NEGATIONS.isdisjoint(shape.shape.stem_words)
        and any(not out.isdisjoint(stems(word)) for piece in shape.fragment.pieces for word in split_words(piece))
    )


def _annotate(found: _Found, values: Sequence[ValueHandle]) -> str:
    """The question in lower case with handles after (or in place of) what they stand for."""
    marks = [(span.at, True, f"T{number}") for number, span in enumerate(found.times, 1)]
    marks += [(at, True, handle) for handle, (at, _) in found.numbers.items()]
    marks += [(value.at, not value.plain, value.handle) for value in values]
    out: list[str] = []
    end = 0
    for (start, stop), group in itertools.groupby(sorted(marks, key=lambda mark: mark[0]), key=lambda mark: mark[0]):
        same = list(group)
        handles = " " + " ".join(handle for _, _, handle in same) + " "
        if start < end:
            if out and out[-1].strip():
                out.append(handles)
            continue
        replaced = any(replace for _, replace, _ in same)
        out += [found.question[end:start].lower(), "" if replaced else found.question[start:stop].lower(), handles]
        end = stop
    out.append(found.question[end:].lower())
    return re.sub(r"\s+", " ", "".join(out)).strip()
