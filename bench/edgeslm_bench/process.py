"""One whole process, measured: wall time, CPU time and peak memory as the kernel counted them; limited if asked for.

Refuses to know what is run. Invariant: nothing is sampled, so nothing short-lived is missed. The kernel counts a
child's memory from before its program was loaded, so a small process of its own starts the program, never this one,
which may be large: a peak is never below those 10 MB.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

_BYTES_PER_MB = 1e6
_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024
_STARTER = """
import json, os, sys, time
report, limits = int(sys.argv[1]), json.loads(sys.argv[2])
os.set_inheritable(report, False)
if limits["cores"] and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-limits["cores"]:])
if limits["address_space"]:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (limits["address_space"], limits["address_space"]))
started = time.perf_counter()
try:
    child = os.posix_spawnp(sys.argv[3], sys.argv[3:], os.environ)
except OSError as error:
    os.write(report, json.dumps({"errno": error.errno}).encode())
    sys.exit()
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - started
found = {"wall": wall, "status": os.waitstatus_to_exitcode(status), "user": usage.ru_utime, "system": usage.ru_stime}
os.write(report, json.dumps({**found, "peak": usage.ru_maxrss}).encode())
"""


@dataclass(frozen=True)
class Limits:
    """What a process may have: so many cores of those this one may use, and so many bytes of address space (0: all)."""

    cores: int = 0
    address_space: int = 0


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


def run_process(
    arguments: Sequence[str | bytes],
    *,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    patience_s: float | None = None,
    limits: Limits | None = None,
) -> Run:
    """Run a program to its end and say what it took. given: its standard input. limits: its children have them too.

    Raises OSError where it cannot be started, TimeoutError (and ends it) when it takes longer than `patience_s`.
    """
    read_end, write_end = os.pipe()
    limited = json.dumps(asdict(limits or Limits()))
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        stdin.write(given)
        stdin.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _STARTER, str(write_end), limited, *arguments],
            stdin=stdin,
            stdout=output,
            stderr=errors,
            env=environment,
            pass_fds=(write_end,),
            start_new_session=True,
        )
        os.close(write_end)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TimeoutError(f"still running after {patience_s} s: {arguments[0]!r}") from None
        finally:
            with os.fdopen(read_end, "rb") as pipe:
                text = pipe.read()
        report = json.loads(text)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    if "errno" in report:
        raise OSError(report["errno"], os.strerror(report["errno"]), os.fsdecode(arguments[0]))
    peak_mb = report["peak"] * _BYTES_PER_MAXRSS / _BYTES_PER_MB
    return Run(report["wall"], report["user"], report["system"], peak_mb, report["status"], *texts)
