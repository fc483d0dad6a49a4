"""The commands `edgeslm ask` and `edgeslm sql`: parse, call, print.

What they do stands in `ask.planner`, `ask.answering` and `answer`.

Exit status as grep has it: 0 something was found, 1 nothing, 2 an error (raised as `EdgeSlmError`), 130 after Ctrl-C.
"""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeslm.errors import InputError

if TYPE_CHECKING:
    from edgeslm.answer.answer import Answer, Query
    from edgeslm.answer.progress import Progress
    from edgeslm.ask.readings import Reading
    from edgeslm.engine import LoadAhead
    from edgeslm.logs import LogSet

LONGEST_QUESTION = 2000  # characters

_shared: list[Callable[[Any], Any]] = [
    click.option(
        "--output",
        type=click.Choice(["text", "json", "csv"]),
        default="text",
        show_default=True,
        help="text for reading, json or csv for programs.",
    ),
    click.option("--year", type=click.IntRange(1970, 9999), help="Year of times the log writes without one."),
    click.option("--threads", type=click.IntRange(1, 256), help="Threads to use at most."),
    click.option(
        "--time-limit",
        type=click.FloatRange(0, min_open=True),
        default=20.0,
        show_default=True,
        metavar="SECONDS",
        help="Give up queries that take longer, all readings tried together.",
    ),
    click.option("--sql", "only_sql", is_flag=True, help="Show the query without running it."),
]


def _with_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command()
@_with_options(*_shared)
@click.option("--now", metavar="ISO", help="The time that 'last hour' counts back from, on the log's own clock.")
@click.option("--model", metavar="GGUF", help="Ask with this causal GGUF instead of the model that ships.")
@click.option("--yes", is_flag=True, help="Never ask which reading is meant: take the likeliest.")
@click.argument("question")
@click.argument("files", nargs=-1, metavar="[FILE]…")
def ask(
    question: str,
    files: tuple[str, ...],
    output: str,
    now: str | None,
    year: int | None,
    model: str | None,
    only_sql: bool,
    threads: int | None,
    time_limit: float,
    yes: bool,
) -> None:
    """Ask a log a QUESTION in plain words.

    FILE is a log, plain or compressed (gzip, zstd); several are read as one; without any, the log comes from standard
    input. Prints the answer, the SQL that found it and lines that prove it. Where the model is not sure what is meant,
    it says so and, on a terminal, lets you choose among its readings. Exit status: 0 found, 1 nothing found, 2 error.

    In CSV, control characters of the log are visible escapes and all else is exact: a cell may start with '=', so
    import it into a spreadsheet as text. JSON holds every value exactly.
    """
    check_question(question)
    moment = parse_now(now)
    # Another model may be large: it is not loaded before the log is known to be readable.
    ahead = load_shipped(threads) if model is None else None

    def work(log: "LogSet", progress: "Progress") -> "Answer":
        from edgeslm.answer.answer import find_answer, show_only
        from edgeslm.ask.answering import answer_plan, to_query
        from edgeslm.ask.planner import plan_question
        from edgeslm.ask.readings import MOST_READINGS

        def find(query: "Query", timeout_s: float) -> "Answer":
            return find_answer(log, query, timeout_s=timeout_s, progress=progress.update)

        progress.update("understanding the question")
        model_path = Path(model) if model is not None else None
        plan = plan_question(question, log, model_path=model_path, now=moment, threads=threads, ahead=ahead)
        if only_sql:
            return show_only(log, to_query(plan, plan.reading))
        if plan.others and plan.sure is False and output == "text" and not yes and may_ask(files):
            with progress.paused():
                chosen = choose_reading([plan.reading, *plan.others][:MOST_READINGS])
            return find(to_query(plan, chosen, chosen=True), time_limit)
        return answer_plan(plan, find, time_limit_s=time_limit)

    with ahead or nullcontext():
        _run(work, files, output, year, threads)


def load_shipped(threads: int | None) -> "LoadAhead":
    """Loads the model that ships while the log is opened."""
    from edgeslm.engine import LoadAhead, Model
    from edgeslm.resources import default_model

    return LoadAhead(lambda: Model(default_model(), threads=threads))


@click.command()
@_with_options(*_shared)
@click.argument("statement", metavar="SELECT")
@click.argument("files", nargs=-1, metavar="[FILE]…")
def sql(
    statement: str,
    files: tuple[str, ...],
    output: str,
    year: int | None,
    only_sql: bool,
    threads: int | None,
    time_limit: float,
) -> None:
    """Run one SELECT of your own over a log, as the table `logs`.

    It runs where `ask` runs its queries: no other file can be read, none written, nothing loaded or set. Columns:
    line_no, ts, host, app, pid, level, level_text, message, line, those of the format, and ip, user, port, path, url
    and others found in the message. Exit status: 0 found, 1 nothing found, 2 error.
    """
    if not statement.strip():
        raise InputError("the SQL is empty", hint='edgeslm sql "SELECT count(*) FROM logs" FILE')

    def work(log: "LogSet", progress: "Progress") -> "Answer":
        from edgeslm.answer.answer import Query, find_answer, show_only

        query = Query(sql=statement)
        return (
            show_only(log, query)
            if only_sql
            else find_answer(log, query, timeout_s=time_limit, progress=progress.update)
        )

    _run(work, files, output, year, threads)


def may_ask(files: tuple[str, ...]) -> bool:
    """Whether a person sits at the terminal: the log does not come from there, and the answer goes there."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return bool(files) and "-" not in files and all(stream is not None and stream.isatty() for stream in streams)


def choose_reading(readings: Sequence["Reading"]) -> "Reading":
    """Let the person choose; the likeliest comes first and is taken on Enter."""
    from edgeslm.answer.terminal import safe

    click.echo("I am not sure what you mean:", err=True)
    for number, reading in enumerate(readings, 1):
        click.echo(f"  {number}  {safe(reading.words)}", err=True)
    number = click.prompt("Which one", type=click.IntRange(1, len(readings)), default=1, err=True)
    return readings[number - 1]


def check_question(question: str) -> None:
    """Refuse a question that is empty or too long to be one. Raises InputError."""
    if not question.strip():
        raise InputError("the question is empty", hint='ask in plain words: edgeslm ask "how many errors" FILE')
    if len(question) > LONGEST_QUESTION:
        raise InputError(
            "the question is too long",
            reason=f"it has {len(question):,} characters, the limit is {LONGEST_QUESTION:,}",
            hint="ask one thing, in a sentence",
        )


def parse_now(text: str | None) -> datetime | None:
    """The time given with --now, as the log's own clock would write it (an offset is dropped). Raises InputError."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        raise InputError(
            f"--now is not a time: {text!r}", hint="write it as ISO 8601, for example 2015-12-10T11:04:45"
        ) from None


def _files_or_stdin(files: tuple[str, ...]) -> list[str]:
    if files:
        return list(files)
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(
            "no log to read",
            reason="no FILE is given and standard input is a terminal",
            hint="name a file, or pipe a log in",
        )
    return ["-"]


def _run(
    work: Callable[["LogSet", "Progress"], "Answer"],
    files: tuple[str, ...],
    output: str,
    year: int | None,
    threads: int | None,
) -> None:
    """Open the logs, do the work under a progress bar, print the answer, and leave with its exit status."""
    start = time.perf_counter()
    from edgeslm.answer.interrupt import Interruptible
    from edgeslm.answer.progress import Progress
    from edgeslm.answer.render import render
    from edgeslm.answer.terminal import stream_style
    from edgeslm.logs import open_logs

    paths = _files_or_stdin(files)
    with Interruptible():
        with Progress() as progress:
            progress.update("opening the log")
            with open_logs(paths, year=year, threads=threads, progress=progress.update) as log:
                opened_ms = round((time.perf_counter() - start) * 1000, 1)
                answer = work(log, progress)
        answer.timing_ms.update(open=opened_ms, total=round((time.perf_counter() - start) * 1000, 1))
        _print(render(answer, output, stream_style()))
    click.get_current_context().exit(answer.exit_status)


def _print(text: str) -> None:
    """Write to standard output, whatever its encoding: what that lacks is written as an escape."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    sys.stdout.write(text)
    sys.stdout.flush()
