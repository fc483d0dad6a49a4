"""The commands of the bench room: what is measured on, and measuring. They parse, call and print."""

import json
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


_rounds = click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="The median counts.")
_threads = click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="For every model.")
_prompt = click.option("--prompt-tokens", type=click.IntRange(1), default=64, show_default=True, help="Tokens to read.")
_new = click.option("--new-tokens", type=click.IntRange(2), default=64, show_default=True, help="Tokens to write.")
_json = click.option(
    "--json", "json_out", type=click.Path(dir_okay=False, path_type=Path), help="Also write all of it here."
)


@click.command()
@click.argument("shape")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--layers", type=click.IntRange(1), help="Another depth than the shape's.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="Instead of the real model's.")
@click.option("--seed", default=0, show_default=True, help="Decides the weights.")
def make_random(shape: str, out: Path, layers: int | None, dtype: str | None, seed: int) -> None:
    """Write a checkpoint folder of the exact SHAPE of a known model (tinyllama-1.1b, tiny_starcoder_py) or of a
    config.json, with random weights: to measure speed and memory on, nothing else.
    """
    from edgeslm_bench.exact_shapes import read_shape, with_layers
    from edgeslm_convert.random_checkpoint import make_random as make

    settings = read_shape(shape)
    path = make(with_layers(settings, layers) if layers else settings, out, dtype=dtype, seed=seed)
    click.echo(f"wrote {path}, random weights")


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", help="For checkpoint folders.")
@_prompt
@_new
@_rounds
@_threads
@_json
def measure_model(
    models: tuple[Path, ...],
    dtype: str,
    prompt_tokens: int,
    new_tokens: int,
    rounds: int,
    threads: int,
    json_out: Path | None,
) -> None:
    """Measure how fast MODELS write and the memory they take: GGUFs in edgeslm, checkpoint folders in transformers.

    Each is a fresh process, in turns. Prints a Markdown table with ratios to the first.
    """
    from edgeslm_bench.machine import machine_line
    from edgeslm_bench.measure_model import MEASURED, Load, measure, subject
    from edgeslm_bench.model_table import to_json, to_markdown

    machine = machine_line(MEASURED, with_lnav=False)
    load = Load(prompt_tokens, new_tokens, rounds, threads)
    subjects = [subject(path, dtype=dtype) for path in models]
    measures = measure(subjects, load, note=lambda text: click.echo(text, err=True))
    if json_out:
        json_out.write_text(json.dumps(to_json(measures, load, machine), indent=2) + "\n", encoding="utf-8")
    click.echo(f"{to_markdown(measures)}\n\n{machine}, {threads} threads")


@click.command()
@click.option("--shape", "shapes", multiple=True, help="By default every shape that has a promise.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the models are made and kept; by default a temporary folder (8 GB).",
)
@click.option("--bfloat16", is_flag=True, help="Measure the base in bfloat16 too.")
@_prompt
@_new
@_rounds
@_threads
@_json
def measure_shapes(
    shapes: tuple[str, ...],
    folder: Path | None,
    bfloat16: bool,
    prompt_tokens: int,
    new_tokens: int,
    rounds: int,
    threads: int,
    json_out: Path | None,
) -> None:
    """Measure exact shapes of known models, random weights: transformers fp32 against a Q4_0 GGUF of half the layers.

    Prints a Markdown table for each shape. Exits with 1 if a ratio is beyond the promise.
    """
    from edgeslm_bench.machine import machine_line
    from edgeslm_bench.measure_model import MEASURED, Load
    from edgeslm_bench.measure_shapes import LIMITS, beyond_limits, measure_shape
    from edgeslm_bench.model_table import to_json, to_markdown

    machine = machine_line(MEASURED, with_lnav=False)
    load = Load(prompt_tokens, new_tokens, rounds, threads)
    also = ("bfloat16",) if bfloat16 else ()
    results, beyond = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        for shape in shapes or tuple(LIMITS):
            measures = measure_shape(
                shape, folder or Path(temporary), load, also=also, note=lambda text: click.echo(text, err=True)
            )
            results[shape] = to_json(measures, load, machine)
            beyond += beyond_limits(shape, measures)
            click.echo(f"{to_markdown(measures)}\n")
    click.echo(f"random weights, {machine}, {threads} threads")
    if json_out:
        json_out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for text in beyond:
        click.echo(f"beyond the limit: {text}")
    click.get_current_context().exit(1 if beyond else 0)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--task", type=click.Choice(["code", "log"]), required=True, help="What the models are for.")
@click.option("--items", default=240, show_default=True, help="Held-out functions to complete, or logs to ask about.")
@click.option("--library", type=click.Path(file_okay=False, path_type=Path), help="For code: as in train-code-model.")
@click.option("--seed", default=1, show_default=True, help="For log: decides logs and questions.")
@_prompt
@_new
@_rounds
@_threads
def compare_variants(
    folder: Path,
    task: str,
    items: int,
    library: Path | None,
    seed: int,
    prompt_tokens: int,
    new_tokens: int,
    rounds: int,
    threads: int,
) -> None:
    """Compare all variants that `edgeslm convert` left in FOLDER: size, speed, memory, perplexity, quality at the task.

    Prints a Markdown table with ratios to the first variant's f16.
    """
    from edgeslm_bench.compare_variants import code_quality, compare, log_quality, read_variants, to_markdown
    from edgeslm_bench.machine import machine_line
    from edgeslm_bench.measure_model import Load

    machine = machine_line()
    quality = code_quality(items, library) if task == "code" else log_quality(items, seed)
    load = Load(prompt_tokens, new_tokens, rounds, threads)
    rows = compare(read_variants(folder), quality, load, note=lambda text: click.echo(text, err=True))
    click.echo(f"{to_markdown(rows)}\n\n{machine}, {threads} threads")
