"""Device profiles: how many cores, how much memory and what context a run may have.

A profile is a constraint on a run on this machine, never a claim about that board's speed. Data are in profiles.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_bench.machine import available_cores
from edgeslm_bench.process import Limits

PROFILES = Path(__file__).with_name("profiles.toml")


@dataclass(frozen=True)
class Profile:
    """Limits for a run: threads, megabytes (2^20) of address space, tokens of context."""

    name: str
    title: str
    threads: int
    memory_mb: int
    context: int

    @property
    def limits(self) -> Limits:
        """For a process: the cores that it computes on, and its address space."""
        return Limits(self.usable_threads, self.memory_mb * 1024 * 1024)

    @property
    def usable_threads(self) -> int:
        """The profile's threads, or fewer where this machine has fewer cores."""
        return min(self.threads, available_cores())

    def describe(self) -> str:
        """One line; says where this machine has fewer cores than the profile."""
        here = self.usable_threads
        less = "" if here == self.threads else f" (only {here} here)"
        return f"{self.title}: {self.threads} threads{less}, {self.memory_mb} MiB, context {self.context}"


def read_profiles(path: Path = PROFILES) -> dict[str, Profile]:
    """All profiles by name. Raises InputError that names every offender."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the profiles {path}", reason=str(error)) from error
    wrong: list[str] = []
    found = {name: _profile(name, values, wrong) for name, values in content.items()}
    if wrong:
        raise InputError(f"the profiles {path} cannot be used", reason="; ".join(wrong))
    return {name: profile for name, profile in found.items() if profile}


def read_profile(name: str, path: Path = PROFILES) -> Profile:
    """The profile of that name. Raises InputError."""
    profiles = read_profiles(path)
    if name not in profiles:
        raise InputError(f"no profile {name}", hint=f"there are {', '.join(profiles)}")
    return profiles[name]


def _profile(name: str, values: Any, wrong: list[str]) -> Profile | None:
    if not isinstance(values, Mapping):
        wrong.append(f"{name}: not a table")
        return None
    known = [one.name for one in fields(Profile) if one.name != "name"]
    before = len(wrong)
    wrong += [f"{name}: {key} is not known" for key in values if key not in known]
    wrong += [f"{name}: {key} is missing" for key in known if key not in values]
    for key in ("threads", "memory_mb", "context"):
        value = values.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            wrong.append(f"{name}: {key} is {value!r}, a whole number from 1 on")
    return Profile(name, **values) if len(wrong) == before else None
