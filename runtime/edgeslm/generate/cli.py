"""The `generate` command: parse, call, print."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from edgeslm.answer.terminal import safe
from edgeslm.generate.generator import SPECULATIONS, Generation, Settings
from edgeslm.generate.generator import generate as generate_text

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


class Bytes(click.ParamType):
    """A number of bytes: 800000000, 800M, 1.5G (powers of 1000)."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", str(value).strip().lower())
        if not match:
            self.fail(f"{value!r} is not a number of bytes, such as 800M", param, ctx)
        return int(float(match[1]) * _UNITS[match[2]])


@click.command()
@click.option(
    "--model", type=click.Path(path_type=Path), required=True, help="A GGUF that generates text.", metavar="GGUF"
)
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Write at most so many.")
@click.option("--context", type=click.IntRange(16), default=2048, show_default=True, help="Tokens of prompt and text.")
@click.option("--exit-layer", type=int, help="Compute only the first N layers (alone), or draft or leave there.")
@click.option("--exit-confidence", type=float, help="Leave early above this top probability; 0: the model's own.")
@click.option(
    "--speculate",
    type=click.Choice(SPECULATIONS),
    help="Draft with the first layers, or from the text; the output is that of plain decoding.",
)
@click.option("--threads", type=click.IntRange(1), help="Instead of the fastest number of those available.")
@click.option("--max-memory", type=Bytes(), help="Fit the process into so much, or say what does not fit.")
@click.option(
    "--prefix-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A fixed beginning of the prompt; what the model makes of it is kept in your cache folder.",
)
@click.option("--ignore-end", is_flag=True, help="Write --max-tokens tokens whatever the model says (for measuring).")
@click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print it."
)
@click.argument("prompt")
def generate(
    model: Path,
    max_tokens: int,
    context: int,
    exit_layer: int | None,
    exit_confidence: float | None,
    speculate: str | None,
    threads: int | None,
    max_memory: int | None,
    prefix_file: Path | None,
    ignore_end: bool,
    output: str,
    prompt: str,
) -> None:
    """Continue PROMPT greedily; - reads it from standard input. What it cost goes to standard error."""
    settings = Settings(
        max_tokens=max_tokens,
        n_ctx=context,
        exit_layer=exit_layer,
        exit_confidence=exit_confidence,
        speculate=speculate,
        threads=threads,
        max_memory=max_memory,
        prefix=prefix_file.read_text("utf-8", "replace") if prefix_file else "",
        ignore_end=ignore_end,
    )
    done = generate_text(model, sys.stdin.read() if prompt == "-" else prompt, settings)
    if output == "json":
        click.echo(json.dumps(done.to_dict(), indent=2))
    else:
        click.echo("\n".join(map(safe, done.text.split("\n"))))
        click.echo(describe(done), err=True)


def describe(done: Generation) -> str:
    """One line about what was done and what it cost."""
    parts = [
        done.mode + (f" at layer {done.exit_layer}" if done.exit_layer else ""),
        f"{done.prompt_tokens} tokens read in {done.prefill_ms:.0f} ms" + (", prefix kept" * done.prefix_cached),
        f"{len(done.tokens)} written at {done.tokens_per_second:.1f} a second",
        f"{'+'.join(map(str, done.threads))} threads",
        f"context {done.plan.n_ctx} {done.plan.kv_type}, weights {done.plan.load_mode}",
    ]
    if drafted := done.details.get("drafted"):
        parts.append(f"{done.details['accepted']} of {drafted} drafted tokens right")
    if early := done.details.get("early"):
        parts.append(f"{early} tokens left early")
    if done.measure_ms:
        parts.append(f"costs measured in {done.measure_ms:.0f} ms")
    if reason := done.details.get("switched_off"):
        parts.append(f"switched off: {reason}")
    return " · ".join(parts)
