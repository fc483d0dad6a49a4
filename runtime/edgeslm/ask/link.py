"""Linking: what of a question is found in the log. Candidates only; which of them count is the planner's choice.

Values, numbers and time words become handles (V1, N1, T1), ranked message shapes S1…, their slots A1…
Every handle stands for something the question or the log really contains. Knows nothing of intents.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from edgeslm.ask.fragments import Fragment, choose_fragments
from edgeslm.ask.lexicon import column_stems, column_words, content_words, split_words, stems, stop_words
from edgeslm.ask.numbers import NUMBER_WORDS
from edgeslm.ask.profile import ColumnInfo, Profile
from edgeslm.ask.rank import LexicalRanker, ShapeRanker
from edgeslm.ask.shapes import Shape, Slot
from edgeslm.ask.times import TimeRange, find_times
from edgeslm.ask.values import LEVEL_LETTERS, LEVEL_WORDS, looks_like_value, nearest_level

MAX_SHAPES, MAX_VALUES, MAX_TIMES, MAX_NUMBERS, MAX_SLOTS = 5, 6, 3, 3, 9
_RANK_WORDS = {"top", "first", "last", "latest", "most", "best", "worst", "busiest", "leading", "bottom", "earliest", "least", "limit", "recent", "fewest", "biggest", "largest", "slowest", "longest", "highest"}  # fmt: skip
_GENERIC = {"requests", "request", "recently", "common", "often", "codes", "ids", "events", "event", "logs", "file", "times", "per", "problem", "problems"}  # fmt: skip
_LEVEL_LETTER = re.compile(r"\blevel (?:= ?)?([vdiwef])\b|\b([VDIWEF])(?: lines| messages| entries| level|-level)")
_TOKEN = re.compile(r"[^\s\"“”`]+")
_QUOTED = re.compile(r"\"([^\"]{1,200})\"|“([^”]{1,200})”|(?<!\w)'([^']{2,200})'(?!\w)|`([^`]{1,200})`")
_EDGES = ".,;:!?()[]{}<>"


@dataclass
class SlotHandle:
    """A slot of a listed shape that a query may read: A1, its kind, and the regular expression that reads it."""

    handle: str
    shape: int
    slot: Slot
    regex: str
    name: str


@dataclass
class ShapeHandle:
    """A message pattern offered as S1: the literal pieces to look for, the shape it is shown as, and how often it occurs."""

    handle: str
    fragment: Fragment
    shape: Shape
    count: int
    slots: dict[int, str] = field(default_factory=dict)  # slot position -> column name or A-handle


@dataclass
class ValueHandle:
    """A value of the question, V1: its text, and per column (or A-handle) the value as the log writes it. Always usable as text."""

    handle: str
    text: str
    columns: dict[str, str]
    at: tuple[int, int]
    plain: bool
    exact_case: bool = False
    guess: bool = False  # a stretch of words that was found nowhere


@dataclass
class Candidates:
    """Everything a query for this question may be made of."""

    question: str
    annotated: str
    columns: list[ColumnInfo]
    shapes: list[ShapeHandle]
    slots: list[SlotHandle]
    values: list[ValueHandle]
    times: dict[str, TimeRange]
    numbers: dict[str, str]
    has_levels: bool
    coverage: float

    def value(self, handle: str) -> ValueHandle:
        return next(value for value in self.values if value.handle == handle)

    def shape(self, handle: str) -> ShapeHandle:
        return next(shape for shape in self.shapes if shape.handle == handle)

    def slot(self, handle: str) -> SlotHandle:
        return next(slot for slot in self.slots if slot.handle == handle)


@dataclass
class _Mark:
    at: tuple[int, int]
    replace: bool
    handles: list[str]


def link(question: str, profile: Profile, *, now: datetime, ranker: ShapeRanker | None = None) -> Candidates:
    """Offer candidates for a question over a profiled log. Deterministic; never raises on odd input."""
    times = find_times(question, now=now, log_range=profile.time_range)[:MAX_TIMES]
    blank = question
    for span in times:
        blank = blank[: span.at[0]] + " " * (span.at[1] - span.at[0]) + blank[span.at[1] :]
    marks = [_Mark(span.at, True, [f"T{number}"]) for number, span in enumerate(times, 1)]
    values, blank = _find_values(blank, profile)
    numbers = _find_numbers(blank, values, profile)
    for handle, (at, _) in numbers.items():
        marks.append(_Mark(at, True, [handle]))
    rest = blank
    for at, _ in numbers.values():
        rest = rest[: at[0]] + " " * (at[1] - at[0]) + rest[at[1] :]
    quoted = [value.text for value in values if not value.plain and not value.columns and " " in value.text]
    words = content_words(" ".join([rest, *quoted]))
    light = {word for value in values if value.plain and value.columns for word in content_words(value.text)}
    bonus: dict[int, float] = {}
    for value in values:
        if value.columns and all(name in ("app", "component", "user", "ip", "level") for name in value.columns):
            continue
        for shape, _ in profile.slot_index.get(value.text.casefold(), ()):
            bonus[id(shape)] = max(bonus.get(id(shape), 0.0), 0.8)
    ranked = (ranker or LexicalRanker()).rank(words, profile, bonus, light)
    known = frozenset(stem for word in split_words(" ".join([rest, *quoted])) for stem in stems(word))
    fragments = choose_fragments(ranked, profile, MAX_SHAPES, known)
    shapes = [ShapeHandle(f"S{n}", one, one.shape, one.count) for n, one in enumerate(fragments, 1)]
    slots = _name_slots(shapes, profile)
    _bind_slot_values(values, shapes, slots, profile)
    coverage = ranked[0].coverage if ranked else 0.0
    open_text = rest
    for value in values:
        open_text = open_text[: value.at[0]] + "\x00" * (value.at[1] - value.at[0]) + open_text[value.at[1] :]
    met = {word for one in ranked[:MAX_SHAPES] for word in one.matched} if coverage >= 0.35 else set()
    if len(values) < MAX_VALUES and (spare := _unlinked_phrase(open_text, met, coverage)):
        values.append(ValueHandle("", rest[spare[0] : spare[1]], {}, spare, True, guess=True))
    values = sorted(values, key=lambda value: value.at)[:MAX_VALUES]
    for number, value in enumerate(values, 1):
        value.handle = f"V{number}"
        marks.append(_Mark(value.at, not value.plain, [value.handle]))
    return Candidates(
        question,
        _annotate(question, marks),
        profile.columns,
        shapes,
        slots,
        values,
        {f"T{number}": span for number, span in enumerate(times, 1)},
        {handle: text for handle, (_, text) in numbers.items()},
        profile.has_levels,
        coverage,
    )


def _find_values(text: str, profile: Profile) -> tuple[list[ValueHandle], str]:
    """Values of the log (or things that look like values) in the question; returns them and the text without them."""
    found: list[ValueHandle] = []

    def take(at: tuple[int, int], value: ValueHandle) -> None:
        nonlocal text
        found.append(value)
        if not value.plain:
            text = text[: at[0]] + " " * (at[1] - at[0]) + text[at[1] :]

    for quote in _QUOTED.finditer(text):
        inner = next(group for group in quote.groups() if group is not None)
        columns = dict(profile.value_index.get(inner.casefold(), {}))
        take(quote.span(), ValueHandle("", inner, columns, quote.span(), False))
    for match in _LEVEL_LETTER.finditer(text):
        letter = (match[1] or match[2]).upper()
        if profile.has_levels:
            at = match.span(1) if match[1] else match.span(2)
            take(at, ValueHandle("", letter, {"level": LEVEL_LETTERS[letter]}, at, True))
    tokens = [(match.start(), match.end()) for match in _TOKEN.finditer(text)]
    taken: set[int] = set()
    for width in (3, 2, 1):
        for first in range(len(tokens) - width + 1):
            if taken & set(range(first, first + width)):
                continue
            start, end = _strip(text, tokens[first][0], tokens[first + width - 1][1])
            if start >= end:
                continue
            value = _value_at(text, start, end, width, profile)
            if value is not None:
                taken |= set(range(first, first + width))
                take((start, end), value)
    return found, text


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in _EDGES + "'":
        start += 1
    while end > start and text[end - 1] in _EDGES + "'":
        end -= 1
    if end - start > 2 and text[end - 2 : end] in ("'s", "’s"):
        end -= 2
    return start, end


def _value_at(text: str, start: int, end: int, width: int, profile: Profile) -> ValueHandle | None:
    raw = text[start:end]
    folded = raw.casefold()
    at = (start, end)
    plain = raw.replace("'", "").replace("-", " ").replace(" ", "").isalpha()
    if width == 1 and plain:
        level = LEVEL_WORDS.get(folded) or nearest_level(folded)
        if level and profile.has_levels:
            return ValueHandle("", raw, {"level": level}, at, True)
    columns = dict(profile.value_index.get(folded, {}))
    if raw.isdigit():
        columns = {name: value for name, value in columns.items() if not (len(raw) < 3 and name == "pid")}
        named = profile.slot_index.get(folded, ())
        if _after_rank_word(text, start) or (len(raw) < 3 and not columns):
            return None
        if not columns and not named and not ("status" in _number_names(profile) and 100 <= int(raw) <= 599):
            return None
        return ValueHandle("", raw, columns, at, False)
    if plain:
        words = folded.split()
        if all(word in stop_words() or word in column_words() for word in words):
            return None
        if columns and (width > 1 or len(raw) > 2):
            return ValueHandle("", raw, columns, at, True)
        if width == 1 and folded in profile.slot_index and len(raw) > 2 and _only_a_value(folded, profile):
            return ValueHandle("", raw, {}, at, True)
        if width == 1 and len(raw) > 5 and raw[1:] != raw[1:].lower() and not _is_constant(raw, profile):
            return ValueHandle("", raw, {}, at, False)
        return None
    if columns or (width == 1 and (folded in profile.slot_index or looks_like_value(raw))):
        if not columns and re.fullmatch(r"\d+(?:\.\d+){3}", raw) and profile.column("ip"):
            columns = {"ip": raw}
        if not columns and _is_constant(raw, profile) and folded not in profile.slot_index:
            return None
        return ValueHandle("", raw, columns, at, False)
    return None


def _only_a_value(folded: str, profile: Profile) -> bool:
    """The word was seen in slots and is no constant word of a message."""
    return not any(stem in profile.stem_frequency for stem in stems(folded))


def _is_constant(raw: str, profile: Profile) -> bool:
    """The name stands in the constant text of some shape, so that the shape itself will be offered."""
    return any(raw in literal for shape in profile.shapes for literal in shape.literals())


def _number_names(profile: Profile) -> set[str]:
    names = {column.name for column in profile.columns}
    if "status" in profile.stem_frequency or "statu" in profile.stem_frequency:
        names.add("status")
    return names


def _after_rank_word(text: str, start: int) -> bool:
    before = text[:start].casefold().split()
    return bool(before) and before[-1].strip(_EDGES) in _RANK_WORDS


def _find_numbers(text: str, values: list[ValueHandle], profile: Profile) -> dict[str, tuple[tuple[int, int], str]]:
    """Numbers of the question as digits: N1, N2 …; number words count when they are above one."""
    found: list[tuple[tuple[int, int], str]] = []
    for match in re.finditer(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?![\d.]*\w)|(?<![\w.])\d+(?:\.\d+)?(?=(?:ms|s|mb|kb|gb|%)\b)|\b[a-z]+\b", text, re.I):
        word = match.group().casefold()
        if word[0].isdigit():
            found.append((match.span(), word.replace(",", "")))
        elif word in NUMBER_WORDS:
            found.append((match.span(), str(NUMBER_WORDS[word])))
    return {f"N{number}": one for number, one in enumerate(found[:MAX_NUMBERS], 1)}


def _name_slots(shapes: list[ShapeHandle], profile: Profile) -> list[SlotHandle]:
    """Give the slots of listed shapes names: a column of the view where one reads it, else A1, A2 …"""
    handles: list[SlotHandle] = []
    entity = {column.name for column in profile.columns if column.entity}
    for index, shape in enumerate(shapes):
        used: set[str] = set()
        position = -1
        for at, part in enumerate(shape.shape.parts):
            if not isinstance(part, Slot):
                continue
            position += 1
            before = shape.shape.parts[at - 1] if at else ""
            before_text = before if isinstance(before, str) else ""
            name = part.kind if part.kind in entity else ""
            if part.numeric and "port" in entity and before_text.rstrip().endswith("port"):
                name = "port"
            if name and name not in used:
                used.add(name)
                shape.slots[position] = name
            elif part.kind not in ("clock", "date") and len(handles) < MAX_SLOTS and len(used) < 6:
                handle = f"A{len(handles) + 1}"
                label = _label(before_text, part)
                handles.append(SlotHandle(handle, index, part, shape.shape.slot_regex(part), label))
                shape.slots[position] = handle
                used.add(handle)
    return handles


def _label(before: str, slot: Slot) -> str:
    """A column heading for a slot: the word before it, else its kind."""
    words = [word for word in re.findall(r"[A-Za-z_][A-Za-z_0-9]*", before) if len(word) > 1]
    name = words[-1].lower() if words and before.rstrip()[-1:] in ("=", ":") or words and not before.rstrip()[-1:].isalnum() else ""
    name = name or (words[-1].lower() if words and words[-1].lower() not in ("for", "to", "from", "in", "on", "of", "at", "is", "the", "with", "by", "a", "and") else "")
    return name or {"num": "number", "word": "name", "id": "id"}.get(slot.kind, slot.kind)


def _bind_slot_values(
    values: list[ValueHandle], shapes: list[ShapeHandle], slots: list[SlotHandle], profile: Profile
) -> None:
    """Let a value also be compared with the A-handles in whose slots it was seen; a status code with the slot of that name."""
    for value in values:
        folded = value.text.casefold()
        for handle in slots:
            own = next((seen for seen in handle.slot.values if seen.casefold() == folded), None)
            if own is None and folded.isdigit() and handle.name in ("status", "code") and handle.slot.numeric:
                own = value.text
            if own is not None and "level" not in value.columns:
                value.columns[handle.handle] = own


def _unlinked_phrase(text: str, matched: set[str], coverage: float) -> tuple[int, int] | None:
    """The stretch of content words that no shape covers, when the best shape leaves much of the question open."""
    if coverage >= 0.6:
        return None
    tokens = [(m.start(), m.end(), m.group().casefold().strip(_EDGES + "'").removesuffix("'s")) for m in re.finditer(r"\S+", text)]
    content = [
        n
        for n, (_, _, word) in enumerate(tokens)
        if len(word) > 1 and word[0].isalpha() and word not in stop_words() and word not in matched and word not in _GENERIC
        and not column_stems() & set(stems(word))
    ]
    if not content:
        return None
    first = last = content[0]
    best = (first, last)
    for n in content[1:]:
        between = [tokens[k][2] for k in range(last + 1, n)]
        last = n if all(word in ("of", "the", "a", "to", "in", "out", "for", "on") for word in between) else last
        if last != n:
            first = last = n
        if last - first >= best[1] - best[0]:
            best = (first, last)
    first, last = best
    if first > 0 and tokens[first - 1][2] == "out":
        first -= 1
    start, _ = _strip(text, tokens[first][0], tokens[first][1])
    _, end = _strip(text, tokens[last][0], tokens[last][1])
    return (start, end) if end - start >= 3 else None


def _annotate(question: str, marks: Sequence[_Mark]) -> str:
    """The question in lower case with handles after (or in place of) what they stand for."""
    out, end = [], 0
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
