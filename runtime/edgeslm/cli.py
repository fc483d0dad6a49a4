"""The `edgeslm` command: finds the command that was asked for, imports only that one, and turns errors into messages.

Commands of this package are in a table; those of the other rooms come from the entry-point group `edgeslm.commands`
(reading that costs 50 ms, so it is done only when the table does not know the name, or for --help).
This is the one place where an EdgeSlmError becomes text on stderr and an exit code.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from typing import Any, NoReturn

import click

from edgeslm import __version__
from edgeslm.errors import EdgeSlmError

OWN_COMMANDS = {
    "ask": "edgeslm.ask.cli:ask",
    "doctor": "edgeslm.cli:doctor",
    "generate": "edgeslm.generate.cli:generate",
    "sql": "edgeslm.ask.cli:sql",
}
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*OWN_COMMANDS, *_foreign_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = OWN_COMMANDS.get(cmd_name) or _foreign_commands().get(cmd_name)
        if target is None:
            return None
        try:
            return _import_command(target)
        except ModuleNotFoundError as error:
            if ctx.resilient_parsing:
                return None
            raise _missing_package(cmd_name, error) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        for name in names:
            try:
                command = self.get_command(ctx, name)
                rows.append((name, command.get_short_help_str(room) if command else ""))
            except EdgeSlmError as error:
                rows.append((name, f"({error.hint})"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()  # the reader went away (`| head`)
            ctx.exit(_BROKEN_PIPE)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            _drop_output()
            what, why = error.filename or "the output", os.strerror(error.errno)
            raise EdgeSlmError(f"cannot write {what}", reason=why, hint="make room, or write it elsewhere") from error
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] == "edgeslm":
                raise
            raise _missing_package(ctx.invoked_subcommand or "edgeslm", error) from error


def _drop_output() -> None:
    """What is still buffered must not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgeslm")
def edgeslm() -> None:
    """Ask a machine log a question in plain words, offline."""


@click.command()
@click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print it."
)
@click.pass_context
def doctor(ctx: click.Context, output: str) -> None:
    """Check the installation: what is there, what is missing, what to do.

    Exits with 0 if all is well, else with 1.
    """
    from edgeslm.doctor import examine

    report = examine()
    click.echo(json.dumps(report.to_dict(), indent=2) if output == "json" else report.to_text())
    ctx.exit(0 if report.is_well else 1)


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit code. Every message about an error is written here."""
    try:
        result = edgeslm.main(arguments, prog_name="edgeslm", standalone_mode=False)
    except EdgeSlmError as error:
        sys.stderr.write(describe(error))
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        # A progress bar may have hidden the cursor.
        sys.stderr.write("\x1b[0m\x1b[?25h\n" if sys.stderr.isatty() else "\n")
        return _INTERRUPTED
    return result if isinstance(result, int) else 0


def describe(error: EdgeSlmError) -> str:
    """The message for a person, ending with a newline: what failed, why, what to do. Safe to print on a terminal."""
    from edgeslm.answer.terminal import safe

    lines = [f"error: {safe(error.message)}"]
    if error.reason:
        lines.append(f"  because {safe(error.reason)}")
    if error.hint:
        lines.append(f"  hint: {safe(error.hint)}")
    return "\n".join(lines) + "\n"


def _foreign_commands() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group="edgeslm.commands")}


def _import_command(target: str) -> click.Command:
    from importlib import import_module

    module, _, attribute = target.partition(":")
    command = getattr(import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{target} is not a click command")
    return command


def _missing_package(command: str, error: ModuleNotFoundError) -> EdgeSlmError:
    """The error that names the extra which brings the missing package."""
    module = (error.name or "").split(".")[0]
    extra = _extra_of(module)
    package = f"edgeslm[{extra}]" if extra else module
    return EdgeSlmError(
        f"`edgeslm {command}` needs a package that is not installed",
        reason=f"there is no module {error.name}",
        hint=f"pip install '{package}'",
    )


def _extra_of(module: str) -> str:
    """The extra of this distribution that requires `module`, or an empty text."""
    rooms = {"edgeslm_convert": "convert", "edgeslm_bench": "bench"}
    if module in rooms:
        return rooms[module]
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = requires("edgeslm") or []
    except PackageNotFoundError:
        return ""
    for requirement in requirements:
        match = re.match(r"([A-Za-z0-9._-]+).*extra\s*==\s*['\"](\w+)['\"]", requirement)
        if match and match.group(1).replace("-", "_").lower() == module.lower():
            return match.group(2)
    return ""
