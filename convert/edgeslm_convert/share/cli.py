"""The commands that tie layers and that write shared GGUFs out: parse, call, print; torch is imported late."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

_path = click.Path(path_type=Path)


@click.command()
@click.argument("checkpoint", type=_path)
@click.argument("out", type=_path)
@click.option("--scheme", default="adjacent", show_default=True, help="adjacent, cyclic or similar.")
@click.option("--size", type=int, help="Layers of a group (adjacent) or of the cycle (cyclic).")
@click.option("--remove", type=int, help="Pairs to tie (similar): those that change least on the text.")
@click.option("--keep-first", type=int, default=0, show_default=True, help="Layers at the beginning that stay alone.")
@click.option("--keep-last", type=int, default=0, show_default=True, help="Layers at the end that stay alone.")
@click.option("--weights", default="average", show_default=True, help="Of a group: its average, or its first layer's.")
@click.option("--text", type=_path, multiple=True, help="A text, or a folder of them, for similar; may be repeated.")
@click.option("--tokens", default=16384, show_default=True, help="Tokens of the text, at most.")
def share(checkpoint: Path, out: Path, text: tuple[Path, ...], tokens: int, **settings: Any) -> None:
    """Let layers of a Hugging Face CHECKPOINT share weights; OUT is one too, to be healed with `distill`.

    Its GGUF (`to-gguf`) then holds them once.
    """
    from edgeslm_convert.recipe import Texts
    from edgeslm_convert.single import Task, run

    texts = {"calibration": Texts(tuple(map(str, text)), tokens=tokens)} if text else {}
    given = {name: value for name, value in settings.items() if value is not None}
    report = run(checkpoint, out, Task([("share", given)], texts), say=lambda line: click.echo(line, err=True))
    click.echo(f"wrote {out}: {json.dumps(report)}")


@click.command()
@click.argument("shared", type=_path)
@click.argument("out", type=_path)
def unshare(shared: Path, out: Path) -> None:
    """Write a GGUF whose layers share weights out as a plain one, for other runtimes of llama.cpp."""
    from edgeslm_convert.share.files import unshare_file

    result = unshare_file(shared, out)
    click.echo(f"wrote {out}, {result.bytes_after:,} bytes ({result.bytes_before:,} shared)")
