"""A ledger bounds what trying something faster may lose, whatever the trials cost."""

from __future__ import annotations

import random

import pytest

from edgeslm.engine.ledger import ALLOWANCE, SHARE, Ledger


def steady(steps: int = 3, plain: float = 10.0) -> Ledger:
    ledger = Ledger()
    for _ in range(steps):
        ledger.plain_step(plain)
    return ledger


def test_nothing_is_tried_before_the_time_of_a_plain_step_is_known() -> None:
    ledger = Ledger()
    assert not ledger.affords(0.0)
    ledger.plain_step(25.0)  # builds a graph: not the time of a plain step
    assert not ledger.affords(0.0)
    ledger.plain_step(10.0)
    assert ledger.affords(0.0)
    assert ledger.plain == 10.0


def test_what_a_trial_lost_is_not_lost_again() -> None:
    ledger = steady()
    assert ledger.affords(0.4)
    ledger.trial(14.0, 1)
    assert ledger.net == pytest.approx(0.4)
    assert not ledger.affords(0.4)
    for _ in range(40):
        ledger.plain_step(10.0)
    assert ledger.affords(0.4)


def test_the_plain_step_after_a_trial_is_charged_with_what_it_takes_longer() -> None:
    ledger = steady()
    ledger.trial(10.0, 1)
    ledger.plain_step(13.0)
    assert ledger.net == pytest.approx(0.3)
    assert ledger.plain == pytest.approx(10.0)


def test_what_was_gained_may_be_risked_up_to_a_limit() -> None:
    ledger = steady()
    for _ in range(100):
        ledger.trial(20.0, 8)
    assert ledger.affords(8.0)
    assert not ledger.affords(30.0)


def test_a_step_disturbed_from_outside_is_no_loss_of_its_own() -> None:
    ledger = steady()
    ledger.trial(5000.0, 2, expected=1.5)
    assert ledger.net == pytest.approx(2.5)


@pytest.mark.parametrize("cost", [1.2, 2.0, 3.5])
@pytest.mark.parametrize("chance", [0.0, 0.1, 0.3])
def test_the_whole_run_stays_within_the_bound(cost: float, chance: float) -> None:
    """A mode that always wants to try, at a risk that is what a trial really costs."""
    draws = random.Random(3)
    ledger, spent, written = Ledger(), 0.0, 0
    while written < 400:
        if ledger.affords(cost - 1):
            tokens = 1 + (draws.random() < chance)
            ledger.trial(cost * 10.0, tokens)
            spent, written = spent + cost, written + tokens
        else:
            after = 1.1 if ledger._in_a_row == 0 else 1.0
            ledger.plain_step(10.0 * after)
            spent, written = spent + after, written + 1
    assert spent <= (written + ALLOWANCE + 0.2) / (1 - SHARE)


def test_looking_for_something_to_try_is_charged_too() -> None:
    ledger = Ledger()
    ledger.plain_step(25.0, overhead=3.0)  # nothing is known yet: charged as soon as it is
    ledger.plain_step(10.0)
    assert ledger.net == 0.0
    ledger.plain_step(10.0, overhead=1.0)
    assert ledger.net == pytest.approx(0.4)
    assert ledger.plain == pytest.approx(10.0)


@pytest.mark.parametrize("overhead", [0.02, 0.1, 0.5])
def test_looks_without_a_find_stay_within_the_bound(overhead: float) -> None:
    ledger, spent = Ledger(), 0.0
    for _ in range(400):
        looks = not ledger.plain or ledger.affords(overhead)
        ledger.plain_step(10.0, overhead=10.0 * overhead * looks)
        spent += 1 + overhead * looks
    assert spent <= (400 + ALLOWANCE + 2 * overhead) / (1 - SHARE)


def test_after_the_wait_it_foresaw_a_risk_is_affordable() -> None:
    ledger = steady()
    ledger.trial(14.0, 1)
    ledger.plain_step(10.0)
    steps = ledger.wait(0.4)
    assert 0 < steps < 64
    ledger.untimed_steps(steps - 1)
    assert not ledger.affords(0.4)
    ledger.untimed_steps(1)
    assert ledger.affords(0.4)
    assert ledger.wait(0.4) == 0
    assert ledger.wait(1e9) == 64
