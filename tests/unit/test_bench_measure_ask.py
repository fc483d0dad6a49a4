"""What `measure-ask` compares before it keeps a number, and the table it prints."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeslm_bench import cli, measure_ask
from edgeslm_bench.ask_table import beyond_limits, ratio_to_lnav, to_markdown
from edgeslm_bench.machine import cpu_model, machine_line
from edgeslm_bench.make_log import START
from edgeslm_bench.measure_ask import TASKS, DisagreementError, Measure, compare, make_log, median_run, plain
from edgeslm_bench.process import Run

TASK = TASKS[0]


def run_of(output: str = "", wall_s: float = 1.0, peak_mb: float = 50.0, status: int = 0, errors: str = "") -> Run:
    return Run(wall_s, wall_s / 2, 0.1, peak_mb, status, output, errors)


def ask_run(*rows: list[object]) -> Run:
    return run_of(json.dumps({"rows": rows}))


def lnav_run(*rows: dict[str, object]) -> Run:
    return run_of(json.dumps(rows))


def test_times_of_both_tools_are_read_alike() -> None:
    assert plain("2024-12-10T01:02:03") == plain("2024-12-10 01:02:03.000") == "2024-12-10T01:02:03"
    assert (plain("10.0.0.1"), plain(7), plain(None)) == ("10.0.0.1", 7, None)


def test_equal_answers_agree_whatever_the_columns_are_called() -> None:
    compare(TASK, {"edgeslm": ask_run(["10.0.0.1", 3]), "lnav": lnav_run({"ip": "10.0.0.1", "n": 3})})


@pytest.mark.parametrize("rows", [[{"n": 4}], [{"n": 3}, {"n": 3}], []])
def test_answers_that_differ_are_an_error_that_shows_both(rows: list[dict[str, object]]) -> None:
    with pytest.raises(DisagreementError) as caught:
        compare(TASK, {"edgeslm": ask_run([3]), "lnav": lnav_run(*rows)})
    assert caught.value.message == f"the answers to {TASK.question!r} differ"
    assert caught.value.reason.startswith("edgeslm: [(3,)]; lnav: [")


def test_two_empty_answers_prove_nothing() -> None:
    with pytest.raises(DisagreementError):
        compare(TASK, {"edgeslm": ask_run(), "lnav": lnav_run()})


def test_a_tool_alone_is_measured_without_lnav() -> None:
    compare(TASK, {"edgeslm": ask_run([3])})


def test_a_tool_that_fails_is_named_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = run_of(status=2, errors="warning\nerror: no such file\n")
    monkeypatch.setattr(measure_ask, "run_process", lambda *_, **__: failed)
    with pytest.raises(DisagreementError) as caught:
        list(measure_ask.measure({10: Path("log")}, 1))
    assert caught.value.message == "edgeslm ended with exit status 2"
    assert caught.value.reason == "error: no such file"


def test_the_median_time_and_the_highest_peak_count() -> None:
    runs = [run_of(wall_s=wall, peak_mb=peak) for wall, peak in ((9.0, 10.0), (1.0, 70.0), (2.0, 30.0))]
    assert median_run(runs, 10, "count", "lnav") == Measure(10, "count", "lnav", 2.0, 1.0, 70.0)


def test_the_first_round_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = iter([50.0, 1.0, 3.0, 2.0] * len(TASKS))
    monkeypatch.setattr(measure_ask, "lnav_command", lambda *_: None)
    monkeypatch.setattr(measure_ask, "_run", lambda *_: run_of('{"rows": [[1]]}', wall_s=next(walls)))
    assert [one.wall_s for one in measure_ask.measure({10: Path("log")}, 3)] == [2.0] * len(TASKS)


def test_a_processs_bytecode_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import os; print('PYTHONDONTWRITEBYTECODE' in os.environ)"
    assert measure_ask._run("edgeslm", [sys.executable, "-c", code]).output == "False\n"


def test_a_log_is_made_once_with_the_time_of_its_end(tmp_path: Path) -> None:
    path = make_log(tmp_path, 50)
    first = path.stat()
    assert len(path.read_text().splitlines()) == 50
    assert make_log(tmp_path, 50).stat().st_ino == first.st_ino
    assert START.timestamp() < first.st_mtime < START.timestamp() + 2 * 86400


LARGE = [Measure(10**6, "count", "edgeslm", 1.5, 1.25, 99.6), Measure(10**6, "count", "lnav", 3.0, 2.5, 80.0)]


def test_the_table_has_a_row_a_measure_and_the_ratio_of_edgeslm() -> None:
    assert to_markdown(LARGE).split("\n") == [
        "| lines | question | tool | wall s | user s | peak RSS MB | wall, ratio to lnav |",
        "| --: | --- | --- | --: | --: | --: | --: |",
        "| 1,000,000 | count | edgeslm | 1.50 | 1.25 | 100 | 0.50 |",
        "| 1,000,000 | count | lnav | 3.00 | 2.50 | 80 |  |",
    ]
    assert [ratio_to_lnav(one, LARGE) for one in LARGE] == [0.5, None]


def test_numbers_within_the_limits_give_no_complaint() -> None:
    assert beyond_limits([*LARGE, Measure(2000, "count", "edgeslm", 0.8, 0.5, 180.0)]) == []


def test_every_number_beyond_a_limit_is_named() -> None:
    slow = [
        Measure(2000, "count", "edgeslm", 0.9, 0.5, 181.0),
        Measure(10**6, "count", "edgeslm", 3.3, 0.5, 251.0),
        Measure(10**6, "count", "lnav", 3.0, 0.5, 900.0),
    ]
    assert beyond_limits(slow) == [
        "count on 2,000 lines: 0.90 s, at most 0.8 s",
        "count on 2,000 lines: 181 MB, at most 180 MB",
        "count on 1,000,000 lines: 1.10 times lnav's time, at most 1",
        "count on 1,000,000 lines: 251 MB, at most 250 MB",
    ]


def test_the_cpu_is_named_as_the_system_names_it(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n")
    assert cpu_model(info) == "AMD EPYC"
    assert machine_line().startswith(cpu_model())


def test_the_command_prints_table_machine_and_what_is_beyond(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(measure_ask, "measure", lambda *_, **__: iter([Measure(2000, "count", "edgeslm", 1, 1, 90)]))
    done = CliRunner().invoke(cli.measure_ask, ["--lines", "30", "--folder", str(tmp_path)])
    lines = done.output.split("\n")
    assert lines[0] == "lnav: not installed"
    assert lines[3] == "| 2,000 | count | edgeslm | 1.00 | 1.00 | 90 |  |"
    assert lines[-2] == "beyond the limit: count on 2,000 lines: 1.00 s, at most 0.8 s"
    assert done.exit_code == 1


def test_make_log_writes_as_many_lines_as_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "made.log"
    done = CliRunner().invoke(cli.make_log, ["--lines", "30", "--out", str(out)])
    assert done.output == f"{out}: 30 lines, {out.stat().st_size:,} bytes\n"
    assert len(out.read_text().splitlines()) == 30


@pytest.mark.skipif(shutil.which("lnav") is None, reason="lnav is not installed")
def test_lnav_understands_every_statement(tmp_path: Path) -> None:
    path = make_log(tmp_path, 200)
    for task in TASKS:
        command = measure_ask.lnav_command(task, path)
        assert command is not None
        assert measure_ask.read_lnav(measure_ask._run("lnav", command).output), task.name
