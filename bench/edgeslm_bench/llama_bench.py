"""llama.cpp's own llama-bench, built without this project's patches, beside our runtime in the same run.

It is an optional tool: named by LLAMA_BENCH, on the PATH, or built by `make llama-bench`. Refuses to build it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeslm.errors import ModelError
from edgeslm_bench.measure_model import Load
from edgeslm_bench.process import run_process

ROOT = Path(__file__).resolve().parents[2]
NOT_AVAILABLE = "not available: no llama-bench; `make llama-bench` builds it"
_PATIENCE_S = 900


@dataclass(frozen=True)
class LlamaBench:
    """Medians of what llama-bench says: tokens/s for the prompt and for what follows it."""

    prefill_tokens_s: float
    decode_tokens_s: float
    peak_rss_bytes: int


def find_program() -> Path | None:
    """llama-bench as named, on the PATH, or in the build folder; None where it is in none of them."""
    if named := os.environ.get("LLAMA_BENCH"):
        return Path(named) if Path(named).is_file() else None
    if found := shutil.which("llama-bench"):
        return Path(found)
    built = ROOT / "build" / "upstream" / "bin" / "llama-bench"
    return built if built.is_file() else None


def measure(program: Path, model: Path, load: Load, *, new_tokens: int = 32) -> LlamaBench:
    """One process of llama-bench with the load's prompt and threads. Raises ModelError with its last words."""
    command = [str(program), "-m", str(model), "-p", str(load.prompt_tokens), "-n", str(new_tokens)]
    command += ["-t", str(load.threads), "-r", str(max(2, load.rounds)), "-ngl", "0", "-o", "json"]
    run = run_process(command, patience_s=_PATIENCE_S, limits=load.limits)
    if run.exit_status != 0:
        last = run.errors.strip().split("\n")[-1] or f"exit status {run.exit_status}"
        raise ModelError(f"llama-bench cannot measure {model}", reason=last)
    return read_report(run.output, round(run.peak_rss_mb * 1e6))


def read_report(text: str, peak_rss_bytes: int) -> LlamaBench:
    """What `llama-bench -o json` wrote. Raises ModelError if it is something else."""
    try:
        tests: list[dict[str, Any]] = json.loads(text)
        prefill = next(test for test in tests if test["n_prompt"] and not test["n_gen"])
        decode = next(test for test in tests if test["n_gen"] and not test["n_prompt"])
        return LlamaBench(
            statistics.median(prefill["samples_ts"]), statistics.median(decode["samples_ts"]), peak_rss_bytes
        )
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise ModelError("llama-bench wrote something else than its report", reason=repr(error)) from error
