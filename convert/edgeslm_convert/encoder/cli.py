"""The commands `make-sentences`, `train-encoder` and `measure-encoder`. They parse, call and print."""

from pathlib import Path

import click

_path = click.Path(path_type=Path)


@click.command()
@click.argument("folders", type=_path, nargs=-1)
@click.option("--logs", default=2500, show_default=True, help="Simulated logs to take messages of and questions about.")
@click.option("--out", type=_path, required=True, help="The file to write, JSON lines.")
def make_sentences(folders: tuple[Path, ...], logs: int, out: Path) -> None:
    """Gather sentences to distil an encoder on, out of the documentation in FOLDERS and of simulated logs."""
    from edgeslm_convert.encoder.train import write_sentences

    counts = write_sentences(list(folders), logs, out)
    for source, count in counts.items():
        click.echo(f"{count:8,} {source}")
    click.echo(f"{sum(counts.values()):8,} sentences in {out}")


@click.command()
@click.option("--recipe", type=_path, required=True, help="TOML with [student] and [training].")
@click.option("--teacher", type=_path, required=True, help="Folder of the encoder to learn from.")
@click.option("--sentences", type=_path, required=True, help="File made by make-sentences.")
@click.option("--out", type=_path, required=True, help="Folder for student, checkpoint and model.")
@click.option("--minutes", type=float, help="Training time to lay the schedule out for, instead of the recipe's.")
@click.option("--steps", type=int, help="Steps to lay the schedule out for, instead of the recipe's.")
def train_encoder(
    recipe: Path, teacher: Path, sentences: Path, out: Path, minutes: float | None, steps: int | None
) -> None:
    """Prune a sentence encoder and distil it from itself; a rerun goes on where it was."""
    from edgeslm_convert.encoder.train import train_encoder as train

    report = train(recipe, teacher, sentences, out, minutes=minutes, steps=steps)
    after = report.after
    click.echo(f"{out / 'model'}: cosine {after['held_out_cosine']:.4f}, neighbour {after['held_out_neighbour']:.3f}")


@click.command()
@click.argument("base", type=_path)
@click.argument("models", type=_path, nargs=-1, required=True)
@click.option("--sentences", type=_path, required=True, help="File made by make-sentences; its held-out ones are used.")
@click.option("--count", default=1000, show_default=True, help="How many of them.")
@click.option("--rounds", default=3, show_default=True, help="How often all are embedded, in turns.")
@click.option("--threads", default=1, show_default=True, help="Threads to compute with.")
def measure_encoder(
    base: Path, models: tuple[Path, ...], sentences: Path, count: int, rounds: int, threads: int
) -> None:
    """Compare each GGUF of MODELS with the BASE GGUF: nearest neighbours, cosine, and texts a second in one run."""
    from edgeslm_convert.encoder.measure import measure
    from edgeslm_convert.encoder.train import held_out_sample, load_sentences

    texts = held_out_sample(load_sentences(sentences), count)
    for model in models:
        found = measure(base, model, texts, rounds=rounds, threads=threads)
        click.echo(
            f"{model.name}: {found.bytes:,} bytes of {found.base_bytes:,}; "
            f"same nearest neighbour {found.agreement:.3f}, "
            f"among five {found.at5:.3f}; cosine {found.cosine:.4f}; {found.speed:,.1f} texts/s against "
            f"{found.base_speed:,.1f}: {found.ratio:.2f} x ({found.sentences} sentences, {threads} threads)"
        )
