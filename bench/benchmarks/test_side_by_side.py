"""The same GGUFs under llama.cpp's own llama-bench, unpatched, beside our runtime; transformers is the group's base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from edgeslm_bench.clock import CLOCK
from edgeslm_bench.llama_bench import NOT_AVAILABLE, find_program, measure
from edgeslm_bench.matrix import Group
from edgeslm_bench.measure_matrix import Machine, load_of

# Files that need no patch of ours: as they come, and quantized.
TECHNIQUES = ("base-gguf-f16", "base-gguf-q8_0", "quantized")


@pytest.mark.benchmark(timer=CLOCK)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_unpatched_llama_bench(
    benchmark: Any,
    name: str,
    group: Group,
    technique: str,
    machine: Machine,
    measured: Callable[[Group], Any],
    say: Callable[[str], None],
) -> None:
    program = find_program()
    if program is None:
        pytest.skip(NOT_AVAILABLE)
    if not group.is_there or technique not in [one.name for one in group.techniques]:
        pytest.skip(f"{name} has no {technique} here")
    done = measured(group)
    say(f"llama-bench: {name} {technique}")
    theirs = measure(program, done.found.subjects[technique].path, load_of(group, machine))
    ours = done.records[technique]
    assert theirs.decode_tokens_s > 0
    assert ours.decode_tokens_s
    benchmark.group = f"{name}: unpatched llama.cpp"
    benchmark.extra_info.update(
        {
            "compared": technique,
            "group": name,
            "llama_bench": asdict(theirs),
            "edgeslm_prefill_tokens_s": ours.prefill_tokens_s,
            "edgeslm_decode_tokens_s": ours.decode_tokens_s,
            "decode_to_llama_bench": ours.decode_tokens_s / theirs.decode_tokens_s,
        }
    )
    benchmark.pedantic(CLOCK.advance, args=(1 / theirs.decode_tokens_s,))
