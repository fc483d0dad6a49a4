"""What a report says: groups with their tables, headlines and charts' data, and how ratios went over the commits.

Reads result files; knows nothing of HTML, Markdown, pictures or terminals. Texts from files come out with control
characters made visible, since a report may be shown in a terminal whatever its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.answer.terminal import safe
from edgeslm.errors import InputError
from edgeslm_bench.records import Record, ResultFile, read_results
from edgeslm_bench.report.columns import OUR_COLUMNS, best, measured, short, study_columns

KEEPS_QUALITY = 0.97  # of the base's, to be named in a headline
TITLES = {
    "tinyllama-1.1b": "TinyLlama 1.1B",
    "tiny_starcoder_py": "tiny_starcoder_py 164M",
    "log-model": "Log model: the planner of ask",
    "code-model": "Code model",
}
ABOUT_WEIGHTS = {
    "random": "Random weights in the model's exact shape: speed and memory are as real, quality cannot be judged.",
    "trained": "Trained weights: quality is judged.",
}


@dataclass(frozen=True)
class Cell:
    """A number as text; best: of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A technique's line of a table."""

    technique: str
    is_base: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """heads and rows; unmeasured: columns that nothing was measured for, which are left out."""

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    unmeasured: tuple[str, ...]


@dataclass(frozen=True)
class GroupContent:
    """All that is said of a group."""

    name: str
    title: str
    weights: str
    about: str
    headline: str
    records: tuple[Record, ...]
    study: Table
    ours: Table
    notes: tuple[tuple[str, str], ...]  # technique and what is to be known of it


@dataclass(frozen=True)
class Run:
    """A point of the history: when, at which commit, ratios by group and technique."""

    moment: str
    commit: str
    speed: dict[tuple[str, str], float]


@dataclass(frozen=True)
class Content:
    """The whole report."""

    about_run: tuple[tuple[str, str], ...]
    groups: tuple[GroupContent, ...]
    history: tuple[Run, ...]


def content_of(result: ResultFile, history: Sequence[ResultFile] = ()) -> Content:
    """The report on `result`; `history` are runs to compare it with, itself among them or not."""
    names = list(dict.fromkeys(record.group for record in result.records))
    runs = {run.path.resolve(): run for run in (*history, result)}
    return Content(
        about_run=_about_run(result),
        groups=tuple(_group(name, result.of_group(name)) for name in names),
        history=tuple(_run(one) for one in sorted(runs.values(), key=lambda one: one.moment)),
    )


def read_history(folder: Path) -> list[ResultFile]:
    """Every result file of the suite in `folder`; other files are left out, and baselines: short runs for the gate."""
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.stem.startswith("baseline"):
            continue
        try:
            found.append(read_results(path))
        except InputError:
            continue
    return found


def headline(records: Sequence[Record]) -> str:
    """`top_of` the records in a sentence, against the base."""
    top = top_of(records)
    if top is None:
        judged = any(record.quality_score is not None for record in records) and _base(records)
        return f"No technique keeps {KEEPS_QUALITY:.0%} of the base's quality." if judged else ""
    base = _base(records)
    memory = f", {fraction(top.rss_ratio)} of its memory" if top.rss_ratio else ""
    quality = f", quality {short(top.quality_score)}" if top.quality_score is not None else ""
    against = base.technique if base else "the base"
    return f"{top.technique}: {short(top.speed_ratio or 0)} times the speed of {against}{memory}{quality}"


def top_of(records: Sequence[Record]) -> Record | None:
    """The fastest technique that keeps the base's quality; the fastest of all where the base's quality is not known."""
    base = _base(records)
    others = [record for record in records if record.speed_ratio and record is not base]
    if base and base.quality_score is not None:
        enough = KEEPS_QUALITY * base.quality_score
        others = [record for record in others if record.quality_score is not None and record.quality_score >= enough]
    return max(others, key=lambda record: record.speed_ratio or 0, default=None)


def _base(records: Sequence[Record]) -> Record | None:
    """The record that ratios are to."""
    return next((record for record in records if record.speed_ratio == 1), None)


def fraction(ratio: float) -> str:
    """A ratio below 1 as people say it: 0.056 is 1/17.9."""
    return f"1/{short(1 / ratio)}" if 0 < ratio < 0.995 else f"{short(ratio)} times"


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points (size, quality) no other beats by being at most as large, at least as good, and not the same."""
    return [
        index
        for index, (size, quality) in enumerate(points)
        if not any(
            other_size <= size and other_quality >= quality and (other_size, other_quality) != (size, quality)
            for other_size, other_quality in points
        )
    ]


def _group(name: str, records: list[Record]) -> GroupContent:
    weights = " and ".join(dict.fromkeys(record.weights for record in records))
    return GroupContent(
        name=name,
        title=TITLES.get(name, name),
        weights=weights,
        about=" ".join(ABOUT_WEIGHTS[kind] for kind in dict.fromkeys(record.weights for record in records)),
        headline=headline(records),
        records=tuple(records),
        study=_table(study_columns(name), records, keep_all=True),
        ours=_table(OUR_COLUMNS, records),
        notes=tuple((name, safe(note)) for name, note in _notes(records)),
    )


def _notes(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What is to be known of all techniques, then of each; said once where it is the same."""
    parts = [[part for part in record.notes.split("; ") if part] for record in records]
    common = [part for part in parts[0] if len(parts) > 1 and all(part in others for others in parts)]
    found = [("all", "; ".join(common))] if common else []
    for record, own in zip(records, parts, strict=True):
        if rest := [part for part in own if part not in common]:
            found.append((record.technique, "; ".join(rest)))
    return found


def _table(columns: Sequence[Any], records: Sequence[Record], *, keep_all: bool = False) -> Table:
    known, unmeasured = measured(columns, records)
    shown = list(columns) if keep_all else known
    tops = [best(column, records) for column in shown]
    rows = [
        Row(
            record.technique,
            record.is_base,
            tuple(
                Cell(column.text(record), top is not None and column.value(record) == top)
                for column, top in zip(shown, tops, strict=True)
            ),
        )
        for record in records
    ]
    return Table(tuple(column.head for column in shown), tuple(rows), tuple(unmeasured))


def _about_run(result: ResultFile) -> tuple[tuple[str, str], ...]:
    cpu = result.machine.get("cpu") or {}
    speeds = [record.read_gb_s for record in result.records if record.read_gb_s]
    commit = str(result.commit.get("id") or "")[:12] + (", changed files" if result.commit.get("dirty") else "")
    facts = (
        ("date", result.moment[:16].replace("T", " ")),
        ("commit", commit),
        ("processor", str(cpu.get("brand_raw") or result.machine.get("processor") or "")),
        ("cores", str(cpu.get("count") or "")),
        ("memory, read", f"{short(max(speeds))} GB/s" if speeds else ""),
        ("Python", str(result.machine.get("python_version") or "")),
        ("file", result.path.name),
    )
    return tuple((name, safe(text)) for name, text in facts if text)


def _run(result: ResultFile) -> Run:
    speed = {
        (record.group, record.technique): record.speed_ratio
        for record in result.records
        if record.speed_ratio is not None and record.speed_ratio != 1
    }
    return Run(safe(result.moment), safe(str(result.commit.get("id") or "")[:7]), speed)
