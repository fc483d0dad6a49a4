"""The command line as a whole: every command has help, and errors leave as exact text with the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgeslm import cli
from edgeslm.errors import EdgeSlmError, InputError

NAMES = cli.edgeslm.list_commands(click.Context(cli.edgeslm))


def command(name: str) -> click.Command:
    found = cli.edgeslm.get_command(click.Context(cli.edgeslm), name)
    assert found is not None
    return found


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `edgeslm failing` a command that raises `error`."""

    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setitem(cli.OWN_COMMANDS, "failing", "none:none")
    monkeypatch.setattr(cli, "_import_command", lambda target: failing)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_and_documents_every_option(name: str) -> None:
    found = command(name)
    assert found.get_short_help_str()
    undocumented = [
        option.name for option in found.params if isinstance(option, click.Option) and not (option.help or "").strip()
    ]
    assert undocumented == []
    result = CliRunner().invoke(cli.edgeslm, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: edgeslm {name}")


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(cli.edgeslm, ["--help"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.partition("Commands:\n")[2].splitlines() if line[2:3] != " "] == (
        NAMES
    )


def test_an_error_says_what_failed_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, InputError("cannot read x.log", reason="it is a directory", hint="name a file"))
    assert cli.run(["failing"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: cannot read x.log\n  because it is a directory\n  hint: name a file\n",
    )


def test_an_error_that_quotes_control_characters_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, EdgeSlmError("no file \x1b[2Jx\r\n\x9b31m"))
    assert cli.run(["failing"]) == 2
    assert capsys.readouterr().err == "error: no file \\x1b[2Jx\\r\\n\\x9b31m\n"


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("torch", "pip install 'edgeslm[convert]'"),
        ("psutil", "pip install 'edgeslm[bench]'"),
        ("edgeslm_bench.speed", "pip install 'edgeslm[bench]'"),
        ("somethingelse", "pip install 'somethingelse'"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, hint: str
) -> None:
    fail_with(monkeypatch, ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert cli.run(["failing"]) == 2
    assert capsys.readouterr().err == (
        f"error: `edgeslm failing` needs a package that is not installed\n"
        f"  because there is no module {module}\n"
        f"  hint: {hint}\n"
    )


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["nosuch"]) == 2
    assert "No such command 'nosuch'" in capsys.readouterr().err


def test_ctrl_c_exits_with_130_and_prints_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())
    assert cli.run(["failing"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_a_command_imports_only_what_it_needs() -> None:
    code = "import sys; from edgeslm import cli; cli.run(['--version']); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"duckdb", "numpy", "rich", "importlib.metadata", "edgeslm.ask", "edgeslm.logs"} & set(loaded)


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals as on POSIX")
def test_a_reader_that_goes_away_is_not_an_error() -> None:
    code = (
        "import click, sys; from edgeslm import cli\n"
        "talk = click.Command('talk', callback=lambda: print('y' * 200_000))\n"
        "cli.OWN_COMMANDS['talk'] = 'none:none'; cli._import_command = lambda target: talk\n"
        "sys.exit(cli.run(['talk']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("printing", ["print('y')", "click.echo('y')", "print('y' * 200_000)"])
def test_a_full_disk_under_the_output_is_said_and_is_no_empty_answer(printing: str) -> None:
    code = (
        "import click, sys; from edgeslm import cli\n"
        f"talk = click.Command('talk', callback=lambda: {printing})\n"
        "cli.OWN_COMMANDS['talk'] = 'none:none'; cli._import_command = lambda target: talk\n"
        "sys.exit(cli.run(['talk']))\n"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: cannot write the output\n  because No space left on device\n  hint: make room, or write it elsewhere\n"
    )


def test_other_errors_of_the_system_are_not_taken_for_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, OSError(5, "Input/output error"))
    with pytest.raises(OSError, match="Input/output"):
        cli.run(["failing"])


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_a_real_interrupt_ends_the_process_with_130(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import click, pathlib, signal, sys, time; from edgeslm import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background starts with it ignored
        f"wait = click.Command('wait', callback=lambda: (pathlib.Path({str(ready)!r}).touch(), time.sleep(30)))\n"
        "cli.OWN_COMMANDS['wait'] = 'none:none'; cli._import_command = lambda target: wait\n"
        "sys.exit(cli.run(['wait']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 20
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(20) == 130
