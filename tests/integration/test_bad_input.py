"""Every bad input gets exit status 2 and a message that says what, why and what to do: no traceback, no half answer."""

import gzip
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgeslm_bench.process import run_process
from tiny_models import write_tiny_llama

LOG = "Mar  3 00:01:00 gate sshd[101]: Failed password for root from 10.0.0.1 port 22 ssh2\n" * 50
COUNT = "SELECT count(*) FROM logs"
HEAVY = (
    "SELECT count(*) FROM logs a, logs b, logs c, logs d, logs e, logs f, logs g"
    " WHERE hash(a.line_no, b.line_no, c.line_no, d.line_no, e.line_no, f.line_no, g.line_no) = 1"
)
MEMORY_MB = 250
PATIENCE_S = 120.0  # then the process is killed and the test fails


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.write_text(LOG)
    return path


def run(*arguments: str | Path | bytes, given: bytes = b"") -> tuple[int, str, str, float]:
    """Exit status, standard output, standard error and peak memory in MB of one `edgeslm` process."""
    command = [sys.executable, "-m", "edgeslm", *(a if isinstance(a, bytes) else str(a) for a in arguments)]
    done = run_process(command, given=given, patience_s=PATIENCE_S)
    return done.exit_status, done.output, done.errors, done.peak_rss_mb


def refused(*arguments: str | Path | bytes, given: bytes = b"") -> str:
    """The message of a command that must be refused."""
    status, out, error, _ = run(*arguments, given=given)
    assert status == 2, (out, error)
    assert out == ""
    assert error.startswith("error: ")
    assert "Traceback" not in error
    return error


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "missing.log"
    assert refused("sql", COUNT, path) == f"error: no such file: {path}\n"
    assert refused("ask", "how many lines", path) == f"error: no such file: {path}\n"


def test_one_missing_file_among_several(tmp_path: Path, log: Path) -> None:
    assert "no such file" in refused("sql", COUNT, log, tmp_path / "missing.log")


def test_a_directory(tmp_path: Path) -> None:
    assert refused("sql", COUNT, tmp_path) == (
        f"error: {tmp_path} is a directory\n  hint: name the log files in it, for example {tmp_path}/*.log\n"
    )


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.log"
    path.touch()
    assert refused("sql", COUNT, path) == f"error: {path} is empty\n  hint: there is nothing to ask of it\n"


def test_an_empty_standard_input() -> None:
    assert refused("sql", COUNT) == "error: stdin is empty\n  hint: there is nothing to ask of it\n"


def test_a_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "image.log"
    path.write_bytes(bytes(range(256)) * 64)
    message = refused("sql", COUNT, path)
    assert message.startswith("error: image.log is a binary file\n")
    assert "journalctl -o json" in message


def test_a_single_line_of_100_mb_is_cut_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    status, out, error, peak_mb = run(
        "sql", "--output", "csv", "SELECT count(*) AS n, max(length(line)) <= 1000000 FROM logs", path
    )
    assert (status, out.split("\n")[1]) == (0, "1,true"), error
    assert peak_mb < MEMORY_MB


def test_invalid_utf8_is_kept_and_shown_replaced(tmp_path: Path) -> None:
    path = tmp_path / "latin.log"
    path.write_bytes(b"Mar  3 00:01:00 gate app[1]: caf\xe9 \xff\n" * 3)
    status, out, error, _ = run("sql", "--output", "csv", "SELECT message FROM logs", path)
    assert (status, out) == (0, "message\n" + "caf\ufffd \ufffd\n" * 3), error


def test_a_truncated_gzip(tmp_path: Path) -> None:
    path = tmp_path / "cut.log.gz"
    whole = gzip.compress(os.urandom(200_000).hex().encode())
    path.write_bytes(whole[: len(whole) // 2])
    message = refused("sql", COUNT, path)
    assert message == "error: cut.log.gz is truncated\n  because its gzip data ends early\n"


def test_a_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "bad.log.gz"
    path.write_bytes(b"\x1f\x8b" + b"nonsense" * 20)
    assert refused("sql", COUNT, path).startswith("error: bad.log.gz is damaged\n  because gzip: ")


@pytest.mark.parametrize(
    "content", [b"a", b"Mar  3 00:01:00 gate app[1]: the same line\n"], ids=["one line", "many lines"]
)
def test_a_gzip_bomb_is_read_in_bounded_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bomb.log.gz"
    megabyte = (content * (1_000_000 // len(content) + 1))[:1_000_000]
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(300):
            file.write(megabyte)
    status, out, error, peak_mb = run("sql", "--time-limit", "60", "SELECT count(*) FROM logs", path)
    assert status in (0, 2), error
    assert "Traceback" not in error
    assert (status == 0) is bool(out)
    assert peak_mb < MEMORY_MB


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file: an unreadable one cannot be made here")
def test_an_unreadable_file(log: Path) -> None:
    log.chmod(0)
    assert refused("sql", COUNT, log) == (
        f"error: cannot read {log}\n  because permission denied\n  hint: run as a user who may\n"
    )


def test_an_empty_question(log: Path) -> None:
    message = 'error: the question is empty\n  hint: ask in plain words: edgeslm ask "how many errors" FILE\n'
    assert refused("ask", "", log) == message
    assert refused("ask", " \t\n", log) == message


def test_a_question_of_10_000_characters(log: Path) -> None:
    assert refused("ask", "why " * 2500, log) == (
        "error: the question is too long\n"
        "  because it has 10,000 characters, the limit is 2,000\n"
        "  hint: ask one thing, in a sentence\n"
    )


def test_an_empty_query(log: Path) -> None:
    assert refused("sql", "  ", log) == (
        'error: the SQL is empty\n  hint: edgeslm sql "SELECT count(*) FROM logs" FILE\n'
    )


def test_a_time_that_is_none(log: Path) -> None:
    assert refused("ask", "--now", "noonish\x1b", "how many lines", log) == (
        "error: --now is not a time: 'noonish\\x1b'\n  hint: write it as ISO 8601, for example 2015-12-10T11:04:45\n"
    )


@pytest.mark.parametrize(
    "options", [["--output", "xml"], ["--year", "12"], ["--threads", "0"], ["--time-limit", "0"], ["--nonsense"]]
)
def test_options_that_mean_nothing(options: Sequence[str], log: Path) -> None:
    status, out, error, _ = run("sql", *options, COUNT, log)
    assert (status, out) == (2, "")
    assert "Usage: " in error


def test_a_file_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    message = refused("sql", COUNT, tmp_path / "evil\x1b[2J\x9b\u202e\n.log")
    assert message == f"error: no file matches {tmp_path}/evil\\x1b[2J\\x9b\\u202e\\n.log\n"


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    message = refused("sql", COUNT, os.fsencode(tmp_path) + b"/missing\xff.log")
    assert "no such file" in message


# --- models


def test_a_missing_model(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    message = refused("ask", "--model", path, "how many lines", log)
    assert message == f"error: no such model: {path}\n  hint: check the path given with --model\n"


def test_a_model_that_is_no_gguf(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("this is not a model, it only has the name of one")
    assert refused("ask", "--model", path, "how many lines", log).startswith(f"error: {path} is not a GGUF file\n")


def test_a_truncated_model(log: Path, tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf")
    whole = path.read_bytes()
    for size in (10, len(whole) // 4, len(whole) - 1000):
        path.write_bytes(whole[:size])
        assert str(path) in refused("ask", "--model", path, "how many lines", log)


@pytest.mark.parametrize("architecture", ["bert", "clip", "no-such-architecture"])
def test_a_model_of_the_wrong_architecture(log: Path, tmp_path: Path, architecture: str) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", architecture=architecture)
    message = refused("ask", "--model", path, "how many lines", log)
    assert str(path) in message
    assert architecture in message.casefold()


# --- SQL that is not allowed


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text("the secret\n")
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_blob('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT content FROM logs, read_text('{secret}')",
        "SELECT getenv('HOME')",
        "ATTACH '{folder}/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '10GB'",
        "PRAGMA database_list",
        "SELECT * FROM read_csv('https://example.invalid/x.csv')",
        "SELECT 1; SELECT * FROM read_text('{secret}')",
    ],
)
def test_sql_reads_no_other_file_and_changes_no_setting(log: Path, secret: Path, sql: str) -> None:
    message = refused("sql", sql.format(secret=secret, folder=secret.parent), log)
    assert "the secret" not in message


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{folder}/written'",
        "COPY logs TO '{folder}/written' (FORMAT csv)",
        "COPY (SELECT 1) TO '{log}'",
        "EXPORT DATABASE '{folder}/written'",
        "CREATE TABLE written AS SELECT * FROM logs",
        "DELETE FROM logs",
        "DROP VIEW logs",
        "INSERT INTO logs VALUES (1)",
    ],
)
def test_sql_writes_nothing(log: Path, sql: str) -> None:
    before = sorted(log.parent.iterdir())
    refused("sql", sql.format(folder=log.parent, log=log), log)
    assert sorted(log.parent.iterdir()) == before
    assert log.read_text() == LOG


@pytest.mark.parametrize(
    "sql", ["nonsense", "SELECT nothing FROM logs", "SELECT count(* FROM logs", "SELECT * FROM other"]
)
def test_sql_that_is_wrong(log: Path, sql: str) -> None:
    refused("sql", sql, log)


def test_a_query_that_runs_too_long(log: Path) -> None:
    message = refused("sql", "--time-limit", "1", HEAVY, log)
    assert "1 s" in message or "1.0 s" in message
