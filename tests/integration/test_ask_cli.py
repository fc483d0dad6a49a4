"""`edgeslm ask` and `edgeslm sql` as a person or a program runs them: outputs, exit statuses, terminals, Ctrl-C."""

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import types
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

import edgeslm.resources
from edgeslm import cli
from edgeslm.ask.cli import may_ask
from edgeslm.ask.planner import Plan
from edgeslm.ask.readings import Reading
from edgeslm.engine import LoadAhead

BAD = "\x1b[31m\x07\x9b\u202e"
LOG = "".join(
    f"Mar  3 0{i // 60}:{i % 60:02d}:00 gate sshd[{100 + i}]: "
    + (f"Failed password for root from 10.0.0.{i % 3} port 22 ssh2" if i % 2 else f"Accepted key for alice {i}")
    + "\n"
    for i in range(90)
)
TOP = (
    "SELECT ip, count(*) AS count FROM logs WHERE message LIKE '%Failed password%'"
    " GROUP BY ip ORDER BY count DESC, ip LIMIT 2"
)
SLOW = (
    "SELECT count(*) FROM logs a, logs b, logs c, logs d, logs e, logs f WHERE hash(a.line, b.line, c.line, f.line) = 1"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.write_text(LOG)
    return path


def edgeslm_process(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return subprocess.run(
        [sys.executable, "-m", "edgeslm", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**environment, "COLUMNS": "100", **more.pop("env", {})},
        **more,
    )


def test_sql_as_text(log: Path) -> None:
    done = edgeslm_process("sql", "--year", "2024", TOP, log)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert (
        lines[:8]
        == [
            "10.0.0.0 had the most matching lines: 15 of 45.",
            "",
            "  ip        count",
            "  10.0.0.0     15",
            "  10.0.0.1     15",
            "",
            TOP,
            "auth.log:2  Mar  3 00:01:00 gate sshd[101]: Failed password for root from 10.0.0.1 port 22 ssh2",
        ]
        or lines[0] == "10.0.0.0 and 10.0.0.1 had the most matching lines: 15 each of 45."
    )
    assert lines[-2].startswith("90 lines read, 0 not understood · ")
    assert lines[-2].endswith(" s")


def test_sql_as_json(log: Path) -> None:
    done = edgeslm_process("sql", "--output", "json", "--year", "2024", "SELECT min(ts) AS first FROM logs", log)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert list(answer) == [
        "question", "sql", "columns", "rows", "answer", "evidence", "lines_read", "lines_unparsed", "format", "model",
        "timing_ms",
    ]  # fmt: skip
    assert answer["columns"] == ["first"]
    assert answer["rows"] == [["2024-03-03T00:00:00"]]
    assert answer["answer"] == "The first line was at 2024-03-03T00:00:00."
    assert answer["evidence"] == [
        {"file": "auth.log", "line_no": 1, "text": "Mar  3 00:00:00 gate sshd[100]: Accepted key for alice 0"}
    ]
    assert (answer["lines_read"], answer["lines_unparsed"]) == (90, 0)
    assert (answer["question"], answer["model"]) == (None, None)
    assert answer["timing_ms"]["total"] > 0


def test_sql_as_csv(log: Path) -> None:
    done = edgeslm_process("sql", "--output", "csv", TOP, log)
    assert list(csv.reader(io.StringIO(done.stdout))) == [["ip", "count"], ["10.0.0.0", "15"], ["10.0.0.1", "15"]]


@pytest.mark.parametrize(
    ("where", "status"), [("pid = 101", 0), ("pid = 1", 1)], ids=["something found", "nothing found"]
)
@pytest.mark.parametrize("select", ["count(*)", "line_no", "max(ts)"])
def test_exit_status_says_whether_anything_was_found(log: Path, select: str, where: str, status: int) -> None:
    done = edgeslm_process("sql", "--output", "json", f"SELECT {select} FROM logs WHERE {where}", log)
    assert done.returncode == status
    assert json.loads(done.stdout)["answer"].startswith("There were no") is (status == 1)


def test_a_query_is_shown_without_being_run(log: Path) -> None:
    assert edgeslm_process("sql", "--sql", TOP, log).stdout == f"{TOP}\n"
    shown = json.loads(edgeslm_process("sql", "--sql", "--output", "json", TOP, log).stdout)
    assert (shown["sql"], shown["rows"], shown["evidence"]) == (TOP, [], [])


def test_the_log_may_come_from_standard_input() -> None:
    for arguments in (["SELECT count(*) FROM logs"], ["SELECT count(*) FROM logs", "-"]):
        done = edgeslm_process("sql", "--output", "csv", *arguments, input=LOG)
        assert done.stdout.split("\n")[1] == "90"


def test_several_files_are_one_log(log: Path) -> None:
    other = log.with_name("other.log")
    other.write_text(LOG)
    done = edgeslm_process(
        "sql", "--output", "csv", "SELECT source, count(*) FROM logs GROUP BY 1 ORDER BY 1", log, other
    )
    assert [row[1] for row in csv.reader(io.StringIO(done.stdout))][1:] == ["90", "90"]


@pytest.mark.parametrize("output", ["text", "json", "csv"])
def test_no_control_character_of_a_log_reaches_the_output(tmp_path: Path, output: str) -> None:
    path = tmp_path / "evil.log"
    path.write_text(f"Mar  3 00:01:00 gate sshd[1]: user {BAD} logged in\n{LOG}", encoding="utf-8")
    done = edgeslm_process("sql", "--output", output, "SELECT line_no, message, line FROM logs", path)
    assert done.returncode == 0
    assert [character for character in BAD if not character.isprintable() and character in done.stdout] == []
    assert "logged in" in done.stdout


def test_a_narrow_output_and_one_without_unicode_are_served(log: Path) -> None:
    env = {"COLUMNS": "40", "PYTHONIOENCODING": "ascii"}
    done = edgeslm_process("sql", "SELECT line_no, ts, line FROM logs", log, env=env)
    assert done.returncode == 0
    assert "\\u2026" in done.stdout


def test_help_names_every_option() -> None:
    for command, options in {
        "ask": ["--output", "--now", "--year", "--model", "--sql", "--threads", "--time-limit"],
        "sql": ["--output", "--year", "--threads", "--time-limit"],
    }.items():
        done = edgeslm_process(command, "--help")
        assert done.returncode == 0
        assert [option for option in options if option not in done.stdout] == []


def test_colour_only_where_it_is_wanted(log: Path) -> None:
    count = "SELECT count(*) FROM logs"
    assert "\x1b" not in edgeslm_process("sql", count, log).stdout
    assert "\x1b[1mThere were 90 lines.\x1b[0m" in edgeslm_process("sql", count, log, env={"FORCE_COLOR": "1"}).stdout
    both = {"FORCE_COLOR": "1", "NO_COLOR": "1"}
    assert "\x1b" not in edgeslm_process("sql", count, log, env=both).stdout


# --- on a terminal


def _on_a_terminal(*arguments: str | Path, interrupt_after_s: float | None = None) -> tuple[int, str]:
    """Run edgeslm with a terminal as its standard streams: its exit status and what the terminal got."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeslm", *map(str, arguments)],
        stdin=theirs, stdout=theirs, stderr=theirs,
        env={**environment, "TERM": "xterm", "COLUMNS": "100"},
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    got, deadline, interrupted = b"", time.monotonic() + 100, interrupt_after_s is None
    start = time.monotonic()
    while time.monotonic() < deadline:
        if not interrupted and time.monotonic() - start > (interrupt_after_s or 0) and b"running the query" in got:
            process.send_signal(signal.SIGINT)
            interrupted = True
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        got += piece
    os.close(ours)
    try:
        status = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return status, got.decode("utf-8").replace("\r\n", "\n")


def test_a_terminal_gets_colour_and_no_bar_when_it_is_quick(log: Path) -> None:
    status, text = _on_a_terminal("sql", "SELECT count(*) FROM logs", log)
    assert status == 0
    assert "\x1b[1mThere were 90 lines.\x1b[0m\n" in text


def test_without_a_file_a_terminal_is_told_to_name_one() -> None:
    status, text = _on_a_terminal("sql", "SELECT count(*) FROM logs")
    assert status == 2
    assert text == (
        "error: no log to read\n"
        "  because no FILE is given and standard input is a terminal\n"
        "  hint: name a file, or pipe a log in\n"
    )


def test_ctrl_c_in_a_long_query_erases_the_bar_and_ends_with_130(log: Path) -> None:
    status, text = _on_a_terminal("sql", SLOW, log, interrupt_after_s=1.5)
    assert status == 130
    assert "running the query" in text
    assert text.endswith("\r\x1b[2K")
    assert "Traceback" not in text


# --- ask: with a planner that is told what to plan, and with the model that ships


def told_plan(
    sql: str = TOP,
    *,
    evidence_where: str | None = "message LIKE '%Failed password%'",
    subject: str = "failed passwords",
    **more: Any,
) -> Plan:
    settings: dict[str, Any] = {"question": "", "now": None, "now_source": "", "model_name": "told"}
    reading = Reading(sql, "", 1.0, evidence_where, subject, "told")
    return Plan(reading=reading, timing_ms={"plan": 1.0}, **{**settings, **more})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the planner was asked; `plan` in it is what it answers."""
    seen: dict[str, Any] = {"plan": told_plan()}

    def plan_question(question: str, logs: Any, **options: Any) -> Plan:
        seen.update(question=question, logs=logs, **options)
        return replace(seen["plan"], question=question)

    fake = types.ModuleType("edgeslm.ask.planner")
    fake.__dict__["plan_question"] = plan_question
    monkeypatch.setitem(sys.modules, "edgeslm.ask.planner", fake)
    monkeypatch.setenv("COLUMNS", "100")
    return seen


def test_ask_hands_the_question_on_and_prints_the_answer(
    log: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.run(
        ["ask", "--now", "2024-03-03T01:00", "--model", "m.gguf", "--threads", "1", "top 2 addresses", str(log)]
    )
    assert status == 0
    assert (asked["question"], asked["now"]) == ("top 2 addresses", datetime(2024, 3, 3, 1))
    assert (asked["model_path"], asked["threads"]) == (Path("m.gguf"), 1)
    assert asked["ahead"] is None  # may be large: loaded once the log was read
    text = capsys.readouterr().out
    assert "had the most failed passwords: 15 each of 45.\n\n  ip        count\n  10.0.0.0     15\n" in text


def test_ask_as_json(log: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked["plan"] = told_plan(
        sql="SELECT count(*) FROM logs WHERE ts >= TIMESTAMP '2024-03-03 01:00:00'",
        now=datetime(2024, 3, 3, 1, 29),
        now_source="log end",
        evidence_where="ts >= TIMESTAMP '2024-03-03 01:00:00'",
        subject="lines of the last half hour",
    )
    assert cli.run(["ask", "--output", "json", "--year", "2024", "how many in the last half hour", str(log)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["question"] == "how many in the last half hour"
    assert answer["rows"] == [[30]]
    assert answer["answer"] == (
        "There were 30 lines of the last half hour (counting back from the log's last line, 2024-03-03T01:29:00)."
    )
    assert [line["line_no"] for line in answer["evidence"]] == [61, 62, 63, 64, 65]
    assert answer["model"] == "told"
    assert answer["timing_ms"]["plan"] == 1.0


def test_ask_shows_the_query_only(log: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["ask", "--sql", "anything", str(log)]) == 0
    assert capsys.readouterr().out == f"{TOP}\n"


def test_ask_finds_nothing(log: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked["plan"] = told_plan(sql="SELECT count(*) FROM logs WHERE pid = 1", evidence_where="pid = 1")
    assert cli.run(["ask", "anything", str(log)]) == 1
    assert capsys.readouterr().out.startswith("There were no failed passwords.\n")


OTHER = Reading("SELECT count(*) FROM logs", "", 0.2, None, "lines", "how many lines")


def unsure_plan() -> Plan:
    return replace(told_plan(), sure=False, others=(OTHER,), unmatched=("warp",))


def test_an_answer_that_the_model_is_not_sure_of_says_so_and_names_other_readings(
    log: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["plan"] = unsure_plan()
    assert cli.run(["ask", "anything", str(log)]) == 0
    text = capsys.readouterr().out
    assert "nothing in it matches 'warp'" in text
    assert "Not sure (100%): this is one reading of the question.\n  or: how many lines\n" in text
    assert cli.run(["ask", "--output", "json", "anything", str(log)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["confidence"], answer["sure"], answer["unmatched"]) == (1.0, False, ["warp"])
    assert answer["readings"] == [{"text": "how many lines", "sql": "SELECT count(*) FROM logs"}]


NO_ADDRESS = "SELECT DISTINCT ip FROM logs WHERE pid = 1 AND ip IS NOT NULL"
NO_LINE = "SELECT count(*) FROM logs WHERE pid = 1"


@pytest.mark.parametrize(
    ("first", "sure", "answers"),
    [(NO_ADDRESS, False, True), (NO_LINE, False, False), (NO_ADDRESS, True, False), (TOP, False, False)],
)
def test_where_an_unsure_reading_finds_nothing_the_next_one_answers(
    first: str, sure: bool, answers: bool, log: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["plan"] = replace(told_plan(sql=first), sure=sure, others=() if sure else (OTHER,))
    status = cli.run(["ask", "--output", "json", "anything", str(log)])
    answer = json.loads(capsys.readouterr().out)
    assert answer["sql"] == (OTHER.sql if answers else first)
    assert status == (0 if answers or first == TOP else 1)
    if answers:
        assert (answer["confidence"], answer["sure"]) == (0.2, False)
        assert [one["sql"] for one in answer["readings"]] == [first]


@pytest.mark.parametrize(("typed", "rows"), [("2\n", 1), ("\n", 2)])
def test_a_person_at_a_terminal_chooses_the_reading(
    typed: str,
    rows: int,
    log: Path,
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked["plan"] = unsure_plan()
    monkeypatch.setattr("edgeslm.ask.cli.may_ask", lambda files: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert cli.run(["ask", "anything", str(log)]) == 0
    out, err = capsys.readouterr()
    assert "  1  told\n  2  how many lines\n" in err
    assert "Not sure" not in out
    assert ("SELECT count(*) FROM logs\n" in out) is (rows == 1)


def test_leaving_the_choice_ends_without_an_answer(
    log: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked["plan"] = unsure_plan()
    monkeypatch.setattr("edgeslm.ask.cli.may_ask", lambda files: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))  # the end of input, as Ctrl-D gives it
    assert cli.run(["ask", "anything", str(log)]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_only_a_person_at_a_terminal_is_asked(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", types.SimpleNamespace(isatty=lambda open=name != closed: open))
    assert not may_ask(("auth.log",))
    monkeypatch.setattr(f"sys.{closed}", types.SimpleNamespace(isatty=lambda: True))
    assert may_ask(("auth.log",))
    assert not may_ask(("-",))
    assert not may_ask(())


def test_yes_takes_the_likeliest_reading_without_asking(
    log: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked["plan"] = unsure_plan()
    monkeypatch.setattr("edgeslm.ask.cli.may_ask", lambda files: True)
    assert cli.run(["ask", "--yes", "anything", str(log)]) == 0
    assert TOP in capsys.readouterr().out


def _has_shipped_model() -> bool:
    try:
        return edgeslm.resources.default_model().is_file()
    except Exception:
        return False


shipped_model = pytest.mark.skipif(not _has_shipped_model(), reason="models/planner/planner.gguf is not there")


@shipped_model
def test_the_model_that_ships_answers_a_question(log: Path) -> None:
    done = edgeslm_process("ask", "--output", "json", "how many failed passwords", log)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["rows"] == [[45]]
    assert answer["model"]


@shipped_model
def test_the_model_that_ships_is_loaded_while_the_log_is_opened(log: Path, asked: dict[str, Any]) -> None:
    taken: list[str] = []
    plan = sys.modules["edgeslm.ask.planner"].__dict__["plan_question"]

    def plan_question(question: str, logs: Any, *, ahead: LoadAhead, **options: Any) -> Plan:
        with ahead.take() as model:
            taken.append(model.name)
        return cast(Plan, plan(question, logs, **options))

    sys.modules["edgeslm.ask.planner"].__dict__["plan_question"] = plan_question
    assert cli.run(["ask", "top 2 addresses", str(log)]) == 0
    assert taken == ["edgeslm-planner"]


@shipped_model
def test_a_log_that_cannot_be_read_is_told_and_nothing_of_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = threading.active_count()
    assert cli.run(["ask", "top 2 addresses", str(tmp_path / "no.log")]) == 2
    assert "no.log" in capsys.readouterr().err
    assert threading.active_count() == before


@shipped_model
def test_the_same_question_gets_the_same_query(log: Path) -> None:
    first, second = (edgeslm_process("ask", "--sql", "top 3 addresses", log).stdout for _ in range(2))
    assert first == second != ""


def test_a_series_names_its_buckets_no_finer_than_they_are(log: Path) -> None:
    series = "SELECT date_trunc('hour', ts) AS hour, count(*) AS count FROM logs GROUP BY hour ORDER BY hour"
    done = edgeslm_process("sql", "--output", "json", "--year", "2024", series, log)
    assert json.loads(done.stdout)["rows"] == [["2024-03-03T00", 60], ["2024-03-03T01", 30]]
