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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeslm.errors import InputError, ModelError
from edgeslm_bench.energy import Sensor, measured
from edgeslm_bench.process import Limits, Run, run_process

MEASURED = ("edgeslm", "torch", "transformers")
_PATIENCE_S = 1800


@dataclass(frozen=True)
class Subject:
    """What is measured: a GGUF file (dtype empty), or a checkpoint folder under transformers in that dtype.

    exit_layer: where the engine leaves, 0 for all layers. new_tokens: instead of the load's.
    """

    name: str
    path: Path
    dtype: str = ""
    exit_layer: int = 0
    new_tokens: int | None = None

    @property
    def file_bytes(self) -> int:
        """The GGUF, or the weights of the folder."""
        files = [self.path] if self.path.is_file() else sorted(self.path.glob("*.safetensors"))
        return sum(file.stat().st_size for file in files)


@dataclass(frozen=True)
class Load:
    """What every subject is given to do, and what it may have."""

    prompt_tokens: int = 64
    new_tokens: int = 64
    rounds: int = 3
    threads: int = 2
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Round:
    """One process: what it said of itself and what the kernel and the machine's sensor said of it."""

    load_s: float
    first_token_s: float
    prefill_s: float
    decode_s: float
    prompt_tokens: int
    new_tokens: int
    tokens: tuple[int, ...]
    peak_rss_bytes: int
    pss_bytes: int | None
    energy_j: float | None

    @property
    def decode_tokens_s(self) -> float:
        """Without the first token, which comes with the prompt."""
        return (self.new_tokens - 1) / self.decode_s

    def latency_s(self, new_tokens: int) -> float:
        """From the prompt to the last of `new_tokens` tokens; reckoned from the speed where fewer were written."""
        return self.prefill_s + (new_tokens - 1) / self.decode_tokens_s


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
    found: dict[str, list[Round]] = {name: [] for name in names}
    for number in range(load.rounds):
        for one in subjects:
            note(f"round {number + 1} of {load.rounds}: {one.name}")
            found[one.name].append(measure_once(one, load))
    return [_median(one, found[one.name]) for one in subjects]


def measure_once(one: Subject, load: Load, sensor: Sensor | None = None) -> Round:
    """One process for one subject. Raises ModelError with its last words if it fails or says less than was asked."""
    worker = "edgeslm_convert.transformers_worker" if one.dtype else "edgeslm_bench.worker_gguf"
    settings = {
        "model": str(one.path),
        "prompt_tokens": load.prompt_tokens,
        "new_tokens": one.new_tokens or load.new_tokens,
        "threads": load.threads,
        "dtype": one.dtype,
        "exit_layer": one.exit_layer,
    }
    command = [sys.executable, "-m", worker, json.dumps(settings)]
    with measured(sensor) as energy:
        run = run_process(
            command, environment=_environment(os.environ, load.threads), patience_s=_PATIENCE_S, limits=load.limits
        )
    if run.exit_status != 0:
        last = run.errors.strip().split("\n")[-1] or f"it ended with exit status {run.exit_status} and said nothing"
        raise ModelError(f"cannot measure {one.name}", reason=last)
    return _round(one, settings["new_tokens"], json.loads(run.output.strip().split("\n")[-1]), run, energy.joules)


def pss_bytes(smaps_rollup: str) -> int | None:
    """The proportional set size in /proc/PID/smaps_rollup, in bytes; None where the kernel does not tell."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def _round(one: Subject, wanted: object, report: dict[str, Any], run: Run, joules: float | None) -> Round:
    if report["new_tokens"] != wanted:
        raise ModelError(f"cannot measure {one.name}", reason=f"it wrote {report['new_tokens']} of {wanted} tokens")
    return Round(
        load_s=report["load_s"],
        first_token_s=report["first_token_s"],
        prefill_s=report["prefill_s"],
        decode_s=report["decode_s"],
        prompt_tokens=report["prompt_tokens"],
        new_tokens=report["new_tokens"],
        tokens=tuple(report["tokens"]),
        peak_rss_bytes=round(run.peak_rss_mb * 1e6),
        pss_bytes=pss_bytes(report["smaps_rollup"]),
        energy_j=joules,
    )


def _environment(environment: Mapping[str, str], threads: int) -> dict[str, str]:
    """As installed (with bytecode), and OpenMP with as many threads as everybody is given."""
    kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "OMP_NUM_THREADS": str(threads)}


def check_same_tokens(one: Subject, rounds: Sequence[Round]) -> None:
    """Raise ModelError where a subject wrote other tokens in another round."""
    if len({found.tokens for found in rounds}) > 1:
        raise ModelError(f"{one.name} wrote other tokens in another round", reason="the same prompt, greedily decoded")


def _median(one: Subject, rounds: Sequence[Round]) -> ModelMeasure:
    check_same_tokens(one, rounds)
    decode = tuple(found.decode_tokens_s for found in rounds)
    return ModelMeasure(
        name=one.name,
        runtime=f"transformers {one.dtype}" if one.dtype else "edgeslm",
        file_bytes=one.file_bytes,
        load_s=statistics.median(found.load_s for found in rounds),
        first_token_s=statistics.median(found.first_token_s for found in rounds),
        prefill_tokens_s=statistics.median(found.prompt_tokens / found.prefill_s for found in rounds),
        decode_tokens_s=statistics.median(decode),
        peak_rss_mb=max(found.peak_rss_bytes for found in rounds) / 1e6,
        decode_each=decode,
    )
