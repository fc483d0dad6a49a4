"""What a measurement ran on, in one line: a number without it says nothing.

Refuses to guess: what the system does not tell is left out.
"""

import os
import platform
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgeslm_bench.process import run_process

_CPU_INFO = Path("/proc/cpuinfo")


def machine_line(packages: Sequence[str] = ("edgeslm", "duckdb"), *, with_lnav: bool = True) -> str:
    """CPU, cores this process may use, how busy the machine is, and the versions of what is measured."""
    cores = available_cores()
    parts = [cpu_model(), f"{cores} core{'s' if cores != 1 else ''}", f"Python {platform.python_version()}"]
    parts += [f"{name} {found}" for name in packages if (found := package_version(name))]
    parts += [lnav] if with_lnav and (lnav := lnav_version()) else []
    parts += [f"load before: {os.getloadavg()[0]:.2f}"] if hasattr(os, "getloadavg") else []
    return ", ".join(parts)


def cpu_model(info: Path = _CPU_INFO) -> str:
    """The CPU's name, or the architecture where the system does not name it."""
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() in ("model name", "model") and not value.strip().isdigit():
                return value.strip()
    return platform.machine()


def available_cores() -> int:
    """Cores that this process may be scheduled on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def package_version(name: str) -> str:
    """The version of an installed package, or an empty text."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def lnav_version() -> str:
    """`lnav 0.11.1`, or an empty text where lnav is not installed."""
    program = shutil.which("lnav")
    return run_process([program, "-V"]).output.strip().split("\n")[0] if program else ""
