"""How fast this machine reads memory: the roof over decoding, which reads all weights for every token.

As STREAM does, a buffer much larger than the caches is read, but only read: libc's memcmp compares two equal halves of
it, one part a thread (memchr and numpy's sums were slower). The best of some passes counts, as in STREAM. A model that
fits the last cache can be read faster than this. Refuses to know models.
"""

from __future__ import annotations

import ctypes
import threading
import time
from pathlib import Path

from edgeslm.errors import ModelError

BYTES = 512 * 1024 * 1024
PASSES = 5
_HELD = 1
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def read_gb_s(threads: int = 1, *, size: int = BYTES, passes: int = PASSES) -> float:
    """10^9 bytes a second that `threads` threads read together, at best."""
    libc = ctypes.CDLL(None)
    libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    part = size // threads // 2 * 2
    buffer = ctypes.create_string_buffer(part * threads)
    start = ctypes.addressof(buffer)
    ctypes.memset(start, _HELD, part * threads)  # untouched pages would all be one page of zeros
    return part * threads / min(_pass(libc, start, part, threads) for _ in range(passes)) / 1e9


def last_cache_bytes(folder: Path = _CACHES) -> int | None:
    """The largest cache that the system names; None where it names none."""
    sizes = []
    for path in folder.glob("index*/size"):
        text = path.read_text().strip()
        number, unit = text.rstrip("KMG"), text[-1:]
        if number.isdigit():
            sizes.append(int(number) * _UNITS.get(unit, 1))
    return max(sizes, default=None)


def _pass(libc: ctypes.CDLL, start: int, part: int, threads: int) -> float:
    """Seconds that all threads need; ctypes lets go of the interpreter's lock meanwhile."""
    found: list[int] = []

    def compare(number: int) -> None:
        first = start + number * part
        found.append(libc.memcmp(first, first + part // 2, part // 2))

    workers = [threading.Thread(target=compare, args=(number,)) for number in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - started
    if found != [0] * threads:
        raise ModelError("cannot measure how fast memory is read", reason="the buffer did not hold what was written")
    return elapsed
