"""What the numbers inside messages measure: their unit and the word before them, and which of them a question names.

`elapsed 1456 ms` is a time in milliseconds that is called elapsed; a question about "elapsed above 2 s" means it and no
other number of the message, and compares it with 2000. Knows shapes, not handles or SQL.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from edgeslm.ask.lexicon import locate_words, stems, stop_words
from edgeslm.ask.shapes import Shape, Slot

_UNITS = {
    "time": {
        "ns": 1e-9, "nanosecond": 1e-9, "us": 1e-6, "µs": 1e-6, "microsecond": 1e-6, "ms": 1e-3, "msec": 1e-3,
        "milli": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0,
        "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "day": 86400.0,
    },
    "size": {
        "b": 1.0, "byte": 1.0, "kb": 2.0**10, "kib": 2.0**10, "kilobyte": 2.0**10, "mb": 2.0**20, "mib": 2.0**20,
        "megabyte": 2.0**20, "gb": 2.0**30, "gib": 2.0**30, "gigabyte": 2.0**30, "tb": 2.0**40, "tib": 2.0**40,
    },
    "share": {"%": 1.0, "percent": 1.0, "pct": 1.0},
    "mass": {"g": 1.0, "gram": 1.0, "kg": 1000.0, "kilo": 1000.0, "kilogram": 1000.0},
    "temperature": {"°c": 1.0, "celsius": 1.0, "degree": 1.0},
}  # fmt: skip
_KNOWN = {name: (quantity, factor) for quantity, names in _UNITS.items() for name, factor in names.items()}
_ASKED = {  # words that ask for a quantity without a unit
    "time": "long longer longest short shorter shortest slow slower slowest fast faster fastest duration durations took"
    " take takes taken time times latency elapsed delay delays lasted last runtime quick quickest",
    "size": "large larger largest big bigger biggest small smaller smallest size sizes bytes volume",
    "temperature": "hot hotter hottest cold colder coldest warm warmest temperature temperatures cool coolest",
    "mass": "weight weights heavy heavier heaviest weigh weighed",
    "share": "full fuller fullest",
}
_QUANTITY = {word: quantity for quantity, words in _ASKED.items() for word in words.split()}
_UNIT_AFTER = re.compile(r"\s?([A-Za-zµ]{1,12}|%|°C)(?![\w])")
_LABEL_WORDS = 2
_BY_UNIT, _BY_LABEL, _BY_QUANTITY = 3, 2, 1


def _of(word: str) -> tuple[str, float] | None:
    """The quantity and the size of a unit, in the quantity's own; None for other words."""
    word = word.casefold()
    return _KNOWN.get(word) or (_KNOWN.get(word.removesuffix("s")) if len(word) > 3 else None)


def is_unit(word: str) -> bool:
    """Whether a word is a unit: `seconds`, `kB`, `percent`."""
    return _of(word) is not None


def same_quantity(one: str, other: str) -> bool:
    """Whether two units measure the same: bytes and `MB`."""
    found, wanted = _of(one) if one else None, _of(other) if other else None
    return found is not None and wanted is not None and found[0] == wanted[0]


def is_time_unit(word: str) -> bool:
    """Whether a word is a unit of time."""
    found = _of(word)
    return found is not None and found[0] == "time"


def unit_of(shape: Shape, slot: Slot) -> str:
    """The unit that the shape writes behind a slot, as written; "" where there is none."""
    at = next(index for index, part in enumerate(shape.parts) if part is slot)
    after = shape.parts[at + 1] if at + 1 < len(shape.parts) else ""
    found = _UNIT_AFTER.match(after) if isinstance(after, str) else None
    return found[1] if found and _of(found[1]) else ""


def label_of(shape: Shape, slot: Slot, words: int = _LABEL_WORDS) -> set[str]:
    """The stems of the last words (so many) before a slot, without those that name nothing."""
    at = next(index for index, part in enumerate(shape.parts) if part is slot)
    before = shape.parts[at - 1] if at else ""
    said = [word for word, _, _ in locate_words(before)] if isinstance(before, str) else []
    named = [word for word in said[-words:] if word not in stop_words() and len(word) > 1]
    return {stem for word in named for stem in stems(word)}


def named_measures(shape: Shape, words: Collection[str], fields: Collection[int] = ()) -> tuple[set[int], bool]:
    """The ids of the numeric slots that the question means if it means one of a shape's, and whether it names them.

    All where it names none. words: the question's, in lower case. fields: ids of slots that are fields it names.
    """
    numeric = [slot for slot in shape.slots if slot.numeric]
    if not numeric:
        return set(), False
    known = {stem for word in words for stem in stems(word)}
    units = [unit for word in words if (unit := _of(word))]
    asked = {_QUANTITY[word] for word in words if word in _QUANTITY} | {quantity for quantity, _ in units}
    worth = {}
    for slot in numeric:
        own = _of(unit_of(shape, slot))
        worth[id(slot)] = (
            _BY_UNIT * (own in units)
            + _BY_LABEL * (not known.isdisjoint(label_of(shape, slot)) or id(slot) in fields)
            + _BY_QUANTITY * (own is not None and own[0] in asked)
        )
    best = max(worth.values())
    return {at for at, points in worth.items() if points == best}, best > 0


def field_unit(places: Collection[int], shapes: Sequence[Shape]) -> str:
    """The unit of most of a field's places (ids of slots); "" where most have none."""
    units = Counter(unit_of(shape, slot) for shape in shapes for slot in shape.slots if id(slot) in places)
    return units.most_common(1)[0][0] if units else ""


def find_units(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> dict[str, str]:
    """The unit that the question writes behind a number, by the number's handle: N1 -> `ms`."""
    found = {handle: _UNIT_AFTER.match(question[end:]) for handle, ((_, end), _) in numbers.items()}
    return {handle: unit[1] for handle, unit in found.items() if unit and _of(unit[1])}


def convert(number: str, unit: str, wanted: str) -> str:
    """A number in one unit as one in another; as it is where either is no unit or they measure different things."""
    own, other = _of(unit) if unit else None, _of(wanted) if wanted else None
    if own is None or other is None or own[0] != other[0] or own[1] == other[1]:
        return number
    return f"{float(number) * own[1] / other[1]:.10g}"
