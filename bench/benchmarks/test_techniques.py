"""Every technique of the matrix as one entry of pytest-benchmark, with its record as `extra_info`.

What pytest-benchmark times is the answer itself, prompt to last token, on the clock of the process that wrote it: the
processes of a group took turns, which a loop around one of them could not do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgeslm_bench.clock import CLOCK
from edgeslm_bench.matrix import Group
from edgeslm_bench.measure_matrix import Machine, load_of


@pytest.mark.benchmark(timer=CLOCK)
def test_technique(
    benchmark: Any, name: str, group: Group, technique: str, machine: Machine, measured: Callable[[Group], Any]
) -> None:
    if not group.is_there:
        assert group.optional, f"{group.name}: {group.model or group.conversion} is not there"
        pytest.skip(f"{group.name}: {group.model or group.conversion} is not there; its card says how it is made")
    done = measured(group)
    record = done.records[technique]
    assert record.problems() == []
    assert record.decode_tokens_s or machine.profile, "nothing was measured"
    wanted = load_of(group, machine).new_tokens
    rounds = iter([one.latency_s(wanted) for one in done.found.rounds[technique]] or [0.0])

    def answer() -> None:
        CLOCK.advance(next(rounds))

    benchmark.group = name
    benchmark.extra_info.update(record.to_extra_info())
    benchmark.pedantic(answer, rounds=max(1, len(done.found.rounds[technique])))
