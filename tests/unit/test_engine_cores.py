"""Threads by default: physical cores, within the affinity mask and the cgroup's quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeslm.engine import cores


def test_hyper_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for cpu, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert cores.count_physical_cores({0, 1, 2, 3}, tmp_path) == 2


def test_cpus_count_singly_where_the_system_tells_nothing(tmp_path: Path) -> None:
    assert cores.count_physical_cores({0, 1, 5}, tmp_path) == 3


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_quota_is_read_from_both_cgroup_versions(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores.cpu_quota(tmp_path) == quota


def test_a_quota_below_the_cores_bounds_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "allowed_cpus", lambda: {0, 1, 2, 3})
    monkeypatch.setattr(cores, "count_physical_cores", lambda cpus: 4)
    monkeypatch.setattr(cores, "cpu_quota", lambda: 1.5)
    assert cores.default_threads() == 2
