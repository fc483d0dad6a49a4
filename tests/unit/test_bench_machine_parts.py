"""Profiles, energy, the memory's speed, weights read a token, llama-bench's report: parts that need no model's run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from edgeslm.errors import InputError, ModelError
from edgeslm_bench import energy
from edgeslm_bench.bandwidth import last_cache_bytes, read_gb_s
from edgeslm_bench.llama_bench import find_program, read_report
from edgeslm_bench.measure_model import pss_bytes
from edgeslm_bench.process import Limits, run_process
from edgeslm_bench.profiles import read_profile, read_profiles
from edgeslm_bench.weights_read import weights_of
from edgeslm_convert.share.files import share_file
from edgeslm_convert.share.gguf_copy import Source, copy_file
from tiny_models import write_tiny_llama

MIB = 1024 * 1024


def test_the_profiles_that_ship_are_whole_and_a_small_board_gets_512_mib() -> None:
    assert list(read_profiles()) == ["pi-zero2w", "pi4", "pi5", "x86-2c"]
    assert read_profile("pi-zero2w").limits.address_space == 512 * MIB
    with pytest.raises(InputError, match="no profile pi9"):
        read_profile("pi9")


def test_everything_wrong_with_profiles_is_named(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text('a = 3\n[b]\ntitle = "b"\nthreads = 0\ncolour = 1\ncontext = 5\n')
    with pytest.raises(InputError) as caught:
        read_profiles(path)
    assert caught.value.reason == (
        "a: not a table; b: colour is not known; b: memory_mb is missing; b: threads is 0, a whole number from 1 on"
    )


def test_a_limited_process_cannot_have_more_memory_or_cores() -> None:
    code = "import os; print(len(os.sched_getaffinity(0))); bytearray(900 * 1024 * 1024)"
    free = run_process([sys.executable, "-c", code])
    limited = run_process([sys.executable, "-c", code], limits=Limits(1, 512 * MIB))
    assert free.exit_status == 0
    assert limited.exit_status == 1
    assert "MemoryError" in limited.errors
    assert limited.output == "1\n"
    assert int(free.output) == len(os.sched_getaffinity(0))


def rapl(folder: Path, microjoules: int) -> Path:
    package = folder / "intel-rapl:0"
    package.mkdir(parents=True, exist_ok=True)
    (package / "name").write_text("package-0\n")
    (package / "max_energy_range_uj").write_text("1000000\n")
    (package / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def test_energy_is_the_difference_of_the_counter_also_over_its_end(tmp_path: Path) -> None:
    sensor = energy.find_sensor(rapl(tmp_path, 900_000), tmp_path / "none")
    assert energy.energy_source(sensor) == "RAPL package-0"
    with energy.measured(sensor) as used:
        rapl(tmp_path, 950_000)
    assert used.joules == pytest.approx(0.05)
    with energy.measured(sensor) as used:
        rapl(tmp_path, 50_000)
    assert used.joules == pytest.approx(0.1)


def test_power_is_integrated(tmp_path: Path) -> None:
    (tmp_path / "hwmon0").mkdir()
    (tmp_path / "hwmon0" / "power1_input").write_text("2000000\n")  # 2 W
    sensor = energy.find_sensor(tmp_path / "none", tmp_path)
    assert sensor is not None
    assert sensor.is_power
    with energy.measured(sensor) as used:
        run_process([sys.executable, "-c", "import time; time.sleep(0.3)"])
    assert used.joules is not None
    assert used.joules > 0.2


def test_without_a_sensor_it_says_so_and_gives_no_number(tmp_path: Path) -> None:
    assert energy.find_sensor(tmp_path, tmp_path) is None
    assert energy.energy_source(None).startswith("not available: ")
    with energy.measured(None) as used:
        pass
    assert used.joules is None


def test_memory_is_read_at_some_speed() -> None:
    assert 0.05 < read_gb_s(2, size=8 * MIB, passes=2) < 10_000


def test_the_largest_cache_counts(tmp_path: Path) -> None:
    for number, size in enumerate(("32K", "1024K", "32M")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(f"{size}\n")
    assert last_cache_bytes(tmp_path) == 32 * MIB
    assert last_cache_bytes(tmp_path / "none") is None


def test_the_kernels_proportional_set_size_is_read_in_bytes() -> None:
    assert pss_bytes("00-ff ---p 0 [rollup]\nRss:  20 kB\nPss:   12 kB\nPss_Dirty: 4 kB\n") == 12 * 1024
    assert pss_bytes("") is None


def test_a_tokens_weights_are_all_but_the_table_that_is_looked_up(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", layers=4)
    sizes = {name: (int(one.n_elements), int(one.n_bytes)) for name, one in Source(path).tensors.items()}
    all_numbers = sum(number for number, _ in sizes.values())
    found = weights_of(path)
    assert found.parameters == all_numbers
    looked_up = sizes["token_embd.weight"][0] if "output.weight" in sizes else 0
    assert found.numbers_a_token == all_numbers - looked_up
    layer = sum(size for name, (_, size) in sizes.items() if name.startswith("blk.3."))
    assert found.bytes_a_token - weights_of(path, exit_layer=3).bytes_a_token == layer


def test_shared_layers_are_stored_once_and_read_as_often_as_they_are_computed(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", layers=2)
    source, same, shared = Source(path), tmp_path / "same.gguf", tmp_path / "shared.gguf"
    names = [(name, name.replace("blk.1.", "blk.0.")) for name in source.tensors]
    copy_file(source, same, tensors=names, change=lambda writer: None)
    share_file(same, shared, [0, 0])
    assert weights_of(shared).bytes_a_token == weights_of(same).bytes_a_token
    assert weights_of(shared).parameters < weights_of(same).parameters


def test_llama_benchs_report_is_read_by_its_medians() -> None:
    tests = [
        {"n_prompt": 64, "n_gen": 0, "samples_ts": [90, 100, 300]},
        {"n_prompt": 0, "n_gen": 64, "samples_ts": [9, 10]},
    ]
    found = read_report(json.dumps(tests), 5)
    assert (found.prefill_tokens_s, found.decode_tokens_s, found.peak_rss_bytes) == (100, 9.5, 5)
    with pytest.raises(ModelError, match="something else"):
        read_report("[]", 5)


def test_llama_bench_is_found_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "llama-bench"
    monkeypatch.setenv("LLAMA_BENCH", str(program))
    assert find_program() is None
    program.touch()
    assert find_program() == program
