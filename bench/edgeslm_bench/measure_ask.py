"""How long whole processes of `edgeslm ask` and of lnav take to answer the same questions about the same file.

Both start cold in every round: no index, no server, only the page cache is warm, for both. An answer that does not
agree with lnav's is an error, and its time is not kept. Knows the command lines, nothing of either program's insides.
"""

import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from edgeslm.errors import EdgeSlmError
from edgeslm_bench.make_log import SECONDS_A_LINE, START, write_syslog
from edgeslm_bench.process import Run, run_process

SMALL_LINES = 2000
MOST_S_SMALL, MOST_MB_SMALL = 0.8, 180.0
MOST_RATIO_LARGE, MOST_MB_LARGE = 1.0, 250.0
_STAMP = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True)
class Task:
    """One question, and the SQL that answers it in lnav: SQLite over the virtual table `syslog_log`."""

    name: str
    question: str
    lnav_sql: str


TASKS = (
    Task(
        "count with text",
        'how many lines contain "Failed password"',
        "SELECT count(*) FROM syslog_log WHERE log_body LIKE '%Failed password%'",
    ),
    Task(
        "top addresses",
        "top 5 addresses with failed passwords",
        "SELECT regexp_match('from (\\S+) port', log_body) AS ip, count(*) AS n FROM syslog_log"
        " WHERE log_body LIKE '%Failed password%' GROUP BY ip ORDER BY n DESC LIMIT 5",
    ),
    Task(
        "lines per hour",
        "how many lines per hour",
        "SELECT strftime('%Y-%m-%dT%H:00:00', log_time) AS hour, count(*) AS n FROM syslog_log"
        " GROUP BY hour ORDER BY hour",
    ),
    Task(
        "last time",
        "when was the last failed password",
        "SELECT max(log_time) FROM syslog_log WHERE log_body LIKE '%Failed password%'",
    ),
)


@dataclass(frozen=True)
class Measure:
    """The median of some rounds of one tool on one task (the peak is the highest of them)."""

    lines: int
    task: str
    tool: str
    wall_s: float
    user_s: float
    peak_rss_mb: float


class DisagreementError(EdgeSlmError):
    """Two tools answered the same question differently, or one of them failed."""


def make_log(folder: Path, lines: int) -> Path:
    """A generated syslog in `folder`, made anew only where it is not there yet; its file time is the log's end.

    Syslog writes no year: both tools infer it from the file time.
    """
    path = folder / f"syslog-{lines}.log"
    if not path.exists():
        write_syslog(path, lines)
    # A line takes SECONDS_A_LINE on average; a day more puts the file time after the last line for any draw.
    end = (START + timedelta(seconds=lines * SECONDS_A_LINE, days=1)).timestamp()
    os.utime(path, (end, end))
    return path


def ask_command(task: Task, path: Path) -> list[str]:
    """The `edgeslm ask` of this installation."""
    return [sys.executable, "-m", "edgeslm", "ask", "--output", "json", task.question, str(path)]


def lnav_command(task: Task, path: Path) -> list[str] | None:
    """lnav without its screen; None where it is not installed."""
    program = shutil.which("lnav")
    return [program, "-n", "-c", f";{task.lnav_sql}", "-c", ":write-json-to -", str(path)] if program else None


def read_ask(text: str) -> list[tuple[Any, ...]]:
    """The rows of an answer of `edgeslm ask --output json`."""
    return [tuple(map(plain, row)) for row in json.loads(text)["rows"]]


def read_lnav(text: str) -> list[tuple[Any, ...]]:
    """The rows that lnav wrote as JSON."""
    return [tuple(map(plain, row.values())) for row in json.loads(text)]


def plain(value: Any) -> Any:
    """A cell as both tools can mean it: numbers as numbers, times to the second in one notation."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).strftime(_STAMP)
        except ValueError:
            return value
    return value


def median_run(runs: Sequence[Run], lines: int, task: str, tool: str) -> Measure:
    """What one tool took for one task: medians of the times, the highest peak."""
    return Measure(
        lines,
        task,
        tool,
        statistics.median(run.wall_s for run in runs),
        statistics.median(run.user_s for run in runs),
        max(run.peak_rss_mb for run in runs),
    )


def measure(
    logs: Mapping[int, Path], rounds: int, *, note: Callable[[str], None] = lambda text: None
) -> Iterator[Measure]:
    """Measure every task on every log. Raises DisagreementError where the answers differ or a tool fails.

    A first round, not timed, warms the page cache and the interpreter's bytecode and gives the answers to compare;
    then the tools take turns.
    """
    for lines, path in logs.items():
        for task in TASKS:
            note(f"{lines:,} lines: {task.name}")
            commands = {"edgeslm": ask_command(task, path)}
            if lnav := lnav_command(task, path):
                commands["lnav"] = lnav
            warm = {tool: _run(tool, command) for tool, command in commands.items()}
            compare(task, warm)
            runs: dict[str, list[Run]] = {tool: [] for tool in commands}
            for _ in range(rounds):
                for tool, command in commands.items():
                    runs[tool].append(_run(tool, command))
            for tool, taken in runs.items():
                yield median_run(taken, lines, task.name, tool)


def compare(task: Task, runs: Mapping[str, Run]) -> None:
    """Raise DisagreementError unless the tools' rows are the same and not empty."""
    rows = {tool: (read_ask if tool == "edgeslm" else read_lnav)(run.output) for tool, run in runs.items()}
    first, *others = rows.values()
    if not first or any(other != first for other in others):
        shown = "; ".join(f"{tool}: {found[:3]}" for tool, found in rows.items())
        raise DisagreementError(f"the answers to {task.question!r} differ", reason=shown)


def _run(tool: str, command: Sequence[str]) -> Run:
    # As installed: with its bytecode, whatever the caller's environment says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = run_process(command, environment=environment)
    if run.exit_status != 0:
        last = run.errors.strip().split("\n")[-1] or "it said nothing"
        raise DisagreementError(f"{tool} ended with exit status {run.exit_status}", reason=last)
    return run
