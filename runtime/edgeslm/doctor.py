"""What this installation is made of, whether its parts fit together, and what to do where they do not.

It only looks: nothing is repaired, downloaded or changed. Whatever fails becomes a finding, never a crash.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeslm import __version__, resources
from edgeslm.engine.cores import allowed_cpus, cpu_quota, default_threads
from edgeslm.engine.library import Library, load_library
from edgeslm.engine.model import Model
from edgeslm.errors import EdgeSlmError

_REINSTALL = "install edgeslm again"


@dataclass
class Finding:
    """Something wrong, and what to do about it."""

    problem: str
    remedy: str


@dataclass
class Report:
    """What `edgeslm doctor` prints. Sizes in bytes; None where it could not be found out."""

    edgeslm: str = __version__
    python: str = field(default_factory=platform.python_version)
    platform: str = field(default_factory=platform.platform)
    pin: dict[str, str] = field(default_factory=dict)
    library: dict[str, Any] = field(default_factory=dict)
    patches: dict[str, Any] = field(default_factory=dict)
    cpu: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, int | None] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str | None] = field(default_factory=dict)
    extras: dict[str, bool] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.is_well}

    def to_text(self) -> str:
        lines = [f"{label:<10} {text}" for label, text in self._rows()]
        if self.is_well:
            return "\n".join([*lines, "", "all is well"])
        for finding in self.findings:
            lines += ["", f"problem: {finding.problem}", f"  do: {finding.remedy}"]
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, str]]:
        missing = [name for name, version in self.packages.items() if version is None]
        present = [name for name, installed in self.extras.items() if installed]
        patches = ", ".join(self.patches.get("names", [])) or "none"
        digest = self.patches.get("sha256")
        return [
            ("edgeslm", f"{self.edgeslm} on Python {self.python}, {self.platform}"),
            (
                "pin",
                f"llama-cpp-python {self.pin.get('version', '?')}, sdist {self.pin.get('sdist_sha256', '?')[:16]}…",
            ),
            ("library", f"llama.cpp {self.library.get('version', 'not loaded')} in {self.library.get('folder', '?')}"),
            ("patches", patches + (f" ({digest})" if digest and digest != "none" else "")),
            ("CPU", " ".join(self.cpu.get("features", [])) or "features unknown"),
            ("threads", f"{self.cpu.get('threads')} by default, {self.cpu.get('allowed')} logical CPUs allowed"),
            ("memory", f"{_megabytes(self.memory['available'])} available of {_megabytes(self.memory['total'])}"),
            ("model", f"{self.model.get('path', 'none')}, {_megabytes(self.model.get('bytes'))}"),
            ("", f"SHA-256 {self.model.get('sha256', 'unknown')}"),
            ("packages", f"missing: {', '.join(missing)}" if missing else f"all {len(self.packages)} present"),
            ("extras", f"{', '.join(present) or 'none'} (of {', '.join(self.extras)})"),
        ]


def examine() -> Report:
    """Look at everything. Takes a fraction of a second, most of it hashing the default model."""
    report = Report()
    report.cpu = {"threads": default_threads(), "allowed": len(allowed_cpus()), "quota": cpu_quota(), "features": []}
    report.memory = read_memory()
    _examine_packages(report)
    try:
        library = load_library()
    except EdgeSlmError as error:
        report.findings.append(Finding(f"{error.message}: {error.reason}", error.hint or _REINSTALL))
    else:
        _examine_library(report, library)
    _examine_model(report)
    return report


def find_abi_mismatches(library: Library) -> list[str]:
    """Structs and fields that the bindings lay out differently from the compiler; each as one sentence."""
    report = library.abi_report()
    wrong = [
        f"{name} has {ctypes.sizeof(getattr(library.llama, name))} bytes in the bindings and {size} in the library"
        for name, size in report["sizes"].items()
        if ctypes.sizeof(getattr(library.llama, name)) != size
    ]
    for name, offset in report["offsets"].items():
        struct, _, attribute = name.partition(".")
        found = getattr(getattr(library.llama, struct), attribute).offset
        if found != offset:
            wrong.append(f"{name} is at byte {found} in the bindings and {offset} in the library")
    return wrong


def hash_patches(folder: Path) -> str:
    """The SHA-256 over the patches of a folder as the build computes it, or "none" (cmake/apply-patches.cmake)."""
    lines = [
        f"{hashlib.sha256(patch.read_bytes()).hexdigest()}  {patch.name}\n" for patch in sorted(folder.glob("*.patch"))
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else "none"


def read_memory(meminfo: Path = Path("/proc/meminfo")) -> dict[str, int | None]:
    """Total and available memory in bytes."""
    try:
        found = dict(re.findall(r"^(\w+):\s+(\d+) kB", meminfo.read_text(), re.MULTILINE))
    except OSError:
        found = {}
    if "MemTotal" not in found and hasattr(os, "sysconf"):
        return {"total": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "available": None}
    return {
        "total": int(found["MemTotal"]) * 1024 if "MemTotal" in found else None,
        "available": int(found["MemAvailable"]) * 1024 if "MemAvailable" in found else None,
    }


def _examine_packages(report: Report) -> None:
    """Which required packages are installed, and which extras are complete."""
    from importlib.metadata import PackageNotFoundError, requires, version

    def find(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    try:
        requirements = requires("edgeslm") or []
    except PackageNotFoundError:
        report.findings.append(Finding("edgeslm is not installed, it runs from its source", "pip install -e ."))
        return
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"](\w+)['\"]", requirement)
        if not name:
            continue
        installed = find(name.group())
        if extra:
            report.extras[extra.group(1)] = report.extras.get(extra.group(1), True) and installed is not None
        else:
            report.packages[name.group()] = installed
            if installed is None:
                report.findings.append(Finding(f"the package {name.group()} is missing", f"pip install {name.group()}"))


def _examine_library(report: Report, library: Library) -> None:
    compiled = library.abi_report()
    report.pin = {key: str(value) for key, value in tomllib.loads((library.folder / "pin.toml").read_text()).items()}
    report.library = {
        "folder": str(library.folder),
        "version": library.llama.llama_version().decode(),
        "pin": compiled["pin"],
    }
    names = (library.folder / "patches.txt").read_text().split()[1::2]
    report.patches = {"names": names, "sha256": compiled["patches_sha256"]}
    report.cpu["features"] = _parse_features(library.llama.llama_print_system_info().decode())
    report.findings += [
        Finding(f"bindings and library disagree: {text}", _REINSTALL) for text in find_abi_mismatches(library)
    ]
    root = resources.checkout()
    if root and hash_patches(root / "runtime" / "native" / "patches") != compiled["patches_sha256"]:
        report.findings.append(Finding("the library was built with other patches than the checkout's", "make run"))


def _examine_model(report: Report) -> None:
    try:
        path = resources.default_model()
        report.model = {"path": str(path), "bytes": path.stat().st_size, "sha256": _hash_file(path)}
        with Model(path, n_ctx=64, threads=1) as model:
            report.model |= {"name": model.name, "train_context": model.train_context}
    except EdgeSlmError as error:
        problem = f"{error.message}: {error.reason}" if error.reason else error.message
        report.findings.append(Finding(problem, error.hint or _REINSTALL))


def _parse_features(text: str) -> list[str]:
    """The names set to 1 in llama.cpp's `CPU : SSE3 = 1 | AVX = 0 | …`."""
    return re.findall(r"(\w+) = 1\b", text)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:,.1f} MB"
