"""The progress bar, and what Ctrl-C leaves behind."""

import io
import os
import signal
import time

import pytest

from edgeslm.answer.interrupt import Interruptible
from edgeslm.answer.progress import Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def test_work_that_is_quick_draws_nothing() -> None:
    stream = _Terminal()
    with Progress(stream):
        pass
    assert stream.getvalue() == ""


def test_a_file_or_a_pipe_gets_no_bar() -> None:
    stream = io.StringIO()
    with Progress(stream, delay_s=0) as progress:
        progress.update("reading", 0.5)
        time.sleep(0.05)
    assert stream.getvalue() == ""


def test_slow_work_draws_a_bar_and_erases_it() -> None:
    stream = _Terminal()
    with Progress(stream, delay_s=0.01) as progress:
        progress.update("reading", 0.5)
        time.sleep(0.3)
    assert "████████████░░░░░░░░░░░░  50% reading" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_the_bar_is_erased_after_an_error_too() -> None:
    stream = _Terminal()

    def work() -> None:
        with Progress(stream, delay_s=0.01):
            time.sleep(0.15)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        work()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_work_of_unknown_length_shows_the_time_and_no_control_character() -> None:
    progress = Progress(_Terminal())
    progress.update("reading bad\x1bname")
    assert progress.line(3.2) == "reading bad\\x1bname … 3 s"
    progress.update("", 2.0)
    assert progress.line(1) == "████████████████████████ 100% working 1 s"


def test_ctrl_c_ends_with_130_even_when_it_surfaces_as_another_error() -> None:
    def library_call() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as left, Interruptible():
        library_call()
    assert left.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_other_errors_pass_through() -> None:
    with pytest.raises(ValueError, match="x"), Interruptible():
        raise ValueError("x")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_is_heeded_unless_it_is_ignored(number: signal.Signals) -> None:
    def told_to_end() -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as left, Interruptible():
            told_to_end()
        assert left.value.code == 128 + number
        signal.signal(number, signal.SIG_IGN)
        with Interruptible():
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
