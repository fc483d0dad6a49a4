"""Measured facts that no result file of the suite holds, each with where it comes from: bench/results/facts.json.

A fact is a sentence with named gaps, the numbers for them, and the command, day, machine and commit of the measurement,
so that the README can be written from it. Refuses to measure.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_bench.provenance import write_json

FILE = "facts.json"
_SOURCE = ("command", "date", "machine", "commit")


@dataclass(frozen=True)
class Fact:
    """says: the sentence, gaps as in str.format. model: the file it is about (file, bytes, sha256), if any."""

    says: str
    values: dict[str, int | float]
    command: str
    date: str
    machine: str
    commit: str = ""
    model: dict[str, Any] | None = None

    def text(self) -> str:
        """The sentence with its numbers."""
        return self.says.format(**self.values)

    def problems(self) -> list[str]:
        """What is wrong with it, in words."""
        try:
            wanted = {name for _, name, _, _ in string.Formatter().parse(self.says) if name is not None}
        except ValueError as error:
            return [f"its sentence is not a format: {error}"]
        found = [f"no value for {name}" for name in sorted(wanted - set(self.values))]
        found += [f"{name} is not in its sentence" for name in sorted(set(self.values) - wanted)]
        found += [f"{name} is no number: {value!r}" for name, value in self.values.items() if not _is_number(value)]
        found += [f"no {name}" for name in _SOURCE[:3] if not getattr(self, name)]
        if any(letter.isdigit() for part, *_ in string.Formatter().parse(self._without_quotes()) for letter in part):
            found.append("its sentence holds a number that is none of its values")
        return found

    def _without_quotes(self) -> str:
        """The sentence without `code`, where names may hold digits."""
        return "".join(self.says.split("`")[::2])


def read_facts(folder: Path) -> dict[str, Fact]:
    """All facts in `folder`, in the file's order. Raises InputError that names everything wrong with them."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))["facts"]
        facts = {name: Fact(**table) for name, table in tables.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} does not hold facts", reason=f"{type(error).__name__}: {error}") from error
    if wrong := [f"{name}: {problem}" for name, fact in facts.items() for problem in fact.problems()]:
        raise InputError(f"{path} holds facts that cannot be used", reason="; ".join(wrong))
    return facts


def state(
    folder: Path,
    name: str,
    values: Mapping[str, float],
    source: Mapping[str, str],
    *,
    says: str = "",
    model: dict[str, Any] | None = None,
) -> Fact:
    """Write the fact `name` anew: these values, measured as `source` says; the sentence stays unless `says` is given.

    source: command (the former one if empty), date, machine, commit. Raises InputError for a fact that cannot be used.
    """
    facts = read_facts(folder)
    former = facts.get(name)
    if former is None and not says:
        known = ", ".join(facts) or "none"
        raise InputError(
            f"no fact {name}", reason=f"there are: {known}", hint="give a new one its sentence with --says"
        )
    fact = Fact(says or (former.says if former else ""), dict(values), **dict(source), model=model)
    if former and not fact.command:
        fact = replace(fact, command=former.command)
    if wrong := fact.problems():
        raise InputError(f"the fact {name} cannot be used", reason="; ".join(wrong))
    facts[name] = fact
    write_json(folder / FILE, {"facts": {key: asdict(one) for key, one in facts.items()}})
    return fact


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
