"""One table for all variants of a converted model: size, speed and memory in one run, perplexity, and its own task.

Reads the manifest that `edgeslm convert` wrote beside the files; base of every ratio is the first variant's f16. What
the task is, and how good a model is at it, is told by the caller as a function. It refuses to make models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError
from edgeslm_bench.measure_model import Load, ModelMeasure, Subject, measure
from edgeslm_bench.model_table import memory_ratio, speed_ratio

Quality = Callable[[Path], tuple[int, int]]  # a GGUF to how many of how many were right
_HEAD = ("variant", "type", "parameters", "to base", "file bytes", "tokens/s", "peak RSS")
_MORE = ("perplexity", "to base", "task", "to base")


@dataclass(frozen=True)
class VariantFile:
    """One GGUF of a conversion, as its manifest has it."""

    variant: str
    type: str
    path: Path
    parameters: int
    bytes: int
    perplexity: float | None

    @property
    def name(self) -> str:
        return f"{self.variant} {self.type}"


@dataclass(frozen=True)
class Row:
    """A file with what was measured of it; right of total: its task."""

    file: VariantFile
    measured: ModelMeasure
    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 0.0


def read_variants(folder: Path) -> list[VariantFile]:
    """The files of the conversion in `folder`, the base's f16 first. Raises InputError if any of them is not there."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        files = [_file(folder, variant, line) for variant in manifest["variants"] for line in variant["files"]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"no whole conversion in {folder}", reason=str(error), hint="run `edgeslm convert` to its end first"
        ) from error
    if missing := [file.path.name for file in files if not file.path.is_file()]:
        raise InputError(f"{folder} lacks files of its manifest", reason=", ".join(missing))
    if not files:
        raise InputError(f"the conversion in {folder} has no variants")
    return files


def compare(
    files: Sequence[VariantFile], quality: Quality, load: Load, *, note: Callable[[str], None] = lambda text: None
) -> list[Row]:
    """Measure all files in turns, then each at its task. note: told what runs."""
    measures = measure([Subject(file.name, file.path) for file in files], load, note=note)
    rows = []
    for file, measured in zip(files, measures, strict=True):
        note(f"task: {file.name}")
        rows.append(Row(file, measured, *quality(file.path)))
    return rows


def to_markdown(rows: Sequence[Row]) -> str:
    """One line a file; ratios are to the first row."""
    base = rows[0]
    lines = [(*_HEAD, *_MORE), ("---", "---", *["--:"] * (len(_HEAD) + len(_MORE) - 2))]
    for row in rows:
        lines.append(
            (
                row.file.variant,
                row.file.type,
                f"{row.file.parameters:,}",
                f"{row.file.parameters / base.file.parameters:.1%}",
                f"{row.file.bytes:,}",
                f"{speed_ratio(row.measured, base.measured):.2f} x",
                f"{1 / memory_ratio(row.measured, base.measured):.2f} x",
                _number(row.file.perplexity),
                _ratio(row.file.perplexity, base.file.perplexity),
                f"{row.right} of {row.total}",
                _ratio(row.share, base.share),
            )
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _file(folder: Path, variant: dict[str, Any], line: dict[str, Any]) -> VariantFile:
    return VariantFile(
        variant["name"],
        line["type"],
        folder / line["file"],
        variant["parameters"],
        line["bytes"],
        line["measured"].get("perplexity"),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ratio(value: float | None, base: float | None) -> str:
    return f"{value / base:.3f}" if value is not None and base else "-"


def code_quality(count: int, library: Path | None = None) -> Quality:
    """Completions of held-out functions that parse, of `count`."""
    from edgeslm_convert.codemodel.measure import measure as complete

    def quality(gguf: Path) -> tuple[int, int]:
        report = complete(gguf, library=library, count=count)
        return report.right, report.total

    return quality


def log_quality(logs: int, seed: int) -> Quality:
    """Right answers to generated questions about `logs` simulated logs, sources and wordings held out of training."""
    from edgeslm_convert.logmodel.measure import measure as ask

    def quality(gguf: Path) -> tuple[int, int]:
        right, total = ask(gguf, logs=logs, seed=seed, holdout=True).tally["all"]
        return right, total

    return quality
