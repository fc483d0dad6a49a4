"""The commands that make the log model. They parse, call and print; torch is imported late."""

import json
from pathlib import Path

import click

_path = click.Path(path_type=Path)


@click.command()
@click.option("--out", type=_path, required=True, help="Folder for the shards.")
@click.option(
    "--logs", default=5000, show_default=True, help="Simulated logs, rounded up to hundreds; each gives about 13 pairs."
)
@click.option("--seed", default=1, show_default=True, help="Decides every log and question.")
@click.option("--workers", default=2, show_default=True, help="Processes to make them in.")
@click.option("--held-out", is_flag=True, help="Only the sources and wordings that training never sees.")
def make_pairs(out: Path, logs: int, seed: int, workers: int, held_out: bool) -> None:
    """Make pairs of questions and SQL over simulated logs."""
    from edgeslm_convert.logmodel.generate import write_pairs

    made = write_pairs(out, logs=logs, seed=seed, workers=workers, holdout=held_out)
    click.echo(f"{made:,} pairs in {out}")


@click.command()
@click.option("--pairs", type=_path, required=True, help="Folder made by make-pairs.")
@click.option("--out", type=_path, required=True, help="Folder for tokenizer.model.")
@click.option("--vocabulary", default=4096, show_default=True, help="How many tokens it has.")
def train_tokenizer(pairs: Path, out: Path, vocabulary: int) -> None:
    """Train the planner's tokenizer on generated pairs."""
    from edgeslm_convert.logmodel.tokenizer import train_tokenizer as train

    click.echo(f"wrote {train(pairs, out, vocabulary=vocabulary)}")


@click.command()
@click.option("--recipe", type=_path, required=True, help="TOML with [model] and [training].")
@click.option("--pairs", type=_path, required=True, help="Folder made by make-pairs.")
@click.option("--held-out", type=_path, required=True, help="Pairs made with make-pairs --held-out.")
@click.option("--tokenizer", type=_path, required=True, help="tokenizer.model made by train-tokenizer.")
@click.option(
    "--out", type=_path, required=True, help="Folder for checkpoint, log and model; a rerun goes on from there."
)
@click.option(
    "--encoder", type=_path, help="Folder of all-MiniLM-L6-v2, whose word embeddings the planner starts from."
)
@click.option(
    "--start-from", type=_path, help="Folder of a trained model to go on from; further layers of the recipe are added."
)
@click.option("--minutes", type=float, help="Wall time to lay the schedule out for, instead of the recipe's.")
def train_planner(
    recipe: Path,
    pairs: Path,
    held_out: Path,
    tokenizer: Path,
    out: Path,
    encoder: Path | None,
    start_from: Path | None,
    minutes: float | None,
) -> None:
    """Train the planner from a recipe."""
    from edgeslm_convert.logmodel.dataset import tokenize_pairs
    from edgeslm_convert.logmodel.embeddings import projected_embeddings
    from edgeslm_convert.logmodel.train import read_recipe, train

    settings = read_recipe(recipe, minutes=minutes)
    start = projected_embeddings(encoder, tokenizer, settings.width) if encoder else None
    measures = train(
        lambda: tokenize_pairs(pairs, tokenizer),
        tokenize_pairs(held_out, tokenizer),
        settings,
        out,
        embeddings=start,
        start=start_from,
    )
    click.echo(json.dumps(measures))


@click.command()
@click.option("--model", type=_path, required=True, help="Folder with config.json and model.safetensors.")
@click.option("--tokenizer", type=_path, required=True, help="tokenizer.model made by train-tokenizer.")
@click.option("--out", type=_path, required=True, help="The GGUF to write.")
@click.option(
    "--outtype",
    type=click.Choice(["f32", "f16", "bf16", "q8_0"]),
    default="q8_0",
    show_default=True,
    help="Type of the weights.",
)
@click.option("--sure-above", type=click.FloatRange(0, 1), help="Probability from which on its plans count as sure.")
def export_planner(model: Path, tokenizer: Path, out: Path, outtype: str, sure_above: float | None) -> None:
    """Write the planner's GGUF."""
    from edgeslm_convert.logmodel.export import export_planner as export

    path = export(model, tokenizer, out, outtype=outtype, sure_above=sure_above)
    click.echo(f"wrote {path}, {path.stat().st_size:,} bytes")


@click.command()
@click.option("--model", type=_path, help="GGUF; by default the planner that ships.")
@click.option("--logs", default=60, show_default=True, help="Simulated logs to ask about.")
@click.option("--seed", default=77, show_default=True, help="Decides every log and question.")
@click.option("--seen", is_flag=True, help="Sources and wordings of the training instead of the held-out ones.")
@click.option("--failures", default=0, show_default=True, help="Print so many failures.")
def measure_planner(model: Path | None, logs: int, seed: int, seen: bool, failures: int) -> None:
    """Execution accuracy of a planner on generated questions, by intent."""
    from edgeslm.resources import default_model
    from edgeslm_convert.logmodel.measure import measure, sure_above

    report = measure(model or default_model(), logs=logs, seed=seed, holdout=not seen)
    for failure in report.failures[:failures]:
        click.echo(failure)
    for name, (right, of) in sorted(report.tally.items()):
        click.echo(f"{name:20s} {right:4d}/{of:<4d} {right / of:.3f}")
    for precision in (0.85, 0.9, 0.95, 0.98):
        if found := sure_above(report.sureness, precision):
            click.echo(f"{precision:.0%} right from probability {found[0]:.4f} on: {found[1]:.1%} of the answers")
