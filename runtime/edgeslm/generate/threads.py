"""How many threads to compute with, measured once for a model. It refuses to keep what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from edgeslm.generate.decoder import Decoder

# A thread count's time is the least of so many, or of as many as fit the time.
_REPEATS = 5
_ENOUGH_MS = 20.0


def measure_steps(decoder: Decoder, sizes: Iterable[int]) -> dict[int, float]:
    """Milliseconds of a step, by its number of tokens, at the end of what the decoder holds; it is left as it was."""
    held = len(decoder.tokens)
    filler = decoder.tokens[-1:] or [0]

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

    return {size: timed(size) for size in sizes if size <= decoder.room}


def choose_threads(decoder: Decoder, most: int) -> tuple[int, int]:
    """Threads for one token and for batches, each the fastest of 1, half and `most`."""
    candidates = sorted({1, max(1, most // 2), most})
    if len(candidates) == 1:
        return most, most
    found: dict[int, dict[int, float]] = {}
    for count in candidates:
        decoder.set_threads(count, count)
        found[count] = measure_steps(decoder, (1, 16))

    def fastest(time_of: Callable[[dict[int, float]], float]) -> int:
        return min(candidates, key=lambda count: time_of(found[count]))

    one = fastest(lambda times: times.get(1, 0.0))
    many = fastest(lambda times: times.get(16, times.get(1, 0.0)))
    decoder.set_threads(one, many)
    return one, many
