"""From which probability on a planner's answers are right often enough."""

import pytest

from edgeslm_convert.logmodel.measure import sure_above


@pytest.mark.parametrize(
    ("answers", "precision", "expected"),
    [
        ([(0.9, True), (0.8, True), (0.7, False), (0.6, True)], 0.95, (0.8, 0.5)),
        ([(0.9, True), (0.8, True), (0.7, False), (0.6, True)], 0.75, (0.6, 1.0)),
        ([(0.9, False), (0.8, True)], 0.95, None),
        ([(0.9, True), (0.9, False), (0.5, True)], 0.95, None),  # a tie cannot be cut
        ([], 0.95, None),
    ],
)
def test_the_least_probability_that_is_good_enough(
    answers: list[tuple[float, bool]], precision: float, expected: tuple[float, float] | None
) -> None:
    assert sure_above(answers, precision) == expected
