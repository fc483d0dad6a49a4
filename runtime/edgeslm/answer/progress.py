"""A progress bar on standard error for work that takes longer than a second.

Draws only on a terminal, from a thread of its own, so that a caller inside one long query need not report.
Invariant: when the `with` block is left, however it is left, the bar's line is empty and nothing draws any more.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from edgeslm.answer.terminal import fit, safe, stream_style

DELAY_S = 1.0
_STEP_S = 0.1
_BAR_CELLS = 24
_ERASE = "\r\x1b[2K"


class Progress:
    """What is being done, and how far it is. Give `update` to the worker; use the object as a context manager."""

    def __init__(self, stream: TextIO | None = None, *, delay_s: float = DELAY_S) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._delay_s = delay_s
        self._label = ""
        self._fraction: float | None = None
        self._done = threading.Event()
        self._drawn = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._cells = 80
        self._start = 0.0

    def update(self, label: str, fraction: float | None = None) -> None:
        """Say what is being done now, and how much of it is done (0 to 1, None when that is unknown)."""
        self._label, self._fraction = label, fraction

    def __enter__(self) -> "Progress":
        if self._stream.isatty() and os.environ.get("TERM") != "dumb":
            self._start = time.monotonic()
            self._cells = stream_style(self._stream).cells
            self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draw nothing meanwhile: the terminal is asked something."""
        with self._lock:
            if self._drawn:
                self._stream.write(_ERASE)
                self._stream.flush()
            yield

    def _draw(self) -> None:
        wait = self._delay_s
        while not self._done.wait(wait):
            wait = _STEP_S
            try:
                with self._lock:
                    self._drawn = True
                    self._stream.write(_ERASE + self.line(time.monotonic() - self._start))
                    self._stream.flush()
            except (OSError, ValueError):  # the terminal is gone: the work goes on without a bar
                return

    def line(self, elapsed_s: float) -> str:
        """The bar as it is drawn after so many seconds."""
        label = safe(self._label) or "working"
        if self._fraction is None:
            return fit(f"{label} … {elapsed_s:.0f} s", self._cells - 1)
        fraction = min(1.0, max(0.0, self._fraction))
        full = round(fraction * _BAR_CELLS)
        bar = "█" * full + "░" * (_BAR_CELLS - full)
        return fit(f"{bar} {fraction:4.0%} {label} {elapsed_s:.0f} s", self._cells - 1)
