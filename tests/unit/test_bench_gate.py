"""The gate's arithmetic: ratios round by round, tolerance by noise, losses named, what cannot be compared refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from edgeslm.errors import InputError
from edgeslm_bench.gate import MEMORY, SPEED, confirmed, losses, pooled, ratio
from edgeslm_bench.matrix import BASE
from edgeslm_bench.records import Record, ResultFile

LOAD = [64.0, 96.0, 8.0]


def record(technique: str, speeds: list[float], rss: float = 50e6, quality: float | None = None) -> Record:
    samples: dict[str, list[float]] = {
        "decode_tokens_s": speeds,
        "rss_bytes": [rss] * len(speeds),
        "load": LOAD,
        "asked": [60.0],
    }
    return Record("log-model", technique, "trained", file_bytes=1000, quality_score=quality, samples=samples)


def run(*records: Record) -> ResultFile:
    return ResultFile(Path("run.json"), records, {}, {}, "")


BASELINE = run(record(BASE, [10, 10, 10], 400e6), record("pruned", [100, 101, 99], quality=0.8))


def test_a_run_compared_with_itself_has_no_loss() -> None:
    assert losses(BASELINE, BASELINE) == []


def test_a_slow_machine_is_no_loss_as_long_as_the_base_is_slow_too() -> None:
    now = run(record(BASE, [1, 2, 3], 400e6), record("pruned", [10, 20, 30], quality=0.8))
    assert losses(BASELINE, now) == []


def test_a_slower_technique_is_named_with_both_numbers_and_what_was_allowed() -> None:
    now = run(record(BASE, [10, 10, 10], 400e6), record("pruned", [50, 50.5, 49.5], quality=0.8))
    (loss,) = losses(BASELINE, now)
    assert (loss.group, loss.technique, loss.measure, loss.before, loss.now) == ("log-model", "pruned", SPEED, 10, 5)
    assert loss.to_text() == (
        "log-model, pruned: tokens/s to the base's was 10 and is 5, allowed is at least 7.5"
    )  # fmt: skip


def test_more_memory_is_named() -> None:
    now = run(record(BASE, [10, 10, 10], 400e6), record("pruned", [100, 101, 99], rss=60e6, quality=0.8))
    (loss,) = losses(BASELINE, now)
    assert (loss.measure, loss.now) == (MEMORY, 0.15)
    assert loss.allowed == pytest.approx(0.125 * 1.06)
    assert "at most" in loss.to_text()


def test_fewer_right_answers_and_a_larger_file_are_named() -> None:
    worse = replace(record("pruned", [100, 101, 99], quality=0.7), file_bytes=1100)
    found = losses(BASELINE, run(BASELINE.records[0], worse))
    assert [loss.measure for loss in found] == ["bytes of the file", "quality_score"]


def test_two_turned_answers_of_sixty_are_no_loss_three_are() -> None:
    for wrong, count in ((2, 0), (3, 1)):
        now = record("pruned", [100, 101, 99], quality=0.8 - wrong / 60)
        assert len(losses(BASELINE, run(BASELINE.records[0], now))) == count


def test_noise_widens_the_band_but_never_beyond_half_the_speed() -> None:
    noisy = run(record(BASE, [10, 10, 10], 400e6), record("pruned", [40, 65, 90], quality=0.8))
    assert losses(BASELINE, noisy) == []
    hopeless = run(record(BASE, [10, 10, 10], 400e6), record("pruned", [10, 45, 90], quality=0.8))
    assert [loss.allowed for loss in losses(BASELINE, hopeless)] == [5.0]


def test_rounds_that_agree_by_chance_are_judged_by_the_noise_of_the_others() -> None:
    def with_others(speeds: list[float]) -> ResultFile:
        others = [record(name, [60, 100, 140], quality=0.8) for name in ("shared", "low-rank", "early-exit")]
        return run(record(BASE, [10, 10, 10], 400e6), record("pruned", speeds, quality=0.8), *others)

    assert losses(with_others([100, 100, 100]), with_others([70, 70, 70])) == []
    assert [loss.technique for loss in losses(with_others([100, 100, 100]), with_others([40, 40, 40]))] == ["pruned"]


def test_a_measure_or_a_technique_that_is_gone_is_a_loss() -> None:
    silent = replace(BASELINE.records[1], samples={"load": LOAD}, quality_score=None)
    found = losses(BASELINE, run(BASELINE.records[0], silent))
    assert [loss.measure for loss in found] == [
        "tokens/s to the base's (not measured any more)",
        "peak RSS to the base's (not measured any more)",
        "quality_score (not measured any more)",
    ]
    assert all(math.isnan(loss.now) for loss in found)
    (gone,) = losses(BASELINE, run(BASELINE.records[0]))
    assert (gone.technique, gone.measure) == ("pruned", "not measured any more")


def test_a_new_technique_and_a_group_left_out_are_no_loss() -> None:
    other = Record("code-model", "pruned", "trained")
    assert losses(run(*BASELINE.records, other), run(*BASELINE.records, record("shared", [1, 1, 1]))) == []


def test_runs_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        losses(BASELINE, run(Record("code-model", BASE, "trained")))
    other = [replace(one, samples={**(one.samples or {}), "load": [64.0, 300.0, 8.0]}) for one in BASELINE.records]
    with pytest.raises(InputError, match="other loads"):
        losses(BASELINE, run(*other))


def test_ratios_are_taken_round_by_round() -> None:
    found = ratio(record("pruned", [100, 10, 50]), record(BASE, [10, 1, 5]), "decode_tokens_s")
    assert found is not None
    assert (found.value, found.noise) == (10, 0)
    assert ratio(record("pruned", [1]), None, "decode_tokens_s") is None


def test_pooled_rounds_outvote_a_noisy_run_and_confirm_a_loss() -> None:
    noisy = run(record(BASE, [10] * 3, 400e6), record("pruned", [50, 50, 50], quality=0.8))
    fine = run(record(BASE, [10] * 4, 400e6), record("pruned", [100] * 4, quality=0.8))
    assert losses(BASELINE, noisy)
    assert losses(BASELINE, pooled(noisy, fine)) == []
    assert losses(BASELINE, pooled(noisy, noisy))
    assert (pooled(noisy, fine).records[1].samples or {})["load"] == LOAD


def test_a_suspected_loss_is_measured_again_and_a_real_one_stays() -> None:
    slow = run(record(BASE, [10] * 3, 400e6), record("pruned", [50, 50, 50], quality=0.8))
    fine = run(record(BASE, [10] * 4, 400e6), record("pruned", [100] * 4, quality=0.8))
    asked: list[tuple[str, ...]] = []
    said: list[str] = []

    def again(result: ResultFile, groups: tuple[str, ...]) -> ResultFile:
        asked.append(groups)
        return result

    assert confirmed(BASELINE, slow, lambda groups: again(fine, groups), say=said.append) == []
    assert asked == [("log-model",)]
    assert said[0].startswith("suspected, measured again: log-model, pruned: ")
    assert [loss.measure for loss in confirmed(BASELINE, slow, lambda groups: again(slow, groups))] == [SPEED]
    assert len(asked) == 3


def test_wrong_answers_are_not_measured_again() -> None:
    worse = run(BASELINE.records[0], record("pruned", [100, 101, 99], quality=0.1))
    found = confirmed(BASELINE, worse, lambda groups: pytest.fail("the same model gives the same answers"))
    assert [loss.measure for loss in found] == ["quality_score"]
