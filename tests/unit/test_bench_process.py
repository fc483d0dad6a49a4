"""A process measured by the kernel's own count: what it took, wrote and returned."""

import os
import sys

import pytest

from edgeslm_bench.process import run_process


def test_a_run_gives_output_errors_and_exit_status() -> None:
    code = "import sys; print('out é'); print('err', file=sys.stderr); sys.exit(3)"
    run = run_process([sys.executable, "-X", "utf8", "-c", code])
    assert (run.output, run.errors, run.exit_status) == ("out é\n", "err\n", 3)


def test_a_process_ended_by_a_signal_has_a_negative_status() -> None:
    assert run_process([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]).exit_status == -9


def test_the_peak_holds_what_the_process_touched() -> None:
    small = run_process([sys.executable, "-c", "pass"])
    large = run_process([sys.executable, "-c", "x = b'x' * 300_000_000"])
    assert large.peak_rss_mb - small.peak_rss_mb > 150
    assert 300 < large.peak_rss_mb < 2000


def test_waiting_is_wall_time_and_not_cpu_time() -> None:
    run = run_process([sys.executable, "-c", "import time; time.sleep(0.3)"])
    assert run.wall_s >= 0.3 > run.user_s + run.system_s - 0.2


def test_the_environment_given_is_the_one_the_process_has() -> None:
    code = "import os; print(os.environ.get('EDGESLM_TEST'))"
    assert run_process([sys.executable, "-c", code], environment={**os.environ, "EDGESLM_TEST": "1"}).output == "1\n"


def test_a_program_that_is_not_there_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        run_process(["/no/such/program"])
