"""`edgeslm bench`: the benchmark suite's commands. They parse, call and print."""

import click


@click.group()
def bench() -> None:
    """Measure models, judge what they write, guard against losses, and report."""
