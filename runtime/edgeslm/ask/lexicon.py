"""Words: how a text is cut into words, their stems, and which words may stand for one another.

The data stands in lexicon.toml. Knows nothing of logs, shapes or SQL; never decides what a question means.
"""

import re
import tomllib
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

from edgeslm.ask.stemmer import is_common
from edgeslm.ask.stemmer import stem as stem_of

_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_WORD = re.compile(r"[A-Za-z']+|\d+")
_PLURAL = re.compile(r"[A-Z]{2,}s")  # IPs, VMs
_RUNNING_OUT = re.compile(r"\b(?:run|ran|runs|running)(?= (?:out|low|short) (?:of|on)\b)", re.I)
_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")
_BRITISH = re.compile(r"(\w{3,})is(e|es|ed|ing|er|ers|ation|ations)")
_SHORT_WORD = 5  # characters: `hours` is no `hors`
_LONGEST_WORD = 64
# "logged in from", "tried to log in" are one word; "logged in the last hour", "lines of the log in total" are not.
_LOGIN = re.compile(
    r"(?:\b(?:logged|logs|logging|signed|signs|signing)|(?<!the )(?<!this )(?<!my )(?<!our )(?<!a )\b(?:log|sign))"
    r"[ -](?P<way>in|on|out|off)(?=\s*(?:$|[^\w\s]|(?:from|as|with|using|via|by|to|successfully|and|or|but|most|per"
    r"|more|less|at|after|before|since|during|today|yesterday|only|again|twice)\b))",
    re.I,
)


@cache
def _data() -> dict[str, object]:
    return tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))


def locate_words(text: str) -> list[tuple[str, int, int]]:
    """The words of a text in lower case with their start and end; camelCase and snake_case taken apart.

    `logged in` is followed by the word `login`, `signed out` by `logout`.
    """
    words: list[tuple[str, int, int]] = []
    for chunk in _WORD.finditer(text):
        whole, base = chunk.group(), chunk.start()
        if "'" in whole or whole.islower() or whole.isdigit() or _PLURAL.fullmatch(whole):
            words.append((whole.lower().strip("'"), base, chunk.end()))
        else:
            parts = _CAMEL.finditer(whole)
            words.extend((part.group().lower(), base + part.start(), base + part.end()) for part in parts)
    for found in _LOGIN.finditer(text) if "log" in (lower := text.lower()) or "sign" in lower else ():
        after = sum(start < found.end() for _, start, _ in words)
        words.insert(after, ("login" if found["way"].lower() in ("in", "on") else "logout", found.start(), found.end()))
    return [word for word in words if word[0]]


def split_words(text: str) -> list[str]:
    """The words of a text in lower case: `startWakeLock` is start, wake, lock."""
    return [word for word, _, _ in locate_words(text)]


@lru_cache(maxsize=20000)
def stems(word: str) -> tuple[str, ...]:
    """The stems a word stands for: one, or several where it is an abbreviation or a compound (`oom`, `timeout`)."""
    word = word.lower()[:_LONGEST_WORD]
    data = _data()
    irregular: dict[str, str] = data["irregular"]  # type: ignore[assignment]
    short: dict[str, str] = data["abbreviations"]  # type: ignore[assignment]
    whole = short.get(word) or irregular.get(word)
    if whole is None:
        if word.endswith("'s"):
            word = word[:-2]
        return (stem_of(_american(word.replace("'", ""))),)
    return tuple(stem_of(part) for part in whole.split())


def _american(word: str) -> str:
    """A British spelling as the American one where that is a common word: `synchronised`, `behaviour`."""
    if "is" in word and (found := _BRITISH.fullmatch(word)) and is_common(f"{found[1]}ize"):
        return f"{found[1]}iz{found[2]}"
    if "our" in word and len(word) > _SHORT_WORD and is_common(spelt := word.replace("our", "or")):
        return spelt
    return word


@cache
def stop_words() -> frozenset[str]:
    """Words of a question that say what to do, never what to look for."""
    return frozenset(str(_data()["stop"]).split())


@cache
def filler_words() -> frozenset[str]:
    """Words that often stand in a question without naming anything in the log."""
    return frozenset(str(_data()["filler"]).split())


@cache
def column_nouns(kind: Literal["column_nouns", "column_phrases"]) -> tuple[tuple[str, str], ...]:
    """Nouns and the column each means where a log has that column and nothing of the noun's own name."""
    pairs: list[list[str]] = _data()[kind]  # type: ignore[assignment]
    return tuple((noun, column) for noun, column in pairs)


@cache
def column_words() -> frozenset[str]:
    """Words that mostly name a column rather than an event."""
    return frozenset(str(_data()["column_words"]).split())


@cache
def column_stems() -> frozenset[str]:
    """Stems that mostly name a column rather than an event."""
    return frozenset(stem for word in column_words() for stem in stems(word))


@cache
def _synonyms() -> dict[str, frozenset[str]]:
    groups: list[str] = _data()["synonyms"]["groups"]  # type: ignore[index]
    table: dict[str, set[str]] = {}
    for group in groups:
        members = {stem for word in group.split() for stem in stems(word)}
        for stem in members:
            table.setdefault(stem, set()).update(members - {stem})
    return {stem: frozenset(others) for stem, others in table.items()}


def synonyms(stem: str) -> frozenset[str]:
    """Stems that may stand for this one."""
    return _synonyms().get(stem, frozenset())


def content_words(text: str) -> list[str]:
    """The words of a question that may name something in a log, in order, without the words that say what to do.

    What "runs out of memory" does not run; who "logged in" was let in, unless the question speaks of failing; "most
    active" asks for an order only; what is written in capitals is a name (GET), whatever the word means otherwise.
    """
    told = split_words(_RUNNING_OUT.sub("", text))
    ordered = [before in ("most", "least") and word in _ranked() for before, word in pairwise(["", *told])]
    names = {found.lower() for found in _CAPITALS.findall(text)} if text != text.upper() else set()
    words = [
        word
        for word, is_order in zip(told, ordered, strict=True)
        if not is_order and (word in names or word not in stop_words()) and (len(word) > 1 or word.isdigit())
    ]
    if "login" in words and any(found["way"].lower() in ("in", "on") for found in _LOGIN.finditer(text)):
        said = {stem for word in told for stem in stems(word)}
        words += [] if said & _failing() else ["accepted"]
    return words


@cache
def _ranked() -> frozenset[str]:
    return frozenset(str(_data()["ranked"]).split())


@cache
def _failing() -> frozenset[str]:
    words = "fail try attempt unable reject deny refuse invalid wrong not never no cannot couldn't didn't bad".split()
    return frozenset(stem for word in words for stem in stems(word))
