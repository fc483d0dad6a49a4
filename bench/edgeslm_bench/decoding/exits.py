"""What a token costs up to an exit layer, against the share of the layers that it goes through and the head.

Steps at all layers asked about are timed in turns, over and over, and the least counts: whatever else runs only makes
a step slower. Refuses to say whether an early exit is any good.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeslm.engine.memory import Plan
from edgeslm.generate import Decoder
from edgeslm.generate.modes import Clock


@dataclass(frozen=True)
class ExitMeasure:
    """Milliseconds of one token up to `layer`; expected: that share of the layers' time, and the head's."""

    layer: int
    n_layer: int
    measured_ms: float
    expected_ms: float

    @property
    def off(self) -> float:
        """How far the measured time is from the expected one, as a share of it."""
        return self.measured_ms / self.expected_ms - 1


def default_layers(n_layer: int) -> list[int]:
    """Four places to leave: after a quarter, a third, half and three quarters of the layers."""
    return sorted({max(2, round(n_layer * share)) for share in (0.25, 1 / 3, 0.5, 0.75)} - {n_layer})


def measure_exits(
    model: Path,
    *,
    threads: int,
    layers: Sequence[int] = (),
    rounds: int = 30,
    position: int = 64,
    cpu_time: bool = False,
) -> list[ExitMeasure]:
    """Measure the exits at `layers`. The head's time is what one layer and all layers leave for it.

    Raises InputError for a layer that the model does not have.
    """
    clock: Clock = time.process_time if cpu_time else time.perf_counter
    with Decoder(model, plan=Plan(max(256, 2 * position)), threads=threads) as decoder:
        n_layer = decoder.model.n_layer
        wanted = sorted(layers) or default_layers(n_layer)
        times = _least_times(decoder, [1, *wanted, n_layer], rounds, position, clock)
    layer_ms = (times[n_layer] - times[1]) / (n_layer - 1)
    head_ms = times[1] - layer_ms
    return [ExitMeasure(layer, n_layer, times[layer], head_ms + layer * layer_ms) for layer in wanted]


def _least_times(decoder: Decoder, layers: Sequence[int], rounds: int, position: int, clock: Clock) -> dict[int, float]:
    decoder.read([1 + number % 7 for number in range(position)])
    found: dict[int, float] = {}
    for _ in range(rounds):
        for layer in layers:
            decoder.exit_layer = layer
            for timed in (False, True):  # the first step builds the graph
                started = clock()
                decoder.read([1])
                decoder.best(0, 1)
                elapsed = (clock() - started) * 1e3
                decoder.keep(position)
                if timed:
                    found[layer] = min(elapsed, found.get(layer, elapsed))
    decoder.exit_layer = 0
    return found


def to_markdown(measures: Sequence[ExitMeasure]) -> str:
    """One row an exit."""
    lines = ["| exit at layer | ms a token | N/L of the layers and the head, ms | off |", "|--:|--:|--:|--:|"]
    for one in measures:
        lines.append(
            f"| {one.layer} of {one.n_layer} | {one.measured_ms:.2f} | {one.expected_ms:.2f} | {one.off:+.1%} |"
        )
    return "\n".join(lines)
