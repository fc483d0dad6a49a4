"""Who may import whom (docs/architecture.md), read from the source: a room that reaches into another fails here."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import edgeslm

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "edgeslm": ROOT / "runtime/edgeslm",
    "edgeslm_convert": ROOT / "convert/edgeslm_convert",
    "edgeslm_bench": ROOT / "bench/edgeslm_bench",
}
TORCH_ONLY = {"torch", "transformers", "safetensors", "sentencepiece"}


def modules(room: str) -> list[Path]:
    """The room's Python files, without the compiled library's folder."""
    return sorted(path for path in ROOMS[room].rglob("*.py") if "lib" not in path.relative_to(ROOMS[room]).parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; write the whole name"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def offenders(room: str, is_wrong: Callable[[Path, str], bool]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(room)
        for line, name in imports(path)
        if is_wrong(path, name)
    ]


def root_of(name: str) -> str:
    return name.partition(".")[0]


def test_the_device_package_imports_nothing_of_the_other_rooms() -> None:
    assert offenders("edgeslm", lambda _, name: root_of(name) in {"edgeslm_convert", "edgeslm_bench"}) == []


def test_the_device_package_imports_neither_torch_nor_transformers() -> None:
    assert offenders("edgeslm", lambda _, name: root_of(name) in TORCH_ONLY) == []


def test_torch_is_imported_in_the_conversion_room_only() -> None:
    assert offenders("edgeslm_bench", lambda _, name: root_of(name) in TORCH_ONLY) == []


def test_the_conversion_room_does_not_import_the_bench_room() -> None:
    assert offenders("edgeslm_convert", lambda _, name: root_of(name) == "edgeslm_bench") == []


def test_other_rooms_use_public_names_only() -> None:
    def is_private(_: Path, name: str) -> bool:
        return root_of(name) == "edgeslm" and any(part.startswith("_") for part in name.split("."))

    assert offenders("edgeslm_convert", is_private) + offenders("edgeslm_bench", is_private) == []


@pytest.mark.parametrize("room", ROOMS)
def test_only_cli_modules_import_click(room: str) -> None:
    assert offenders(room, lambda path, name: root_of(name) == "click" and path.name != "cli.py") == []


def test_the_engine_knows_nothing_of_logs_and_questions() -> None:
    def is_wrong(path: Path, name: str) -> bool:
        return path.parent.name == "engine" and name.startswith(("edgeslm.logs", "edgeslm.ask", "edgeslm.answer"))

    assert offenders("edgeslm", is_wrong) == []


def test_every_module_says_what_it_holds() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in modules(room)
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_the_whole_device_package_imports_with_torch_and_transformers_blocked() -> None:
    names = [
        ".".join(path.relative_to(ROOMS["edgeslm"].parent).with_suffix("").parts).removesuffix(".__init__")
        for path in modules("edgeslm")
        if path.name != "__main__.py"
    ]
    code = (
        "import sys, importlib\n"
        "for blocked in ('torch', 'transformers', 'edgeslm_convert', 'edgeslm_bench'): sys.modules[blocked] = None\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_plain_installation_requires_neither_torch_nor_transformers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [name for name in project["dependencies"] if name.startswith(("torch", "transformers"))]
    assert project["version"] == edgeslm.__version__
