"""How fast models write and how much memory they take: GGUFs in the engine, checkpoints in transformers, on the CPU.

Every measurement is a fresh process (load, warm-up, prompt, tokens), subjects take turns in every round, and the median
counts: what slows the machine down slows all of them. Ratios inside one run are what may be compared. Refuses to judge
quality: the tokens are only looked at to see that there are as many as asked for, the same in every round.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError, ModelError
from edgeslm_bench.process import Run, run_process

MEASURED = ("edgeslm", "torch", "transformers")
_PATIENCE_S = 1800


@dataclass(frozen=True)
class Subject:
    """What is measured: a GGUF file (dtype empty), or a checkpoint folder under transformers in that dtype."""

    name: str
    path: Path
    dtype: str = ""

    @property
    def file_bytes(self) -> int:
        """The GGUF, or the weights of the folder."""
        files = [self.path] if self.path.is_file() else sorted(self.path.glob("*.safetensors"))
        return sum(file.stat().st_size for file in files)


@dataclass(frozen=True)
class Load:
    """What every subject is given to do."""

    prompt_tokens: int = 64
    new_tokens: int = 64
    rounds: int = 3
    threads: int = 2


@dataclass(frozen=True)
class ModelMeasure:
    """Medians over the rounds of one subject; the peak is the highest. Decoding leaves out the first token."""

    name: str
    runtime: str
    file_bytes: int
    load_s: float
    first_token_s: float
    prefill_tokens_s: float
    decode_tokens_s: float
    peak_rss_mb: float
    decode_each: tuple[float, ...]  # tokens/s of each round


def subject(path: Path, *, dtype: str = "float32", name: str = "") -> Subject:
    """The subject of that path: a file is a GGUF, a folder a checkpoint. Raises InputError."""
    if path.is_file():
        return Subject(name or path.stem, path)
    if path.is_dir():
        return Subject(name or f"{path.name}, {dtype}", path, dtype)
    raise InputError(f"no such model: {path}", hint="name a GGUF file or a checkpoint folder")


def measure(
    subjects: Sequence[Subject], load: Load, *, note: Callable[[str], None] = lambda text: None
) -> list[ModelMeasure]:
    """Measure all of `subjects` in turns. note: told what runs. Raises ModelError if one cannot be run."""
    names = [one.name for one in subjects]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two models with one name: {', '.join(twice)}", hint="measure them apart, or rename one")
    found: dict[str, list[tuple[dict[str, Any], Run]]] = {name: [] for name in names}
    for number in range(load.rounds):
        for one in subjects:
            note(f"round {number + 1} of {load.rounds}: {one.name}")
            found[one.name].append(_measure_once(one, load))
    return [_median(one, found[one.name]) for one in subjects]


def _measure_once(one: Subject, load: Load) -> tuple[dict[str, Any], Run]:
    worker = "edgeslm_convert.transformers_worker" if one.dtype else "edgeslm_bench.worker_gguf"
    settings = {
        "model": str(one.path),
        "prompt_tokens": load.prompt_tokens,
        "new_tokens": load.new_tokens,
        "threads": load.threads,
        "dtype": one.dtype,
    }
    command = [sys.executable, "-m", worker, json.dumps(settings)]
    run = run_process(command, environment=_environment(os.environ, load.threads), patience_s=_PATIENCE_S)
    if run.exit_status != 0:
        last = run.errors.strip().split("\n")[-1] or f"it ended with exit status {run.exit_status} and said nothing"
        raise ModelError(f"cannot measure {one.name}", reason=last)
    return json.loads(run.output.strip().split("\n")[-1]), run


def _environment(environment: Mapping[str, str], threads: int) -> dict[str, str]:
    """As installed (with bytecode), and OpenMP with as many threads as everybody is given."""
    kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "OMP_NUM_THREADS": str(threads)}


def _median(one: Subject, rounds: Sequence[tuple[dict[str, Any], Run]]) -> ModelMeasure:
    reports = [report for report, _ in rounds]
    if len({tuple(report["tokens"]) for report in reports}) > 1:
        raise ModelError(f"{one.name} wrote other tokens in another round", reason="the same prompt, greedily decoded")
    decode = tuple((report["new_tokens"] - 1) / report["decode_s"] for report in reports)
    return ModelMeasure(
        name=one.name,
        runtime=f"transformers {one.dtype}" if one.dtype else "edgeslm",
        file_bytes=one.file_bytes,
        load_s=statistics.median(report["load_s"] for report in reports),
        first_token_s=statistics.median(report["first_token_s"] for report in reports),
        prefill_tokens_s=statistics.median(report["prompt_tokens"] / report["prefill_s"] for report in reports),
        decode_tokens_s=statistics.median(decode),
        peak_rss_mb=max(run.peak_rss_mb for _, run in rounds),
        decode_each=decode,
    )
