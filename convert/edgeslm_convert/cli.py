"""The commands from a checkpoint to GGUFs. They parse, call and print; torch is imported late."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgeslm_convert.recipe import Texts
    from edgeslm_convert.single import Task

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
@click.argument("gguf", type=_path)
@click.option("--out", type=_path, required=True, help="The checkpoint folder to write.")
def from_gguf(gguf: Path, out: Path) -> None:
    """Write the Hugging Face checkpoint of a llama GGUF, so that a recipe can begin with it.

    Quantized weights become the numbers they stand for.
    """
    from edgeslm_convert.from_gguf import checkpoint_of

    click.echo(f"wrote {checkpoint_of(gguf, out)}")


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


def _texts(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name texts, and settings by name."""
    for option in (
        click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting as in a recipe."),
        click.option("--seed", default=1, show_default=True, help="Which pieces of the text are taken."),
        click.option("--sequence", default=512, show_default=True, help="Tokens of one piece."),
        click.option("--tokens", default=65536, show_default=True, help="Tokens of the text, at most."),
        click.option("--data", metavar="NAME[=COPY]", help="A data set by its loader's name, from the hub or a copy."),
        click.option("--text", type=_path, multiple=True, help="A text file or a folder of them; may be repeated."),
    ):
        command = option(command)
    return command


def _wanted(text: tuple[Path, ...], data: str | None, tokens: int, sequence: int, seed: int) -> "dict[str, Texts]":
    """The text options as sections of a recipe, if they name any text."""
    from edgeslm_convert.recipe import Texts

    if not (text or data):
        return {}
    name, _, copy = (data or "").partition("=")
    texts = Texts(tuple(map(str, text)), name, copy, tokens=tokens, sequence=sequence, seed=seed)
    return {"calibration": texts, "training": texts}


def _do(checkpoint: Path, out: Path, task: "Task") -> None:
    from edgeslm_convert.single import run

    report = run(checkpoint, out, task, say=lambda line: click.echo(line, err=True))
    short = {key: value for key, value in report.items() if not isinstance(value, list)}
    click.echo(f"wrote {out}: {json.dumps(short)}")


@click.command()
@click.argument("checkpoint", type=_path)
@click.argument("out", type=_path)
@click.option("--layers", type=int, help="Layers that stay.")
@click.option("--ffn", type=int, help="Channels of each feed-forward network that stay.")
@click.option("--heads", type=int, help="Query heads that stay.")
@click.option("--kv-heads", type=int, help="KV heads that stay, each with its queries.")
@click.option("--hidden", type=int, help="Channels of the residual stream that stay.")
@click.option("--vocabulary", type=int, help="Tokens that stay; 0: all that the text uses.")
@_texts
def prune(
    checkpoint: Path, out: Path, layers: int | None, vocabulary: int | None, settings: tuple[str, ...], **rest: Any
) -> None:
    """Remove layers, tokens and channels of a Hugging Face CHECKPOINT; OUT is one too.

    What goes is chosen by what matters least on the text. Settings by name are those of the last of these steps.
    """
    from edgeslm_convert.single import Task, parse_settings

    widths = {name: value for name in ("ffn", "heads", "kv_heads", "hidden") if (value := rest.pop(name)) is not None}
    steps: list[tuple[str, dict[str, Any]]] = []
    if layers is not None:
        steps.append(("prune_depth", {"keep": layers}))
    if vocabulary is not None:
        steps.append(("prune_vocab", {"size": vocabulary}))
    if widths:
        steps.append(("prune_width", widths))
    if not steps:
        raise click.UsageError("nothing to remove: give --layers, --vocabulary, --ffn, --heads, --kv-heads or --hidden")
    steps[-1][1].update(parse_settings(settings))
    _do(checkpoint, out, Task(steps, _wanted(**rest)))


@click.command()
@click.argument("checkpoint", type=_path)
@click.argument("out", type=_path)
@click.option("--teacher", type=_path, required=True, help="The unpruned checkpoint.")
@click.option("--steps", type=int, default=1000, show_default=True, help="Steps of the training.")
@click.option("--held-out", type=_path, multiple=True, help="A text to measure on, before and after; may be repeated.")
@_texts
def distill(
    checkpoint: Path,
    out: Path,
    teacher: Path,
    steps: int,
    held_out: tuple[Path, ...],
    settings: tuple[str, ...],
    **rest: Any,
) -> None:
    """Train a pruned CHECKPOINT towards the predictions (an encoder's: the embeddings) of its unpruned teacher.

    A training that was stopped goes on when it is started again in the same way.
    """
    from edgeslm_convert.shape import ModelShape
    from edgeslm_convert.single import Task, parse_settings

    kind = "distill_encoder" if ModelShape.from_config(checkpoint).is_encoder else "distill"
    texts = _wanted(**rest) | _held_out(held_out, rest)
    _do(checkpoint, out, Task([(kind, {"steps": steps, **parse_settings(settings)})], texts, teacher))


@click.command()
@click.argument("checkpoint", type=_path)
@click.argument("out", type=_path)
@click.option("--steps", type=int, default=1000, show_default=True, help="Steps of the training.")
@click.option("--held-out", type=_path, multiple=True, help="A text to measure on, before and after; may be repeated.")
@click.option("--adapter-gguf", type=_path, help="Write the adapter alone too, for the runtime to load beside a GGUF.")
@_texts
def finetune(
    checkpoint: Path,
    out: Path,
    steps: int,
    held_out: tuple[Path, ...],
    adapter_gguf: Path | None,
    settings: tuple[str, ...],
    **rest: Any,
) -> None:
    """Train a CHECKPOINT on a text with LoRA; OUT has the adapter merged, and holds it in the folder adapter."""
    from edgeslm_convert.recover.finetune import adapter_to_gguf
    from edgeslm_convert.single import Task, parse_settings

    texts = _wanted(**rest) | _held_out(held_out, rest)
    _do(checkpoint, out, Task([("finetune", {"steps": steps, **parse_settings(settings)})], texts))
    if adapter_gguf:
        click.echo(f"wrote {adapter_to_gguf(out / 'adapter', checkpoint, adapter_gguf)}")


def _held_out(paths: tuple[Path, ...], options: dict[str, Any]) -> "dict[str, Texts]":
    found = _wanted(paths, None, options["tokens"], options["sequence"], options["seed"])
    return {"evaluation": found["training"]} if found else {}
