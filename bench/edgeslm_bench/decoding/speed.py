"""Decoding through `edgeslm generate` against llama-bench with the same library, file and threads, and its memory.

Each measurement is a fresh process, the two take turns, and the median of the rounds' ratios counts. Refuses to build
llama-bench: `make llama-bench` does, and it is told which library to load.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeslm.engine.library import library_folder
from edgeslm.engine.memory import ModelSize, Plan
from edgeslm.errors import EdgeSlmError, ModelError
from edgeslm_bench.process import Run, run_process

_PATIENCE_S = 1800
_PROMPT = "the lines of the log"
# What the project promises of a process: its weights with a tenth more, the KV cache, and what everything else takes.
_FILE_FACTOR, _PROCESS_BYTES = 1.1, 40_000_000


@dataclass(frozen=True)
class DecodeMeasure:
    """One file: tokens/s of both in each round, and the highest peak of `edgeslm generate`."""

    name: str
    generate: tuple[float, ...]
    llama_bench: tuple[float, ...]
    peak_bytes: float
    file_bytes: int
    kv_bytes: int

    @property
    def ratio(self) -> float | None:
        """Of generate's speed to llama-bench's; None where llama-bench was not run."""
        pairs = list(zip(self.generate, self.llama_bench, strict=False))
        return statistics.median(ours / theirs for ours, theirs in pairs) if pairs else None

    @property
    def most_bytes(self) -> float:
        """What the process may take at most."""
        return _FILE_FACTOR * self.file_bytes + self.kv_bytes + _PROCESS_BYTES


def measure_decode(
    models: Sequence[Path],
    *,
    llama_bench: Path | None,
    tokens: int,
    threads: int,
    rounds: int,
    n_ctx: int = 2048,
    note: Callable[[str], None] = lambda text: None,
) -> list[DecodeMeasure]:
    """Measure all, in turns. llama_bench: the program; None measures speed and memory of generate alone."""
    found = []
    for model in models:
        ours: list[float] = []
        theirs: list[float] = []
        peak = 0.0
        for number in range(rounds):
            if llama_bench is not None:
                theirs.append(_run_llama_bench(llama_bench, model, tokens, threads))
            speed, run = _run_generate(model, tokens, threads, n_ctx)
            ours.append(speed)
            peak = max(peak, run.peak_rss_mb * 1e6)
            beside = f", llama-bench {theirs[-1]:.1f}" if theirs else ""
            note(f"{model.name}, round {number + 1} of {rounds}: generate {speed:.1f} tokens/s{beside}")
        size = ModelSize.from_file(model)
        kv_bytes = Plan(min(n_ctx, size.train_context or n_ctx)).kv_bytes(size)
        found.append(DecodeMeasure(model.stem, tuple(ours), tuple(theirs), peak, model.stat().st_size, kv_bytes))
    return found


def _run_generate(model: Path, tokens: int, threads: int, n_ctx: int) -> tuple[float, Run]:
    options = ["--max-tokens", str(tokens), "--context", str(n_ctx), "--threads", str(threads), "--ignore-end"]
    command = [
        sys.executable,
        "-m",
        "edgeslm",
        "generate",
        "--model",
        str(model),
        *options,
        "--output",
        "json",
        _PROMPT,
    ]
    run = run_process(command, environment=_environment(threads), patience_s=_PATIENCE_S)
    return float(json.loads(_output(run, "edgeslm generate"))["tokens_per_second"]), run


def _run_llama_bench(program: Path, model: Path, tokens: int, threads: int) -> float:
    """Its tg: tokens/s of writing `tokens` tokens after none, weights read into memory as generate does."""
    options = ["-p", "0", "-n", str(tokens), "-t", str(threads), "-r", "1", "-lm", "none", "-o", "json"]
    environment = {**_environment(threads), "LD_LIBRARY_PATH": str(library_folder())}
    run = run_process([str(program), "-m", str(model), *options], environment=environment, patience_s=_PATIENCE_S)
    return float(json.loads(_output(run, "llama-bench"))[0]["avg_ts"])


def _output(run: Run, name: str) -> str:
    if run.exit_status != 0:
        raise ModelError(f"{name} ended with {run.exit_status}", reason=run.errors.strip().rpartition("\n")[2])
    return run.output


def _environment(threads: int) -> dict[str, str]:
    """As installed, with bytecode; OpenMP with as many threads as both are given."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "OMP_NUM_THREADS": str(threads)}


def to_markdown(measures: Sequence[DecodeMeasure]) -> str:
    """One row a file: speeds, their ratio, the peak and what it may be."""
    lines = [
        "| file | generate tokens/s | llama-bench tg | ratio | file MB | KV MB | peak RSS MB | at most MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in measures:
        theirs = f"{statistics.median(one.llama_bench):.1f}" if one.llama_bench else ""
        ratio = f"{one.ratio:.3f}" if one.ratio is not None else ""
        sizes = " | ".join(
            f"{size / 1e6:,.1f}" for size in (one.file_bytes, one.kv_bytes, one.peak_bytes, one.most_bytes)
        )
        lines.append(f"| {one.name} | {statistics.median(one.generate):.1f} | {theirs} | {ratio} | {sizes} |")
    return "\n".join(lines)


def beyond(measures: Sequence[DecodeMeasure], least: float = 0.95) -> list[str]:
    """What is slower than `least` of llama-bench, or takes more memory than it may."""
    found = []
    for one in measures:
        if one.ratio is not None and one.ratio < least:
            found.append(f"{one.name} decodes at {one.ratio:.3f} of llama-bench's speed, {least:g} was promised")
        if one.peak_bytes > one.most_bytes:
            found.append(f"{one.name} took {one.peak_bytes / 1e6:,.1f} MB, {one.most_bytes / 1e6:,.1f} were promised")
    return found


def find_llama_bench(given: Path | None) -> Path:
    """The program given, or that of $LLAMA_BENCH, of the build folder or of PATH. Raises EdgeSlmError."""
    import shutil

    named = os.environ.get("LLAMA_BENCH")
    built = Path("build/upstream/bin/llama-bench")
    on_path = shutil.which("llama-bench")
    for one in (given, Path(named) if named else None, built, Path(on_path) if on_path else None):
        if one is not None and one.is_file():
            return one.resolve()
    raise EdgeSlmError("llama-bench is not there", hint="build it with `make llama-bench`, or name it in LLAMA_BENCH")
