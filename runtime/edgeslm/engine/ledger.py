"""What a faster way of decoding has gained or lost so far, in plain tokens, and whether it may be tried again.

Whatever is tried is bounded by what it may lose: all that it lost against plain decoding, the present trial included,
stays below a small share of what was written. Invariant: with noise aside, a run is never slower than plain decoding by
more than SHARE of it and ALLOWANCE of one token. It refuses to know what is tried.
"""

from __future__ import annotations

import math

ALLOWANCE = 0.5  # plain tokens that may be lost before anything was written
SHARE = 0.01  # of the time of the run so far
_MOST_CREDIT = 8.0  # plain tokens; what was gained long ago is no reason to lose it now
_KNOWN_AFTER = 2  # plain steps in a row, until the time of one is believed
_LONGEST_WAIT = 64  # plain steps; a machine may change meanwhile
_FORGET = 0.1  # how much one step moves the time that is believed


class Ledger:
    """The account of one run. Times are seconds or milliseconds, always the same."""

    def __init__(self) -> None:
        self.plain = 0.0  # time of a plain step after a plain step; 0 until known
        self.net = 0.0  # plain tokens lost; negative: gained
        self._written = 0.0  # in plain tokens of time
        self._in_a_row = 0
        self._unpaid = 0.0  # time spent on looking, while a plain step's is unknown

    @property
    def is_known(self) -> bool:
        """Whether the time of a plain step is known."""
        return self._in_a_row >= _KNOWN_AFTER or (self.plain > 0 and self._written > _KNOWN_AFTER)

    def plain_step(self, elapsed: float, overhead: float = 0.0) -> None:
        """A step without anything tried. The first after a trial may pay for it: a graph is built anew.

        overhead: time on top of it for looking whether anything might be tried; plain decoding does not spend it.
        """
        self._in_a_row += 1
        self._unpaid += overhead
        if self.plain:
            self.net += self._unpaid / self.plain
            self._unpaid = 0.0
        if self._in_a_row == 1:
            if self.plain:
                self.net += min(2.0, max(0.0, elapsed / self.plain - 1))
        elif not self.plain:
            self.plain = elapsed
        else:
            self.plain += _FORGET * (min(elapsed, 2 * self.plain) - self.plain)
        self._written += 1

    def untimed_steps(self, count: int) -> None:
        """Plain steps after a plain one, whose time nobody takes, because that takes time too."""
        self._written += count

    def wait(self, risk: float) -> int:
        """How many plain steps from now `risk` plain tokens may be lost, as far as that can be foreseen."""
        if not self.is_known:
            return 0
        return min(_LONGEST_WAIT, max(0, math.ceil((self.net + risk - ALLOWANCE) / SHARE - self._written)))

    def trial(self, elapsed: float, tokens: int, expected: float = 0.0) -> None:
        """A step that tried something took `elapsed` and gave `tokens` tokens.

        expected: plain tokens of time it should take; a step of more than three times that was disturbed from outside.
        """
        self._in_a_row = 0
        cost = elapsed / self.plain if self.plain else float(tokens)
        if expected:
            cost = min(cost, 3 * expected)
        self.net = max(-_MOST_CREDIT, self.net + cost - tokens)
        self._written += cost

    def affords(self, risk: float) -> bool:
        """Whether `risk` plain tokens more may be lost now."""
        return self.is_known and self.net + risk <= ALLOWANCE + SHARE * self._written
