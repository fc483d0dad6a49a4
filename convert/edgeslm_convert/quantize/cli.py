"""The commands `quantize` and `perplexity`. They parse, call and print."""

from pathlib import Path

import click

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("source", type=_file)
@click.argument("out", type=_file)
@click.option("--type", "kind", help="A file type of llama.cpp: Q8_0, Q4_K_M, IQ2_XS …; a wrong one lists them all.")
@click.option("--target-bytes", metavar="SIZE", help="Instead of a type: at most this, 3.2MB say, by sensitivity.")
@click.option("--calibration", type=_file, multiple=True, help="A text like those the model is for; may be repeated.")
@click.option("--tokens", default=16384, show_default=True, help="Tokens of the text to gather importance from.")
@click.option(
    "--measure-tokens", default=2048, show_default=True, help="Tokens, after those, to measure divergence on."
)
@click.option("--chunk", default=512, show_default=True, help="Tokens the model reads at once.")
@click.option("--imatrix", type=_file, help="An importance matrix from a file, ours or llama.cpp's.")
@click.option("--save-imatrix", type=_file, help="Where to keep the importance matrix that was gathered.")
@click.option("--no-imatrix", is_flag=True, help="Use the text only to measure.")
@click.option("--tensor-type", multiple=True, metavar="NAME=TYPE", help="Another type for one tensor; may be repeated.")
@click.option("--candidates", metavar="TYPES", help="With --target-bytes: tensor types to choose from, by commas.")
@click.option(
    "--group",
    type=click.Choice(["tensor", "layer", "kind"]),
    default="tensor",
    show_default=True,
    help="With --target-bytes: what gets its type together; larger groups are measured sooner.",
)
@click.option("--pure", is_flag=True, help="One type for all tensors, without llama.cpp's mixture.")
@click.option("--strict", is_flag=True, help="Refuse if a tensor's shape does not fit its type.")
@click.option("--requantize", is_flag=True, help="Take a source that is quantized already.")
@click.option("--dry-run", is_flag=True, help="Say what each tensor would become, write nothing.")
def quantize(
    source: Path,
    out: Path,
    kind: str | None,
    target_bytes: str | None,
    calibration: tuple[Path, ...],
    tokens: int,
    measure_tokens: int,
    chunk: int,
    imatrix: Path | None,
    save_imatrix: Path | None,
    no_imatrix: bool,
    tensor_type: tuple[str, ...],
    candidates: str | None,
    group: str,
    pure: bool,
    strict: bool,
    requantize: bool,
    dry_run: bool,
) -> None:
    """Quantize the f16 (bf16, f32) GGUF SOURCE to OUT, with llama.cpp.

    With a calibration text: by an importance matrix, and the divergence from SOURCE is printed.
    """
    from edgeslm_convert.quantize.job import Job, run
    from edgeslm_convert.quantize.sensitivity import CANDIDATES

    job = Job(
        source,
        out,
        type=kind,
        target=target_bytes,
        calibration=calibration,
        tokens=tokens,
        measure_tokens=measure_tokens,
        chunk=chunk,
        imatrix=imatrix,
        save_imatrix=save_imatrix,
        use_imatrix=not no_imatrix,
        overrides=tensor_type,
        candidates=tuple(candidates.split(",")) if candidates else CANDIDATES,
        grouping=group,
        pure=pure,
        strict=strict,
        requantize=requantize,
        dry_run=dry_run,
    )
    run(job, say=click.echo)


@click.command()
@click.argument("models", type=_file, nargs=-1, required=True)
@click.option("--text", type=_file, multiple=True, required=True, help="What to read; may be repeated.")
@click.option("--against", type=_file, help="The reference, the f16 file say: adds KL divergence and top-1 agreement.")
@click.option("--tokens", default=8192, show_default=True, help="At most so many tokens.")
@click.option("--chunk", default=512, show_default=True, help="Tokens the model reads at once.")
def perplexity(models: tuple[Path, ...], text: tuple[Path, ...], against: Path | None, tokens: int, chunk: int) -> None:
    """Perplexity of GGUF MODELS on a text, as a Markdown table; with --against also how far they are from another."""
    from edgeslm_convert.quantize.divergence import Reference
    from edgeslm_convert.quantize.divergence import perplexity as measure
    from edgeslm_convert.quantize.table import file_row, to_markdown
    from edgeslm_convert.quantize.vocabulary import read_sequences

    sequences = read_sequences(against or models[0], text, chunk=chunk, limit=tokens)
    rows = []
    if against:
        reference = Reference(against, sequences)
        rows.append(file_row(against, None, reference.perplexity))
        for model in models:
            found = reference.compare(model)
            rows.append(file_row(model, found, found.perplexity))
    else:
        rows = [file_row(model, None, measure(model, sequences)) for model in models]
    click.echo(to_markdown(rows))
