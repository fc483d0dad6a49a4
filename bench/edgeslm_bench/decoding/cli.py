"""The commands that measure decoding. They parse, call and print."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_threads = click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="To compute with.")
_rounds = click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="The median counts.")
_WRITTEN = ("own", "prose", "summary", "sql")


@click.command()
@click.argument("model", type=_file)
@click.option("--write", "written", type=click.Choice(_WRITTEN), multiple=True, help="By default all of them.")
@click.option("--vocabulary", type=_file, help="GGUF of a real tokenizer (llama.cpp's models/ggml-vocab-*.gguf).")
@click.option("--log", type=_file, help="What queries and summary are about; by default the sample log.")
@click.option("--log-lines", type=click.IntRange(1), default=14, show_default=True, help="Lines in the prompt.")
@click.option("--tokens", type=click.IntRange(2), default=128, show_default=True, help="Of the model's own text.")
@click.option("--cpu-time", is_flag=True, help="Not wall time: for one thread on a busy machine.")
@_rounds
@_threads
def measure_modes(
    model: Path,
    written: tuple[str, ...],
    vocabulary: Path | None,
    log: Path | None,
    log_lines: int,
    tokens: int,
    cpu_time: bool,
    rounds: int,
    threads: int,
) -> None:
    """Compare the modes that change no text with plain decoding: drafts from the text, from MODEL's own first layers,
    and text that a grammar forces.

    Queries, summary and prose are given texts: what is measured is the time that MODEL takes to write them. Prints a
    Markdown table.
    """
    from edgeslm.resources import sample_log
    from edgeslm_bench.decoding.modes import measure_modes as measure
    from edgeslm_bench.decoding.modes import to_markdown
    from edgeslm_bench.decoding.vocabulary import with_vocabulary
    from edgeslm_bench.decoding.workloads import own_text, prose, queries, summary
    from edgeslm_bench.machine import machine_line

    machine, kinds, source = machine_line(with_lnav=False), written or _WRITTEN, log or sample_log()
    workloads = [own_text("Most of the lines", tokens)] if "own" in kinds else []
    workloads += [prose()] if "prose" in kinds else []
    workloads += [summary(source, log_lines)] if "summary" in kinds else []
    workloads += queries(source) if "sql" in kinds else []
    with tempfile.TemporaryDirectory() as folder:
        path = with_vocabulary(model, vocabulary, Path(folder) / model.name) if vocabulary else model
        measures = measure(
            path,
            workloads,
            threads=threads,
            rounds=rounds,
            cpu_time=cpu_time,
            note=lambda text: click.echo(text, err=True),
        )
    clock = "CPU time" if cpu_time else "wall time"
    click.echo(f"{to_markdown(measures)}\n\n{model.name}, {machine}, {threads} threads, {clock}")
