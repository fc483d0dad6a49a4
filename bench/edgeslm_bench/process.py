"""One whole process, measured: wall time, CPU time and peak memory as the kernel counted them.

Refuses to know what is run. Invariant: nothing is sampled, so nothing short-lived is missed. The kernel counts a
child's memory from before its program was loaded, so a peak is never below this process's own size.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_KIB_PER_MB = 1e6 / 1024  # ru_maxrss is in KiB on Linux, in bytes on macOS; an MB here is 10^6 bytes
_BYTES_PER_MB = 1e6


@dataclass(frozen=True)
class Run:
    """What a process took and what it wrote. Times in seconds; peak_rss_mb in 10^6 bytes."""

    wall_s: float
    user_s: float
    system_s: float
    peak_rss_mb: float
    exit_status: int
    output: str
    errors: str


def run_process(arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Run:
    """Run a program to its end, without input, and say what it took. Raises OSError where it cannot be started."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(arguments), stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    peak_mb = usage.ru_maxrss / (_BYTES_PER_MB if sys.platform == "darwin" else _KIB_PER_MB)
    return Run(wall_s, usage.ru_utime, usage.ru_stime, peak_mb, process.returncode, *texts)
