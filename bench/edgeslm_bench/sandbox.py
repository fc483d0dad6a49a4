"""Runs generated code where it can do no harm: a process of its own behind walls, watched, killed, cleaned up after.

The code sees an empty temporary folder, Python and its packages (to read), and nothing else: no other files, no
network, no processes besides its own one, no signals to others, bounded CPU, memory, file sizes and output. The walls
are Landlock, seccomp and rlimits (`sandbox_walls`), the same for root, an ordinary user and in a container; where any
of them cannot be had nothing is run. It protects the machine: code that wants to can lie about how it ended. It
refuses to judge the code.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import edgeslm_bench
from edgeslm.errors import EdgeSlmError
from edgeslm_bench.sandbox_walls import missing

_CHILD = ("-m", "edgeslm_bench.sandbox_child")
_PROGRAM = "program.py"
_LOOK_EVERY_S = 0.05
_PATIENCE_S = 60.0  # for the walls to stand, on a machine that is busy
_READ_AT_ONCE = 1 << 16
_SYSTEM_FILES = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"),
    *("/etc/ld.so.cache", "/etc/localtime", "/dev/zero", "/dev/urandom", "/dev/random"),
)


class SandboxError(EdgeSlmError):
    """The sandbox could not be had, so nothing was run."""


@dataclass(frozen=True)
class Limits:
    """What the code may use. Times in seconds; the wall clock runs from when the walls stand."""

    wall_s: float = 20.0
    cpu_s: int = 10
    memory_bytes: int = 1 << 30  # of address space
    file_bytes: int = 16 << 20  # of each file
    folder_bytes: int = 64 << 20  # of all files together
    entries: int = 1000  # files and folders
    threads: int = 32
    output_bytes: int = 1 << 20
    open_files: int = 64


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    status: "finished" (ran to the end), "exited" (left by sys.exit with success), "failed" (an exception, named in
    `error`), "killed" (by a limit or a signal, named in `error`). output: standard output and error together.
    """

    status: str
    error: str = ""
    output: str = ""
    wall_s: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether it ended as a script should."""
        return self.status in ("finished", "exited")


@dataclass
class _Watched:
    """What is known of a run that goes on."""

    output: bytearray = field(default_factory=bytearray)
    report: bytearray = field(default_factory=bytearray)
    began: float | None = None  # when the walls stood

    def said(self) -> list[tuple[str, str]]:
        """Word and text of every whole line that the child has written."""
        lines = bytes(self.report).split(b"\n")[:-1]
        parts = (line.decode("unicode_escape", "replace").partition(" ") for line in lines)
        return [(word, text) for word, _, text in parts]


def check() -> None:
    """Raises SandboxError that names all this machine lacks."""
    if lacks := missing():
        raise SandboxError(
            "generated code cannot be run safely on this machine",
            reason=f"there is no {'; no '.join(lacks)}",
            hint="judge on a Linux with Landlock, or leave out what needs running code",
        )


def run(code: str, limits: Limits | None = None) -> Outcome:
    """Run `code` as a script, with nothing on its standard input. Raises SandboxError, and has run nothing then."""
    check()
    limits = limits or Limits()
    with _empty_folder() as folder:
        (folder / _PROGRAM).write_text(code, encoding="utf-8", errors="surrogatepass")
        return _run_in(folder, limits)


def _run_in(folder: Path, limits: Limits) -> Outcome:
    home = str(Path(edgeslm_bench.__file__).parents[1])
    read_end, write_end = os.pipe()
    bounds = (limits.cpu_s, limits.memory_bytes, limits.file_bytes, limits.open_files)
    orders = [write_end, os.getpid(), folder, folder / _PROGRAM, home, *bounds, *readable_paths()]
    try:
        process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-B", "-X", "utf8", *_CHILD, *map(str, orders)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(folder, home),
            pass_fds=(write_end,),
            start_new_session=True,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    with process, os.fdopen(read_end, "rb", buffering=0) as report:
        watched = _Watched()
        try:
            beyond = _watch(process, report, watched, folder, limits)
        finally:
            process.kill()  # it is the only process of its session: nothing in there can start another
        assert process.stdout is not None
        process.stdout.close()
        process.wait()
    return _outcome(process.returncode, watched, beyond)


def _watch(process: subprocess.Popen[bytes], report: IO[bytes], watched: _Watched, folder: Path, limits: Limits) -> str:
    """Gather what it says until it ends; says which limit it went beyond, if any."""
    assert process.stdout is not None
    started = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, watched.output)
        selector.register(report, selectors.EVENT_READ, watched.report)
        looked = started
        while selector.get_map():
            for key, _ in selector.select(_LOOK_EVERY_S):
                data = os.read(key.fd, _READ_AT_ONCE)
                key.data.extend(data)
                if not data:
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if watched.began is None and b"\n" in watched.report:
                watched.began = now
            if len(watched.output) > limits.output_bytes or len(watched.report) > limits.output_bytes:
                return f"more than {limits.output_bytes:,} bytes of output"
            if now - (watched.began or started) > (limits.wall_s if watched.began else _PATIENCE_S):
                return f"more than {limits.wall_s:g} s"
            if now - looked >= _LOOK_EVERY_S:
                looked = now
                if beyond := _beyond(process.pid, folder, limits):
                    return beyond
    return ""


def _beyond(pid: int, folder: Path, limits: Limits) -> str:
    """What the kernel has no limit for: threads, and all files together."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("Threads:") and int(line.split()[1]) > limits.threads:
                return f"more than {limits.threads} threads"
    entries = size = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    entries += 1
                    if entries > limits.entries:
                        return f"more than {limits.entries:,} files"
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # gone, or hidden by the code from itself
    return f"more than {limits.folder_bytes:,} bytes of files" if size > limits.folder_bytes else ""


def _outcome(exit_status: int, watched: _Watched, beyond: str) -> Outcome:
    said = watched.said()
    output = watched.output.decode("utf-8", "replace")
    if not said or said[0][0] != "walls":
        reason = said[0][1] if said else output.strip().split("\n")[-1] or beyond
        raise SandboxError("generated code was not run: the sandbox could not be set up", reason=reason)
    wall = time.monotonic() - watched.began if watched.began else 0.0
    if beyond:
        return Outcome("killed", beyond, output, wall)
    if exit_status < 0:
        return Outcome("killed", f"signal {-exit_status}", output, wall)
    if len(said) < 2:
        return Outcome("killed", f"it ended the interpreter with status {exit_status}", output, wall)
    return Outcome(*said[1], output, wall)


def readable_paths() -> list[str]:
    """Folders that hold Python, its packages and the libraries they need."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {sysconfig.get_path(name) for name in names}
    paths |= {str(Path(prefix, "lib")) for prefix in (sys.prefix, sys.base_prefix)}
    return [*sorted(path for path in paths if path), *_SYSTEM_FILES]


def _environment(folder: Path, home: str) -> dict[str, str]:
    """The whole environment of the code. One thread for the mathematical libraries, a fixed order of sets."""
    return {
        **{name: str(folder) for name in ("HOME", "TMPDIR", "MPLCONFIGDIR")},
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": home,
    }


@contextlib.contextmanager
def _empty_folder() -> Iterator[Path]:
    """A new folder, away afterwards whatever was put into it: deeper than Python's own removal can go."""
    folder = Path(tempfile.mkdtemp(prefix="edgeslm-sandbox-")).resolve()
    try:
        yield folder
    finally:
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stderr=subprocess.DEVNULL)
