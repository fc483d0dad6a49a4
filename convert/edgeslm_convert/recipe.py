"""A recipe: where a checkpoint comes from, which texts are used, what is done to it in which order, what comes out.

Read from TOML and checked as far as a file can be without a checkpoint; `plan` goes on with the checkpoint's shape. All
that is wrong is told in one error. Refuses to do anything.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_convert import step_kinds
from edgeslm_convert.data.prompts import FORMS
from edgeslm_convert.data.sets import LOCAL, SETS
from edgeslm_convert.settings import build
from edgeslm_convert.tensor_types import BASE_TYPES, NEED_IMATRIX

_SECTIONS = ("name", "source", "calibration", "training", "evaluation", "step", "variant", "output", "accept")
CODE_PAIRS = "code_pairs"  # source files as answers to the request for code
_OWN_STEP_KEYS = ("kind", "name")
_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyz0123456789-_+.")


@dataclass(frozen=True)
class Source:
    """checkpoint: a folder (from the recipe's folder, if relative) or a hub id. pre_tokenizer: as in to-gguf."""

    checkpoint: str
    revision: str | None = None
    pre_tokenizer: str = ""


@dataclass(frozen=True)
class Texts:
    """Texts to measure with or to learn from: text files and folders, or a data set by its loader's name.

    A name of LOCAL is read from a path only. path: a local copy of the set; without it, it is streamed from the
    hub. form: what records are made into, one of the study's prompt forms. tokens: at most so many. sequence:
    tokens of one piece. seed: which pieces are taken.
    """

    files: tuple[str, ...] = ()
    data: str = ""
    path: str = ""
    form: str = ""
    tokens: int = 65536
    sequence: int = 512
    seed: int = 1

    def offenders(self) -> list[str]:
        """What cannot be meant, in words."""
        wrong = [f"{name} is {getattr(self, name)}, at least {least}" for name, least in _LEAST.items()
                 if getattr(self, name) < least]  # fmt: skip
        if bool(self.files) == bool(self.data):
            wrong.append("give either files or data")
        if self.path and not self.data:
            wrong.append("path is for data; list text files in files")
        known = (*SETS, *LOCAL)
        if self.data and self.data not in known:
            wrong.append(f"there is no data set {self.data!r} (known: {', '.join(known)})")
        if self.data in LOCAL and not self.path:
            wrong.append(f"data = {self.data!r} needs a path")
        if self.form and self.form not in (*FORMS, CODE_PAIRS):
            wrong.append(f"there is no form {self.form!r} (known: {', '.join((*FORMS, CODE_PAIRS))})")
        return wrong


_LEAST = {"tokens": 2, "sequence": 2, "seed": 0}


@dataclass(frozen=True)
class Output:
    """Types of the GGUFs, as llama.cpp names them; f16 is always made.

    imatrix: weigh errors by what the calibration text puts through each weight. target_bytes: one more file, whose
    tensors' types are chosen by measured sensitivity so that it is not larger.
    """

    types: tuple[str, ...] = ("f16",)
    imatrix: bool = False
    target_bytes: int | None = None


@dataclass(frozen=True)
class Accept:
    """Bounds. Agreement is of a GGUF with the transformers model that it was made from, in nats; None is not looked at.

    max_perplexity_ratio: perplexity on the evaluation text against the unpruned source's. It is reckoned per token of
    the source, so that models with another vocabulary can be compared. max_bytes: of the file.
    """

    mean_kl: float | None = None
    max_kl: float | None = None
    top1: float | None = None
    min_cosine: float | None = None
    max_perplexity_ratio: float | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Step:
    """One step: what it is called in the recipe, its kind, and that kind's settings."""

    name: str
    kind: str
    settings: Any


@dataclass(frozen=True)
class Variant:
    """One model that comes out: the steps that lead to it, in order. No steps: the source as it is."""

    name: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. folder: what relative paths in it start from."""

    name: str
    source: Source
    output: Output = Output()
    calibration: Texts | None = None
    training: Texts | None = None
    evaluation: Texts | None = None
    steps: tuple[Step, ...] = ()
    variants: tuple[Variant, ...] = ()
    accept: Mapping[str, Accept] = field(default_factory=dict)  # by type in lower case, "" for all the others
    text: str = ""
    folder: Path = Path()

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def bounds(self, kind: str) -> Accept:
        """What a file of this output type must keep."""
        return self.accept.get(kind.lower(), self.accept.get("", Accept()))

    def resolved(self, name: str) -> str:
        """A path in the recipe as one from here; a hub id as it is."""
        inside = self.folder / Path(name).expanduser()
        return str(inside) if inside.exists() else name


def read_recipe(path: Path, wrong: list[str], *, source: str | None = None) -> Recipe | None:
    """The recipe in a TOML file; what is wrong with it is added to `wrong`, and then it is None or not to be followed.

    source: a folder or a hub id instead of the recipe's. Raises InputError for a file that is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"cannot read the recipe {path}", reason=error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the recipe {path} is not TOML", reason=str(error)) from error
    recipe = parse(table, path.stem if path.stem != "recipe" else path.resolve().parent.name, wrong)
    if recipe is None:
        return None
    if source is not None:
        recipe = replace(recipe, source=replace(recipe.source, checkpoint=source, revision=None))
    return replace(recipe, text=text, folder=path.parent)


def refusal(path: Path | str, wrong: list[str]) -> InputError:
    """The error that lists all that is wrong with a recipe."""
    wrong = list(dict.fromkeys(wrong))
    count = f"{len(wrong)} things" if len(wrong) > 1 else "one thing"
    return InputError(f"the recipe {path} cannot be followed: {count} to put right", reason="; ".join(wrong))


def parse(table: Mapping[str, Any], name: str, wrong: list[str]) -> Recipe | None:
    """A recipe of a parsed TOML file; what is wrong with it is added to `wrong`. None where no recipe can be made."""
    wrong += [f"unknown section [{key}] (sections: {', '.join(_SECTIONS)})" for key in table if key not in _SECTIONS]
    name = _name(table.get("name", name), "name", wrong)
    source = build(Source, _table(table, "source", wrong), "[source]", wrong)
    output = build(Output, _table(table, "output", wrong), "[output]", wrong)
    texts = {key: _texts(table, key, wrong) for key in ("calibration", "training", "evaluation")}
    steps = [_step(item, number, wrong) for number, item in enumerate(_tables(table, "step", wrong), 1)]
    variants = [_variant(item, number, wrong) for number, item in enumerate(_tables(table, "variant", wrong), 1)]
    accept = _accept(_table(table, "accept", wrong), wrong)
    if output is not None:
        wrong += _wrong_output(output, texts["calibration"])
        wrong += [f"[accept.{kind}]: {kind} is no output type" for kind in accept if kind not in (*_types(output), "")]
    known = [step for step in steps if step is not None]
    made = [variant for variant in variants if variant is not None]
    if None not in steps:
        wrong += _wrong_names(known, made)
    wrong += _wrong_needs(known, accept, texts)
    if source is None or output is None:
        return None
    made = made or [Variant(name, tuple(step.name for step in known))]
    return Recipe(
        name,
        source,
        output,
        calibration=texts["calibration"],
        training=texts["training"],
        evaluation=texts["evaluation"],
        steps=tuple(known),
        variants=tuple(made),
        accept=accept,
    )


def _types(output: Output) -> list[str]:
    return ["f16", *(kind.lower() for kind in output.types), *(["budget"] if output.target_bytes else [])]


def _table(table: Mapping[str, Any], name: str, wrong: list[str]) -> Mapping[str, Any]:
    found = table.get(name, {})
    if isinstance(found, dict):
        return found
    wrong.append(f"[{name}] is {found!r}, not a table")
    return {}


def _tables(table: Mapping[str, Any], name: str, wrong: list[str]) -> list[Mapping[str, Any]]:
    found = table.get(name, [])
    if isinstance(found, list) and all(isinstance(item, dict) for item in found):
        return found
    wrong.append(f"{name} is no list of tables; write [[{name}]] above each")
    return []


def _name(value: Any, where: str, wrong: list[str]) -> str:
    """A name that can be part of a file's name."""
    if not isinstance(value, str) or not value or set(value) - _NAME_CHARACTERS or value[0] in ".-+":
        wrong.append(f"{where} is {value!r}, not a name of a-z, 0-9 and - _ + .")
        return ""
    return value


def _texts(table: Mapping[str, Any], name: str, wrong: list[str]) -> Texts | None:
    if name not in table:
        return None
    found: Texts | None = build(Texts, _table(table, name, wrong), f"[{name}]", wrong)
    if found is not None:
        wrong += [f"[{name}]: {line}" for line in found.offenders()]
    return found


def _step(table: Mapping[str, Any], number: int, wrong: list[str]) -> Step | None:
    where = f"step {number}"
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in step_kinds.KINDS:
        wrong.append(f"{where}: kind is {kind!r}, not one of {', '.join(step_kinds.KINDS)}")
        return None
    name = _name(table.get("name", kind), f"{where}: name", wrong)
    own = {key: value for key, value in table.items() if key not in _OWN_STEP_KEYS}
    settings = build(step_kinds.kind(kind).settings, own, f"step {number} ({kind})", wrong)
    return Step(name, kind, settings) if settings is not None else None


def _variant(table: Mapping[str, Any], number: int, wrong: list[str]) -> Variant | None:
    found: Variant | None = build(Variant, table, f"variant {number}", wrong)
    if found is not None:
        _name(found.name, f"variant {number}: name", wrong)
    return found


def _accept(table: Mapping[str, Any], wrong: list[str]) -> dict[str, Accept]:
    """Bounds for all types together under "", and for each type that has a table its own on top of them."""
    everywhere = {key: value for key, value in table.items() if not isinstance(value, dict)}
    general = build(Accept, everywhere, "[accept]", wrong)
    found = {"": general}
    for kind, bounds in table.items():
        if isinstance(bounds, dict):
            own = build(Accept, bounds, f"[accept.{kind}]", wrong)
            found[kind.lower()] = replace(general, **{k: getattr(own, k) for k in bounds if hasattr(own, k)})
    return found


def _wrong_output(output: Output, calibration: Texts | None) -> list[str]:
    wrong = [
        f"[output]: no type {kind!r} (types: {', '.join(BASE_TYPES)})"
        for kind in output.types
        if kind.lower() not in BASE_TYPES
    ]
    needing = [kind for kind in output.types if kind.lower() in NEED_IMATRIX]
    if needing and not output.imatrix:
        wrong.append(f"[output]: {', '.join(needing)} cannot be made without imatrix = true")
    if output.imatrix and calibration is None:
        wrong.append("[output]: imatrix needs a [calibration] text")
    if output.target_bytes is not None and output.target_bytes < 1:
        wrong.append(f"[output]: target_bytes is {output.target_bytes}, at least 1")
    if output.target_bytes is not None and calibration is None:
        wrong.append("[output]: target_bytes needs a [calibration] text to measure with")
    return wrong


def _wrong_names(steps: list[Step], variants: list[Variant]) -> list[str]:
    wrong = [
        f"{count} {what}s are called {name!r}: give each a name of its own"
        for what, names in (("step", [s.name for s in steps]), ("variant", [v.name for v in variants]))
        for name, count in Counter(names).items()
        if count > 1
    ]
    known = {step.name for step in steps}
    wrong += [f"variant {v.name}: there is no step {name!r}" for v in variants for name in v.steps if name not in known]
    used = {name for variant in variants for name in variant.steps}
    return wrong + [f"step {s.name} is in no variant" for s in steps if variants and s.name not in used]


def _wrong_needs(steps: list[Step], accept: Mapping[str, Accept], texts: Mapping[str, Texts | None]) -> list[str]:
    """Texts that steps and bounds need and the recipe does not give."""
    wrong = [
        f"step {step.name}: needs a [{section}] text"
        for step in steps
        for section in step_kinds.kind(step.kind).texts(step.settings)
        if texts[section] is None
    ]
    if texts["evaluation"] is None and any(bounds.max_perplexity_ratio is not None for bounds in accept.values()):
        wrong.append("[accept]: max_perplexity_ratio needs an [evaluation] text")
    return wrong
