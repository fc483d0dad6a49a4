"""Ctrl-C: whatever error it surfaces as, the command ends with status 130 and without a traceback.

DuckDB reports an interrupted query as an error of its own, a native call returns late; so the signal itself is noted.
"""

import signal
import threading
from types import FrameType, TracebackType

STATUS = 130


class Interruptible:
    """A `with` block that a Ctrl-C leaves by `SystemExit(130)`, after everything inside it was closed."""

    def __init__(self) -> None:
        self.was_hit = False
        self._previous: object = None

    def __enter__(self) -> "Interruptible":
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.was_hit = True
        raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if callable(self._previous) or isinstance(self._previous, int):
            signal.signal(signal.SIGINT, self._previous)
        if self.was_hit or kind is KeyboardInterrupt:
            raise SystemExit(STATUS) from None
