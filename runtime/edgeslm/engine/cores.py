"""How many threads are worth starting here: cores that this process may use, counted once per physical core.

It refuses to guess: what the system does not tell (no /proc, no cgroup) limits nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

_CPU_FOLDER = Path("/sys/devices/system/cpu")
_CGROUP_FOLDER = Path("/sys/fs/cgroup")


def default_threads() -> int:
    """Threads to compute with when nobody says: physical cores this process may run on, within its CPU quota."""
    allowed = allowed_cpus()
    cores = count_physical_cores(allowed)
    quota = cpu_quota()
    return max(1, min(cores, math.ceil(quota) if quota else cores))


def allowed_cpus() -> set[int]:
    """The logical CPUs this process may be scheduled on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def count_physical_cores(cpus: Iterable[int], folder: Path = _CPU_FOLDER) -> int:
    """Distinct cores among logical `cpus`; hyper-threads of one core count once."""
    siblings = set()
    for cpu in cpus:
        try:
            siblings.add((folder / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip())
        except OSError:
            siblings.add(f"cpu{cpu}")
    return max(1, len(siblings))


def cpu_quota(folder: Path = _CGROUP_FOLDER) -> float | None:
    """The cgroup's CPU limit in cores (v2, then v1), or None where there is no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()[:2]
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = int((folder / "cpu/cpu.cfs_quota_us").read_text())
        return limit / int((folder / "cpu/cpu.cfs_period_us").read_text()) if limit > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
