"""The commands of the bench room: making a log and measuring `edgeslm ask` on it. They parse, call and print."""

import tempfile
from pathlib import Path

import click


@click.command()
@click.option("--lines", type=click.IntRange(1), default=1_000_000, show_default=True, help="How many lines to write.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same file.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE", help="The file to write."
)
def make_log(lines: int, seed: int, out: Path) -> None:
    """Write an invented syslog, to measure on."""
    from edgeslm_bench.make_log import write_syslog

    write_syslog(out, lines, seed)
    click.echo(f"{out}: {lines:,} lines, {out.stat().st_size:,} bytes")


@click.command()
@click.option("--lines", type=click.IntRange(1), default=1_000_000, show_default=True, help="Lines of the larger log.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Timed runs; the median counts.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the logs are made and kept; by default a temporary folder.",
)
def measure_ask(lines: int, rounds: int, folder: Path | None) -> None:
    """Time whole `edgeslm ask` processes against lnav's.

    Prints a Markdown table. Exits with 1 if a number is beyond the limits, with 2 if the answers differ.
    """
    from edgeslm_bench.ask_table import beyond_limits, to_markdown
    from edgeslm_bench.machine import lnav_version, machine_line
    from edgeslm_bench.measure_ask import SMALL_LINES, make_log, measure

    machine = machine_line()
    if not lnav_version():
        click.echo("lnav: not installed")
    with tempfile.TemporaryDirectory() as temporary:
        home = folder or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        logs = {count: make_log(home, count) for count in dict.fromkeys((SMALL_LINES, lines))}
        measures = list(measure(logs, rounds, note=lambda text: click.echo(text, err=True)))
    click.echo(f"{to_markdown(measures)}\n\n{machine}")
    beyond = beyond_limits(measures)
    for text in beyond:
        click.echo(f"beyond the limit: {text}")
    click.get_current_context().exit(1 if beyond else 0)
