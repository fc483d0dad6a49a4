"""Linking: what of a question is found in the log. Candidates only; which of them count is the planner's choice.

Values, numbers and time words become handles (V1, N1, T1), ranked message shapes S1…, their slots A1…
Every handle stands for something the question or the log really contains. Knows nothing of intents.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from edgeslm.ask.fields import Field, fields_named
from edgeslm.ask.find_values import (
    EDGES,
    blank_out,
    find_numbers,
    find_values,
    mend_spelling,
    name_columns,
    strip_edges,
)
from edgeslm.ask.fragments import Fragment, choose_fragments
from edgeslm.ask.lexicon import column_nouns, column_stems, content_words, filler_words, split_words, stems, stop_words
from edgeslm.ask.measures import field_unit, named_measures, unit_of
from edgeslm.ask.negation import left_out_words
from edgeslm.ask.outright import asks_whether
from edgeslm.ask.profile import ColumnInfo, Profile
from edgeslm.ask.rank import NEGATIONS, PARTICLES, LexicalRanker, RankedShape, ShapeRanker, own_columns
from edgeslm.ask.read_asked import read_asked
from edgeslm.ask.shapes import Slot
from edgeslm.ask.things import NUMBERING, asked_things, grouped_by, listable, may_count_values
from edgeslm.ask.times import find_times
from edgeslm.ask.values import LEVEL_WORDS
from edgeslm.ask.wording import write_out

__all__ = [
    "MAX_NUMBERS", "MAX_SHAPES", "MAX_SLOTS", "MAX_TIMES", "MAX_VALUES",
    "Candidates", "ShapeHandle", "SlotHandle", "ValueHandle", "link",
]  # fmt: skip

_GENERIC = set(
    "requests request recently common often codes ids events event logs file times per problem problems".split()
)
_HELD, _CODE_HELD = 0.8, 0.6  # what a value in a slot, and a code that could be there, add to a shape's score
_SPOKEN_OF = 0.45  # of a question's weight: what no message says so much of does not happen in the log
_CODE_FIELDS = ("status", "code")
_CODE_LABELS = ("status:", "status", "code:", "code")
_NEGATIVE = set(
    "no not never without none nobody nothing didn't doesn't wasn't weren't isn't don't can't couldn't".split()
)
_JOINING = set("of the a to in out for on".split())
_NO_LABEL = set("for to from in on of at is the with by a and".split())
_GROUPING = set("by per each every".split())  # what follows is what to group by, nothing to look for
_PARTICLES = set("away back down off over up".split())  # of "turned down", "held back"
# Columns that a planner meets in its training, by their names.
_USUAL_COLUMNS = frozenset(
    "host app pid component thread level method path status ip user node facility tid bytes duration port".split()
)
_SHORTEST_NAME = 5
_PLAIN_COMPOUND = re.compile(r"[a-z]+(?:-[a-z]+)+|[\d:.,/-]+")  # break-in, keep-alive; times and numbers
_LEAST_COVERAGE = 0.35  # share of the question's weight below which the best shape says nothing about its words
_ENOUGH_COVERAGE = 0.6


@dataclass
class _Mark:
    at: tuple[int, int]
    replace: bool
    handles: list[str]


def link(question: str, profile: Profile, *, now: datetime, ranker: ShapeRanker | None = None) -> Candidates:
    """Offer candidates for a question over a profiled log. Deterministic; never raises on odd input."""
    raw, question = question, write_out(question, profile)
    question = name_columns(question, profile, column_nouns("column_nouns"))
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
    quoted = [value.text for value in values if not value.plain and not value.columns and " " in value.text]
    named = name_columns(" ".join([rest, *quoted]), profile, column_nouns("column_phrases"))
    negative = not _NEGATIVE.isdisjoint(split_words(named))
    particles = PARTICLES & set(split_words(named))
    held = _holding(values, profile)
    capitals = frozenset(re.findall(r"(?<![\w-])[A-Z]{3,}(?![\w-])", named)) if named != named.upper() else frozenset()
    chosen = ranker or LexicalRanker()
    ranked = _rank(content_words(named), values, profile, chosen, negative, particles, held, capitals)
    known = frozenset(stem for word in split_words(named) for stem in stems(word))
    places = {shape: at for shape, (_, at) in held.items()}
    nouns = _asked_nouns(question, profile)
    fragments = choose_fragments(ranked, profile, MAX_SHAPES, known, places, _names(question), nouns)
    shapes = [
        ShapeHandle(f"S{n}", one, one.shape, one.count, holds=_kinds_held(one, profile), stands=_beside(one, profile))
        for n, one in enumerate(fragments, 1)
    ]
    columns = {column.name for column in profile.columns}
    spoken = [one for one in fields_named(content_words(named), profile.fields) if _is_no_column(one, known, columns)]
    own = _longest_named([column for column in profile.columns if _is_unusual(column, known)])[:MAX_FIELDS]
    spoken = _with_code_field(spoken, values, profile)[: MAX_FIELDS - len(own)]
    said = frozenset(split_words(question))
    numeric = {column.name for column in profile.columns if column.numeric}
    slots = _name_slots(shapes, [_as_handle(column, profile) for column in own], spoken, profile, said)
    _bind_columns(values, slots)
    _bind_slot_values(values, slots)
    coverage = ranked[0].coverage if ranked else 0.0
    unmatched = _unmatched(content_words(named), values, ranked, spoken, columns)
    spoken_of = {stem for column in own for word in column.name.split("_") for stem in stems(word)}
    values = _number_values(values, rest, ranked, coverage, own_columns(profile) | spoken_of | columns)
    absent = coverage < _SPOKEN_OF and asks_whether(blank) and any(value.guess for value in values)
    if absent:
        shapes, slots = [], _fields_only(slots, values)  # what is asked about is nowhere in the log
    asked = read_asked(question, blank, numbers, values)
    marks = [_Mark(span.at, True, [f"T{number}"]) for number, span in enumerate(times, 1)]
    marks += [_Mark(at, True, [handle]) for handle, (at, _) in numbers.items()]
    marks += [_Mark(value.at, not value.plain, [value.handle]) for value in values]
    return Candidates(
        question=raw,
        annotated=_annotate(question, marks),
        columns=[column for column in profile.columns if column not in own],
        shapes=shapes,
        slots=slots,
        values=values,
        times={f"T{number}": span for number, span in enumerate(times, 1)},
        numbers={handle: text for handle, (_, text) in numbers.items()},
        has_levels=profile.has_levels,
        coverage=coverage,
        unmatched=unmatched,
        asked=asked,
        listable=listable(question, profile, shapes, slots),
        counts_values=may_count_values(named, slots, own_columns(profile)),
        grouped=grouped_by(question, slots),
        measured=frozenset(_measured(numeric, known) | {slot.handle for slot in slots}),
        named=_named_numbers(slots, shapes),
        capitals=_capitals(capitals, shapes, values),
        gone=_gone(blank, shapes),
        absent=absent,
        told=(asked.number or asked.things) and told_by(shapes, event_words(content_words(named), question, slots)),
    )


def _rank(
    words: list[str],
    values: list[ValueHandle],
    profile: Profile,
    ranker: ShapeRanker,
    negative: bool,
    particles: frozenset[str],
    held: Mapping[int, tuple[float, int]],
    capitals: frozenset[str],
) -> list[RankedShape]:
    """Shapes for the words; values found in a shape's slots speak for it, words that are values count for little."""
    light = {word for value in values if value.plain and value.columns for word in content_words(value.text)}
    return ranker.rank(
        words,
        profile,
        {shape: bonus for shape, (bonus, _) in held.items()},
        light,
        negative=negative,
        particles=particles,
        capitals=capitals,
    )


def _names(question: str) -> list[str]:
    """The tokens of a question that are put together by signs: `status=bounced`, `imap-login`, longest first."""
    tokens = (question[slice(*strip_edges(question, *match.span()))] for match in re.finditer(r"\S+", question))
    names = (token for token in tokens if len(token) >= _SHORTEST_NAME and re.search(r"\w[=:_./-]+\w", token))
    return sorted((name for name in names if not _PLAIN_COMPOUND.fullmatch(name)), key=len, reverse=True)


def _holding(values: Sequence[ValueHandle], profile: Profile) -> dict[int, tuple[float, int]]:
    """id(shape) -> how much it speaks for a shape that it can hold a value of the question, and in which part of it."""
    found: dict[int, tuple[float, int]] = {}
    for value in values:
        if value.columns and all(name in ("app", "component", "user", "ip", "level") for name in value.columns):
            continue
        for shape, position in profile.slot_index.get(value.text.casefold(), ()):
            places = [at for at, part in enumerate(shape.parts) if isinstance(part, Slot)]
            found[id(shape)] = (_HELD, places[position])
        if not value.columns and _is_code(value.text):
            for shape in profile.shapes:
                for at, part in enumerate(shape.parts):
                    if isinstance(part, str) and part.rstrip().endswith(_CODE_LABELS):
                        found.setdefault(id(shape), (_CODE_HELD, at + 1))
    return found


def _fields_only(slots: Sequence[SlotHandle], values: Sequence[ValueHandle]) -> list[SlotHandle]:
    """The slots that no pattern is needed for; values stand in others no more."""
    kept = [slot for slot in slots if slot.field]
    gone = {slot.handle for slot in slots} - {slot.handle for slot in kept}
    for value in values:
        value.columns = {name: text for name, text in value.columns.items() if name not in gone}
    return kept


def _number_values(
    values: list[ValueHandle], rest: str, ranked: Sequence[RankedShape], coverage: float, named: frozenset[str]
) -> list[ValueHandle]:
    """The first values in the question's order as V1, V2 …, with the words that no shape covers as a guess.

    named: the log's columns and their stems, which are no guess.
    """
    open_text = rest
    for value in values:
        open_text = blank_out(open_text, value.at, "\x00")
    met = {word for one in ranked[:MAX_SHAPES] for word in one.matched} if coverage >= _LEAST_COVERAGE else set()
    if len(values) < MAX_VALUES and (spare := _unlinked_phrase(open_text, met, coverage, named)):
        values.append(ValueHandle("", rest[spare[0] : spare[1]], {}, spare, True, guess=True))
    values = sorted(values, key=lambda value: value.at)[:MAX_VALUES]
    for number, value in enumerate(values, 1):
        value.handle = f"V{number}"
    return values


def _is_unusual(column: ColumnInfo, known: frozenset[str]) -> bool:
    """A column that the question names and that few logs have, so that a planner has seldom met its name."""
    if column.entity or column.kind not in ("text", "integer", "number") or column.name in _USUAL_COLUMNS:
        return False
    return all(not known.isdisjoint(stems(word)) for word in column.name.split("_"))


def _measured(columns: set[str], known: frozenset[str]) -> set[str]:
    """The numeric columns without those that number things, unless the question names them: nobody averages pids."""
    return {name for name in columns if name not in NUMBERING or not known.isdisjoint(NUMBERING[name])}


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


def _asked_nouns(question: str, profile: Profile) -> frozenset[str]:
    """The stems of the nouns of what is asked for that fields or columns are called by."""
    names = [word for one in profile.fields for word in one.words]
    names += [word for column in profile.columns for word in column.name.split("_")]
    called = {stem for word in names for stem in stems(word)}
    return frozenset(stem for noun in asked_things(question) for stem in stems(noun) if stem in called)


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


def _named_numbers(slots: Sequence[SlotHandle], shapes: Sequence[ShapeHandle]) -> frozenset[str]:
    """The handles of numbers that the question names: fields and columns, and the meant of a pattern's."""
    fields = {slot.handle for slot in slots if slot.slot.numeric and (slot.field or slot.column)}
    meant = {shape.slots[position] for shape in shapes for position in shape.meant if position in shape.slots}
    return frozenset(fields | {slot.handle for slot in slots if slot.handle in meant})


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


def _longest_named(columns: list[ColumnInfo]) -> list[ColumnInfo]:
    """Without those whose name is part of another's: of `scrape` and `scrape_pool` the latter."""
    words = {column.name: set(column.name.split("_")) for column in columns}
    return [column for column in columns if not any(words[column.name] < others for others in words.values())]


def _as_handle(column: ColumnInfo, profile: Profile) -> SlotHandle:
    slot = Slot("num" if column.numeric else "word", profile.values.get(column.name, Counter()))
    return SlotHandle("", slot, "", column.name, column.name, column=column.name)


def _bind_columns(values: list[ValueHandle], slots: list[SlotHandle]) -> None:
    """Values of a column that is offered as a field are compared with its handle."""
    for slot in slots:
        for value in values:
            if slot.column in value.columns:
                value.columns[slot.handle] = value.columns.pop(slot.column)


def _name_slots(
    shapes: list[ShapeHandle],
    handles: list[SlotHandle],
    fields: list[Field],
    profile: Profile,
    said: frozenset[str],
) -> list[SlotHandle]:
    """Give fields and the slots of listed shapes names: a column of the view where one reads it, else A1, A2 …

    handles: what comes first. said: the question's words; numbers that it does not mean get no name.
    """
    first = len(handles)
    for one in fields:
        unit = field_unit(one.places, profile.shapes) if one.slot.numeric else ""
        handles = [*handles, SlotHandle("", one.slot, one.regex, one.name, one.name, one.form, unit=unit)]
    for number, shown in enumerate(handles, 1):
        shown.handle = f"A{number}"
    named = handles[first:]
    of_field = {place: shown.handle for field, shown in zip(fields, named, strict=True) for place in field.places}
    entity = {column.name for column in profile.columns if column.entity}
    for shape in shapes:
        used: set[str] = set()
        meant, is_named = named_measures(shape.shape, said, of_field)
        places = [(at, part) for at, part in enumerate(shape.shape.parts) if isinstance(part, Slot)]
        if is_named:
            shape.meant = frozenset(position for position, (_, part) in enumerate(places) if id(part) in meant)
        chosen: list[int] = []
        for position in sorted(range(len(places)), key=lambda position: position not in shape.meant):
            at, part = places[position]
            before = shape.shape.parts[at - 1] if at else ""
            before_text = before if isinstance(before, str) else ""
            name = part.kind if part.kind in entity else ""
            if part.numeric and "port" in entity and before_text.rstrip().endswith("port"):
                name = "port"
            name = of_field.get(id(part), name)
            if not name and (same := _holding_the_same(part, named)) and same.handle not in used:
                name = same.handle
            if name and name not in used:
                used.add(name)
                shape.slots[position] = name
            elif part.numeric and id(part) not in meant:
                continue
            elif part.kind not in ("clock", "date") and len(handles) + len(chosen) < MAX_SLOTS and len(used) < 6:
                chosen.append(position)
                used.add(f"slot {position}")
        for position in sorted(chosen):
            at, part = places[position]
            before = shape.shape.parts[at - 1] if at else ""
            label = _label(before if isinstance(before, str) else "", part)
            unit = unit_of(shape.shape, part) if part.numeric else ""
            handle = f"A{len(handles) + 1}"
            handles.append(SlotHandle(handle, part, shape.shape.slot_regex(part), label, unit=unit))
            shape.slots[position] = handle
    return handles


def _holding_the_same(slot: Slot, fields: Sequence[SlotHandle]) -> SlotHandle | None:
    """The field of whose form a slot's values are, written without the field's name."""
    if slot.numeric:
        return None
    for one in fields:
        if one.form and 2 * sum(re.fullmatch(one.form, value) is not None for value in slot.values) >= len(slot.values):
            return one
    return None


def _label(before: str, slot: Slot) -> str:
    """A column heading for a slot: the word before it, else its kind."""
    words = [word.lower() for word in re.findall(r"[A-Za-z_][A-Za-z_0-9]*", before) if len(word) > 1]
    if words and (not before.rstrip()[-1:].isalnum() or words[-1] not in _NO_LABEL):
        return words[-1]
    return {"num": "number", "word": "name", "id": "id"}.get(slot.kind, slot.kind)


def _is_no_column(one: Field, known: frozenset[str], columns: set[str]) -> bool:
    """Whether the question's stems name more of the field than a column: `pids` means pid, not callingPid."""
    if one.name.casefold() in columns:
        return False
    others = [word for word in one.words if word not in columns]
    return len(others) == len(one.words) or any(stem in known for word in others for stem in stems(word))


def _with_code_field(spoken: list[Field], values: Sequence[ValueHandle], profile: Profile) -> list[Field]:
    """The fields the question names, and `status` or `code` where it gives such a code without naming it."""
    codes = {value.text for value in values if _is_code(value.text)}
    if not codes or any(one.name.casefold() in _CODE_FIELDS for one in spoken):
        return spoken
    fields = [one for one in profile.fields if one.name.casefold() in _CODE_FIELDS and one.slot.numeric]
    return [*fields[:1], *spoken]


def _is_code(text: str) -> bool:
    """Whether a text may be a status code, as HTTP has them."""
    return text.isascii() and text.isdigit() and 100 <= int(text) <= 599


def _bind_slot_values(values: list[ValueHandle], slots: list[SlotHandle]) -> None:
    """Let a value also be compared with the A-handles in whose slots it was seen; a code with the slot of that name."""
    for value in values:
        folded = value.text.casefold()
        for handle in slots:
            own = next((seen for seen in handle.slot.values if seen.casefold() == folded), None)
            if own is None and folded.isdigit() and handle.name.casefold() in _CODE_FIELDS and handle.slot.numeric:
                own = value.text
            if own is not None and "level" not in value.columns:
                value.columns[handle.handle] = own


def _unlinked_phrase(text: str, matched: set[str], coverage: float, named: frozenset[str]) -> tuple[int, int] | None:
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
    first = last = content[0]
    best = (first, last)
    for number in content[1:]:
        if not all(tokens[between][2] in _JOINING for between in range(last + 1, number)):
            first = number
        last = number
        if last - first >= best[1] - best[0]:
            best = (first, last)
    first, last = best
    if first > 0 and tokens[first - 1][2] == "out":
        first -= 1
    start, _ = strip_edges(text, tokens[first][0], tokens[first][1])
    _, end = strip_edges(text, tokens[last][0], tokens[last][1])
    return (start, end) if end - start >= 3 else None


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


def _unmatched(
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


def _annotate(question: str, marks: Sequence[_Mark]) -> str:
    """The question in lower case with handles after (or in place of) what they stand for."""
    out: list[str] = []
    end = 0
    grouped: dict[tuple[int, int], _Mark] = {}
    for mark in sorted(marks, key=lambda mark: mark.at):
        if mark.at in grouped:
            grouped[mark.at].handles += mark.handles
            grouped[mark.at].replace |= mark.replace
        else:
            grouped[mark.at] = _Mark(mark.at, mark.replace, list(mark.handles))
    for (start, stop), mark in grouped.items():
        if start < end:
            if out and out[-1].strip():
                out.append(" " + " ".join(mark.handles) + " ")
            continue
        out.append(question[end:start].lower())
        out.append(("" if mark.replace else question[start:stop].lower()) + " " + " ".join(mark.handles) + " ")
        end = stop
    out.append(question[end:].lower())
    return re.sub(r"\s+", " ", "".join(out)).strip()
