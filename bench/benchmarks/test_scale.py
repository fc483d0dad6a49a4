"""How `ask` grows with lines and files, and decoding with context and parameters (`edgeslm bench scale`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from edgeslm.resources import default_model
from edgeslm_bench import scale
from edgeslm_bench.clock import CLOCK
from edgeslm_bench.measure_ask import TASKS
from edgeslm_bench.measure_matrix import Machine
from edgeslm_bench.measure_model import Load, measure_once
from edgeslm_bench.variants import prepare
from edgeslm_bench.weights_read import weights_of

pytestmark = pytest.mark.benchmark(timer=CLOCK)
ROUNDS = 3


def keep(benchmark: Any, kind: str, point: dict[str, Any], seconds: tuple[float, ...]) -> None:
    """The point as `extra_info`, its rounds as pytest-benchmark's."""
    rounds = iter(seconds)
    benchmark.group = f"scale: {kind}"
    benchmark.extra_info.update({"scale": kind, **point})
    benchmark.pedantic(lambda: CLOCK.advance(next(rounds)), rounds=len(seconds))


@pytest.mark.parametrize("lines", scale.FULL_LINES)
def test_ask_grows_with_the_lines(
    benchmark: Any,
    lines: int,
    request: pytest.FixtureRequest,
    models: Path,
    machine: Machine,
    say: Callable[[str], None],
) -> None:
    if lines > scale.LINES[-1] and not request.config.getoption("--full-scale"):
        pytest.skip(f"{lines:,} lines are asked about with --full only")
    say(f"ask: {lines:,} lines")
    paths = scale.make_files(models / "logs", lines, 1)
    point = scale.ask_point(paths, lines, rounds=ROUNDS, threads=machine.threads)
    keep(benchmark, "lines", asdict(point), point.each_s)


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
def test_parts_of_an_answer(
    benchmark: Any, task: Any, models: Path, machine: Machine, say: Callable[[str], None]
) -> None:
    say(f"ask: {task.name}")
    paths = scale.make_files(models / "logs", scale.LINES[1], 1)
    point = scale.ask_point(paths, scale.LINES[1], task=task, rounds=ROUNDS, threads=machine.threads)
    assert point.parts_ms
    keep(benchmark, "question", asdict(point), point.each_s)


@pytest.mark.parametrize("files", scale.FILES)
def test_ask_grows_with_the_files(
    benchmark: Any, files: int, models: Path, machine: Machine, say: Callable[[str], None]
) -> None:
    say(f"ask: {files} files")
    paths = scale.make_files(models / "logs", scale.LINES_IN_FILES, files)
    point = scale.ask_point(paths, scale.LINES_IN_FILES, rounds=ROUNDS, threads=machine.threads)
    keep(benchmark, "files", asdict(point), point.each_s)


@pytest.mark.parametrize("context", scale.CONTEXTS)
def test_decoding_grows_with_the_context(benchmark: Any, context: int, say: Callable[[str], None]) -> None:
    say(f"decode: context {context}")
    found = [scale.context_point(default_model(), context) for _ in range(ROUNDS)]
    best = max(found, key=lambda one: one.decode_tokens_s)
    point = {
        "context": context,
        "decode_tokens_s": best.decode_tokens_s,
        "prefill_tokens_s": context / best.prefill_s,
        "peak_rss_bytes": best.peak_rss_bytes,
        "pss_bytes": best.pss_bytes,
    }
    keep(benchmark, "context", point, tuple(one.decode_s for one in found))


@pytest.mark.parametrize("layers", scale.LAYERS)
def test_decoding_grows_with_the_parameters(
    benchmark: Any, layers: int, models: Path, machine: Machine, say: Callable[[str], None]
) -> None:
    subject = prepare(scale.group_of_depths(), models, threads=machine.threads, say=say)[f"{layers} layers"]
    say(f"decode: {layers} layers")
    load = Load(64, 64, 1, machine.threads)
    found = [measure_once(subject, load, machine.sensor) for _ in range(ROUNDS)]
    best = max(found, key=lambda one: one.decode_tokens_s)
    point = {
        "layers": layers,
        "parameters": weights_of(subject.path).parameters,
        "file_bytes": subject.file_bytes,
        "decode_tokens_s": best.decode_tokens_s,
        "peak_rss_bytes": best.peak_rss_bytes,
        "pss_bytes": best.pss_bytes,
    }
    keep(benchmark, "parameters", point, tuple(one.decode_s for one in found))
