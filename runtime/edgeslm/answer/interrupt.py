"""Ctrl-C and being told to end: whatever error it surfaces as, the command ends by its status and without a traceback.

DuckDB reports an interrupted query as an error of its own, a native call returns late; so the signal itself is noted.
SIGHUP and SIGTERM that are ignored (`nohup`) stay so.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

STATUS = 130  # of Ctrl-C; as shells have it, 128 and the signal's number
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptible:
    """A `with` block that Ctrl-C, SIGTERM and SIGHUP leave by `SystemExit`, after everything inside it was closed."""

    def __init__(self) -> None:
        self._status = 0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruptible":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._status = 128 + number
        raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        if self._status or kind is KeyboardInterrupt:
            raise SystemExit(self._status or STATUS) from None
