"""Bad input, compressed input, pipes: each works, or is refused with a clear message and within bounds."""

import bz2
import fcntl
import gzip
import io
import lzma
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm.logs import clean, open_logs
from edgeslm.logs.scratch import scratch_directory
from edgeslm.logs.source import open_source

TEXT = b"".join(b"Jan  1 00:00:%02d h sshd[7]: Failed password for eva\n" % (n % 60) for n in range(500))


def refused(path: Path | str) -> InputError:
    with pytest.raises(InputError) as caught, open_logs([path], year=2024):
        pass
    return caught.value


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "no.log").message == f"no such file: {tmp_path}/no.log"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert (error.message, error.hint) == (
        f"{tmp_path} is a directory",
        f"name the log files in it, for example {tmp_path}/*.log",
    )


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert refused(write(tmp_path / "e.log", b"")).message.endswith("e.log is empty")


def test_a_compressed_nothing_is_refused_as_empty(tmp_path: Path) -> None:
    assert refused(write(tmp_path / "e.gz", gzip.compress(b""))).message == "e.gz is empty"


def test_a_binary_file_is_refused() -> None:
    assert refused(sys.executable).message.endswith("is a binary file")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    path = write(tmp_path / "x.log", TEXT)
    path.chmod(0)
    error = refused(path)
    assert (error.message, error.reason) == (f"cannot read {path}", "permission denied")


def test_a_file_that_the_system_refuses_to_open_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.log", TEXT)

    def denied(*_: object, **__: object) -> io.BytesIO:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert refused(path).reason == "permission denied"


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_compressed_logs_are_read(suffix: str, compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    with open_logs([write(tmp_path / f"x.log.{suffix}", compress(TEXT))], year=2024) as logs:
        assert logs.query("SELECT count(*), count(ts) FROM logs").rows == [(500, 500)]


def test_zstd_frames_are_read(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the zstandard package is not installed")
    data = zstandard.compress(TEXT) + zstandard.compress(TEXT)
    with open_logs([write(tmp_path / "x.zst", data)], year=2024) as logs:
        assert logs.counts().read == 1000


def test_a_truncated_zstd_file_is_refused(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the zstandard package is not installed")
    error = refused(write(tmp_path / "x.zst", zstandard.compress(os.urandom(9000).hex().encode())[:-100]))
    assert (error.message, error.reason) == ("x.zst is truncated", "its zstd data ends early")


def test_gzip_members_one_after_the_other_are_one_log(tmp_path: Path) -> None:
    with open_logs([write(tmp_path / "x.gz", gzip.compress(TEXT) * 2)], year=2024) as logs:
        assert logs.counts().read == 1000


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    error = refused(write(tmp_path / "x.gz", gzip.compress(TEXT)[:-20]))
    assert (error.message, error.reason) == ("x.gz is truncated", "its gzip data ends early")


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(TEXT))
    data[40:60] = b"\xff" * 20
    assert refused(write(tmp_path / "x.gz", bytes(data))).message == "x.gz is damaged"


def test_a_gzip_bomb_stops_at_the_bound_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean, "MAX_EXPANDED", 5_000_000)
    path = write(tmp_path / "bomb.gz", gzip.compress((b"0" * 79 + b"\n") * 400_000))
    before = copies()
    error = refused(path)
    assert error.message == "bomb.gz is too large"
    assert error.reason.startswith("its gzip data expands beyond 4 MiB")
    assert copies() == before


def copies() -> list[Path]:
    return sorted(scratch_directory().glob("*.log"))


def test_a_copy_is_private_and_goes_with_the_log_set(tmp_path: Path) -> None:
    with open_logs([write(tmp_path / "x.gz", gzip.compress(TEXT))], year=2024):
        (copy,) = copies()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert copies() == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_that_is_told_to_end_leaves_no_copy(number: signal.Signals, status: int, tmp_path: Path) -> None:
    log = write(tmp_path / "x.gz", gzip.compress(TEXT))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    slow = "SELECT count(*) FROM logs a, logs b, logs c, logs d WHERE a.line <> b.line"
    code = (  # the signal may have been ignored where the tests were started
        f"import signal, sys; signal.signal({int(number)}, signal.SIG_DFL)\n"
        f"from edgeslm import cli; sys.exit(cli.run(['sql', '--time-limit', '100', {slow!r}, {str(log)!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(temporary.glob("edgeslm-*/*.log")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (status, b"")
    assert list(temporary.iterdir()) == []


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left, used, others = (tmp_path / f"edgeslm-{name}" for name in ("left", "used", "others"))
    for folder in (left, used, others):
        folder.mkdir()
        (folder / "copy.log").write_text("x")
    (left / "lock").touch()
    with (used / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code = (
            "from edgeslm.logs.scratch import scratch_directory as made; print(made().name, (made() / 'lock').exists())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
    own, locked = done.stdout.split()
    assert locked == "True"
    assert sorted(tmp_path.iterdir()) == [others, used]
    assert own not in (left.name, used.name, others.name)


def test_a_plain_file_is_read_in_place(tmp_path: Path) -> None:
    with open_logs([write(tmp_path / "x.log", TEXT)], year=2024):
        assert copies() == []


def test_invalid_utf8_is_kept_and_shown_as_replacement(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", TEXT.replace(b"eva", b"e\xffva"))
    with open_logs([path], year=2024) as logs:
        assert logs.query("SELECT DISTINCT message FROM logs").rows == [("Failed password for e\ufffdva",)]
        assert logs.notes == ["x.log: 500 byte sequences that are not UTF-8 are shown as \ufffd"]


def test_utf16_is_read(tmp_path: Path) -> None:
    with open_logs([write(tmp_path / "x.log", TEXT.decode().encode("utf-16"))], year=2024) as logs:
        assert logs.query("SELECT count(ts) FROM logs").rows == [(500,)]


def test_a_100_mb_line_is_cut_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    with path.open("wb") as file:
        file.write(b"Jan  1 00:00:00 h a[1]: ")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nJan  1 00:00:01 h a[1]: after\n")
    code = (
        "import re\n"
        "from edgeslm.logs import open_logs\n"
        f"with open_logs([{str(path)!r}], year=2024) as logs:\n"
        "    print(logs.query('SELECT line_no, length(line) FROM logs').rows, logs.notes)\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, peak = done.stdout.splitlines()
    assert first == "[(1, 1000000), (2, 29)] ['x.log: 1 lines are longer than 1,000,000 bytes and were cut there']"
    assert int(peak) < 200


def test_a_fifo_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(TEXT,))
    writer.start()
    with open_logs([path], year=2024) as logs:
        assert logs.counts().read == 500
    writer.join()


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT)))
    with open_logs(["-"], year=2024) as logs:
        assert (logs.files, logs.counts().read) == (["stdin"], 500)


def test_an_unknown_format_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_logs([write(tmp_path / "x.log", TEXT)], format_name="nope")
    assert caught.value.message == "no log format is called nope"
    assert "syslog" in caught.value.hint


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    seen: list[float] = []
    open_source(write(tmp_path / "x.log", TEXT), lambda _, share: seen.append(share))
    assert seen[-1] == 1.0
