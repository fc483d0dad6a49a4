"""Fields that a question only seems to name: put into training pairs, so that being offered one says little by itself.

In a simulated log a word of the question seldom happens to be the name of a field; in a real log it often is
(`session`, `reason`, `state`). Without these lines a planner learns that an offered field is what is asked for.
"""

import random
import re
from dataclasses import replace

from edgeslm.ask.candidates import MAX_FIELDS, MAX_SLOTS
from edgeslm.ask.lexicon import column_words, filler_words, stems, stop_words
from edgeslm_convert.logmodel.pair import Pair
from edgeslm_convert.logmodel.questions import NEEDS_COL, NUMERIC

_SHARE, _SHARE_OF_COLUMNS = 0.45, 0.3  # of pairs; the second where the question asks for a column
_FIELD = re.compile(r"A(\d)#? field (.+)")
_HANDLE = re.compile(r"\bA(\d)\b")
_WORD = re.compile(r"(?<![a-z])[a-z]{3,}(?![a-z])")


def distract(pair: Pair, rng: random.Random) -> Pair:
    """The pair with up to three more fields offered, or as it is; what its SQL means stays the same."""
    asks_column = pair.intent in NEEDS_COL or pair.intent in NUMERIC
    if rng.random() >= (_SHARE_OF_COLUMNS if asks_column else _SHARE):
        return pair
    lines = pair.prompt.split("\n")
    shown = re.findall(r"[a-z]{3,}", " ".join(line for line in lines if re.match(r"S\d ", line)))
    words = _spare_words(lines, shown if asks_column else None)
    used = max((int(number) for number in _HANDLE.findall(pair.prompt)), default=0)
    room = min(rng.choice([1, 1, 1, 2, 3]), MAX_SLOTS - used, MAX_FIELDS - len(_fields(lines)), len(words))
    sql = pair.sql
    for word in rng.sample(words, max(0, room)):
        lines, sql = _insert(lines, sql, _name(word, shown or words, rng), rng)
    return replace(pair, prompt="\n".join(lines), sql=sql)


def _fields(lines: list[str]) -> list[int]:
    """The numbers of the lines that offer fields."""
    return [number for number, line in enumerate(lines) if _FIELD.match(line)]


def _spare_words(lines: list[str], among: list[str] | None) -> list[str]:
    """Words of the question that name something and no offered field; where a column is asked for, only those that the
    messages say too: the column's own noun must not become a field."""
    question = next(line for line in lines if line.startswith("question "))
    names = [found[2] for line in lines if (found := _FIELD.match(line))]
    common = stop_words() | filler_words() | column_words()
    words = [word for word in dict.fromkeys(_WORD.findall(question.removeprefix("question "))) if word not in common]
    if among is not None:
        known = {stem for word in among for stem in stems(word)}
        words = [word for word in words if not known.isdisjoint(stems(word))]
    return [word for word in words if all(word not in name and name not in word for name in names)]


def _name(word: str, others: list[str], rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.2:
        return f"{word} {rng.choice(others)}"
    return f"{rng.choice(others)} {word}" if roll < 0.4 else word


def _insert(lines: list[str], sql: str, name: str, rng: random.Random) -> tuple[list[str], str]:
    """The lines and the SQL with one more field; handles from its own on count one up."""
    place = rng.randint(0, len(_fields(lines)))

    def shift(handle: re.Match[str]) -> str:
        return f"A{int(handle[1]) + 1}" if int(handle[1]) > place else handle[0]

    lines = [_HANDLE.sub(shift, line) for line in lines]
    fields = _fields(lines)
    at = (
        fields[place]
        if place < len(fields)
        else 1 + max(number for number, line in enumerate(lines) if number in fields or re.match(r"S\d |columns", line))
    )
    lines.insert(at, f"A{place + 1}{'#' if rng.random() < 0.4 else ''} field {name}")
    return lines, _HANDLE.sub(shift, sql)
