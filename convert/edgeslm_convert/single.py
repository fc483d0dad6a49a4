"""Steps of a recipe without a recipe: on one checkpoint folder, to another, with settings given by name.

The same kinds, checks and texts as in recipes, so that a step called alone does what it does there. What pruning left
of the first checkpoint is noted in the folder (kept.json), so that a later distillation knows it. It makes no GGUFs.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_convert import step_kinds
from edgeslm_convert.gguf import check_checkpoint
from edgeslm_convert.place import into_place, remove
from edgeslm_convert.plan import make_plan
from edgeslm_convert.recipe import Recipe, Source, Step, Texts, Variant
from edgeslm_convert.settings import build
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.texts import passages, read_records
from edgeslm_convert.workshop import digest_of, plain

KEPT = "kept.json"


@dataclass(frozen=True)
class Task:
    """What to do: kinds of steps with their settings, in order, and the texts by section."""

    steps: Sequence[tuple[str, Mapping[str, Any]]]
    texts: Mapping[str, Texts] = field(default_factory=dict)
    source: Path | None = None  # the unpruned checkpoint; by default the one at hand


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Settings of `name=value` texts, values as in TOML. Raises InputError that names every offender."""
    found: dict[str, Any] = {}
    wrong = []
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            if not (equals and name.strip()):
                raise ValueError
            found[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except ValueError:
            wrong.append(text)
    if wrong:
        raise InputError(
            "no such setting: " + ", ".join(wrong), hint='write name=value as in a recipe, texts in "quotes"'
        )
    return found


def run(checkpoint: Path, out: Path, task: Task, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Do the steps from folder `checkpoint` to folder `out`, moved into place whole; returns the last report.

    A training that was killed goes on from OUT.going-on when the same is asked for again. Raises InputError that lists
    every offender of every step.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # of loading; trainings have their own
    check_checkpoint(checkpoint)
    recipe = _recipe(checkpoint, task)
    make_plan(recipe, ModelShape.from_config(checkpoint), where=f"for {checkpoint}")
    records = {name: read_records(recipe, texts) for name, texts in task.texts.items()}
    kept = _read_kept(checkpoint)
    report: dict[str, Any] = {}
    folders: list[Path] = []
    scratch = out.with_name(f"{out.name}.{digest_of([plain(task.steps), str(checkpoint)])[:8]}.going-on")
    with into_place(out) as beside:
        for number, step in enumerate(recipe.steps, 1):
            before = folders[-1] if folders else checkpoint
            after = beside if number == len(recipe.steps) else beside.with_name(f"{beside.name}.{number}")
            folders.append(after)
            say(f"step {number} of {len(recipe.steps)}: {step.kind}")
            remove(after)
            after.mkdir(parents=True)
            work = step_kinds.Work(
                checkpoint=before,
                source=task.source or checkpoint,
                out=after,
                scratch=scratch,
                settings=step.settings,
                passages=lambda section, folder=before: passages(  # type: ignore[misc]
                    folder, _of(records, section), task.texts[section]
                ),
                records=lambda section: records.get(section, []),
                wanted=lambda section: task.texts[section],
                kept=kept,
                say=say,
            )
            try:
                report = plain(step_kinds.kind(step.kind).run(work))
            finally:
                if number > 1:
                    remove(before)
            kept = work.kept
        if kept:
            (beside / KEPT).write_text(json.dumps(plain(kept)) + "\n")
    remove(scratch)
    return report


def _recipe(checkpoint: Path, task: Task) -> Recipe:
    """The task as a recipe of one variant. Raises InputError that names every wrong setting."""
    wrong: list[str] = []
    steps = []
    for name, values in task.steps:
        kind = step_kinds.kind(name)
        settings = build(kind.settings, values, name, wrong)
        steps.append(Step(name, name, settings))
        wrong += [
            f"{name}: needs a text, give --text or --data"
            for section in (kind.texts(settings) if settings is not None else ())
            if section not in task.texts
        ]
    wrong += [line for texts in task.texts.values() for line in texts.offenders()]
    if wrong:
        raise InputError(f"cannot do this to {checkpoint}", reason="; ".join(dict.fromkeys(wrong)))
    names = tuple(step.name for step in steps)
    return Recipe("single", Source(str(checkpoint)), steps=tuple(steps), variants=(Variant("single", names),))


def _of(records: Mapping[str, list[Any]], section: str) -> list[Any]:
    return records[section]


def _read_kept(checkpoint: Path) -> dict[str, Any]:
    try:
        found = json.loads((checkpoint / KEPT).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
