"""Threads that wait for each other look briefly, then sleep; two processes at once do not hold each other up."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgeslm.engine.library import library_folder
from tiny_models import write_tiny_llama

LONGEST_LOOK = 1e-3  # seconds; edgeslm_wait.h


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    found = ctypes.CDLL(str(library_folder() / "libggml-cpu.so"))
    if not hasattr(found, "edgeslm_wait_while"):
        pytest.skip("the library has no patches")
    found.edgeslm_wait_while.argtypes = [ctypes.POINTER(ctypes.c_int), ctypes.c_int]
    found.edgeslm_wake.argtypes = [ctypes.POINTER(ctypes.c_int)]
    return found


class Waiter(threading.Thread):
    """A thread that waits as long as a value is 0, and notes when it was through and how much CPU time that took."""

    def __init__(self, library: ctypes.CDLL, value: ctypes.c_int) -> None:
        super().__init__(daemon=True)
        self.library, self.value = library, value
        self.cpu_seconds = 0.0

    def run(self) -> None:
        before = time.thread_time()
        self.library.edgeslm_wait_while(ctypes.byref(self.value), 0)
        self.cpu_seconds = time.thread_time() - before


def test_what_has_changed_already_is_not_waited_for(library: ctypes.CDLL) -> None:
    value = ctypes.c_int(7)
    library.edgeslm_wait_while(ctypes.byref(value), 0)
    library.edgeslm_wake(ctypes.byref(value))  # with nobody asleep
    assert value.value == 7


@pytest.mark.parametrize("waiters", [1, 3])
def test_all_that_wait_sleep_until_the_value_changes(waiters: int, library: ctypes.CDLL) -> None:
    value = ctypes.c_int(0)
    threads = [Waiter(library, value) for _ in range(waiters)]
    for one in threads:
        one.start()
    time.sleep(0.3)
    assert all(one.is_alive() for one in threads)
    library.edgeslm_wake(ctypes.byref(value))  # woken for nothing, they go on waiting
    time.sleep(0.05)
    assert all(one.is_alive() for one in threads)
    value.value = 1
    library.edgeslm_wake(ctypes.byref(value))
    for one in threads:
        one.join(timeout=20)
        assert not one.is_alive()
        assert one.cpu_seconds < 20 * LONGEST_LOOK  # of 0.35 s


def test_a_change_while_a_thread_looks_is_seen_without_waking(library: ctypes.CDLL) -> None:
    """A thousand times, at moments that fall before, into and behind the time that it looks for."""
    for number in range(1000):
        value = ctypes.c_int(0)
        one = Waiter(library, value)
        one.start()
        time.sleep(LONGEST_LOOK * (number % 20) / 10)
        value.value = 1
        library.edgeslm_wake(ctypes.byref(value))
        one.join(timeout=20)
        assert not one.is_alive()


DECODE = """
import os, sys, time
from pathlib import Path
from edgeslm.generate import Decoder
with Decoder(Path(sys.argv[1]), n_ctx=512, threads=int(sys.argv[2])) as decoder:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    decoder.read([5, 60])
    start = time.perf_counter()
    for _ in range(100):
        decoder.read([5])
    print(time.perf_counter() - start)
"""


def decode_on_one_core(threads: int, model: Path) -> float:
    """The seconds that 100 tokens take so many threads of one core."""
    command = [sys.executable, "-c", DECODE, str(model), str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system keeps no thread on a core")
def test_two_threads_that_have_one_core_do_not_hold_it_against_each_other(library: ctypes.CDLL, tmp_path: Path) -> None:
    """As where other processes keep the others; with OpenMP's barrier each of 200 waits a token took 1 to 2 ms."""
    model = write_tiny_llama(tmp_path / "model.gguf", layers=12)
    alone, both = (min(decode_on_one_core(threads, model) for _ in range(3)) for threads in (1, 2))
    assert both < alone + 100 * 0.02  # seconds: 20 ms a token
