"""The published logs beside the checkout (or in EDGESLM_SHARED), where they are: skipped, visibly, where not."""

import csv
import os
from pathlib import Path

import pytest

from edgeslm.logs import open_logs

SHARED = Path(os.environ.get("EDGESLM_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "logs"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the published logs in {SHARED} (EDGESLM_SHARED)")

FORMATS = {
    "Android": "android",
    "Apache": "apache_error",
    "Hadoop": "hadoop",
    "Mac": "macos",
    "OpenSSH": "syslog",
    "OpenStack": "openstack",
    "Windows": "windows_cbs",
    "Zookeeper": "zookeeper",
}
WITHOUT_LEVEL = {"Mac", "OpenSSH"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_published_log_is_understood(name: str) -> None:
    with open_logs([SHARED / name / f"{name}_2k.log"], year=2017) as logs:
        (total, stamped, levelled), *_ = logs.query("SELECT count(*), count(ts), count(level) FROM logs").rows
        assert logs.format.name == FORMATS[name]
        assert stamped >= 0.99 * total
        assert name in WITHOUT_LEVEL or levelled >= 0.99 * total


@pytest.mark.parametrize("name", FORMATS)
def test_messages_are_those_of_the_published_structure(name: str) -> None:
    with (SHARED / name / f"{name}_2k.log_structured.csv").open(newline="", encoding="utf-8") as file:
        want = [row["Content"].strip() for row in csv.DictReader(file)]
    with open_logs([SHARED / name / f"{name}_2k.log"], year=2017) as logs:
        got = [row[0].strip() for row in logs.query("SELECT message FROM logs ORDER BY line_no").rows]
    assert sum(a == b for a, b in zip(got, want, strict=True)) >= 0.99 * len(want)
