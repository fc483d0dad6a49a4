"""The slots that linking offers: fields, unusual columns, and what varies in listed patterns, by their names.

Nothing here reads a question's meaning; words and values that were found come in, handles go out.
"""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from edgeslm.ask.candidates import MAX_FIELDS, MAX_SLOTS, ShapeHandle, SlotHandle, ValueHandle
from edgeslm.ask.fields import Field, fields_named, names_after
from edgeslm.ask.lexicon import column_stems, split_words, stems, stop_words
from edgeslm.ask.measures import field_unit, named_measures, unit_of
from edgeslm.ask.profile import ColumnInfo, Profile
from edgeslm.ask.shapes import NAMES_PORT, Shape, Slot

CODE_LABELS = ("status:", "status", "code:", "code")  # what stands before a status code

_CODE_FIELDS = ("status", "code")
_NO_LABEL = set("for to from in on of at is the with by a and".split())
# Columns that a planner meets in its training, by their names.
_USUAL_COLUMNS = frozenset(
    "host app pid component thread level method path status ip user node facility tid bytes duration port".split()
)
_MAX_NAMED = 6  # slots of one pattern


def is_code(text: str) -> bool:
    """Whether a text may be a status code, as HTTP has them."""
    return text.isascii() and text.isdigit() and 100 <= int(text) <= 599


def named_columns(profile: Profile, known: frozenset[str]) -> list[ColumnInfo]:
    """The columns that the question's stems name and that few logs have. Of `scrape` and `scrape_pool` the latter."""
    columns = [column for column in profile.columns if _is_unusual(column, known)]
    words = {column.name: set(column.name.split("_")) for column in columns}
    longest = [column for column in columns if not any(words[column.name] < others for others in words.values())]
    return longest[:MAX_FIELDS]


def named_fields(
    nouns: Sequence[str],
    words: Sequence[str],
    known: frozenset[str],
    values: Sequence[ValueHandle],
    profile: Profile,
    room: int,
) -> list[Field]:
    """At most `room` fields that the question names, the names after what it asks for, `status` where it gives a code.

    nouns: what it asks for and groups by; words, known: its words to look for in messages, and their stems.
    """
    columns = {column.name for column in profile.columns}
    spoken = [one for one in fields_named(words, profile.fields) if _is_no_column(one, known, columns)]
    spoken = _with_code_field(spoken, values, profile)
    if len(spoken) < room and (names := _names_after(nouns, spoken, columns, profile)) is not None:
        spoken.append(names)
    return spoken[:room]


def name_slots(
    shapes: Sequence[ShapeHandle],
    columns: Sequence[ColumnInfo],
    fields: Sequence[Field],
    profile: Profile,
    said: frozenset[str],
) -> list[SlotHandle]:
    """Handles A1, A2 … of columns, fields and the slots of listed patterns that no column of the view reads.

    Tells the patterns how their slots are called. said: the question's words; numbers it does not mean get no name.
    """
    handles = [_of_column(column, profile) for column in columns]
    named = [_of_field(one, profile) for one in fields]
    handles += named
    for number, shown in enumerate(handles, 1):
        shown.handle = f"A{number}"
    of_field = {place: shown.handle for field, shown in zip(fields, named, strict=True) for place in field.places}
    entities = {column.name for column in profile.columns if column.entity}
    for shape in shapes:
        meant, is_named = named_measures(shape.shape, said, of_field)
        places = list(_places(shape.shape))
        if is_named:
            shape.meant = frozenset(position for position, (part, _) in enumerate(places) if id(part) in meant)
        for position in _nameless(shape, places, meant, MAX_SLOTS - len(handles), named, of_field, entities):
            part, before = places[position]
            unit = unit_of(shape.shape, part) if part.numeric else ""
            handle = f"A{len(handles) + 1}"
            handles.append(SlotHandle(handle, part, shape.shape.slot_regex(part), _label(before, part), unit=unit))
            shape.slots[position] = handle
    for shape in shapes:
        examples = [profile.shapes[index].example for index in shape.fragment.members]
        shape.lacks = frozenset(one.handle for one in handles if one.regex and not _reads_any(one, examples))
    return handles


def _reads_any(slot: SlotHandle, messages: Sequence[str]) -> bool:
    """Whether a slot's expressions find something in one of the messages."""
    expressions = [re.compile(one, re.ASCII) for one in (slot.regex, slot.form, *slot.also) if one]
    return any(one.search(message) for one in expressions for message in messages)


def bind(values: Sequence[ValueHandle], slots: Sequence[SlotHandle]) -> None:
    """Let values be compared with the handles of columns that stand as fields, and of slots that have such values."""
    for slot in slots:
        for value in values:
            if slot.column in value.columns:
                value.columns[slot.handle] = value.columns.pop(slot.column)
    for value in values:
        folded = value.text.casefold()
        for slot in slots:
            own = next((seen for seen in slot.slot.values if seen.casefold() == folded), None)
            if own is None and folded.isdigit() and slot.name.casefold() in _CODE_FIELDS and slot.slot.numeric:
                own = value.text
            if own is not None and "level" not in value.columns:
                value.columns[slot.handle] = own


def without_patterns(slots: Sequence[SlotHandle], values: Sequence[ValueHandle]) -> list[SlotHandle]:
    """The slots that no pattern is needed for; values stand in others no more."""
    kept = [slot for slot in slots if slot.field]
    gone = {slot.handle for slot in slots} - {slot.handle for slot in kept}
    for value in values:
        value.columns = {name: text for name, text in value.columns.items() if name not in gone}
    return kept


def _places(shape: Shape) -> Iterator[tuple[Slot, str]]:
    """The slots of a shape, each with the constant text before it."""
    for before, part in itertools.pairwise(["", *shape.parts]):
        if isinstance(part, Slot):
            yield part, before if isinstance(before, str) else ""


def _nameless(
    shape: ShapeHandle,
    places: Sequence[tuple[Slot, str]],
    meant: Collection[int],
    room: int,
    fields: Sequence[SlotHandle],
    of_field: dict[int, str],
    entities: set[str],
) -> list[int]:
    """Positions of slots that need a handle of their own, at most `room`; others are told the name that they have."""
    used: set[str] = set()
    chosen: list[int] = []
    for position in sorted(range(len(places)), key=lambda position: position not in shape.meant):
        part, before = places[position]
        name = _known_name(part, before, of_field, entities)
        if not name and (same := _holding_the_same(part, fields)) and same.handle not in used:
            name = same.handle
        if not name and (same := _called_the_same(part, before, shape.shape, fields)) and same.handle not in used:
            name = same.handle
            same.also += (shape.shape.slot_regex(part),)
        if name and name not in used:
            used.add(name)
            shape.slots[position] = name
        elif part.numeric and id(part) not in meant:
            continue
        elif part.kind not in ("clock", "date") and len(chosen) < room and len(used) < _MAX_NAMED:
            chosen.append(position)
            used.add(f"slot {position}")
    return sorted(chosen)


def _known_name(slot: Slot, before: str, of_field: dict[int, str], entities: set[str]) -> str:
    """The field or column that reads a slot; "" where none does."""
    if id(slot) in of_field:
        return of_field[id(slot)]
    if slot.numeric and "port" in entities and NAMES_PORT.search(before):
        return "port"
    return slot.kind if slot.kind in entities else ""


def _holding_the_same(slot: Slot, fields: Sequence[SlotHandle]) -> SlotHandle | None:
    """The field of whose form a slot's values are, written without the field's name."""
    if slot.numeric:
        return None
    for one in fields:
        if one.form and 2 * sum(re.fullmatch(one.form, value) is not None for value in slot.values) >= len(slot.values):
            return one
    return None


def _called_the_same(slot: Slot, before: str, shape: Shape, fields: Sequence[SlotHandle]) -> SlotHandle | None:
    """The field whose name is the word before a slot, where a message writes it otherwise: `Nodes cn7`, `nodes=`."""
    label = {stem for word in split_words(_label(before, slot)) for stem in stems(word)}
    for one in fields:
        words = [word for word in split_words(one.field) if word not in stop_words()]
        alike = (one.slot.numeric, one.slot.integral) == (slot.numeric, slot.integral)
        if alike and words and all(not label.isdisjoint(stems(word)) for word in words):
            return None if _reads_any(one, [shape.example]) else one
    return None


def _label(before: str, slot: Slot) -> str:
    """A column heading for a slot: the word before it, else its kind."""
    words = [word.lower() for word in re.findall(r"[A-Za-z_][A-Za-z_0-9]*", before) if len(word) > 1]
    if words and (not before.rstrip()[-1:].isalnum() or words[-1] not in _NO_LABEL):
        return words[-1]
    return {"num": "number", "word": "name", "id": "id"}.get(slot.kind, slot.kind)


def _of_column(column: ColumnInfo, profile: Profile) -> SlotHandle:
    slot = Slot("num" if column.numeric else "word", profile.values.get(column.name, Counter()))
    return SlotHandle("", slot, "", column.name, column.name, column=column.name)


def _of_field(one: Field, profile: Profile) -> SlotHandle:
    unit = field_unit(one.places, profile.shapes) if one.slot.numeric else ""
    return SlotHandle("", one.slot, one.regex, one.name, one.name, one.form, unit=unit)


def _names_after(nouns: Sequence[str], fields: Sequence[Field], columns: set[str], profile: Profile) -> Field | None:
    """The names after the first of the nouns that has any, where no field or column is called so."""
    words = [word for one in fields for word in one.words] + [word for name in columns for word in name.split("_")]
    named = column_stems() | {stem for word in words for stem in stems(word)}
    for noun in nouns:
        if noun in stop_words() or not named.isdisjoint(stems(noun)):
            continue
        for written in dict.fromkeys((noun.removesuffix("s"), noun)):
            if (found := names_after(written, profile.shapes)) is not None:
                return found
    return None


def _is_unusual(column: ColumnInfo, known: frozenset[str]) -> bool:
    """A column that the question names and that few logs have, so that a planner has seldom met its name."""
    if column.entity or column.kind not in ("text", "integer", "number") or column.name in _USUAL_COLUMNS:
        return False
    return all(not known.isdisjoint(stems(word)) for word in column.name.split("_"))


def _is_no_column(one: Field, known: frozenset[str], columns: set[str]) -> bool:
    """Whether the question's stems name more of the field than a column: `pids` means pid, not callingPid."""
    if one.name.casefold() in columns:
        return False
    if one.name.casefold() == "code" and "status" in columns and not known.isdisjoint(stems("status")):
        return False  # "status codes" are what `status` holds
    others = [word for word in one.words if word not in columns]
    return len(others) == len(one.words) or any(stem in known for word in others for stem in stems(word))


def _with_code_field(spoken: list[Field], values: Sequence[ValueHandle], profile: Profile) -> list[Field]:
    """The fields the question names, and `status` or `code` where it gives such a code that no column has so named."""
    codes = {value.text for value in values if is_code(value.text) and "status" not in value.columns}
    if not codes or any(one.name.casefold() in _CODE_FIELDS for one in spoken):
        return spoken
    fields = [one for one in profile.fields if one.name.casefold() in _CODE_FIELDS and one.slot.numeric]
    return [*fields[:1], *spoken]
