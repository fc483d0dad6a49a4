"""The gate on regressions that are really there: a slow sampler, a second copy of the weights, a worse model.

The first two are planted into the measured processes by a sitecustomize module, which Python imports as it starts; the
third is another GGUF. The model is the planner that ships; its fp32 base runs in transformers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the fp32 base needs the extra `convert`")
pytest.importorskip("transformers", reason="the fp32 base needs the extra `convert`")

from edgeslm.errors import ModelError
from edgeslm.resources import default_model
from edgeslm_bench.gate import MEMORY, SPEED, Loss, confirmed, losses
from edgeslm_bench.matrix import BASE, Group, Technique
from edgeslm_bench.measure_matrix import Machine, measure_group, to_records
from edgeslm_bench.measure_model import Subject
from edgeslm_bench.records import ResultFile
from edgeslm_convert.from_gguf import checkpoint_of
from edgeslm_convert.share.gguf_copy import Source, copy_file

OURS = "base-gguf-q8_0"
GROUP = Group("log-model", (Technique(BASE), Technique(OURS, type="Q8_0")), prompt_tokens=32, new_tokens=40, rounds=1)
PLANT = """
import sys
if any("worker_gguf" in part for part in sys.orig_argv):
    {code}
"""
SLEEP = """
    import time
    from edgeslm.engine import choice
    choose = choice.Chooser.choose
    def slow(self, index):
        time.sleep(0.02)
        return choose(self, index)
    choice.Chooser.choose = slow
"""
SECOND_COPY = """
    from edgeslm.engine import model
    load = model.Model.__init__
    def twice(self, path, **settings):
        load(self, path, **settings)
        self.second_copy = open(path, "rb").read()
    model.Model.__init__ = twice
"""
Measure = Callable[..., ResultFile]


@pytest.fixture(scope="module")
def model() -> Path:
    try:
        return default_model()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def measure(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    checkpoint = checkpoint_of(model, tmp_path_factory.mktemp("gate") / "checkpoint")

    def run(path: Path = model, questions: int = 0) -> ResultFile:
        group = Group(**{**GROUP.__dict__, "questions": questions})
        subjects = {BASE: Subject("base", checkpoint, "float32"), OURS: Subject("ours", path)}
        machine = Machine(threads=1)
        records = to_records(measure_group(group, subjects, machine), machine)
        return ResultFile(Path("run.json"), tuple(records), {}, {}, "")

    return run


@pytest.fixture(scope="module")
def baseline(measure: Measure) -> ResultFile:
    return measure(questions=2)


def plant(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every measured process of the engine run `code` as it starts."""
    (folder / "sitecustomize.py").write_text(PLANT.format(code=code.strip()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))


def timed(found: list[Loss]) -> set[str]:
    return {loss.measure for loss in found if loss.technique == OURS}


def without_questions(baseline: ResultFile) -> ResultFile:
    """The baseline's speed and memory alone, to compare with runs that ask nothing."""
    records = []
    for record in baseline.records:
        values = record.to_extra_info()
        dropped = ("quality_score", "valid_code_pct", "execution_success_pct", "syntax_errors")
        samples = {**values["samples"], "load": [*values["samples"]["load"][:2], 0]}
        records.append(type(record)(**{**values, **dict.fromkeys(dropped), "samples": samples}))
    return ResultFile(baseline.path, tuple(records), {}, {}, "")


def test_an_unchanged_tree_passes(baseline: ResultFile, measure: Measure) -> None:
    assert confirmed(baseline, measure(questions=2), lambda groups: measure(questions=2)) == []


def test_a_sleep_in_the_sampler_is_named(
    baseline: ResultFile, measure: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(SLEEP, tmp_path, monkeypatch)
    found = losses(without_questions(baseline), measure())
    assert SPEED in timed(found)
    loss = next(one for one in found if one.measure == SPEED)
    assert (loss.group, loss.technique) == ("log-model", OURS)
    assert loss.now < loss.allowed < loss.before


def test_a_second_copy_of_the_weights_is_named(
    baseline: ResultFile, measure: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(SECOND_COPY, tmp_path, monkeypatch)
    found = [loss for loss in losses(without_questions(baseline), measure()) if loss.measure == MEMORY]
    assert [(loss.group, loss.technique) for loss in found] == [("log-model", OURS)]
    assert found[0].now > found[0].allowed > found[0].before


def test_a_worse_model_is_named(baseline: ResultFile, measure: Measure, model: Path, tmp_path: Path) -> None:
    source, worse = Source(model), tmp_path / "worse.gguf"
    last = source.n_layer - 1
    swapped = {"blk.0.": f"blk.{last}.", f"blk.{last}.": "blk.0."}

    def other(name: str) -> str:
        start = next((start for start in swapped if name.startswith(start)), "")
        return swapped[start] + name.removeprefix(start) if start else name

    copy_file(source, worse, tensors=[(name, other(name)) for name in source.tensors], change=lambda writer: None)
    found = losses(baseline, measure(worse, questions=2))
    assert "quality_score" in timed(found)
    assert not timed(found) & {MEMORY, "bytes of the file"}
