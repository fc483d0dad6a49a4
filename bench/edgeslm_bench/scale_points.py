"""The points of a scale run, read from its pytest-benchmark JSON, and as a table. Refuses to measure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError

# What grows -> the columns of its table: (key, title, how many of the unit one is).
COLUMNS: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "lines": (("lines", "lines", 1), ("wall_ms", "ask ms", 1), ("peak_rss_bytes", "peak RSS MB", 1e6)),
    "files": (("files", "files", 1), ("wall_ms", "ask ms", 1), ("peak_rss_bytes", "peak RSS MB", 1e6)),
    "question": (("task", "question", 1), ("wall_ms", "ask ms", 1), ("peak_rss_bytes", "peak RSS MB", 1e6)),
    "context": (
        ("context", "context", 1),
        ("decode_tokens_s", "tokens/s", 1),
        ("prefill_tokens_s", "prompt tokens/s", 1),
        ("peak_rss_bytes", "peak RSS MB", 1e6),
    ),
    "parameters": (
        ("parameters", "parameters", 1),
        ("decode_tokens_s", "tokens/s", 1),
        ("peak_rss_bytes", "peak RSS MB", 1e6),
        ("file_bytes", "file MB", 1e6),
    ),
}


def read_points(path: Path) -> dict[str, list[dict[str, Any]]]:
    """What grows -> its points, in order. Raises InputError for a file without any."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
        points = [entry["extra_info"] for entry in entries if "scale" in entry["extra_info"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot read {path}", reason=f"{type(error).__name__}: {error}") from error
    if not points:
        raise InputError(f"{path} holds no points of a scale run", hint="`edgeslm bench scale --out FILE` writes them")
    found: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        found.setdefault(point["scale"], []).append(point)
    return found


def to_markdown(points: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """A table for each thing that grows; parts of an answer in milliseconds where they were taken."""
    tables = []
    for kind, rows in points.items():
        columns = COLUMNS[kind]
        parts = list(rows[0].get("parts_ms", {}))
        head = [title for _, title, _ in columns] + [f"{part} ms" for part in parts]
        lines = [head, ["--:"] * len(head)]
        for row in rows:
            cells = [_cell(row[key], unit) for key, _, unit in columns]
            lines.append(cells + [_cell(row["parts_ms"].get(part), 1) for part in parts])
        tables.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    return "\n\n".join(tables)


def _cell(value: Any, unit: float) -> str:
    if isinstance(value, str) or value is None:
        return value or "-"
    shown = value / unit
    return f"{shown:,.0f}" if (isinstance(value, int) and unit == 1) or shown >= 100 else f"{shown:,.1f}"
