"""What a recipe will make, reckoned from the source's config.json: the shape after every step, and what is impossible.

No weight is read. Every offender of every step is named in one error, each step checked on the shape that the steps
before it leave. A figure here is a plan; the manifest has what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeslm_convert import step_kinds
from edgeslm_convert.checkpoint import fetch
from edgeslm_convert.recipe import Recipe, Variant, read_recipe, refusal
from edgeslm_convert.shape import ModelShape
from edgeslm_convert.tensor_types import BASE_TYPES


@dataclass(frozen=True)
class Stage:
    """The model after one step of a variant; step is empty for the source itself."""

    step: str
    shape: ModelShape


@dataclass(frozen=True)
class Plan:
    """Stages of every variant, the source first."""

    recipe: Recipe
    source: ModelShape
    variants: dict[str, tuple[Stage, ...]]

    def table(self, *, context: int = 512) -> str:
        """The plan for a person: parameters, bytes of every output type and operations a token, against the source."""
        types = list(dict.fromkeys(["f16", *map(str.lower, self.recipe.output.types)]))
        rows = [["variant", "after", "layers", "parameters", "", *_headings(types), "MFLOPs/token", ""]]
        rows.append(self._row("the source", Stage("", self.source), types, context))
        for name, stages in self.variants.items():
            rows += [self._row(name, stage, types, context) for stage in stages[1:] or stages]
        notes = [f"Ratios are to the source. Operations of one token after {context} others. Bytes without metadata."]
        if self.recipe.output.target_bytes:
            notes.append(f"One more file of each variant has at most {self.recipe.output.target_bytes:,} bytes.")
        return "\n".join([_aligned(rows), "", *notes])

    def _row(self, name: str, stage: Stage, types: Sequence[str], context: int) -> list[str]:
        shape, source = stage.shape, self.source
        flops, before = shape.flops_per_token(context), source.flops_per_token(context)
        imatrix = self.recipe.output.imatrix
        row = [name, stage.step or "-", str(shape.n_layer), f"{shape.parameters():,}"]
        row.append(_ratio(shape.parameters(), source.parameters()))
        for kind in types:
            size, original = shape.bytes(kind, imatrix=imatrix), source.bytes(kind, imatrix=imatrix)
            row += [f"{size:,}", _ratio(size, original)]
        return [*row, f"{flops / 1e6:,.1f}", _ratio(flops, before)]


def prepare(path: Path, *, source: str | None = None, weights: bool = True) -> tuple[Plan, Path]:
    """Read the recipe at `path` and plan it; the plan, and the source's folder (downloaded if it is a hub id).

    weights: whether those are needed too. Raises InputError that lists all that is wrong with the recipe, and
    ModelError for a checkpoint that cannot be used.
    """
    wrong: list[str] = []
    recipe = read_recipe(path, wrong, source=source)
    if recipe is None:
        raise refusal(path, wrong)
    name = recipe.resolved(recipe.source.checkpoint)
    if wrong and not Path(name).is_dir():  # a download would be in vain
        raise refusal(path, wrong)
    folder = fetch(name, recipe.source.revision, weights=weights)
    return make_plan(recipe, ModelShape.from_config(folder), where=path, wrong=wrong), folder


def make_plan(recipe: Recipe, shape: ModelShape, *, where: Path | str = "", wrong: Sequence[str] = ()) -> Plan:
    """The shapes of every variant. Raises InputError that lists every offender of every step and output type.

    wrong: what is known to be wrong already; it leads the list.
    """
    found = [*wrong, *_too_long(recipe, shape)]
    variants = {variant.name: _stages(recipe, variant, shape, found) for variant in recipe.variants}
    if found:
        raise refusal(where or recipe.name, found)
    return Plan(recipe, shape, variants)


def _too_long(recipe: Recipe, shape: ModelShape) -> list[str]:
    """The sections, and the steps, whose pieces of text are longer than a source with a table of positions can read."""
    if not any(tensor.name == "position_embd.weight" for tensor in shape.tensors()):
        return []
    steps = [(step, step_kinds.kind(step.kind)) for step in recipe.steps]
    whole = {section for step, kind in steps if kind.cut is None for section in kind.texts(step.settings)}
    lines = {section for step, kind in steps if kind.cut is not None for section in kind.texts(step.settings)}
    sections = {"calibration": recipe.calibration, "training": recipe.training, "evaluation": recipe.evaluation}
    pieces = [
        (f"[{name}] sequence", texts.sequence)
        for name, texts in sections.items()
        if texts is not None and (name in whole or name not in lines)
    ]
    pieces += [(f"step {step.name}: length", kind.cut(step.settings)) for step, kind in steps if kind.cut is not None]
    return [
        f"{name} is {tokens}, and the source reads at most {shape.n_ctx} tokens"
        for name, tokens in pieces
        if tokens > shape.n_ctx
    ]


def _stages(recipe: Recipe, variant: Variant, shape: ModelShape, wrong: list[str]) -> tuple[Stage, ...]:
    stages, offenders = [Stage("", shape)], []
    for step in (step for name in variant.steps for step in recipe.steps if step.name == name):
        kind = step_kinds.kind(step.kind)
        found = kind.check(stages[-1].shape, step.settings)
        offenders += [f"step {step.name}: {line.removeprefix(f'{step.kind}: ')}" for line in found]
        try:
            stages.append(Stage(step.name, kind.after(stages[-1].shape, step.settings)))
        except (ValueError, TypeError, ZeroDivisionError, IndexError):
            if not found:
                raise
            break  # what such a step would leave cannot be said, nor what is wrong after it
    if not offenders:
        kinds = [kind for kind in recipe.output.types if kind.lower() in BASE_TYPES]
        offenders = [f"variant {variant.name}: {line}" for line in stages[-1].shape.expressible(kinds)]
    wrong += offenders
    return tuple(stages)


def _headings(types: Sequence[str]) -> list[str]:
    return [cell for kind in types for cell in (f"{kind} bytes", "")]


def _ratio(value: float, source: float) -> str:
    return f"x {value / source:.2f}" if source else ""


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 1)  # columns of names; the others are numbers
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
