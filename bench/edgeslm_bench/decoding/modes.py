"""The modes of decoding that change no text, each against plain decoding of the same text, in turns.

The text must be the same, or the measurement fails. Times are those of writing, the prompt is read beforehand. What
modes learned of the machine is forgotten before each run, so each is a first run. Refuses to judge quality.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeslm.engine.choice import Pace
from edgeslm.engine.memory import Plan
from edgeslm.errors import ModelError
from edgeslm.generate import Settings
from edgeslm.generate.generator import run
from edgeslm.generate.modes import Clock
from edgeslm_bench.decoding.replay import ReplayDecoder, ReplayModel
from edgeslm_bench.decoding.workloads import Workload

PLAIN = "plain"
FORCED = "forced by the grammar"
_MODES = {"lookup": "lookup", "self": "self"}  # what `generate` is told to speculate by


@dataclass
class ModeMeasure:
    """One mode on one workload. ratio: its time over plain decoding's, the median over rounds; under 1 is faster."""

    workload: str
    mode: str
    tokens: int
    times_ms: list[float] = field(default_factory=list)
    ratio: float = 1.0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float:
        """The median over the rounds."""
        return self.tokens / statistics.median(self.times_ms) * 1e3


def measure_modes(
    model: Path,
    workloads: Sequence[Workload],
    *,
    threads: int,
    rounds: int,
    modes: Sequence[str] = ("lookup", "self"),
    n_ctx: int = 2048,
    cpu_time: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> list[ModeMeasure]:
    """Measure all. cpu_time: by the process's CPU time, for one thread on a busy machine.

    Raises ModelError where a mode writes another text than plain decoding.
    """
    clock: Clock = time.process_time if cpu_time else time.perf_counter
    found: list[ModeMeasure] = []
    plan = Plan(n_ctx)
    free = [one for one in workloads if one.grammar is None]
    bound = [one for one in workloads if one.grammar is not None]
    with _private_cache() as cache:
        if free:
            with ReplayDecoder(model, plan=plan, threads=threads) as decoder:
                for workload in free:
                    found += _measure_free(decoder, workload, modes, plan, threads, rounds, cache, clock, note)
        if bound:
            with ReplayModel(model, plan=plan, threads=threads) as complete:
                for workload in bound:
                    found += _measure_bound(complete, workload, rounds, clock, note)
    return found


def _measure_free(
    decoder: ReplayDecoder,
    workload: Workload,
    modes: Sequence[str],
    plan: Plan,
    threads: int,
    rounds: int,
    cache: Path,
    clock: Clock,
    note: Callable[[str], None],
) -> Iterator[ModeMeasure]:
    """Without a grammar: `edgeslm generate`'s own code, each round from nothing learned."""
    # A replayed text says nothing of the model's own drafts.
    names = [PLAIN, *(mode for mode in modes if mode == "lookup" or workload.text is None)]
    prompt = decoder.model.tokenize(workload.prompt)
    text = [] if workload.text is None else decoder.model.tokenize(workload.prompt + workload.text)
    decoder.script = text
    count = len(text) - len(prompt) if text else workload.tokens
    measures = {name: ModeMeasure(workload.name, name, count - 1) for name in names}
    written: dict[str, list[int]] = {}
    for number in range(rounds):
        for name in _in_turn(names, number, written):
            for entry in cache.glob("edgeslm/*.costs"):
                entry.unlink()
            settings = Settings(
                max_tokens=count,
                n_ctx=plan.n_ctx,
                threads=threads,
                prefix=workload.prompt,
                ignore_end=True,
                speculate=_MODES.get(name),
            )
            done = run(decoder, "", settings, plan, clock=clock)
            measures[name].times_ms.append(done.decode_ms)
            note(f"{workload.name}, round {number + 1} of {rounds}: {name} {done.decode_ms:,.0f} ms")
            measures[name].details = done.details
            if written.setdefault(name, done.tokens) != written[PLAIN]:
                raise ModelError(f"{name} wrote another text than plain decoding on {workload.name!r}")
    yield from _with_ratios(measures)


def _measure_bound(
    model: ReplayModel, workload: Workload, rounds: int, clock: Clock, note: Callable[[str], None]
) -> Iterator[ModeMeasure]:
    """Under a grammar: the engine's `complete`, with and without reading forced text in batches."""
    script = model.tokenize_within(workload.text or "")
    model.script, model.clock = tuple(script), clock
    names = [PLAIN, FORCED]
    measures = {name: ModeMeasure(workload.name, name, len(script) - 1) for name in names}
    for number in range(rounds):
        for name in _in_turn(names, number, measures[PLAIN].times_ms):
            model.pace = Pace()
            done = model.complete(
                workload.prompt,
                grammar=workload.grammar,
                max_tokens=len(script),
                reuse_prefix=True,
                fast_forward=name == FORCED,
            )
            if done.tokens != script:
                raise ModelError(f"{name} wrote another text than the one to be replayed on {workload.name!r}")
            measures[name].times_ms.append(done.decode_ms)
            note(f"{workload.name}, round {number + 1} of {rounds}: {name} {done.decode_ms:,.0f} ms")
            pace = model.pace
            measures[name].details = {"steps": pace.steps, "drafted": pace.offered, "accepted": pace.accepted}
    yield from _with_ratios(measures)


def _in_turn(names: Sequence[str], number: int, begun: object) -> Sequence[str]:
    """There and back: whoever comes first in a round may find the machine in another state. Plain begins the first."""
    return names if number % 2 == 0 or not begun else names[::-1]


def _with_ratios(measures: dict[str, ModeMeasure]) -> Iterator[ModeMeasure]:
    plain = measures[PLAIN].times_ms
    for one in measures.values():
        one.ratio = statistics.median(mine / base for mine, base in zip(one.times_ms, plain, strict=True))
        yield one


def to_markdown(measures: Sequence[ModeMeasure]) -> str:
    """One row a workload and mode."""
    lines = [
        "| written | mode | tokens | tokens/s | time, ratio to plain | guesses right | switched off |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    for one in measures:
        drafted = one.details.get("drafted", 0)
        right = f"{one.details['accepted']} of {drafted}" if drafted else ""
        lines.append(
            f"| {one.workload} | {one.mode} | {one.tokens} | {one.tokens_per_second:.1f} | {one.ratio:.3f} "
            f"| {right} | {one.details.get('switched_off', '')} |"
        )
    return "\n".join(lines)


@contextmanager
def _private_cache() -> Iterator[Path]:
    """A cache folder of our own: nothing of the user's is used or changed."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = before
