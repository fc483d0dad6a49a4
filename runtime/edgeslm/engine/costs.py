"""What steps cost on this machine, and what follows: how many guessed tokens to read at once, whether that pays at all.

Costs are in plain tokens (a step of one token through all layers is 1), so they hold on a machine that other programs
slow down. They are learned from the steps of real work; none is taken only to be timed.
It refuses to know where guesses come from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# With the token before them, drafted ones make batches of these sizes: kernels take rows by fours, so 5 cost nearly 8.
SIZES = (2, 4, 8, 12, 16)
# A mode must promise this much more than plain decoding: its own bookkeeping and the error of the estimates.
_MARGIN = 1.05
# Until it is known, what one more token in a batch costs, and what a step costs beside its layers (the head).
_MORE = 0.3
_HEAD = 0.15
_FORGET = 0.2  # how much one step moves a cost
_WORTH_KEEPING = 0.2  # relative change of a cost


@dataclass
class Costs:
    """Costs in plain tokens: `batches` by number of tokens, `exits` by exit layer (one token, head included)."""

    batches: dict[int, float] = field(default_factory=dict)
    exits: dict[int, float] = field(default_factory=dict)
    _table: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    def verify(self, size: int) -> float:
        """A batch of `size` tokens, all layers: as seen, or between what was seen of the sizes about it."""
        # Asked several times a step, which for a small model takes a third of a millisecond.
        if not self._table:
            self._table = [self._estimate(number) for number in range(SIZES[-1] + 2)]
        return self._table[size] if size < len(self._table) else self._estimate(size)

    def _estimate(self, size: int) -> float:
        if size <= 1:
            return 1.0
        below = max((number for number in self.batches if 1 < number <= size), default=1)
        above = min((number for number in self.batches if number >= size), default=0)
        low = self.batches[below] if below > 1 else 1.0
        if below == above:
            return low
        if above:
            return low + (size - below) / (above - below) * (self.batches[above] - low)
        slope = max(0.0, (low - 1) / (below - 1)) if below > 1 else _MORE
        return low + slope * (size - below)

    def exit(self, layer: int, n_layer: int) -> float:
        """One token up to `layer` and its head: as seen, or by the number of layers."""
        return self.exits.get(layer, _HEAD + (1 - _HEAD) * layer / n_layer)

    def to_dict(self) -> dict[str, dict[int, float]]:
        """To be kept."""
        return {"batches": dict(self.batches), "exits": dict(self.exits)}

    def moved_from(self, earlier: Costs) -> bool:
        """Whether something was learned that is worth keeping."""
        return any(
            abs(cost - then.get(size, 0.0)) > _WORTH_KEEPING * cost
            for now, then in ((self.batches, earlier.batches), (self.exits, earlier.exits))
            for size, cost in now.items()
        )

    def observe_batch(self, size: int, cost: float) -> None:
        """A batch of `size` tokens has just cost so much."""
        if size > 1:
            self._table = []
            self.batches[size] = _move(self.batches.get(size), min(cost, 3 * self.verify(size)))

    def observe_exit(self, layer: int, cost: float) -> None:
        """A token up to `layer` has just cost so much."""
        self.exits[layer] = _move(self.exits.get(layer), min(cost, 2.0))


def _move(known: float | None, seen: float) -> float:
    return seen if known is None else known + _FORGET * (seen - known)


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


def best_length(costs: Costs, rate: float, draft_cost: float, most: int = SIZES[-1] - 1) -> int:
    """The number of drafted tokens that gives most tokens a second; 0 where plain decoding does.

    rate: share of drafted tokens that are right; draft_cost: plain tokens to draft one; most: that there are.
    """
    best, best_speed = 0, _MARGIN
    for length in sorted({min(size - 1, most) for size in SIZES}):
        speed = expected_tokens(rate, length) / (length * draft_cost + costs.verify(length + 1))
        if speed > best_speed:
            best, best_speed = length, speed
    return best
