"""Which things a question asks for by name: `which upstream servers …`, `top 3 scrape pools`, `shipments per carrier`.

And which columns, fields and slots of the log go by that name, so that nothing else is listed. Knows no SQL.
"""

import itertools
import re
from collections.abc import Sequence

from edgeslm.ask.candidates import ShapeHandle, SlotHandle
from edgeslm.ask.lexicon import column_nouns, column_stems, split_words, stems, stop_words
from edgeslm.ask.measures import label_of
from edgeslm.ask.outright import asks_for_different
from edgeslm.ask.profile import ENTITY_SLOTS, Profile
from edgeslm.ask.rank import COLUMN_OF
from edgeslm.ask.shapes import Shape, Slot

_START = re.compile(
    r"\b(?:which|what)\s|^\W*whose\s|\b(?:per|by|(?:for )?each|(?:for )?every)\s|\btop\s"
    r"|\b(?:different|distinct|unique)\s|^\W*(?:list|name|show|give me|show me|tell me)\s",
    re.I,
)
_SKIPPED = frozenset(
    "a an the all every each different distinct unique separate single other of our own these those various"
    " several number numbers count counts amount total two three four five six seven eight nine ten most"
    " common frequent top first last exact such number names name values value".split()
)
_ENDS = frozenset(
    "is are was were be been did do does done had have has can could will would should may might must got get"
    " gets with without in on at for from to by per that who whom and or but not no never ever when where"
    " while how than as if it we i you they he she there here most more less least often shows show made make"
    " came come went go gave give sent failed caused triggered".split()
)
_TIMES = frozenset(
    "time times second seconds minute minutes hour hours day days date dates week weeks month months year"
    " years percentage percent share kind kinds type types part one ones line lines message messages entry"
    " entries record records event events error errors warning warnings".split()
)
NO_NAMES = _SKIPPED | _ENDS | _TIMES  # words that name nothing that a log has
_PLACE = {"per": 0, "each": 0, "every": 0, "by": 2}  # which says more of what is listed; other words 1
_LONGEST = 4  # words of a name
NUMBERING = {  # columns whose numbers are names, and the stems that speak of them
    name: frozenset(stem for word in words.split() for stem in stems(word))
    for name, words in {
        "pid": "pid pids process id",
        "tid": "tid tids thread threads id",
        "port": "port ports address",
        "source_line": "source code line",
    }.items()
}
_BEHIND = 32  # characters behind a slot in which a word can stand
_ALSO = {  # columns that a stem may mean beside the one it names first
    stem: names
    for words, names in (
        ("address", ("ip", "mac", "email")),
        ("process program service", ("app", "pid", "component")),
        ("module class package", ("component",)),
        ("host", ("ip",)),
        ("machine device server node client peer station computer", ("host", "ip", "mac", "node")),
        ("severity priority", ("level",)),
        ("account login name", ("user", "host", "app")),
        ("file folder directory", ("path",)),
        ("link page", ("url", "path")),
    )
    for word in words.split()
    for stem in stems(word)
}
_HEAD = re.compile(r"[A-Za-z]{2,}(?=[._-]?\d)")
_WHO = r"\bwho(?:se|m)?\b"
_PERSONS = frozenset("user ip host email".split())  # columns that who asks for
_NUMBERS = frozenset(  # what is called so may be a number
    stem
    for word in (
        "id ids identifier number value code status port pid size amount length duration latency level delay age memory"
        " ratio version build run attempt try retry job session request transaction thread process slot partition block"
        " order ticket line temperature percentage score rate speed count byte severity priority error warning problem"
    ).split()
    for stem in stems(word)
)
_SEVERITY = frozenset(stem for word in ("severity", "severities", "level") for stem in stems(word))


def asked_things(question: str) -> list[str]:
    """The nouns, in the order of their weight: of the first thing asked for the last word, then those before it.

    None where it asks for a time, a share or lines.
    """
    for start in sorted(
        _START.finditer(question), key=lambda found: _PLACE.get(found.group().split()[-1].casefold(), 1)
    ):
        words: list[str] = []
        for word in re.findall(r"[^\s]+", question[start.end() :]):
            plain = word.strip(".,;:!?()\"'").casefold()
            if not plain or plain in _ENDS or len(words) == _LONGEST:
                break
            if plain not in _SKIPPED and not plain.isdigit():
                words.append(plain)
            plural = plain.endswith("s") and not plain.endswith(("ss", "us", "is")) and plain not in _SKIPPED
            if word[-1] in ".,;:!?)" or plural:
                break
        if words and words[-1] in _TIMES:
            return []
        nouns = [part for word in reversed(words) for part in reversed(split_words(word))]
        if found := [noun for noun in nouns if len(noun) > 1 and noun not in stop_words()]:
            return found
    return []


def nouns_of_groups(question: str) -> list[str]:
    """The noun of the first thing asked for, and those right after `by`, `per` and `each`."""
    grouped = re.findall(r"\b(?:by|per|each) ([a-z]+)\b", question.casefold())
    return [*asked_things(question)[:1], *grouped]


def listable(
    question: str, profile: Profile, shapes: Sequence[ShapeHandle], slots: Sequence[SlotHandle]
) -> frozenset[str]:
    """The columns and handles that go by the name of what is asked for; none where nothing does.

    Where only the text beside a slot has that name, anything may be meant that is no plain number and not the same
    in all lines: a peer may be an address.
    """
    columns = {column.name for column in profile.columns}
    own = {stem for noun in asked_things(question) for stem in stems(noun)}
    meant = {name for noun, name in _nouns() if own & set(stems(noun))} | {COLUMN_OF.get(stem) for stem in own}
    named = {name for name in columns if name in meant or own & _stems_of(name)}
    named |= {slot.handle for slot in slots if slot.field and own & _stems_of(slot.field)}
    named |= {slot.handle for slot in slots if not slot.slot.numeric and own & _begun_with(slot)}
    beside = {
        name
        for shape in shapes
        for position, name in shape.slots.items()
        if own & label_of(shape.shape, slot := shape.shape.slots[position], words=1)
        or (re.fullmatch(r"A\d+", name) and _ends_address(shape.shape, slot))
    }
    also = {name for stem in own for name in _ALSO.get(stem, ())} & columns
    if named:
        return frozenset(named | also | beside)
    if own and (
        followed := {slot.handle for slot in slots if not slot.slot.numeric and own & _right_behind(slot, shapes)}
    ):
        return frozenset(followed | also | beside)
    said = {stem for word in split_words(question) for stem in stems(word)}
    if not own and re.match(rf"\W*{_WHO}", question, re.I):
        who = {name for name in columns & _PERSONS if _tells_apart(name, profile)}
        return frozenset(who | {slot.handle for slot in slots if not slot.slot.numeric})
    if not said.isdisjoint(_NUMBERS) or not (own or re.search(_WHO, question, re.I)):
        numbering = {name for name in columns if said.isdisjoint(NUMBERING.get(name, said)) and "number" not in said}
        return frozenset((columns | {slot.handle for slot in slots}) - numbering) if numbering else frozenset()
    telling = {name for name in columns if _tells_apart(name, profile)}
    telling |= {slot.handle for slot in slots if not slot.slot.numeric or own & _around(slot, shapes)}
    return frozenset(telling | also | beside)


def _begun_with(slot: SlotHandle) -> set[str]:
    """The stems that all the values of a slot begin with: of osd of `osd.19` and `osd.2`; none where they differ."""
    heads = {found[0].casefold() if (found := _HEAD.match(value)) else "" for value in slot.slot.values}
    return set(stems(heads.pop())) if len(heads) == 1 and "" not in heads else set()


def _around(slot: SlotHandle, shapes: Sequence[ShapeHandle]) -> set[str]:
    """The stems of the texts right before and behind a slot, wherever it is one."""
    near: set[str] = set()
    for shape in shapes:
        parts = shape.shape.parts
        for at, part in enumerate(parts):
            if part is slot.slot:
                texts = [
                    text for text in (*parts[max(0, at - 1) : at], *parts[at + 1 : at + 2]) if isinstance(text, str)
                ]
                near |= {stem for text in texts for word in split_words(text) for stem in stems(word)}
    return near


def _right_behind(slot: SlotHandle, shapes: Sequence[ShapeHandle]) -> set[str]:
    """The stems of the word right behind a slot, wherever it is one: of `any [east] datasource`."""
    behind: set[str] = set()
    for shape in shapes:
        for part, after in itertools.pairwise(shape.shape.parts):
            if part is slot.slot and isinstance(after, str) and (words := split_words(after[:_BEHIND])):
                behind |= set(stems(words[0]))
    return behind


def _tells_apart(name: str, profile: Profile) -> bool:
    """Whether a column may hold names of things: it holds no numbers and not the same in all lines."""
    column = profile.column(name)
    same = len(profile.values.get(name, ("", ""))) == 1 and name not in ENTITY_SLOTS
    return column is not None and not column.numeric and not same


def _ends_address(shape: Shape, slot: Slot) -> bool:
    """A number right behind an address and a colon, which is a port."""
    at = next(index for index, part in enumerate(shape.parts) if part is slot)
    return slot.numeric and at > 1 and shape.parts[at - 1] == ":"


def _nouns() -> list[tuple[str, str]]:
    return [*column_nouns("column_nouns"), *column_nouns("column_phrases")]


def _stems_of(name: str) -> set[str]:
    return {stem for word in split_words(name.replace("_", " ")) for stem in stems(word)}


def may_count_values(text: str, slots: Sequence[SlotHandle], columns: frozenset[str]) -> bool:
    """Whether the values of a column may be counted: it is named, or different ones are asked for."""
    said = {stem for word in split_words(text) for stem in stems(word)}
    named = {stem for slot in slots for word in split_words(slot.name) for stem in stems(word)}
    nouns = {stem for noun, _ in _nouns() for stem in stems(noun)}
    return asks_for_different(text) or not said.isdisjoint(column_stems() | columns | named | nouns | _SEVERITY)


def grouped_by(question: str, slots: Sequence[SlotHandle]) -> str:
    """The field that the question names right after `by` or `per`, or ""."""
    words = split_words(question)
    for before, after in itertools.pairwise(range(len(words))):
        if words[before] in ("by", "per", "each"):
            for slot in slots:
                name = split_words(slot.field)
                if name and [stems(word) for word in words[after : after + len(name)]] == [
                    stems(word) for word in name
                ]:
                    return slot.handle
    return ""
