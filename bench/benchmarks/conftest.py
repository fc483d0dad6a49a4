"""The suite's options and what its tests have in common: the matrix, the machine, groups measured once, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from edgeslm_bench.bandwidth import read_gb_s
from edgeslm_bench.energy import energy_source, find_sensor
from edgeslm_bench.machine import available_cores, machine_line
from edgeslm_bench.matrix import Group, Matrix, read_matrix
from edgeslm_bench.measure_matrix import Machine, Measured, measure_group, to_records
from edgeslm_bench.profiles import read_profile
from edgeslm_bench.quick import quickened
from edgeslm_bench.records import Record
from edgeslm_bench.variants import prepare

MATRIX = Path(__file__).with_name("matrix.toml")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edgeslm")
    group.addoption("--matrix", type=Path, default=MATRIX, help="the matrix file")
    group.addoption("--only", action="append", default=[], metavar="GROUP", help="measure this group; may be repeated")
    group.addoption("--profile", default="", help="limit every process as this device profile says")
    group.addoption("--quick", action="store_true", help="fewer tokens, rounds and questions; for a gate, not a report")
    group.addoption("--models", type=Path, help="where models are made and kept; by default a temporary folder")
    group.addoption("--full-scale", action="store_true", help="ask about 10,000,000 lines too")
    group.addoption("--threads", type=int, default=0, help="for every model; by default at most 2")


def matrix_of(config: pytest.Config) -> Matrix:
    """The matrix as the options want it."""
    matrix = read_matrix(config.getoption("--matrix")).only(tuple(config.getoption("--only")))
    return quickened(matrix) if config.getoption("--quick") else matrix


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    groups = matrix_of(metafunc.config).groups
    if metafunc.function.__name__ == "test_technique":
        cases = [(group.name, one.name) for group in groups for one in group.techniques]
        metafunc.parametrize(("name", "technique"), cases, ids=[f"{group} {name}" for group, name in cases])
    elif "name" in metafunc.fixturenames:
        metafunc.parametrize("name", [group.name for group in groups])


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Results are shared: whose machine it was is nobody's business; how many cores it had is."""
    machine_info.pop("node", None)
    machine_info["cores"] = available_cores()


@pytest.fixture
def group(request: pytest.FixtureRequest, name: str) -> Group:
    """The group of that name, as the options want it."""
    return matrix_of(request.config).only((name,)).groups[0]


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Writes a line to the terminal at once, past pytest's capturing."""
    capture: Any = request.config.pluginmanager.get_plugin("capturemanager")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(text, flush=True)

    return write


@pytest.fixture(scope="session")
def models(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder that models are made in."""
    named = request.config.getoption("--models")
    if named:
        yield named
    else:
        with TemporaryDirectory() as folder:
            yield Path(folder)


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest, say: Callable[[str], None]) -> Machine:
    """Threads, the memory's speed, the energy sensor, the profile."""
    profile = read_profile(name) if (name := request.config.getoption("--profile")) else None
    threads = request.config.getoption("--threads") or min(2, available_cores())
    sensor = find_sensor()
    speed = read_gb_s(threads)
    say(f"\n{machine_line(with_lnav=False)}, {threads} threads, memory read at {speed:.1f} GB/s")
    say(f"energy: {energy_source(sensor)}")
    if profile:
        say(f"profile: {profile.describe()}")
    return Machine(threads, speed, sensor, profile)


@dataclass(frozen=True)
class Done:
    """A group that was measured, and its records by technique."""

    found: Measured
    records: dict[str, Record]


@pytest.fixture(scope="session")
def measured(models: Path, machine: Machine, say: Callable[[str], None]) -> Callable[[Group], Done]:
    """Makes the models of a group and measures them in turns, when first asked for it."""
    done: dict[str, Done] = {}

    def measure(group: Group) -> Done:
        if group.name not in done:
            subjects = prepare(group, models, threads=machine.threads, say=say)
            found = measure_group(group, subjects, machine, say=say)
            done[group.name] = Done(found, {record.technique: record for record in to_records(found, machine)})
        return done[group.name]

    return measure
