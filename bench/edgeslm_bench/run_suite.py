"""Runs the benchmark files of a checkout under pytest-benchmark and leaves its JSON; the gate's runs too.

Refuses to measure: bench/benchmarks does. A result file is moved into place whole, when every measure was taken.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeslm.errors import InputError, ModelError
from edgeslm_bench.gate import Loss, confirmed
from edgeslm_bench.records import ResultFile, read_results
from edgeslm_bench.scale_points import read_points

ROOT = Path(__file__).resolve().parents[2]
_TESTS_FAILED = 1


@dataclass(frozen=True)
class Request:
    """What to run: groups (all if none), a device profile, the short version, the matrix, where models are kept."""

    only: tuple[str, ...] = ()
    profile: str = ""
    quick: bool = False
    matrix: Path | None = None
    models: Path | None = None
    threads: int = 0

    def arguments(self) -> list[str]:
        """As options of the suite's conftest.py."""
        values = {"profile": self.profile, "matrix": self.matrix, "models": self.models, "threads": self.threads}
        named = [part for name, value in values.items() if value for part in (f"--{name}", str(value))]
        return [*(part for group in self.only for part in ("--only", group)), *named, *["--quick"] * self.quick]


def run(request: Request, out: Path) -> ResultFile:
    """Measure the matrix and write `out`. Raises InputError without a checkout, ModelError where a measure fails."""
    if request.matrix and not request.matrix.is_file():
        raise InputError(f"cannot read the matrix {request.matrix}", reason="no such file")
    run_files(("test_techniques.py", "test_side_by_side.py"), request.arguments(), out, check=read_results)
    return read_results(out)


def run_files(
    names: Sequence[str], arguments: Sequence[str], out: Path, *, check: Callable[[Path], object] = read_points
) -> None:
    """Run benchmark files under pytest-benchmark and leave its JSON, moved into place when every measure was taken.

    check: reads the JSON before that and raises if it is not whole.
    """
    folder = ROOT / "bench" / "benchmarks"
    if not folder.is_dir():
        raise InputError(
            "the benchmark files are not here", reason=f"{folder} is not there", hint="run it from a checkout"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(out.name + ".part")
    command = [sys.executable, "-m", "pytest", *(str(folder / name) for name in names)]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-q", "-x", "--no-header"]
    command += ["-p", "no:cacheprovider", "--benchmark-quiet", f"--benchmark-json={beside}"]
    try:
        done = subprocess.run([*command, *arguments], env=_environment(), check=False)
        if done.returncode != 0 or not beside.is_file():
            reason = "see above" if done.returncode == _TESTS_FAILED else f"pytest ended with {done.returncode}"
            raise ModelError("the suite did not measure everything", reason=reason)
        check(beside)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


def gate_by_running(
    baseline: ResultFile, request: Request, *, say: Callable[[str], None] = lambda text: None
) -> list[Loss]:
    """Run the baseline's groups and compare; what looks like a loss is measured again."""
    wanted = request.only or tuple(dict.fromkeys(one.group for one in baseline.records))
    with TemporaryDirectory() as folder:
        models = request.models or Path(folder) / "models"

        def measure(groups: tuple[str, ...]) -> ResultFile:
            return run(replace(request, only=groups, models=models), Path(folder) / "result.json")

        return confirmed(baseline, measure(wanted), measure, say=say)


def _environment() -> dict[str, str]:
    """The caller's, less what makes pytest run otherwise."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")}
