"""Named fields of messages: what follows `status:`, `len=`, `Wake reason: ` or `country code set to '…'`, in any shape.

A shape's slots are bound to one constant text; a field is bound to its name alone, so that `status` is one thing in all
messages that write it. Mined from shapes, not from messages. Knows nothing of questions or handles.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from edgeslm.ask.lexicon import split_words, stems, stop_words, synonyms
from edgeslm.ask.shapes import Shape, Slot, is_common, re2_escape

MAX_FIELDS = 400
SYNONYM = 0.5
_LONGEST_TAIL = 6  # words of a value that goes to the end of its message
_FIRST_MARK = 0xE000  # private-use characters stand for slots while a shape is searched
_WORD = r"[A-Za-z_][\w.-]*"
_INNER, _LAST = r"[^\s,;\"'\])}<>|]", r"[^\s,;\"'\])}<>|:.]"
_VALUE = rf"{_INNER}*{_LAST}"
_NUMBER = r"-?\d+(?:\.\d+)?"
_SIGN = re.compile(r"(?<=\w)(?: ?(=) ?(?!=)|(:)(?!:)( ?)|( )(?=[\"']))")
_NAMES = {  # a name at the end of what stands before a sign: one word, or up to three or four
    "=": re.compile(rf"(?<![\w.-]){_WORD}$"),
    ":": re.compile(rf"(?<![\w.:/-]){_WORD}$"),
    ": ": re.compile(rf"(?<![\w.-]){_WORD}(?: {_WORD}){{0,2}}$"),
    "quote": re.compile(rf"(?<![\w.-]){_WORD}(?: {_WORD}){{0,3}}$"),
}
_LONGEST_NAME = 48
_NAME = r"[A-Za-z][\w-]*(?:\.[\w-]+)*"
_FEWEST_NAMES, _MOST_LISTED = 2, 40
_OPEN = re.compile(r"[\"'\[(]?")
_VALUE_AT, _QUOTED_AT = re.compile(_VALUE), re.compile(r"[^\"']+(?=[\"'])")
_NO_SIGN = re.compile(r"[^=:]*")
_TELLING = re.compile(r"[A-Za-z]{3,}[_-].*0|(?:[A-Za-z]{2,}[_.-])+0")  # of a form: a word, then numbers
_MOST_FORMS = 4
_KEYED = re.compile(r"([A-Za-z_][\w.-]*)=.*", re.S)  # environment:java.home=/usr/lib/jvm: the field is the key
_NUMBERED = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2,6})-?\d{4,}(?![A-Za-z0-9])")  # KB2928120, CVE-2021-44228
_MASKED = ("ip", "url", "path", "mac", "uuid", "email", "clock", "date", "num")


@dataclass(frozen=True)
class Field:
    """A named value inside messages: its name as written, the values seen as a slot, and the regular expression (RE2).

    count: how many sampled messages have it. places: ids of the shapes' slots that it reads.
    """

    name: str
    slot: Slot
    regex: str
    count: int
    places: frozenset[int] = frozenset()

    @cached_property
    def form(self) -> str:
        """The regular expression (RE2) of its values where they are words with numbers, as `job_17_m_3`; else ""."""
        forms = {re.sub(r"\d+", "0", value) for value in self.slot.values}
        if len(forms) > _MOST_FORMS or any(_TELLING.match(one) is None for one in forms):
            return ""
        return "|".join(re2_escape(one).replace("0", r"\d+") for one in sorted(forms))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of its name that say something, in order."""
        return tuple(word for word in split_words(self.name) if word not in stop_words() and len(word) > 1)


@dataclass
class _Seen:
    """What one name was seen with, in one way of writing it."""

    name: str
    values: Counter[str]
    tails: Counter[str]
    count: int = 0
    to_end: int = 0
    numbers: int = 0
    spaced: bool = False
    written: set[str] = field(default_factory=set)  # its name in small and in large letters
    places: set[int] = field(default_factory=set)


def mine_fields(shapes: Sequence[Shape]) -> list[Field]:
    """The fields that take at least two values, those of most messages first."""
    table: dict[tuple[str, str], _Seen] = {}
    for shape in shapes:
        text, slots = _flatten(shape)
        met: set[tuple[str, str]] = set()
        for sign, name, start, end in _places(text):
            key = (sign, name.casefold())
            if key not in met:
                met.add(key)
                seen = table.setdefault(key, _Seen(name, Counter(), Counter()))
                seen.written.add(name)
                _note(seen, shape, sign, text[start:], end - start, slots)
    fields = [one for (sign, _), seen in table.items() if (one := _field(sign, seen))]
    fields += _numbered(shapes)
    return sorted(fields, key=lambda one: -one.count)[:MAX_FIELDS]


def _numbered(shapes: Sequence[Shape]) -> list[Field]:
    """Identifiers in values that say by capitals before a number what they are: the field KB of `for_KB2928120~31`."""
    table: dict[str, _Seen] = {}
    for shape in shapes:
        met = set()
        for slot in shape.slots:
            for value, count in slot.values.items() if slot.kind not in _MASKED else ():
                for found in _NUMBERED.finditer(value):
                    seen = table.setdefault(found[1], _Seen(found[1], Counter(), Counter()))
                    seen.values[found.group()] += count
                    met.add(found[1])
        for name in met:
            table[name].count += shape.count
    return [
        Field(name, Slot("id", seen.values), rf"(?:^|[^A-Za-z0-9])({name}-?\d{{4,}})(?:$|[^A-Za-z0-9])", seen.count)
        for name, seen in table.items()
        if len(seen.values) > 1
    ]


def _flatten(shape: Shape) -> tuple[str, list[Slot]]:
    """The shape as one text in which the n-th slot is the n-th private-use character."""
    slots = shape.slots
    marks = iter(range(_FIRST_MARK, _FIRST_MARK + len(slots)))
    return "".join(part if isinstance(part, str) else chr(next(marks)) for part in shape.parts), slots


def _places(text: str) -> Iterator[tuple[str, str, int, int]]:
    """The sign, the name, and where its value starts and ends; no name reaches into a value before it."""
    done = 0
    for sign in _SIGN.finditer(text):
        if sign.start() < done:
            continue
        kind = "=" if sign[1] else "quote" if sign[4] else ": " if sign[3] else ":"
        name = _NAMES[kind].search(text[max(done, sign.start() - _LONGEST_NAME) : sign.start()])
        if name is None:
            continue
        opened = _OPEN.match(text, sign.end())
        start = opened.end() if opened else sign.end()
        value = (_QUOTED_AT if kind == "quote" else _VALUE_AT).match(text, start)
        if value is not None:
            done = value.end()
            yield kind, name.group(), start, done


def _note(seen: _Seen, shape: Shape, sign: str, rest: str, length: int, slots: list[Slot]) -> None:
    """Count a value; rest: the flat text from it on."""
    seen.count += shape.count
    value = rest[:length]
    if sign == ": " and len(rest.split()) <= _LONGEST_TAIL and _NO_SIGN.fullmatch(rest, length):
        seen.to_end += shape.count
        seen.spaced |= " " in rest
        seen.tails[_written(rest, sign, seen.name, "tail", shape)] += shape.count
    first = ord(value[0]) - _FIRST_MARK
    slot = slots[first] if 0 <= first < len(slots) else None
    if slot and (len(value) == 1 or (slot.numeric and (value[1:].isalpha() or value[1] == "%"))):
        seen.values.update(slot.values)
        seen.places.add(id(slot))
        seen.numbers += shape.count if slot.numeric else 0
        return
    value = _written(value, sign, seen.name, "word", shape)
    seen.values[value] += shape.count
    seen.numbers += shape.count if re.fullmatch(_NUMBER, value) else 0


def _written(flat: str, sign: str, name: str, kind: str, shape: Shape) -> str:
    """A value as a message writes it."""
    if all(ord(letter) < _FIRST_MARK for letter in flat):
        return flat
    found = re.search(_regex(sign, name, kind, any_case=True), shape.example)
    return found[1] if found else flat


def _field(sign: str, seen: _Seen) -> Field | None:
    numeric = seen.numbers == seen.count
    tail = not numeric and seen.spaced and seen.to_end > 0.5 * seen.count
    values = seen.tails if tail else seen.values
    kind = "num" if numeric else "tail" if tail else "word"
    if sign in (":", ": ") and not numeric and all(_KEYED.fullmatch(value) for value in values):
        kind, values = "key", _keys(values)
    if len(values) < 2:
        return None
    regex = _regex(sign, seen.name, kind, any_case=len(seen.written) > 1)
    places = frozenset(seen.places) if kind in ("num", "word") else frozenset[int]()
    return Field(seen.name, Slot("num" if numeric else "word", values), regex, seen.count, places)


def _keys(values: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for value, count in values.items():
        found[value.partition("=")[0]] += count
    return found


def _regex(sign: str, name: str, kind: str, *, any_case: bool = False) -> str:
    """The regular expression whose group 1 is the value of the first such field of a message."""
    written = f"(?i:{re2_escape(name)})" if any_case else re2_escape(name)
    value = {"num": f"({_NUMBER})", "word": f"({_VALUE})", "tail": r"(.+?)\s*$", "key": r"([A-Za-z_][\w.-]*)="}[kind]
    if sign == "quote":
        value = value if kind == "num" else "([^\"']+)"
        return f"(?:^|[^\\w.-]){written} [\"']{value}[\"']"
    between = {"=": " ?= ?", ": ": ": ?", ":": ":"}[sign]
    return rf"(?:^|[^\w.-]){written}{between}[\"'\[(]?{value}"


def names_after(noun: str, shapes: Sequence[Shape]) -> Field | None:
    """The names that messages write right after a noun, as constant words or in slots: of `operator jkowalski`.

    None where slots alone have them, which have that label already, and where there are less than two. Words that say
    something of themselves are no names; where such words stand after the noun too, only names that were seen are read,
    and none where those are many.
    """
    after = re.compile(rf"(?<![\w.-]){re.escape(noun)} ([A-Za-z][\w.-]*\b|[{chr(_FIRST_MARK)}-\uf8ff])", re.I)
    values: Counter[str] = Counter()
    places: set[int] = set()
    written = others = 0
    for shape in shapes:
        text, slots = _flatten(shape)
        for found in after.finditer(text):
            at = ord(found[1][0]) - _FIRST_MARK
            if 0 <= at < len(slots):
                if slots[at].kind == "word":
                    values.update(slots[at].values)
                    places.add(id(slots[at]))
            elif is_common(found[1]):
                others += 1
            else:
                values[found[1]] += shape.count
                written += 1
    if not written or len(values) < _FEWEST_NAMES or (others and len(values) > _MOST_LISTED):
        return None
    one = "|".join(re2_escape(value) for value in sorted(values, key=len, reverse=True)) if others else _NAME
    regex = rf"(?:^|[^\w.-])(?i:{re2_escape(noun)}) ({one})(?:$|[^\w-])"
    return Field(noun, Slot("word", values), regex, values.total(), frozenset(places))


def fields_named(words: Iterable[str], fields: Sequence[Field]) -> list[Field]:
    """Fields of whose name a question's words give at least half, the fullest names first; synonyms count half."""
    quality: dict[str, float] = {}
    for stem in (stem for word in words for stem in stems(word)):
        quality[stem] = 1.0
        for other in synonyms(stem):
            quality.setdefault(other, SYNONYM)
    ranked: list[tuple[float, Field]] = []
    for one in fields:
        hits = [max((quality.get(stem, 0.0) for stem in stems(word)), default=0.0) for word in one.words]
        if hits and max(hits) == 1.0 and sum(hits) >= 0.5 * len(hits):
            ranked.append((sum(hits) * sum(hits) / len(hits), one))
    ranked.sort(key=lambda pair: (-pair[0], -pair[1].count))
    return list({one.name.casefold(): one for _, one in reversed(ranked)}.values())[::-1]
