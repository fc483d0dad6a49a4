"""A timer for pytest-benchmark that shows the time measured processes have spent, instead of the wall's."""

from __future__ import annotations


class Clock:
    """Stands still until a measured time is added."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Add what a process said it needed."""
        self._now += seconds


CLOCK = Clock()
