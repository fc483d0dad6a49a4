"""The commands from a checkpoint to GGUFs. They parse, call and print; torch is imported late."""

from pathlib import Path

import click

_path = click.Path(path_type=Path)


@click.command()
@click.argument("checkpoint", type=_path)
@click.argument("out", type=_path)
@click.option(
    "--type",
    "outtype",
    type=click.Choice(["f32", "f16", "bf16", "q8_0"]),
    default="f16",
    show_default=True,
    help="Type of the weights.",
)
@click.option(
    "--pre-tokenizer",
    default="",
    help="llama.cpp's name of the BPE pre-tokenizer, for a vocabulary its converter does not know.",
)
def to_gguf(checkpoint: Path, out: Path, outtype: str, pre_tokenizer: str) -> None:
    """Write the GGUF of a Hugging Face CHECKPOINT folder (safetensors only) to OUT."""
    from edgeslm_convert.gguf import to_gguf as convert

    path = convert(checkpoint, out, outtype=outtype, pre_tokenizer=pre_tokenizer)
    click.echo(f"wrote {path}, {path.stat().st_size:,} bytes")


@click.command()
@click.argument("checkpoint", type=_path)
@click.argument("gguf", type=_path)
@click.option("--tokens", type=_path, help="Token ids, one sequence a line; by default random ones, always the same.")
@click.option(
    "--bound",
    multiple=True,
    metavar="NAME=VALUE",
    help="mean_kl, max_kl, top1 or min_cosine, instead of the bounds for the file's type (f32 and f16 have some).",
)
def verify(checkpoint: Path, gguf: Path, tokens: Path | None, bound: tuple[str, ...]) -> None:
    """Compare what a GGUF computes with what its Hugging Face CHECKPOINT computes.

    Exits with 2 if a bound is broken.
    """
    from transformers.utils import logging

    from edgeslm_convert.verify import Bounds, bounds_of, check, measure, read_tokens

    logging.disable_progress_bar()
    bounds = Bounds.parse(bound) if bound else bounds_of(gguf)
    measured = measure(checkpoint, gguf, read_tokens(tokens) if tokens else None)
    click.echo(measured.to_text())
    if bounds is None:
        click.echo("no bound is stated for this type: give one with --bound")
    else:
        check(measured, bounds)


@click.command()
@click.argument("recipe", type=_path)
@click.option("--out", type=_path, help="Folder for GGUFs, manifest and work; by default build/RECIPE'S NAME.")
@click.option("--source", metavar="FOLDER_OR_ID", help="The checkpoint to begin with, instead of the recipe's.")
@click.option("--dry-run", is_flag=True, help="Print what every variant would be; no weight is read.")
@click.option(
    "--context", default=512, show_default=True, help="With --dry-run: tokens before the one that is counted."
)
def convert(recipe: Path, out: Path | None, source: str | None, dry_run: bool, context: int) -> None:
    """Follow a RECIPE from a Hugging Face checkpoint to smaller GGUFs.

    A run that was stopped goes on where it was when it is started again. All that is wrong with the recipe is told
    before anything is loaded.
    """
    from edgeslm_convert.plan import prepare

    plan, folder = prepare(recipe, source=source, weights=not dry_run)
    if dry_run:
        click.echo(plan.table(context=context))
        return
    from transformers.utils import logging

    from edgeslm_convert.run import convert as run

    logging.disable_progress_bar()
    out = out or Path("build") / plan.recipe.name
    path = run(plan, folder, out, say=lambda text: click.echo(text, err=True))
    click.echo(f"wrote {path}")
