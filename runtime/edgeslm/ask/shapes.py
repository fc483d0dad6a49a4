"""Message shapes: the constant texts of a log's messages with slots where they vary.

Mined from a sample of parsed records, in one pass over distinct messages. Knows nothing of questions or SQL dialects
beyond the regular expression that reads a slot (RE2 syntax).
Invariant: a shape's constant parts occur, in order, in each message it was made from.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from edgeslm.ask.lexicon import filler_words, locate_words, stems, stop_words, synonyms

NAMES_PORT = re.compile(r"\bport[ =:]{1,3}$", re.I)  # before a number, as the view's column reads it; no `export 4200`
MAX_MESSAGE = 600  # characters of a message that are looked at
MIN_DISTINCT = 6  # words seen at one place before the place counts as a slot
MIN_NAMED = 3  # the same where the place follows a sign that names it: `hive: SAM`, `tag="AudioMix"`
MIN_LABELLED = 2  # the same where the place follows the noun for such things: `user root`, `user mkrause`
_MAX_VALUES = 2000

_KINDS: list[tuple[str, str]] = [
    ("url", r"\b[a-z][a-z0-9+.-]{1,10}://[^\s\"'<>\])]+"),
    ("email", r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"),
    ("uuid", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    ("mac", r"\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b"),
    ("ip", r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\.\d)"),
    ("date", r"\b\d{4}[-/]\d\d?[-/]\d\d?\b"),
    ("clock", r"\b\d\d?:\d\d:\d\d(?:[.,]\d+)?\b"),
    ("hex", r"\b0[xX][0-9a-fA-F]+\b"),
    (
        "path",
        r"(?<![\w/.:])(?!/\d+\.\d+\.\d+)(?:/[\w.@%+~,:=-]+){2,}/?"
        r"|(?<![\w/.:])(?!/\d+\.\d+\.\d+)/[\w.@%+~-]{3,}|\b[A-Za-z]:\\[^\s\"'<>|]+",
    ),
    (
        "user",
        r"(?<=\bfor invalid user )[^\s:;,\]\[]+(?= from)|(?<=\binvalid user )[^\s:;,\]\[]+"
        r"|(?<=\bInvalid user )[^\s:;,\]\[]+|(?<=\bfor user )[^\s:;,\]\[()]+|(?<=\buser=)[^\s:;,\]\[()]+"
        r"|(?<=\bfor )(?!invalid user|user )[^\s:;,\]\[()]+(?= from (?:\d|[\w.]+\.))",
    ),
    (  # www.example.com:443, but no Main.java:17
        "host",
        r"(?<![\w.@/-])[A-Za-z0-9][\w-]*(?:\.[A-Za-z0-9][\w-]*)*"
        r"\.(?!(?:java|scala|kt|py|go|rs|c|cc|cpp|h|hpp|m|mm|cs|js|ts|rb|php|swift|lua|sql)\b)[A-Za-z][\w-]*(?=:\d{2,5}\b)",
    ),
    ("class", r"(?<= \()(?:[a-z]\w*\.)+[A-Z][\w$]*(?=\)$)"),  # the logger that Kafka writes at the end
    ("id", r"\b(?=[\w.-]*\d)(?=[\w.-]*[A-Za-z_])[A-Za-z0-9_][\w-]*(?:\.[\w-]+)*\b"),
    (
        "num",
        r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])|(?<=[=(:,])-?\d+(?:\.\d+)?"
        r"|(?<![\w.])-?\d+(?:\.\d+)?(?=[A-Za-z%]{1,12}\b)",
    ),
]
_MASK = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _KINDS))
# Each value holds one of these signs, or begins right after such words; most of a message holds none and is not
# searched with the slow pattern above. A mac or uuid may be of letters alone.
_HINT = re.compile(
    r"[\d/@\\]|(?<=user[ =])|(?<=for )|(?<= \()(?=[a-z]\w*\.)"
    r"|[a-fA-F]{2}[:-][a-fA-F]{2}[:-]|[a-fA-F]{4}-[a-fA-F]{4}-"
)
_ALL_ONES = str.maketrans("023456789", "111111111")
_DIGIT = re.compile(r"[0-9]")
_NUMBER_UNIT = re.compile(r"^(-?\d+(?:\.\d+)?)([A-Za-z%]{1,5})$")
_VALUE_PATTERN = {
    "ip": r"\d+\.\d+\.\d+\.\d+",
    "num": r"-?\d+(?:\.\d+)?",
    "hex": r"0[xX][0-9a-fA-F]+",
    "uuid": r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}",
    "mac": r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}",
    "date": r"\d{4}[-/]\d\d?[-/]\d\d?",
    "clock": r"\d\d?:\d\d:\d\d(?:[.,]\d+)?",
}
_TOKEN = re.compile(r"\s+|\w+(?:[-.]\w+)*|[^\w\s]")  # order-processor is one name, shop.orders.tasks.send another
_SIGNED = re.compile(r"(?:\w ?: |\w=[\"']?|\w [\"'])$")

_LABELS = frozenset(  # nouns before the name of such a thing
    "user account client customer host hostname node server machine device job task service daemon unit plugin table"
    " keyspace database schema topic queue consumer vehicle driver peer station group role pool upstream backend route"
    " vhost domain zone interface volume share bucket channel session tenant project repository branch pipeline stage"
    " module package container pod namespace deployment image site camera printer sensor pump valve tag".split()
)


@dataclass
class Slot:
    """A place in a shape where messages differ. kind: ip, num, hex, path, user, id, word, …; values: seen there."""

    kind: str
    values: Counter[str] = field(default_factory=Counter)

    @property
    def numeric(self) -> bool:
        return self.kind == "num"

    @property
    def integral(self) -> bool:
        return self.numeric and all("." not in value for value in self.values)


@dataclass
class Shape:
    """Constant texts and slots in message order, how many sampled messages have it, and one of them."""

    parts: list[str | Slot]
    count: int
    example: str
    columns: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def slots(self) -> list[Slot]:
        return [part for part in self.parts if isinstance(part, Slot)]

    def literals(self) -> list[str]:
        return [part for part in self.parts if isinstance(part, str)]

    @cached_property
    def stem_words(self) -> dict[str, list[tuple[int, int, int]]]:
        """Stem -> where its words stand in the constant texts: (part, start, end)."""
        table: dict[str, list[tuple[int, int, int]]] = {}
        for at, part in enumerate(self.parts):
            if isinstance(part, str):
                for word, start, end in locate_words(part):
                    for stem in stems(word):
                        table.setdefault(stem, []).append((at, start, end))
        return table

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of the constant texts, in lower case."""
        return frozenset(word for part in self.literals() for word, _, _ in locate_words(part))

    def slot_regex(self, slot: Slot) -> str:
        """A regular expression (RE2) whose group 1 is this slot's value in a message of this shape.

        It starts at the nearest constant text before the slot that holds a word, or at the message's start.
        """
        at = next(index for index, part in enumerate(self.parts) if part is slot)
        before: list[str] = []
        anchored = True
        for part in reversed(self.parts[:at]):
            if isinstance(part, str):
                if len(part) > 28:
                    cut = part[-28:]
                    space = re.search(r"[\s,;]", cut)
                    part = cut[space.start() :] if space and space.end() < len(cut) - 3 else cut
                    anchored = False
                before.insert(0, re.escape(part))
                if len(re.findall(r"[A-Za-z]", part)) >= 3:
                    anchored = False
                    break
            else:
                before.insert(0, _value_pattern(part, greedy=False))
        after = self.parts[at + 1] if at + 1 < len(self.parts) else ""
        follow = "$" if at + 1 == len(self.parts) else ""
        if isinstance(after, str) and after:
            follow = re.escape(after[:1])
        head = "^" if anchored else ""
        return _re2(f"{head}{''.join(before)}({_value_pattern(slot, greedy=not follow)}){follow}")


def _value_pattern(slot: Slot, *, greedy: bool) -> str:
    if slot.kind in _VALUE_PATTERN:
        return _VALUE_PATTERN[slot.kind]
    spaced = any(" " in value for value in slot.values)
    return (".+" if spaced else r"\S+") + ("" if greedy else "?")


def re2_escape(text: str) -> str:
    """A regular expression (RE2) for this very text."""
    return _re2(re.escape(text))


def _re2(pattern: str) -> str:
    return pattern.replace(r"\ ", " ").replace(r"\-", "-").replace(r"\#", "#").replace(r"\&", "&").replace(r"\~", "~")


_Tokens = tuple[str, ...]
_Values = tuple[tuple[str, str], ...]
_Spans = list[tuple[str, int, int]]


class _Masker:
    """Cuts messages into tokens where values became `\\0kind`, and keeps what one message has in common with another.

    Messages that differ in their digits only have their values at the same places: no kind but hex tells digits apart.
    """

    def __init__(self) -> None:
        self._constants: dict[str, list[str]] = {}
        self._known: dict[str, tuple[_Tokens, _Spans]] = {}

    def mask(self, message: str) -> tuple[_Tokens, _Values]:
        """The tokens of a message, and its values as (kind, value) in order."""
        key = message.translate(_ALL_ONES)
        known = self._known.get(key)
        if known is None:
            known = self._cut(message)
            if "1x" not in key and "1X" not in key and not any(_DIGIT.search(token) for token in known[0]):
                self._known[key] = known
        tokens, spans = known
        return tokens, tuple((kind, message[start:end]) for kind, start, end in spans)

    def _cut(self, message: str) -> tuple[_Tokens, _Spans]:
        tokens: list[str] = []
        spans: _Spans = []
        end = 0
        while hint := _HINT.search(message, end):
            # The value may begin before its sign, but in the same word.
            found = _MASK.search(message, max(end, message.rfind(" ", end, hint.start()) + 1))
            if found is None:
                break
            tokens += self._constant(message[end : found.start()])
            kind, (start, end) = found.lastgroup or "id", found.span()
            unit = _NUMBER_UNIT.match(found.group()) if kind == "id" else None
            if unit:
                tokens += ["\0num", unit.group(2)]
                spans.append(("num", start, start + unit.end(1)))
            else:
                tokens.append(f"\0{kind}")
                spans.append((kind, start, end))
        tokens += self._constant(message[end:])
        return tuple(tokens), spans

    def _constant(self, text: str) -> list[str]:
        known = self._constants.get(text)
        if known is None:
            known = self._constants[text] = _TOKEN.findall(text)
        return known


def mine_shapes(records: Iterable[dict[str, object]], columns: Iterable[str] = ()) -> list[Shape]:
    """The shapes of a sample's messages, most frequent first.

    records: dicts with `message` and other columns. columns: which columns' values to count per shape.
    Similar to Drain (He et al. 2017) without its fixed-depth tree: values are masked by kind, then a word's place
    becomes a slot where at least MIN_DISTINCT words were seen in otherwise equal messages.
    """
    wanted = list(columns)
    rows: list[tuple[str, dict[str, object]]] = [
        # NUL marks a value among the tokens; a message is looked at up to its first.
        (str(record["message"])[:MAX_MESSAGE].partition("\0")[0], record)
        for record in records
        if record.get("message")
    ]
    masker = _Masker()
    masked = {message: masker.mask(message) for message in dict.fromkeys(message for message, _ in rows)}
    wild = _wild_places({tokens for tokens, _ in masked.values()})
    groups: dict[tuple[str, ...], list[tuple[str, dict[str, object]]]] = defaultdict(list)
    for message, record in rows:
        tokens, _ = masked[message]
        groups[wild.get(tokens, tokens)].append((message, record))
    shapes = [_shape(key, members, masked, wanted) for key, members in groups.items()]
    return sorted(shapes, key=lambda shape: -shape.count)


def _wild_places(templates: set[_Tokens]) -> dict[_Tokens, _Tokens]:
    """Template -> the template with varying words masked as `\\0word`, where that changes it.

    A word that stands in a template more than once varies at all its places together. What was seen to vary after a
    word is a name after every word that names stand after: `job <word> started` makes `job backup failed` another.
    """
    current = {template: template for template in templates}
    _mask_varying(current)
    after = _names(current)
    named = frozenset(name for names in after.values() for name in names)
    told = False
    for original, template in current.items():
        known = {
            word
            for at, word in enumerate(template)
            if word in named and _word_before(template, at) in after and not is_common(word)
        }
        if known:
            current[original] = next((key for word, key, _ in _variations(template) if word in known), template)
            told = True
    if told:
        _mask_varying(current)
    return {original: template for original, template in current.items() if original != template}


def _mask_varying(current: dict[_Tokens, _Tokens]) -> None:
    """Mask words that vary in otherwise equal templates, two in each at most; changes the values of `current`."""
    for _ in range(2):
        seen: dict[_Tokens, set[str]] = defaultdict(set)
        for template in set(current.values()):
            for word, key, _ in _variations(template):
                seen[key].add(word)
        changed = False
        for original, template in current.items():
            best, most = template, 0.0
            for word, key, at in _variations(template):
                words = seen[key]
                if len(words) > max(most, 1) and (
                    len(words) >= _least_distinct(template, at) or _are_labelled(template, at, word, words)
                ):
                    best, most = key, len(words)
            if best is not template:
                current[original], changed = best, True
        if not changed:
            return


def _are_labelled(template: _Tokens, at: int, word: str, words: set[str]) -> bool:
    """Whether a word and others at its place are names after the noun for such things."""
    if _word_before(template, at).casefold() not in _LABELS or is_common(word):
        return False
    return sum(not is_common(other) for other in words) >= MIN_LABELLED


def _names(current: dict[_Tokens, _Tokens]) -> dict[str, set[str]]:
    """The words that were masked, by the word that stands before them."""
    found: dict[str, set[str]] = defaultdict(set)
    for original, template in current.items():
        if template is not original:
            for at, (word, token) in enumerate(zip(original, template, strict=True)):
                if word != token and (before := _word_before(template, at)):
                    found[before].add(word)
    return found


def _word_before(template: _Tokens, at: int) -> str:
    """The word right before a place, with no more than a blank and a sign between; "" where there is none."""
    return next((token for token in reversed(template[max(0, at - 3) : at]) if token[0].isalpha()), "")


@lru_cache(maxsize=20000)
def is_common(word: str) -> bool:
    """Whether a word says something of itself, as `started` and `WindowsUpdateAgent` do: it is no name."""
    lower = word.casefold()
    return (
        (word.isalpha() and len(locate_words(word)) > 1)
        or lower in stop_words()
        or lower in filler_words()
        or lower in _LABELS
        or (word.isalpha() and lower.endswith(("ed", "ing", "ion", "ly")))
        or any(synonyms(stem) for stem in stems(word))
    )


def _variations(template: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Each word of a template, the template with that word masked, and where the word stands first."""
    if len(template) <= 3:
        return
    places = {token: at for at, token in reversed(list(enumerate(template))) if token[0].isalpha()}
    for word, at in places.items():
        rest = template[at + 1 :]
        if word in rest:
            rest = tuple("\0word" if token == word else token for token in rest)
        yield word, (*template[:at], "\0word", *rest), at


def _least_distinct(template: tuple[str, ...], at: int) -> int:
    """How many words make the place a slot: fewer for names with hyphens, and after a name and a sign: `hive: SAM`."""
    before = template[max(0, at - 3) : at]
    named = not any(token.startswith("\0") for token in before) and _SIGNED.search("".join(before))
    compound = ("-" in template[at] or "." in template[at]) and template[at].islower()
    return MIN_NAMED if named or compound else MIN_DISTINCT


def _shape(
    key: tuple[str, ...],
    members: list[tuple[str, dict[str, object]]],
    masked: dict[str, tuple[_Tokens, _Values]],
    wanted: list[str],
) -> Shape:
    places = [at for at, token in enumerate(key) if token.startswith("\0")]
    seen: list[dict[str, int]] = [{} for _ in places]
    counts = Counter(message for message, _ in members)
    for message, times in counts.items():
        tokens, values = masked[message]
        at_value = 0
        for at, own_values in zip(places, seen, strict=True):
            value = tokens[at]
            if value[0] == "\0":
                value = values[at_value][1]
                at_value += 1
            if len(own_values) < _MAX_VALUES:
                own_values[value] = own_values.get(value, 0) + times
    slots = [Slot(key[at][1:], Counter(held)) for at, held in zip(places, seen, strict=True)]
    parts: list[str | Slot] = []
    position = 0
    for token in key:
        part: str | Slot = token
        if token.startswith("\0"):
            slot = slots[position]
            position += 1
            constant = len(slot.values) == 1 and slot.kind in ("id", "num") and len(counts) >= 3
            part = next(iter(slot.values)) if constant else slot
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    columns = {name: Counter(str(r[name]) for _, r in members if r.get(name) is not None) for name in wanted}
    return Shape(parts, len(members), members[0][0], columns)
