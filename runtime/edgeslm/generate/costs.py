"""What steps cost on this machine, and what follows: how many tokens to draft, whether drafting pays at all.

All times are milliseconds. It refuses to know how drafts are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from edgeslm.generate.decoder import Decoder

# Batch sizes that are measured; costs between them are interpolated.
SIZES = (1, 2, 3, 5, 9)
MOST_DRAFTED = SIZES[-1] - 1
# A mode must promise this much more than plain decoding: its own bookkeeping and the error of the estimates.
_MARGIN = 1.05
# A cost is the least of so many times, or of as many as fit the time.
_REPEATS = 5
_ENOUGH_MS = 20.0


@dataclass
class Costs:
    """Measured times: `batches` by number of tokens, `exits` by exit layer (one token, head included)."""

    batches: dict[int, float] = field(default_factory=dict)
    exits: dict[int, float] = field(default_factory=dict)
    threads: int = 1
    batch_threads: int = 1

    @property
    def plain(self) -> float:
        """One token, all layers."""
        return self.batches[1]

    def verify(self, size: int) -> float:
        """A batch of `size` tokens, all layers."""
        known = sorted(self.batches)
        above = next((number for number in known if number >= size), known[-1])
        below = max((number for number in known if number <= size), default=known[0])
        if above == below:
            return self.batches[below]
        share = (size - below) / (above - below)
        return self.batches[below] + share * (self.batches[above] - self.batches[below])

    def observe(self, size: int, elapsed: float) -> None:
        """Move a measured cost a little towards what a step of that size has just taken."""
        if size in self.batches:
            self.batches[size] += 0.1 * (min(elapsed, 3 * self.batches[size]) - self.batches[size])


@dataclass
class Acceptance:
    """How often a drafted token was right, recent ones counting more. Starts from a guess worth two tokens."""

    hits: float = 1.4
    trials: float = 2.0
    seen: int = 0

    @property
    def rate(self) -> float:
        """The share of drafted tokens that were right."""
        return min(0.98, self.hits / self.trials)

    def record(self, accepted: int, rejected: int) -> None:
        """`accepted` tokens in a row were right, then `rejected` (0 or 1) wrong."""
        for hit in [1] * accepted + [0] * rejected:
            self.hits = 0.95 * self.hits + hit
            self.trials = 0.95 * self.trials + 1
        self.seen += accepted + rejected


def expected_tokens(rate: float, length: int) -> float:
    """Tokens that one verify of `length` drafted tokens gives on average, the verdict's own among them.

    Source: Leviathan, Kalman and Matias 2023, Fast Inference from Transformers via Speculative Decoding, eq. 1.
    """
    return (1 - rate ** (length + 1)) / (1 - rate)


def best_length(costs: Costs, rate: float, draft_cost: float, most: int = MOST_DRAFTED) -> int:
    """The number of drafted tokens that gives most tokens a second; 0 where plain decoding does.

    rate: share of drafted tokens that are right; draft_cost: time to draft one.
    """
    best, best_speed = 0, _MARGIN / costs.plain
    for length in range(1, most + 1):
        speed = expected_tokens(rate, length) / (length * draft_cost + costs.verify(length + 1))
        if speed > best_speed:
            best, best_speed = length, speed
    return best


def measure_costs(decoder: Decoder, sizes: Iterable[int] = SIZES, exits: Sequence[int] = ()) -> Costs:
    """Time steps at the end of what the decoder holds, which is as it was afterwards."""
    held = len(decoder.tokens)
    filler = decoder.tokens[-1:] or [0]
    costs = Costs()

    def timed(size: int) -> float:
        decoder.read(filler * size, outputs=size)
        decoder.keep(held)
        found: list[float] = []
        # The least of several: another process only ever makes a step slower.
        while len(found) < _REPEATS and sum(found) < _ENOUGH_MS:
            started = time.perf_counter()
            decoder.read(filler * size, outputs=size)
            found.append((time.perf_counter() - started) * 1e3)
            decoder.keep(held)
        return min(found)

    for size in sizes:
        if size <= decoder.room:
            costs.batches[size] = timed(size)
    for layer in exits:
        decoder.exit_layer = layer
        costs.exits[layer] = timed(1)
    decoder.exit_layer = 0
    return costs


def choose_threads(decoder: Decoder, most: int) -> tuple[int, int]:
    """Threads for one token and for batches, each the fastest of 1, half and `most`."""
    candidates = sorted({1, max(1, most // 2), most})
    if len(candidates) == 1:
        return most, most
    found: dict[int, Costs] = {}
    for count in candidates:
        decoder.set_threads(count, count)
        found[count] = measure_costs(decoder, (1, 16))

    def fastest(cost: Callable[[Costs], float]) -> int:
        return min(candidates, key=lambda count: cost(found[count]))

    one = fastest(lambda costs: costs.batches.get(1, 0.0))
    many = fastest(lambda costs: costs.batches.get(16, costs.batches.get(1, 0.0)))
    decoder.set_threads(one, many)
    return one, many
