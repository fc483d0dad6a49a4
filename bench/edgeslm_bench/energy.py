"""The energy that a stretch of work took, where the machine counts it: RAPL through powercap, or a sensor of hwmon.

The counters are the machine's, not a process's: other work is in them. Refuses to estimate: where nothing can be read,
the answer is None, and `energy_source` says why.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

POWERCAP, HWMON = Path("/sys/class/powercap"), Path("/sys/class/hwmon")
_MICRO = 1e-6
_SAMPLE_S = 0.05


@dataclass(frozen=True)
class Sensor:
    """A file that holds microjoules (a counter, which starts again at `wrap`) or microwatts (the present power)."""

    path: Path
    name: str
    is_power: bool = False
    wrap: int = 0

    def read(self) -> float:
        """The number in the file. Raises OSError, ValueError."""
        return float(self.path.read_text())


@dataclass
class Energy:
    """Filled when the work is done: joules, or None where nothing could be read."""

    joules: float | None = None


def find_sensor(powercap: Path = POWERCAP, hwmon: Path = HWMON) -> Sensor | None:
    """The first that can be read: a RAPL package, an energy counter, a power sensor; None if there is none."""
    found = [
        Sensor(path, f"RAPL {_text(path.with_name('name')) or path.parent.name}", wrap=_wrap(path))
        for path in sorted(powercap.glob("*/energy_uj"))
        if _text(path.with_name("name")).startswith("package") or "psys" in _text(path.with_name("name"))
    ]
    for pattern, is_power in (("*/energy*_input", False), ("*/power*_average", True), ("*/power*_input", True)):
        found += [
            Sensor(path, f"hwmon {_text(path.with_name('name')) or path.parent.name} {path.name}", is_power)
            for path in sorted(hwmon.glob(pattern))
        ]
    for sensor in found:
        try:
            sensor.read()
        except (OSError, ValueError):
            continue  # as a rule only root may read RAPL
        return sensor
    return None


def energy_source(sensor: Sensor | None) -> str:
    """The sensor's name, or that there is none."""
    return sensor.name if sensor else "not available: no RAPL counter and no power sensor can be read here"


@contextmanager
def measured(sensor: Sensor | None) -> Iterator[Energy]:
    """Count the energy of the block. A power sensor is read every 50 ms and integrated."""
    energy = Energy()
    if sensor is None:
        yield energy
    elif sensor.is_power:
        yield from _integrated(sensor, energy)
    else:
        before = sensor.read()
        yield energy
        used = sensor.read() - before
        energy.joules = (used + sensor.wrap if used < 0 else used) * _MICRO


def _integrated(sensor: Sensor, energy: Energy) -> Iterator[Energy]:
    done = threading.Event()
    total = [0.0]

    def watch() -> None:
        last = time.perf_counter()
        while not done.wait(_SAMPLE_S):
            power, now = sensor.read(), time.perf_counter()
            total[0] += power * _MICRO * (now - last)
            last = now

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield energy
    finally:
        done.set()
        watcher.join()
    energy.joules = total[0] or None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _wrap(path: Path) -> int:
    text = _text(path.with_name("max_energy_range_uj"))
    return int(text) if text.isdigit() else 0
