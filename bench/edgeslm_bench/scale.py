"""How things grow: `ask` with the log's lines and with the number of files, decoding with context and parameters.

Every point is a fresh process. The page cache is warm: a first process, which is not timed, reads the log. Refuses to
judge; the answer is checked before a time is kept.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import ModelError
from edgeslm_bench.exact_shapes import layers_of, read_shape
from edgeslm_bench.make_log import facts_of, write_syslog
from edgeslm_bench.matrix import Group, Technique
from edgeslm_bench.measure_ask import TASKS, Task
from edgeslm_bench.measure_model import Load, Round, Subject, measure_once
from edgeslm_bench.process import Limits, Run, run_process

LINES = (1_000, 10_000, 100_000, 1_000_000)
FULL_LINES = (*LINES, 10_000_000)
FILES, LINES_IN_FILES = (1, 4, 16, 64), 64_000
CONTEXTS = (128, 512, 1024, 1920)
LAYERS = (5, 10, 20)  # of 20
_SHAPE = "tiny_starcoder_py"
COUNT = next(task for task in TASKS if task.name == "count with text")


@dataclass(frozen=True)
class AskPoint:
    """Medians of whole processes of `edgeslm ask` over a log; parts_ms: its own timing."""

    lines: int
    files: int
    bytes: int
    task: str
    wall_ms: float
    user_ms: float
    peak_rss_bytes: int
    parts_ms: dict[str, float]
    each_s: tuple[float, ...]


def make_files(folder: Path, lines: int, files: int) -> list[Path]:
    """`files` invented syslogs of `lines` lines in all; those that are there are kept."""
    home = folder / f"{lines}-lines-{files}-files"
    home.mkdir(parents=True, exist_ok=True)
    paths = [home / f"part{number:03d}.log" for number in range(files)]
    for number, path in enumerate(paths):
        if not path.is_file():
            write_syslog(path, lines // files, seed=number + 7)
    return paths


def expected_count(lines: int, files: int) -> int:
    """How many lines of these files hold the text that `COUNT` asks for."""
    return sum(sum(facts_of(lines // files, number + 7).failed_by_address.values()) for number in range(files))


def ask_point(paths: Sequence[Path], lines: int, *, task: Task = COUNT, rounds: int = 3, threads: int = 2) -> AskPoint:
    """Ask `task` about the files. Raises ModelError if it fails or counts wrongly."""
    command = [sys.executable, "-m", "edgeslm", "ask", "--output", "json", "--threads", str(threads), "--yes"]
    command += [task.question, *map(str, paths)]
    answer, _ = _ask(command)
    if task is COUNT and answer["rows"] != [[expected_count(lines, len(paths))]]:
        raise ModelError(f"ask counts wrongly over {lines:,} lines", reason=f"it says {answer['rows']}")
    found = [_ask(command) for _ in range(rounds)]
    parts = {name: statistics.median(one["timing_ms"][name] for one, _ in found) for name in answer["timing_ms"]}
    return AskPoint(
        lines,
        len(paths),
        sum(path.stat().st_size for path in paths),
        task.name,
        statistics.median(run.wall_s for _, run in found) * 1e3,
        statistics.median(run.user_s for _, run in found) * 1e3,
        round(max(run.peak_rss_mb for _, run in found) * 1e6),
        parts,
        tuple(run.wall_s for _, run in found),
    )


def context_point(model: Path, context: int, *, threads: int = 1, limits: Limits | None = None) -> Round:
    """Decoding behind `context` tokens of prompt."""
    return measure_once(Subject(model.stem, model), Load(context, 32, 1, threads, limits or Limits()))


def group_of_depths(layers: Sequence[int] = LAYERS) -> Group:
    """Random models of one shape in several depths, to see what parameters cost."""
    whole = layers_of(read_shape(_SHAPE))
    techniques = tuple(
        Technique(f"{count} layers", layers=None if count == whole else count, type="Q8_0") for count in layers
    )
    return Group(_SHAPE, techniques, shape=_SHAPE)


def _ask(command: Sequence[str]) -> tuple[Mapping[str, Any], Run]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = run_process(command, environment=environment)
    if run.exit_status != 0:
        last = run.errors.strip().split("\n")[-1] or "it said nothing"
        raise ModelError(f"ask ended with exit status {run.exit_status}", reason=last)
    return json.loads(run.output), run
