"""The one record that every source gives, and caps on how much of it is taken.

It refuses to know where records come from and how they become tokens. Invariant: on which side of the held-out line a
record stands depends on its text and the seed alone, so caps and order move none across.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Record:
    """A text to learn. A pair's text is its prompt and its answer, one after the other; else both are empty.

    meta: what the source says of it (its label, its title, its file), and `source`, the source's name.
    """

    text: str
    prompt: str = ""
    answer: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def pair(cls, prompt: str, answer: str, meta: Mapping[str, Any]) -> Record:
        """A prompt and what is to be learnt to follow it."""
        return cls(prompt + answer, prompt, answer, meta)


@dataclass(frozen=True)
class Caps:
    """How much is taken at most; None is without a limit. Longer records are cut, a pair's answer and never its prompt.

    records: how many; length: characters of one; characters: of all together.
    """

    records: int | None = None
    length: int | None = None
    characters: int | None = None


UNCAPPED = Caps()


def capped(records: Iterable[Record], caps: Caps) -> Iterator[Record]:
    """The first of `records` within `caps`; no more are read than are given."""
    taken = characters = 0
    if caps.records == 0 or caps.characters == 0:
        return
    for record in records:
        left = None if caps.characters is None else caps.characters - characters
        lengths = [length for length in (caps.length, left) if length is not None]
        cut = _cut(record, min(lengths)) if lengths else record
        if cut is None:  # a prompt that leaves no room for an answer
            continue
        yield cut
        taken += 1
        characters += len(cut.text)
        if taken == caps.records or characters == caps.characters:
            return


def split(records: Iterable[Record], *, held_out: float = 0.05, seed: int = 1) -> tuple[list[Record], list[Record]]:
    """Records to learn from, and about the share `held_out` of them never to be learnt; equal texts stay together."""
    sides: tuple[list[Record], list[Record]] = ([], [])
    for record in records:
        sides[is_held_out(record, held_out=held_out, seed=seed)].append(record)
    return sides


def is_held_out(record: Record, *, held_out: float = 0.05, seed: int = 1) -> bool:
    """Whether the record is never to be learnt."""
    digest = hashlib.sha256(f"{seed}\n{record.text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < held_out * 2**64


def _cut(record: Record, length: int) -> Record | None:
    if len(record.text) <= length:
        return record
    if not record.prompt:
        return replace(record, text=record.text[:length])
    if len(record.prompt) >= length:
        return None
    return Record.pair(record.prompt, record.answer[: length - len(record.prompt)], record.meta)
