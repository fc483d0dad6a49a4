"""Which stretches of a question are values of the log, or look like values, and which are numbers.

Knows the profile's values and slots, not shapes' ranking or handles' names: link.py gives those.
"""

import itertools
import re
from collections.abc import Iterable
from functools import lru_cache

from edgeslm.ask.amounts import COMPARED
from edgeslm.ask.candidates import MAX_NUMBERS, ValueHandle
from edgeslm.ask.lexicon import column_stems, column_words, filler_words, stems, stop_words
from edgeslm.ask.measures import is_unit
from edgeslm.ask.numbers import NUMBER_WORDS
from edgeslm.ask.profile import Profile
from edgeslm.ask.shapes import Slot
from edgeslm.ask.typos import nearest
from edgeslm.ask.values import LEVEL_LETTERS, LEVEL_WORDS, looks_like_value, spelled_level
from edgeslm.ask.wording import QUOTED, is_whole

EDGES = ".,;:!?()[]{}<>"
_NUMBERED = frozenset(  # what is called by a number
    "alarm alert error code status job task order ticket session request transaction block process pid id number port"
    " line channel extension stage batch part unit node rack slot account customer invoice message event rule".split()
)
_RANK_WORDS = set(
    "top first last latest most best worst busiest leading bottom earliest least limit recent fewest biggest largest"
    " slowest longest highest".split()
)
_LEVEL_LETTER = re.compile(
    r"\blevel (?:= ?)?([vdiwefVDIWEF])\b|\b([VDIWEF])(?: lines| messages| entries| level|-level)"
)
_TOKEN = re.compile(r"[^\s\"“”`]+")
_WORD = re.compile(r"(?<![\w./-])[A-Za-z]{5,}(?![\w/-]|\.\w)")
_NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?![\d.]*\w)"
    r"|(?<![\w.])\d+(?:\.\d+)?(?=(?:ms|s|mb|kb|gb|%)\b)|\b[a-z]+\b",
    re.I,
)
_MENTIONED = re.compile(  # an identifier that is asked for as text, at the end of its clause
    r"\b(?:mention(?:s|ed|ing)?|contain(?:s|ed|ing)?|includ(?:es?|ed|ing)|with|without|having)\s+"
    r"(?:the (?:word|text|string|name) )?(?P<name>(?=\w*(?:[a-z][A-Z]|[A-Z]{2}[a-z]|_\w|::))[A-Za-z][\w:]*\w)"
    r"(?=\s*(?:$|[,.;:!?)]|(?:in|on|at|from|by|per|and|or|but|after|before|between|during|since|until|today|yesterday)\b))"
)
_PLACES = re.compile(r"[- ](?:decimals?|digits?)\b", re.I)  # how an answer is to be written
_PATHS = ("path", "url")
_CODES = re.compile(r"([1-5]\d\d)s")
_SHORT, _NEARER, _NEAR = 6, 90, 87  # letters of a short word, and how near a short or longer one must be to a column
_LEVEL_NAMES = frozenset(("alert", "alerts", "emergency", "panic"))
_PROGRAMS = ("app", "component")
_LONGEST_NUMBER = 15  # digits; more fit no column of numbers


def blank_out(text: str, at: tuple[int, int], filler: str = " ") -> str:
    """The text with that stretch overwritten, so that every place keeps its number."""
    return text[: at[0]] + filler * (at[1] - at[0]) + text[at[1] :]


def find_values(text: str, profile: Profile) -> tuple[list[ValueHandle], str]:
    """Values of the log (or things that look like values) in the question; returns them and the text without them."""
    found: list[ValueHandle] = []

    def take(at: tuple[int, int], value: ValueHandle) -> None:
        nonlocal text
        found.append(value)
        if not value.plain:
            text = blank_out(text, at)

    for quote in QUOTED.finditer(text):
        inner = next(group for group in quote.groups() if group is not None)
        columns = dict(profile.value_index.get(inner.casefold(), {}))
        whole = is_whole(text[: quote.start()])
        # Written as the log writes it, it is meant so: "Invalid user" is no `invalid user`.
        exact = inner != inner.lower() and any(inner in shape.example for shape in profile.shapes)
        value = ValueHandle("", inner, columns, quote.span(), False, exact_case=exact, whole=whole, quoted=True)
        take(quote.span(), value)
    for match in _LEVEL_LETTER.finditer(text):
        letter = (match[1] or match[2]).upper()
        if profile.has_levels:
            at = match.span(1) if match[1] else match.span(2)
            take(at, ValueHandle("", letter, {"level": LEVEL_LETTERS[letter]}, at, True))
    for match in _MENTIONED.finditer(text):
        name, at = match["name"], match.span("name")
        if _is_constant(name, profile):
            take(at, ValueHandle("", name, dict(profile.value_index.get(name.casefold(), {})), at, False))
    tokens = [(match.start(), match.end()) for match in _TOKEN.finditer(text)]
    taken: set[int] = set()
    for width in (3, 2, 1):
        for first in range(len(tokens) - width + 1):
            if taken & set(range(first, first + width)):
                continue
            start, end = strip_edges(text, tokens[first][0], tokens[first + width - 1][1])
            if start >= end:
                continue
            found_here = _value_at(text, start, end, width, profile)
            if found_here is not None:
                taken |= set(range(first, first + width))
                take((start, end), found_here)
    return found, text


def name_columns(question: str, profile: Profile, nouns: Iterable[tuple[str, str]]) -> str:
    """The question with nouns that mean a column of the log by the column's name: `URLs` as `paths`.

    nouns: pairs of a noun and a column. Text in quotes stays, and so does a noun that a column or a field is called by.
    """
    own = {column.name for column in profile.columns} | {word for one in profile.fields for word in one.words}
    for noun, column in nouns:
        if profile.column(column) is None or noun in own or noun not in question.casefold():
            continue
        if _stands_before_names(noun, profile):
            continue
        quoted = [match.span() for match in QUOTED.finditer(question)]
        for match in reversed(list(re.finditer(rf"\b{noun}(?=s?\b)", question, re.I))):
            if not any(start <= match.start() < end for start, end in quoted):
                question = question[: match.start()] + column + question[match.end() :]
    return question


def _stands_before_names(noun: str, profile: Profile) -> bool:
    """Whether messages have a name or a number right after the noun, `Endpoint 104 is …`: then it is what that is."""
    before = re.compile(rf"\b{re.escape(noun)} [\"'#]?$", re.I)
    return any(
        isinstance(part, Slot) and part.kind not in _PATHS and isinstance(text, str) and before.search(text) is not None
        for shape in profile.shapes
        for text, part in itertools.pairwise(shape.parts)
    )


def mend_spelling(question: str, profile: Profile) -> str:
    """The question with misspelt words for levels and columns mended, so that a planner reads what it knows.

    Quoted text stays, and so does a word that messages hold: `warming` of a cache is no slip of `warning`.
    """
    quoted = [match.span() for match in QUOTED.finditer(question)]

    def mended(match: re.Match[str]) -> str:
        word = match.group().casefold()
        if word in LEVEL_WORDS or any(start <= match.start() < end for start, end in quoted):
            return match.group()
        if any(stem in profile.stem_frequency for stem in stems(word)):
            return match.group()
        return (profile.has_levels and spelled_level(word)) or _spelled_column(word) or match.group()

    return _WORD.sub(mended, question)


@lru_cache(maxsize=10000)
def _spelled_column(word: str) -> str | None:
    """The word for a column that a misspelt one stands for (`adresses`, `proceses`), or None."""
    if word in stop_words() or word in filler_words() or not column_stems().isdisjoint(stems(word)):
        return None
    best = nearest(word, sorted(column_words()), least=_NEAR if len(word) > _SHORT else _NEARER, most=1)
    if not best or best[0][0] != word[0] or word.startswith(best[0]):  # a processor is no misspelt process
        return None
    return best[0]


def strip_edges(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without punctuation around it and without a genitive's ending; `crond(pam_unix)` stays whole."""
    while start < end and text[start] in EDGES + "'":
        start += 1
    while end > start and text[end - 1] in EDGES + "'" and not _closes(text[start:end]):
        end -= 1
    if end - start > 2 and text[end - 2 : end] in ("'s", "’s"):
        end -= 2
    return start, end


def _closes(text: str) -> bool:
    """Whether it ends with the bracket that closes one inside it."""
    return text.endswith(")") and text.count("(") == text.count(")")


def _value_at(text: str, start: int, end: int, width: int, profile: Profile) -> ValueHandle | None:
    raw = text[start:end]
    folded = raw.casefold()
    at = (start, end)
    plain = raw.replace("'", "").replace("-", " ").replace(" ", "").isalpha()
    if width == 1 and plain:
        level = LEVEL_WORDS.get(folded) or _written_level(raw, profile)
        if level and profile.has_levels:
            return ValueHandle("", raw, {"level": level}, at, True, level_text=_own_level_text(folded, level, profile))
    if width == 1 and "_" in folded and profile.column(folded) is not None:
        return None
    codes = _CODES.fullmatch(raw)  # 404s: lines with that code
    columns = dict(profile.value_index.get(codes[1] if codes else folded, {}))
    if codes:
        columns = {name: value for name, value in columns.items() if name == "status"} or columns
    if codes or raw.isdigit():
        return _digits_at(text, codes[1] if codes else raw, columns, at, profile)
    if plain:
        return _words_at(raw, folded, columns, at, width, profile)
    if columns or (width == 1 and (_is_held(folded, profile) or looks_like_value(raw))):
        if not columns and re.fullmatch(r"\d+(?:\.\d+){3}", raw) and profile.column("ip"):
            columns = {"ip": raw}
        if not columns and _is_constant(raw, profile) and folded not in profile.slot_index:
            return None
        return ValueHandle("", raw, columns, at, False)
    return None


def _written_level(raw: str, profile: Profile) -> str | None:
    """The level that the log writes so; a word that is no name of a level elsewhere only in capitals (`DETAIL`)."""
    folded = raw.casefold()
    if folded in _LEVEL_NAMES or (len(raw) > 2 and raw.isupper()):
        return profile.level_texts.get(folded) or profile.level_texts.get(folded.removesuffix("s"))
    return None


def _own_level_text(folded: str, level: str, profile: Profile) -> str:
    """The log's own word for the level, where it has others that mean something else: `crit` beside `emerg`."""
    texts = [text for text, of in profile.level_texts.items() if of == level]
    word = next((one for one in (folded, folded.removesuffix("s")) if one in texts), "")
    others = [text for text in texts if text != word]
    same = any(text.startswith(word) or word.startswith(text) for text in others)  # warn and warning
    return word if word and others and not same else ""


def _digits_at(
    text: str, raw: str, columns: dict[str, str], at: tuple[int, int], profile: Profile
) -> ValueHandle | None:
    """A number that the log holds, or a status code; other numbers are N-handles."""
    columns = {name: value for name, value in columns.items() if not (len(raw) < 3 and name == "pid")}
    if _after_rank_word(text, at[0]) or COMPARED.search(text[: at[0]]) or (len(raw) < 3 and not columns):
        return None
    status = len(raw) == 3 and raw.isascii() and 100 <= int(raw) <= 599
    if not columns and not _is_held(raw, profile) and not (status and "status" in _number_names(profile)):
        named = len(raw) > 2 and _is_named(text, at)
        return ValueHandle("", raw, {}, at, False, quoted=True) if named else None
    return ValueHandle("", raw, columns, at, False)


def _is_named(text: str, at: tuple[int, int]) -> bool:
    """Whether a number is what something is called: of `alarm 1102`; not of `first 100`, `took 500 ms`."""
    before = re.search(r"([A-Za-z]+) #?$", text[: at[0]])
    after = re.match(r"\s*([A-Za-z%]+)", text[at[1] :])
    noun = before[1].casefold() if before else ""
    if not noun or noun in stop_words() | _RANK_WORDS or is_unit(noun) or (after and is_unit(after[1])):
        return False
    return noun in column_words() or noun in _NUMBERED


def _words_at(
    raw: str, folded: str, columns: dict[str, str], at: tuple[int, int], width: int, profile: Profile
) -> ValueHandle | None:
    if all(word in stop_words() or word in column_words() for word in folded.split()):
        return None
    if not columns and width == 1 and len(raw) > 4 and folded.endswith("s"):  # alarms of the component ALARM
        own = profile.value_index.get(folded[:-1], {})
        columns = {name: value for name, value in own.items() if name in _PROGRAMS}
    if width == 1 and (profile.column(folded) or profile.column(folded.removesuffix("s"))):
        columns = {name: value for name, value in columns.items() if name not in _PROGRAMS}  # nodes, not the program
    if columns and (width > 1 or len(raw) > 2):
        return ValueHandle("", raw, columns, at, True)
    if width == 1 and folded in profile.slot_index and len(raw) > 2 and _only_a_value(folded, profile):
        return ValueHandle("", raw, {}, at, True)
    if width == 1 and len(raw) > 5 and raw[1:] != raw[1:].lower() and not _is_constant(raw.removesuffix("s"), profile):
        return ValueHandle("", raw, {}, at, False)
    if width == 1 and len(raw) > 3 and raw.isupper() and _is_nowhere(folded, profile):  # PANIC
        return ValueHandle("", raw, {}, at, False)
    return None


def _is_held(folded: str, profile: Profile) -> bool:
    """The text was seen in a slot or in a named field."""
    return folded in profile.slot_index or folded in profile.field_values


def _only_a_value(folded: str, profile: Profile) -> bool:
    """The word was seen in slots and is no constant word of a message."""
    return not any(stem in profile.stem_frequency for stem in stems(folded))


def _is_nowhere(folded: str, profile: Profile) -> bool:
    """No message has the word, nor a word that begins with it or that it begins with."""
    return not any(
        known.startswith(stem) or (len(known) > 3 and stem.startswith(known))
        for stem in stems(folded)
        for known in profile.stem_frequency
    )


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
    return bool(before) and before[-1].strip(EDGES) in _RANK_WORDS


def find_numbers(text: str) -> dict[str, tuple[tuple[int, int], str]]:
    """Numbers of the question as digits: N1, N2 …; number words count when they are above one."""
    found: list[tuple[tuple[int, int], str]] = []
    for match in _NUMBER.finditer(text):
        word = match.group().casefold()
        if word[0].isdigit():
            if word.isascii() and len(word) <= _LONGEST_NUMBER:
                found.append((match.span(), word.replace(",", "")))
        elif word in NUMBER_WORDS:
            found.append((match.span(), str(NUMBER_WORDS[word])))
    found = [one for one in found if not _PLACES.match(text, one[0][1])]
    return {f"N{number}": one for number, one in enumerate(found[:MAX_NUMBERS], 1)}
