"""How good the models of a group are at what they were trained for, in the study's columns: SQL for logs, or Python.

Only models with trained weights are judged. Refuses to know how a judgement is made; `log_quality` and `judge` do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeslm_bench import judge, log_quality, study
from edgeslm_bench.matrix import Group
from edgeslm_bench.measure_model import Subject
from edgeslm_bench.sandbox import SandboxError

CODE = "code-model"


@dataclass(frozen=True)
class Quality:
    """The study's quality columns: shares in percent, a count, a score from 0 to 1. asked: how many there were."""

    inference_success_pct: float
    valid_code_pct: float
    execution_success_pct: float
    syntax_errors: int
    quality_score: float
    asked: int
    note: str


def judge_group(
    group: Group, subjects: Mapping[str, Subject], threads: int, *, say: Callable[[str], None] = lambda text: None
) -> tuple[dict[str, Quality], str]:
    """Technique -> quality, for every GGUF, and why nothing was judged, if so. All models get the same questions."""
    if group.weights == "random":
        return {}, "random weights: speed and memory only"
    ggufs = {name: one for name, one in subjects.items() if not one.dtype}
    found: dict[str, Quality] = {}
    if group.questions:
        questions = log_quality.make_questions(group.questions)
        for name, one in ggufs.items():
            say(f"{len(questions)} questions: {one.name}")
            found[name] = _of_log(
                log_quality.measure(one.path, questions, exit_layer=one.exit_layer, threads=threads)
            )  # fmt: skip
    elif group.name == CODE:
        for name, one in ggufs.items():
            say(f"the study's prompts: {one.name}")
            try:
                found[name] = _of_code(judge.judge(study.write(one.path, "code", threads=threads)))
            except SandboxError as error:
                return {}, f"quality not judged: {error.message}"
    return found, ""


def _of_log(found: log_quality.LogQuality) -> Quality:
    return Quality(
        found.percent(found.written),
        found.percent(found.valid),
        found.percent(found.ran),
        found.written - found.valid,
        found.percent(found.right) / 100,
        found.asked,
        f"SQL, {found.right} of {found.asked} questions right",
    )


def _of_code(verdict: judge.Verdict) -> Quality:
    right = sum(one.right for one in verdict.judged)
    return Quality(
        verdict.inference_success_pct,
        verdict.valid_code_pct,
        verdict.execution_success_pct,
        verdict.syntax_errors,
        verdict.quality_score,
        len(verdict.judged),
        f"Python, {right} of {len(verdict.judged)} prompts solved",
    )
