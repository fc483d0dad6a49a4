"""The matrix file: which models are measured, with which techniques, and with what load.

A group is one model: an exact shape with random weights, a GGUF with trained ones, or the folder of a conversion. A
technique says what is done to it; combinations are names joined with "+". Refuses to make or measure anything.
Invariant: a matrix that was read can be followed; reading names every offender at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_bench.exact_shapes import shape_names
from edgeslm_bench.records import BASES, GROUPS, JOIN, TECHNIQUES

BASE = BASES[0]
_FLOAT_TYPES = ("f16", "bf16", "f32")
_ORIGINS = ("shape", "model", "conversion")
# What a technique's name promises -> settings of which at least one must be there.
_NEEDED = {
    "pruned": ("layers", "ffn", "variant"),
    "distilled": ("layers", "ffn", "variant"),
    "shared": ("share", "variant"),
    "low-rank": ("low_rank", "variant"),
    "early-exit": ("exit_layer",),
    "quantized": ("type",),
}


@dataclass(frozen=True)
class Technique:
    """What is done to the group's model.

    layers, ffn: how many stay. share: layers of a group of neighbours that share weights. low_rank: the share of a
    matrix's parameters that stays. exit_layer: where to leave. type: of the file. pure: that type throughout.
    variant: one that a conversion made. note: what a reader must know.
    """

    name: str
    layers: int | None = None
    ffn: int | None = None
    share: int | None = None
    low_rank: float | None = None
    exit_layer: int | None = None
    type: str = "f16"
    pure: bool = False
    variant: str = ""
    note: str = ""

    @property
    def is_transformers(self) -> bool:
        """Whether transformers runs it, not the engine."""
        return self.name == BASE


@dataclass(frozen=True)
class Group:
    """One model and its techniques, the base first.

    Exactly one of shape (a name), model (a GGUF) and conversion (a folder). new_tokens: of the latency that is
    reported; base_new_tokens: those that the fp32 base really writes, the rest is reckoned. rounds: of turns.
    threads: at most.
    questions: logs asked about to judge a log model, 0 for none. optional: its absence is said and no error.
    """

    name: str
    techniques: tuple[Technique, ...]
    shape: str = ""
    model: Path | None = None
    conversion: Path | None = None
    prompt_tokens: int = 64
    new_tokens: int = 300
    base_new_tokens: int = 300
    rounds: int = 3
    threads: int = 2
    questions: int = 0
    optional: bool = False

    @property
    def weights(self) -> str:
        """ "random" or "trained"."""
        return "random" if self.shape else "trained"

    @property
    def is_there(self) -> bool:
        """Whether the files that it begins with are there."""
        path = self.model or self.conversion
        return path is None or path.exists()


@dataclass(frozen=True)
class Matrix:
    """All groups of a matrix file."""

    groups: tuple[Group, ...]
    path: Path = field(default_factory=Path)

    def only(self, names: tuple[str, ...]) -> Matrix:
        """The groups of these names; all of them if none are given. Raises InputError for names that are not there."""
        known = [group.name for group in self.groups]
        if missing := [name for name in names if name not in known]:
            raise InputError(f"no group {', '.join(missing)} in {self.path}", hint=f"there are {', '.join(known)}")
        return Matrix(tuple(group for group in self.groups if not names or group.name in names), self.path)


def read_matrix(path: Path) -> Matrix:
    """Read a matrix file; paths in it are relative to it. Raises InputError that names every offender."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the matrix {path}", reason=str(error)) from error
    wrong: list[str] = []
    named = content.get("group")
    if not isinstance(named, dict) or not named:
        raise InputError(f"the matrix {path} names no group", hint="write [group.NAME]")
    wrong += [f"{key}: not known, a matrix has groups only" for key in content if key != "group"]
    groups = [_group(name, values, path.parent, wrong) for name, values in named.items()]
    if wrong:
        raise InputError(f"the matrix {path} cannot be followed", reason="; ".join(wrong))
    return Matrix(tuple(groups), path)


def _group(name: str, values: Mapping[str, Any], folder: Path, wrong: list[str]) -> Group:
    given = dict(values)
    techniques = tuple(_technique(name, line, wrong) for line in given.pop("technique", []))
    for key in ("model", "conversion"):
        if isinstance(given.get(key), str):
            given[key] = (folder / given[key]).resolve()
    _check_names(Group, name, given, wrong)
    known = {one.name for one in fields(Group)} - {"name", "techniques"}
    group = Group(name, techniques, **{key: value for key, value in given.items() if key in known})
    if name not in GROUPS:
        wrong.append(f"{name}: no such group, there are {', '.join(GROUPS)}")
    origins = [key for key in _ORIGINS if getattr(group, key)]
    if len(origins) != 1:
        wrong.append(f"{name}: says {' and '.join(origins) or 'nothing'}, one of {', '.join(_ORIGINS)} is needed")
    if group.shape and group.shape not in shape_names():
        wrong.append(f"{name}: no shape {group.shape}, there are {', '.join(shape_names())}")
    names = [technique.name for technique in techniques]
    if BASE not in names[:1]:
        wrong.append(f"{name}: its first technique must be {BASE}, which all others are compared with")
    wrong += [f"{name}: {twice} is there twice" for twice in sorted({one for one in names if names.count(one) > 1})]
    for key in ("prompt_tokens", "new_tokens", "base_new_tokens", "rounds", "threads", "questions"):
        value, least = getattr(group, key), 0 if key == "questions" else 2 if key.endswith("new_tokens") else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            wrong.append(f"{name}: {key} is {value!r}, at least {least}")
    for technique in techniques:
        if bool(technique.variant) != bool(group.conversion) and not technique.is_transformers:
            wrong.append(f"{name}, {technique.name}: variant belongs to a conversion's techniques, and only there")
    return group


def _technique(group: str, values: Mapping[str, Any], wrong: list[str]) -> Technique:
    name = str(values.get("name", ""))
    where = f"{group}, {name or 'a technique without a name'}"
    given = {key: value for key, value in values.items() if key != "name"}
    _check_names(Technique, where, given, wrong)
    known = {one.name for one in fields(Technique)} - {"name"}
    technique = Technique(name, **{key: value for key, value in given.items() if key in known})
    parts = name.split(JOIN)
    wrong += [f"{where}: no technique {part!r}" for part in parts if part not in TECHNIQUES]
    for part in parts:
        needed = _NEEDED.get(part, ())
        if needed and not any(key in given for key in needed):
            wrong.append(f"{where}: {part} needs {' or '.join(needed)}")
    for key in ("layers", "ffn", "share", "exit_layer"):
        value = getattr(technique, key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            wrong.append(f"{where}: {key} is {value!r}, a whole number from 1 on")
    if technique.low_rank is not None and not _is_share(technique.low_rank):
        wrong.append(f"{where}: low_rank is {technique.low_rank!r}, between 0 and 1")
    if "quantized" in parts and str(technique.type).lower() in _FLOAT_TYPES:
        wrong.append(f"{where}: {technique.type} is not quantized")
    return technique


def _check_names(kind: type, where: str, given: Mapping[str, Any], wrong: list[str]) -> None:
    known = {one.name for one in fields(kind)} - {"name", "techniques"}
    wrong += [f"{where}: {key} is not known" for key in given if key not in known]


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1
