"""What generated code is worth: is there any, does it parse, does it run, does it do what was asked.

The reference study's columns over a list of completions, each as a share of all completions:

- inference success: the model wrote something (more than white space) without an error;
- valid code: what it wrote parses with `ast` and holds a statement of its own;
- execution success: valid code that runs in the sandbox, the function asked for called, without an exception;
- syntax errors: how many were written and do not parse (a count);
- quality score: the mean over all completions of (valid + ran + right) / 3, each 0 or 1, where right means that what
  the prompt says about the results holds. So 0 is nothing that parses and 1 is all tasks solved.

A model of the form `code` goes on with the prompt: both are judged together. Of the form `instruction` the first fenced
block counts, or all the text where there is none. The last line of a completion that was cut off by the token limit is
left out. Code can use the packages of this Python; where one is missing it does not run.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeslm.errors import InputError
from edgeslm_bench.sandbox import Limits, Outcome, run
from edgeslm_bench.study import Written

_FENCE = re.compile(r"```[ \t]*(?:python|py|python3)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL | re.IGNORECASE)
_WRONG = "NotAsExpected"


@dataclass(frozen=True)
class Judged:
    """One completion, as far as it got. why: what it fails at, in words."""

    written: Written
    code: str = ""
    inferred: bool = False
    parses: bool = False
    valid: bool = False
    ran: bool = False
    right: bool = False
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """The columns over all completions, and each of them."""

    inference_success_pct: float
    valid_code_pct: float
    execution_success_pct: float
    syntax_errors: int
    quality_score: float
    judged: tuple[Judged, ...]


def judge(
    completions: Sequence[Written],
    limits: Limits | None = None,
    *,
    run_code: Callable[[str, Limits | None], Outcome] = run,
) -> Verdict:
    """Judge what was written. Raises InputError where nothing was, SandboxError where code cannot be run safely."""
    if not completions:
        raise InputError("there is nothing to judge")
    judged = tuple(judge_one(one, limits, run_code=run_code) for one in completions)

    def percent(found: Sequence[bool]) -> float:
        return 100 * sum(found) / len(judged)

    return Verdict(
        inference_success_pct=percent([one.inferred for one in judged]),
        valid_code_pct=percent([one.valid for one in judged]),
        execution_success_pct=percent([one.ran for one in judged]),
        syntax_errors=sum(one.inferred and not one.parses for one in judged),
        quality_score=sum((one.valid + one.ran + one.right) / 3 for one in judged) / len(judged),
        judged=judged,
    )


def judge_one(
    written: Written,
    limits: Limits | None = None,
    *,
    run_code: Callable[[str, Limits | None], Outcome] = run,
) -> Judged:
    """Judge one completion."""
    if not written.text.strip():
        return Judged(written, why=written.error or "nothing was written")
    code = code_of(written)
    if why := syntax_problem(code):
        return Judged(written, code, inferred=True, why=why)
    if _says_nothing(written, code):
        return Judged(written, code, inferred=True, parses=True, why="no statement of its own")
    outcome = run_code(f"{code}\n\n{_test_of(written)}", limits)
    wrong = outcome.error.startswith(_WRONG)
    right = outcome.status == "finished"
    why = "" if right else "its results are wrong" if wrong else outcome.error or "it left before the end"
    return Judged(
        written, code, inferred=True, parses=True, valid=True, ran=outcome.succeeded or wrong, right=right, why=why
    )


def code_of(written: Written) -> str:
    """The Python that counts in what was written."""
    text = written.text.replace("\r\n", "\n")
    if written.form == "instruction" and (block := _FENCE.search(text)):
        closed = block.group(0).endswith("```")
        return block.group(1) if closed else _without_torn_line(block.group(1), written.finished)
    text = _without_torn_line(text, written.finished)
    return written.prompt.code + text if written.form == "code" else text


def syntax_problem(code: str) -> str:
    """Why `code` does not parse, or an empty text."""
    try:
        with warnings.catch_warnings():  # of odd but valid code
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _says_nothing(written: Written, code: str) -> bool:
    """Whether code that parses is the prompt's alone, or comments."""
    given = written.prompt.code if written.form == "code" else ""
    return _statements(code) == _statements(given)


def _statements(code: str) -> str:
    return "" if syntax_problem(code) else ast.dump(ast.parse(code))


def _without_torn_line(text: str, finished: bool) -> str:
    return text if finished else text.rpartition("\n")[0]


def _test_of(written: Written) -> str:
    prompt = written.prompt
    return (
        f"{prompt.use}\n"
        f"class {_WRONG}(Exception): pass\n"
        f"try: _right = {prompt.right}\n"
        f"except Exception: _right = False\n"
        f"if not _right: raise {_WRONG}\n"
    )
