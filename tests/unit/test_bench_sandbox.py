"""Generated code is contained. What must not happen is also tried without the wall that stops it: then it does."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from edgeslm_bench import sandbox
from edgeslm_bench.sandbox import Limits, Outcome, SandboxError, run
from edgeslm_bench.sandbox_walls import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"this machine has no {'; no '.join(missing())}")
QUICK = Limits(wall_s=10, cpu_s=5)
DENIED = "PermissionError: "
Without = Callable[..., None]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Without:
    """Takes the named walls away."""

    def take_away(*names: str) -> None:
        patches = "".join(f"walls.{name} = lambda *_: None\n" for name in names)
        code = "from edgeslm_bench import sandbox_child, sandbox_walls as walls\n" + patches + "sandbox_child.main()"
        monkeypatch.setattr(sandbox, "_CHILD", ("-c", code))

    return take_away


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server on this machine."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0)
        yield server


def refused(before: str, tries: Sequence[str]) -> list[str]:
    """Those of `tries` that the code is not permitted, each tried alone in one run."""
    lines = [before]
    for one in tries:
        lines += ["try:", f"    {one}", "except OSError as error:"]
        # EXDEV is what the kernel says of a link across the border.
        lines += [f"    if error.errno in (1, 13, 18): print({one!r})"]
    outcome = run("\n".join(lines), QUICK)
    assert outcome.status == "finished", outcome
    return outcome.output.splitlines()


def contained(outcome: Outcome, status: str, error: str) -> None:
    assert (outcome.status, outcome.error) == (status, error)


# --- what the issue names


def test_a_fork_bomb_does_not_get_off_the_ground(without: Without) -> None:
    bomb = "import os\nwhile True: os.fork()"
    contained(run(bomb, QUICK), "failed", f"{DENIED}[Errno 1] Operation not permitted")
    without("filter_calls")
    assert run("import os\nif os.fork(): os.wait()", QUICK).succeeded


def test_no_program_can_be_started() -> None:
    starts = (
        "subprocess.run(['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.execv('/bin/true', ['true'])",
        "os.system('true') and os.kill(0, 0)",
    )
    assert refused("import os, subprocess", starts) == list(starts)


def test_a_thread_bomb_is_killed() -> None:
    bomb = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(30,)).start()"
    outcome = run(bomb, Limits(wall_s=10, cpu_s=5, threads=8))
    contained(outcome, "killed", "more than 8 threads")


def test_an_endless_loop_is_killed_by_its_cpu_time() -> None:
    contained(run("while True: pass", Limits(cpu_s=1, wall_s=30)), "killed", f"signal {signal.SIGXCPU.value}")


def test_catching_the_signal_of_the_cpu_limit_gains_a_second() -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    contained(run(stubborn, Limits(cpu_s=1, wall_s=30)), "killed", f"signal {signal.SIGKILL.value}")


def test_endless_waiting_is_killed_by_the_clock() -> None:
    started = time.monotonic()
    contained(run("import time; time.sleep(60)", Limits(wall_s=0.5)), "killed", "more than 0.5 s")
    assert time.monotonic() - started < 30


def test_ten_gigabytes_cannot_be_allocated(without: Without) -> None:
    contained(run("bytearray(10 * 10**9)", QUICK), "failed", "MemoryError")
    beyond = "import mmap; mmap.mmap(-1, 2 << 30)"  # where the limit is 1 GiB; never touched
    contained(run(beyond, QUICK), "failed", "OSError: [Errno 12] Cannot allocate memory")
    without("limit_resources")
    assert run(beyond, QUICK).status == "finished"


def test_a_file_outside_cannot_be_read(tmp_path: Path, without: Without) -> None:
    (tmp_path / "secret").write_text("the secret")
    code = f"print(open({str(tmp_path / 'secret')!r}).read())"
    outcome = run(code, QUICK)
    contained(outcome, "failed", f"{DENIED}[Errno 13] Permission denied: '{tmp_path / 'secret'}'")
    assert "secret" not in outcome.output
    without("restrict_files")
    assert run(code, QUICK).output == "the secret\n"


def test_the_system_cannot_be_read() -> None:
    files = [f"open({path!r})" for path in ("/etc/passwd", "/proc/self/environ", "/proc/1/status")]
    folders = [f"os.listdir({path!r})" for path in ("/", "/tmp", "/proc", "/etc", "/dev/shm", "..")]
    assert refused("import os", [*files, *folders]) == [*files, *folders]


def test_a_file_outside_cannot_be_written(tmp_path: Path, without: Without) -> None:
    code = f"open({str(tmp_path / 'new')!r}, 'w').write('x')"
    assert run(code, QUICK).error.startswith(DENIED)
    assert list(tmp_path.iterdir()) == []
    without("restrict_files")
    assert run(code, QUICK).succeeded
    assert (tmp_path / "new").read_text() == "x"


def test_files_outside_cannot_be_changed(tmp_path: Path, without: Without) -> None:
    victim = tmp_path / "victim"
    harms = (
        "open(path, 'r+')",
        "os.open(path, os.O_RDONLY | os.O_TRUNC)",
        "os.truncate(path, 0)",
        "os.link(path, 'mine')",
        "os.symlink('x', path + '2')",
        "os.mkdir(path + '3')",
        "os.rename(path, path + '4'); os.rename(path + '4', path)",
        "os.unlink(path)",
    )
    victim.write_text("whole")
    before = f"import os; path = {str(victim)!r}"
    assert refused(before, harms) == list(harms)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("victim", "whole")]
    without("restrict_files")
    assert refused(before, harms) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["victim2", "victim3"]


def test_permissions_and_times_of_files_outside_stay_though_it_seems_to_work(tmp_path: Path, without: Without) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    os.utime(victim, (1, 1))
    victim.chmod(0o640)
    code = f"import os; os.chmod({str(victim)!r}, 0o777); os.utime({str(victim)!r}, (9, 9))"
    assert run(code, QUICK).succeeded
    assert (stat.S_IMODE(victim.stat().st_mode), victim.stat().st_mtime) == (0o640, 1)
    without("filter_calls")
    assert run(code, QUICK).succeeded
    assert (stat.S_IMODE(victim.stat().st_mode), victim.stat().st_mtime) == (0o777, 9)


def test_a_symbolic_link_leads_nowhere(tmp_path: Path, without: Without) -> None:
    (tmp_path / "secret").write_text("the secret")
    code = f"import os; os.symlink({str(tmp_path)!r}, 'way'); print(open('way/secret').read())"
    contained(run(code, QUICK), "failed", f"{DENIED}[Errno 13] Permission denied: 'way/secret'")
    without("restrict_files")
    assert run(code, QUICK).output == "the secret\n"


NETWORK_WALLS = ("leave_network", "restrict_files", "filter_calls")


@pytest.mark.parametrize("left", [(), *[(name,) for name in NETWORK_WALLS if name != "restrict_files"]])
def test_a_socket_reaches_nobody_and_one_wall_less_changes_nothing(
    left: tuple[str, ...], listener: socket.socket, without: Without
) -> None:
    code = f"import socket; socket.create_connection({listener.getsockname()!r}, timeout=5)"
    without(*left)
    outcome = run(code, QUICK)
    assert outcome.status == "failed"
    assert outcome.error.startswith((DENIED, "OSError: [Errno 101]", "ConnectionRefusedError"))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_socket_reaches_the_server_without_any_of_the_walls(listener: socket.socket, without: Without) -> None:
    without(*NETWORK_WALLS)
    assert run(f"import socket; socket.create_connection({listener.getsockname()!r}, timeout=5)", QUICK).succeeded
    listener.accept()[0].close()


def test_no_kind_of_socket_can_be_made_but_a_pair_for_itself() -> None:
    code = """
        import socket
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
                try:
                    socket.socket(family, kind)
                except PermissionError:
                    continue
                print('made', family, kind)
        try:
            socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        except PermissionError:
            one, other = socket.socketpair()
            one.send(b'x')
            print('pair', other.recv(1))
    """
    assert run("if True:\n" + code, QUICK).output == "pair b'x'\n"


def test_the_parent_gets_no_signal(without: Without) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    code = "import os, signal; os.kill(os.getppid(), signal.SIGUSR1)"
    try:
        contained(run(code, QUICK), "failed", f"{DENIED}[Errno 1] Operation not permitted")
        assert seen == []
        without("filter_calls", "restrict_files")  # Landlock bounds signals too
        assert run(code, QUICK).succeeded
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_nothing_can_be_done_to_other_processes() -> None:
    limit = resource.getrlimit(resource.RLIMIT_CPU)
    harms = (
        "os.kill(0, 9)",
        "os.kill(-1, 9)",
        "os.kill(parent, 0)",
        "os.killpg(os.getpgid(parent), 0)",
        "os.pidfd_open(parent)",
        "resource.prlimit(parent, resource.RLIMIT_CPU, (0, 0))",
        "os.sched_setaffinity(parent, {0})",
        "os.setpriority(os.PRIO_PROCESS, parent, 19)",
        "fcntl.fcntl(0, fcntl.F_SETOWN, parent)",
    )
    assert refused("import fcntl, os, resource; parent = os.getppid()", harms) == list(harms)
    assert resource.getrlimit(resource.RLIMIT_CPU) == limit


# --- what else could get out


def test_a_daemon_cannot_outlive_its_run(without: Without) -> None:
    daemon = "import os, time\nprint(os.getcwd(), flush=True)\nif os.fork() == 0:\n    os.setsid(); time.sleep(3)"
    outcome = run(daemon, QUICK)
    assert outcome.error.startswith(DENIED)
    assert processes_in(outcome.output.strip()) == []
    without("filter_calls")
    left = processes_in(run(daemon, Limits(wall_s=1)).output.strip())
    assert len(left) == 1
    os.kill(left[0], signal.SIGKILL)


def test_huge_output_is_cut_and_ends_the_run() -> None:
    outcome = run("while True: print('x' * 10_000)", Limits(output_bytes=50_000))
    contained(outcome, "killed", "more than 50,000 bytes of output")
    assert len(outcome.output) < 50_000 + (1 << 16) + 1


def test_a_huge_file_stops_at_its_limit(without: Without) -> None:
    code = "file = open('x', 'wb')\nfor _ in range(64): file.write(bytes(1 << 20)); file.flush()"
    contained(run(code, QUICK), "failed", "OSError: [Errno 27] File too large")
    without("limit_resources")
    assert run(code, Limits(folder_bytes=1 << 30)).succeeded


def test_many_large_files_together_are_too_much() -> None:
    code = "import time\nfor n in range(9): open(str(n), 'wb').write(bytes(1 << 20))\ntime.sleep(9)"
    outcome = run(code, Limits(wall_s=10, folder_bytes=8 << 20))
    contained(outcome, "killed", "more than 8,388,608 bytes of files")


def test_very_many_files_are_too_much() -> None:
    code = "import time\nfor n in range(20): open(str(n), 'w')\ntime.sleep(9)"
    contained(run(code, Limits(wall_s=10, entries=20)), "killed", "more than 20 files")


def test_nothing_is_left_not_even_a_tree_deeper_than_pythons_own_removal_goes() -> None:
    code = "import os\nprint(os.getcwd())\nfor _ in range(980): os.mkdir('d'); os.chdir('d')"
    outcome = run(code, Limits(wall_s=20, entries=5000))
    assert outcome.succeeded
    assert not Path(outcome.output.strip()).exists()


def test_calls_that_would_lead_out_are_refused() -> None:
    calls = (
        "unshare(0x10000000)",  # another namespace
        "memfd_create(b'x', 0)",  # memory that no limit counts
        "shmget(0, 1 << 30, 0o1600)",
        "ptrace(16, os.getppid(), 0, 0)",
        "syscall(425, 1, 0)",  # io_uring
        "syscall(468, 0, 0)",  # newer than the lists
    )
    code = "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\n"
    code += "\n".join(f"print(libc.{call}, ctypes.get_errno())" for call in calls)
    answers = [line.split() for line in run(code, QUICK).output.splitlines()]
    refusals = {str(errno.EPERM), str(errno.ENOSYS)}
    assert [(result, number in refusals) for result, number in answers] == [("-1", True)] * len(calls)


def test_no_privilege_is_left_even_to_root() -> None:
    code = "import ctypes; data = ctypes.create_string_buffer(24); libc = ctypes.CDLL(None)\n"
    code += "libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), data); print(any(data.raw), libc.prctl(39, 0, 0, 0, 0))"
    assert run(code, QUICK).output == "False 1\n"


def test_the_environment_and_the_path_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "the secret")
    code = "import os, sys; print(dict(os.environ), sys.path, sys.argv, os.listdir('.'))"
    outcome = run(code, QUICK)
    assert "SECRET_TOKEN" not in outcome.output
    assert str(Path(sandbox.__file__).parents[1]) not in outcome.output
    assert outcome.output.endswith("program.py'] ['program.py']\n")


# --- how a run ends


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("print('x')", "finished", ""),
        ("import sys; sys.exit()", "exited", ""),
        ("raise SystemExit(0)", "exited", ""),
        ("import sys; sys.exit(3)", "failed", "SystemExit: 3"),
        ("1 / 0", "failed", "ZeroDivisionError: division by zero"),
        ("input()", "failed", "EOFError: EOF when reading a line"),
        ("import os; os._exit(0)", "killed", "it ended the interpreter with status 0"),
        ("import os; os.abort()", "killed", "signal 6"),
        ("raise ValueError('ü\\nfinished \\x1b')", "failed", "ValueError: ü\nfinished \x1b"),
        ("class E(Exception):\n def __str__(self): raise E\nraise E", "failed", "E"),
        ("def f(: pass", "failed", "SyntaxError: invalid syntax (program.py, line 1)"),
        ("def f(): return f()\nf()", "failed", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_how_a_run_ended_is_told(code: str, status: str, error: str) -> None:
    contained(run(code, QUICK), status, error)


def test_ordinary_code_works_there() -> None:
    code = """
        import asyncio, json, random, shutil, statistics, tempfile, threading
        open('a', 'w').write('text')
        shutil.copy2('a', 'b')
        with tempfile.NamedTemporaryFile('w') as file:
            file.write('x')
        thread = threading.Thread(target=lambda: print('thread'))
        thread.start()
        thread.join()
        asyncio.run(asyncio.sleep(0))
        print(open('b').read(), statistics.mean([1, 3]))
    """
    assert run("if True:\n" + code, QUICK).output == "thread\ntext 2\n"


def test_numpy_works_there() -> None:
    numpy = pytest.importorskip("numpy")
    if not any(Path(numpy.__file__).is_relative_to(path) for path in sandbox.readable_paths()):
        pytest.skip("numpy is not installed in this Python, but found on PYTHONPATH")
    outcome = run("import numpy as np; print(np.linalg.svd(np.eye(3))[1].sum())", Limits(cpu_s=30, wall_s=60))
    assert outcome.output == "3.0\n"


# --- where it cannot be had


def test_without_what_it_needs_nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox, "missing", lambda: ["Landlock (Linux 5.13 or newer, switched on)", "seccomp"])
    with pytest.raises(SandboxError) as caught:
        run("print('x')")
    assert str(caught.value) == (
        "generated code cannot be run safely on this machine\n"
        "  because there is no Landlock (Linux 5.13 or newer, switched on); no seccomp\n"
        "  hint: judge on a Linux with Landlock, or leave out what needs running code"
    )


def test_on_another_system_it_says_what_is_missing() -> None:
    code = "import sys; sys.platform = 'darwin'; from edgeslm_bench.sandbox_walls import missing; print(missing())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['Landlock and seccomp, which only Linux has']\n"


@pytest.mark.parametrize("wall", ["restrict_files", "filter_calls", "limit_resources", "drop_privileges"])
def test_where_a_wall_does_not_stand_nothing_is_run(wall: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from edgeslm_bench import sandbox_child, sandbox_walls as walls\n"
    code += f"def fail(*_): raise OSError(22, 'no such wall')\nwalls.{wall} = fail\nsandbox_child.main()"
    monkeypatch.setattr(sandbox, "_CHILD", ("-c", code))
    outputs: list[bytes] = []

    def outcome(exit_status: int, watched: sandbox._Watched, beyond: str) -> Outcome:
        outputs.append(bytes(watched.output))
        return real(exit_status, watched, beyond)

    monkeypatch.setattr(sandbox, "_outcome", outcome)
    with pytest.raises(SandboxError, match=r"the sandbox could not be set up\n  because \[Errno 22\] no such wall"):
        run("print('it ran')")
    assert outputs == [b""]


def test_a_child_that_says_nothing_has_not_run_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_CHILD", ("-c", "import sys; sys.exit('no such interpreter')"))
    with pytest.raises(SandboxError, match="because no such interpreter"):
        run("print('x')")


real = sandbox._outcome


def processes_in(folder: str) -> list[int]:
    """Processes whose working folder is or was that one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = str((entry / "cwd").readlink())
            except OSError:
                continue
            if where.removesuffix(" (deleted)") == folder:
                found.append(int(entry.name))
    return found
