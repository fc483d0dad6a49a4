"""The study's prompts can be met, and what is wrong with a completion is counted where the columns say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm_bench import sandbox_walls
from edgeslm_bench.judge import Verdict, code_of, judge, judge_one, syntax_problem
from edgeslm_bench.sandbox import Limits, Outcome
from edgeslm_bench.study import KINDS, Prompt, Written, new_tokens, prompts, write

needs_sandbox = pytest.mark.skipif(bool(sandbox_walls.missing()), reason="code cannot be run safely on this machine")
TASK = Prompt(
    name="double",
    kind="scientific",
    instruction="Write a Python function double(x).",
    code='def double(x):\n    """Twice `x`."""\n',
    solution="    return 2 * x\n",
    use="double(2)",
    right="double(2) == 4",
)


def went_on(text: str, *, finished: bool = True) -> Written:
    return Written(TASK, "code", text, finished)


def answered(text: str, *, finished: bool = True) -> Written:
    return Written(TASK, "instruction", text, finished)


def columns(verdict: Verdict) -> tuple[float, ...]:
    return (
        verdict.inference_success_pct,
        verdict.valid_code_pct,
        verdict.execution_success_pct,
        verdict.syntax_errors,
        round(verdict.quality_score, 3),
    )


def test_there_are_two_prompts_of_each_of_the_studys_kinds() -> None:
    found = prompts()
    assert sorted(prompt.kind for prompt in found) == sorted(KINDS * 2)
    assert len({prompt.name for prompt in found}) == 10
    assert (new_tokens("code"), new_tokens("instruction")) == (256, 300)
    assert all(f"def {prompt.name}(" in prompt.code and f"{prompt.name}(" in prompt.instruction for prompt in found)


@needs_sandbox
def test_every_prompt_can_be_met_in_both_forms() -> None:
    solved = [Written(prompt, "code", prompt.solution) for prompt in prompts()]
    solved += [
        Written(prompt, "instruction", f"Sure:\n```python\n{prompt.code}{prompt.solution}```") for prompt in prompts()
    ]
    verdict = judge(solved)
    assert [one.why for one in verdict.judged] == [""] * 20
    assert columns(verdict) == (100, 100, 100, 0, 1)


@needs_sandbox
@pytest.mark.parametrize("prompt", prompts(), ids=lambda prompt: prompt.name)
def test_a_solution_that_returns_nothing_is_not_right(prompt: Prompt) -> None:
    found = judge_one(Written(prompt, "code", re.sub(r"return .*", "return None", prompt.solution, count=1)))
    assert (found.valid, found.right) == (True, False)


@needs_sandbox
def test_each_way_to_fail_is_counted_in_its_column() -> None:
    right, wrong, raising = "    return 2 * x\n", "    return x\n", "    return y\n"
    verdict = judge(
        [
            went_on(right),
            went_on(wrong),
            went_on(raising),
            went_on("    return (\n"),
            went_on("  \n"),
            Written(TASK, "code", "", error="the prompt does not fit"),
            went_on("    # later\n"),
            went_on("    return 2 * x\nimport sys; sys.exit()\n"),
        ]
    )
    assert columns(verdict) == (75.0, 50.0, 37.5, 1, round((3 + 2 + 1 + 2) / 3 / 8, 3))
    assert [one.why for one in verdict.judged] == [
        "",
        "its results are wrong",
        "NameError: name 'y' is not defined",
        "SyntaxError: '(' was never closed (line 3)",
        "nothing was written",
        "the prompt does not fit",
        "no statement of its own",
        "it left before the end",
    ]


@needs_sandbox
def test_code_that_does_not_end_or_reaches_out_does_not_run() -> None:
    harmful = ["    while True: pass\n", "    open('/etc/passwd')\n", "    __import__('os').fork()\n"]
    verdict = judge([went_on(code) for code in harmful], Limits(wall_s=5, cpu_s=1))
    assert columns(verdict) == (100, 100, 0, 0, 0.333)


def test_where_code_cannot_be_run_safely_it_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeslm_bench.sandbox.missing", lambda: ["seccomp"])
    with pytest.raises(Exception, match="cannot be run safely on this machine"):
        judge([went_on("    return 2 * x\n")])


def test_nothing_to_judge_is_an_error() -> None:
    with pytest.raises(InputError, match="nothing to judge"):
        judge([])


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (went_on("    return 1"), TASK.code + "    return 1"),
        (went_on("    return 1\nx = [1,", finished=False), TASK.code + "    return 1"),
        (went_on("    return", finished=False), TASK.code),
        (answered("Here:\n```python\nx = 1\n```\nThat is it."), "x = 1"),
        (answered("```\nx = 1\n```\n```\ny = 2\n```"), "x = 1"),
        (answered("```py\r\nx = 1\r\n```"), "x = 1"),
        (answered("```python\nx = 1\ny = [", finished=False), "x = 1"),
        (answered("```python\nx = 1\n```\nThis co", finished=False), "x = 1"),
        (answered("x = 1\n"), "x = 1\n"),
        (answered("I cannot do that."), "I cannot do that."),
    ],
)
def test_which_code_counts(written: Written, code: str) -> None:
    assert code_of(written) == code


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1", ""),
        ("'\\d'", ""),
        ("x = = 1", "SyntaxError: invalid syntax (line 1)"),
        ("if True:\nx", "IndentationError: expected an indented block after 'if' statement on line 1 (line 2)"),
        ("x\0", "source code string cannot contain null bytes"),
    ],
)
def test_why_code_does_not_parse(code: str, problem: str) -> None:
    assert problem in syntax_problem(code)
    assert bool(problem) == bool(syntax_problem(code))


def test_nesting_deeper_than_the_parser_goes_is_a_syntax_problem_and_no_crash() -> None:
    with pytest.raises((MemoryError, RecursionError, SyntaxError)):
        ast.parse("(" * 5000)
    assert syntax_problem("(" * 5000)


def test_a_model_goes_on_with_the_prompts(tiny_llama: Path) -> None:
    written = write(tiny_llama, "code", among=prompts()[:2])
    assert [one.prompt.name for one in written] == ["nearest_neighbour", "best_threshold"]
    assert all(one.error == "" and one.form == "code" for one in written)
    verdict = judge(written, run_code=lambda code, limits: Outcome("failed", "not run here"))
    assert verdict.execution_success_pct == 0


def test_a_prompt_that_does_not_fit_is_an_inference_that_failed(tiny_llama: Path) -> None:
    long = Prompt("long", "scientific", "", "x = 1\n" * 5000, "", "x", "x == 1")
    (written,) = write(tiny_llama, "code", among=[long])
    assert (written.text, written.finished) == ("", False)
    assert "does not fit" in written.error
    assert judge([written]).inference_success_pct == 0
