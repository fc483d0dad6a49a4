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
@click.option("--prompt", type=_file, help="What the model's own text goes on from.")
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
    prompt: Path | None,
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
    beginning = prompt.read_text("utf-8") if prompt else "Most of the lines"
    workloads = [own_text(beginning, tokens)] if "own" in kinds else []
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


@click.command()
@click.argument("model", type=_file)
@click.option("--layer", "layers", type=click.IntRange(1), multiple=True, help="By default four of them.")
@click.option("--cpu-time", is_flag=True, help="Not wall time: for one thread on a busy machine.")
@click.option("--rounds", type=click.IntRange(1), default=30, show_default=True, help="The least time counts.")
@_threads
def measure_exits(model: Path, layers: tuple[int, ...], cpu_time: bool, rounds: int, threads: int) -> None:
    """Measure what a token of MODEL costs up to an exit layer, against that share of the layers' time and the head's.

    Prints a Markdown table. Exits with 1 if one is off by more than a tenth.
    """
    from edgeslm_bench.decoding.exits import measure_exits as measure
    from edgeslm_bench.decoding.exits import to_markdown
    from edgeslm_bench.machine import machine_line

    machine = machine_line(with_lnav=False)
    measures = measure(model, threads=threads, layers=layers, rounds=rounds, cpu_time=cpu_time)
    click.echo(f"{to_markdown(measures)}\n\n{model.name}, {machine}, {threads} threads")
    click.get_current_context().exit(1 if any(abs(one.off) > 0.1 for one in measures) else 0)


@click.command()
@click.argument("models", nargs=-1, required=True, type=_file)
@click.option("--llama-bench", type=_file, help="The program; by default $LLAMA_BENCH, the build folder's or PATH's.")
@click.option("--alone", is_flag=True, help="Only generate's speed and memory.")
@click.option("--tokens", type=click.IntRange(2), default=64, show_default=True, help="To write.")
@_rounds
@_threads
def measure_decode(
    models: tuple[Path, ...], llama_bench: Path | None, alone: bool, tokens: int, rounds: int, threads: int
) -> None:
    """Measure `edgeslm generate` on MODELS against llama-bench with the same library, file and threads, and its memory.

    Prints a Markdown table. Exits with 1 if it is slower than 0.95 of llama-bench, or takes more memory than 1.1 times
    the file, the KV cache and 40 MB.
    """
    from edgeslm_bench.decoding.speed import beyond, find_llama_bench, to_markdown
    from edgeslm_bench.decoding.speed import measure_decode as measure
    from edgeslm_bench.machine import machine_line

    machine = machine_line(with_lnav=False)
    measures = measure(
        models,
        llama_bench=None if alone else find_llama_bench(llama_bench),
        tokens=tokens,
        threads=threads,
        rounds=rounds,
        note=lambda text: click.echo(text, err=True),
    )
    click.echo(f"{to_markdown(measures)}\n\n{machine}, {threads} threads")
    found = beyond(measures)
    for text in found:
        click.echo(f"beyond the limit: {text}")
    click.get_current_context().exit(1 if found else 0)
