"""The commands `train-code-model` and `measure-code-model`. They parse, call and print."""

from pathlib import Path

import click

_path = click.Path(path_type=Path)


@click.command()
@click.option("--recipe", type=_path, required=True, help="TOML with [model] and [training].")
@click.option("--out", type=_path, required=True, help="Folder for checkpoint, log and model; a rerun goes on there.")
@click.option("--library", type=_path, help="Python source instead of the running interpreter's library.")
@click.option("--minutes", type=float, help="Training time to lay the schedule out for, instead of the recipe's.")
def train_code_model(recipe: Path, out: Path, library: Path | None, minutes: float | None) -> None:
    """Train a small GPTBigCode on the Python standard library, some modules held out."""
    from edgeslm_convert.codemodel.train import train_code_model as train

    report = train(recipe, out, library=library, minutes=minutes)
    click.echo(f"{out / 'model'}: perplexity {report.after['held_out_perplexity']:.2f} on held-out modules")


@click.command()
@click.argument("models", type=_path, nargs=-1, required=True)
@click.option("--library", type=_path, help="As in train-code-model.")
@click.option("--prompts", default=240, show_default=True, help="Held-out functions to complete.")
@click.option("--failures", is_flag=True, help="Show what does not parse.")
def measure_code_model(models: tuple[Path, ...], library: Path | None, prompts: int, failures: bool) -> None:
    """The share of held-out functions that each GGUF of MODELS completes to code that parses."""
    from edgeslm_convert.codemodel.measure import measure

    for model in models:
        report = measure(model, library=library, count=prompts)
        click.echo(f"{model}: {report.right} of {report.total} completions parse, {report.share:.3f}")
        for failure in report.failures if failures else ():
            click.echo(f"--- {failure}")
