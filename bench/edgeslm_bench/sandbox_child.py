"""The process that runs generated code: raises the walls, says so, runs one file, says how it ended.

Started by `edgeslm_bench.sandbox` alone, with its orders as arguments. It refuses to run anything before every wall
stands. It says one line when they stand and one at the end, a word and a text, on the pipe that it is given.
"""

from __future__ import annotations

import os
import runpy
import sys

from edgeslm_bench import sandbox_walls as walls

_LONGEST_ERROR = 500


def main() -> None:
    """Follow the orders: pipe, parent's id, folder, program, where this package is, four limits, readable paths."""
    pipe, parent = map(int, sys.argv[1:3])
    folder, program, home = sys.argv[3:6]
    try:
        raise_walls(parent, folder, [int(limit) for limit in sys.argv[6:10]], sys.argv[10:])
    except OSError as error:
        _say(pipe, "refused", str(error))
        return
    _leave_no_trace(folder, program, home)
    _say(pipe, "walls")
    _say(pipe, *_run(program))


def raise_walls(parent: int, folder: str, limits: list[int], readable: list[str]) -> None:
    """All of them, in the order in which each can still be raised."""
    walls.die_with_parent(parent)
    walls.leave_network()
    walls.limit_resources(*limits)
    walls.drop_privileges()
    walls.restrict_files(folder, readable)
    walls.filter_calls()


def _leave_no_trace(folder: str, program: str, home: str) -> None:
    """The program finds itself as `python program.py` would have it."""
    os.environ.pop("PYTHONPATH", None)
    sys.path[:] = [folder, *(path for path in sys.path if path != home)]
    sys.argv[:] = [program]


def _run(program: str) -> tuple[str, str]:
    """How it ended. "exited": it left by sys.exit with success, so that what stands after may not have run."""
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if end.code in (None, 0):
            return "exited", ""
        return "failed", _describe(end)
    except BaseException as error:
        walls.use_spare_memory()
        return "failed", _describe(error)
    return "finished", ""


def _describe(error: BaseException) -> str:
    try:
        text = str(error).strip()
    except BaseException:  # its __str__ is the program's
        text = ""
    return f"{type(error).__name__}: {text[:_LONGEST_ERROR]}".removesuffix(": ")


def _say(pipe: int, word: str, text: str = "") -> None:
    line = f"{word} {text}".encode("unicode_escape")  # one line, whatever the text holds
    os.write(pipe, line + b"\n")


if __name__ == "__main__":
    main()
