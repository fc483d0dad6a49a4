"""`edgeslm convert` from a checkpoint to GGUFs and manifest: whole, resumed, killed, out of room, fed with damage."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from edgeslm.engine.gguf_file import check_header
from edgeslm.errors import ModelError
from edgeslm_convert.from_gguf import METADATA
from edgeslm_convert.gguf import converter_script
from edgeslm_convert.share.gguf_copy import Source
from tiny_checkpoints import write_checkpoint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed as on POSIX")

WORDS = "the log of errors counts lines from hosts where SELECT count FROM logs level message time warn info".split()
RECIPE = """
name = "tiny"
[source]
checkpoint = "hf"
[calibration]
files = ["calibration.txt"]
tokens = 256
sequence = 64
[training]
files = ["calibration.txt"]
tokens = 4096
sequence = 64
[evaluation]
files = ["evaluation.txt"]
tokens = 256
sequence = 64
[[step]]
kind = "prune_depth"
keep = 2
[[step]]
kind = "distill"
steps = 6
[[variant]]
name = "pruned"
steps = ["prune_depth", "distill"]
[output]
types = ["q8_0"]
[accept]
max_perplexity_ratio = 100
[accept.q8_0]
top1 = 0.5
"""
KILLS = 10
UNFINISHED = (".part", ".former", ".going-on", ".lock")


class Server:
    """`convert_server.py` in a process: runs the command in a process of its own each time."""

    def __init__(self, folder: Path) -> None:
        self.errors = folder / "errors"
        script = Path(__file__).resolve().parents[1] / "convert_server.py"
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(
        self, recipe: Path, out: Path, *more: str, kill_after: float | None = None, file_limit: int | None = None
    ) -> int:
        job = {
            "arguments": ["convert", str(recipe), "--out", str(out), *more],
            "kill_after": kill_after,
            "file_limit": file_limit,
            "errors": str(self.errors),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def said(self) -> str:
        return self.errors.read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("server"))
    yield found
    assert found.process.stdin is not None
    found.process.stdin.close()
    found.process.wait()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with its checkpoint and texts beside it."""
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(error.reason)
    folder = tmp_path_factory.mktemp("recipe")
    write_checkpoint("llama", folder / "hf", max_position_embeddings=128)
    (folder / "hf" / METADATA).write_text(json.dumps({"general.name": "before", "general.finetune": "prompt-x"}))
    draws = random.Random(0)
    for name in ("calibration", "evaluation"):
        (folder / f"{name}.txt").write_text("\n".join(" ".join(draws.choices(WORDS, k=9)) for _ in range(200)))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def whole(recipe: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The output of an undisturbed run, and how long it took."""
    out = tmp_path_factory.mktemp("whole") / "out"
    began = time.monotonic()
    assert server.run(recipe, out) == 0, server.said()
    return out, time.monotonic() - began


def files_of(out: Path) -> dict[str, str]:
    """SHA-256 of everything in `out` whose name says that it is whole."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        unfinished = any(
            mark in part for part in name.split("/") for mark in (".part", ".former", ".going-on", ".lock")
        )
        if path.is_file() and not unfinished:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_a_run_gives_the_files_of_its_manifest_and_they_load(whole: tuple[Path, float]) -> None:
    out, _ = whole
    manifest = json.loads((out / "manifest.json").read_text())
    files = {file["file"]: file for variant in manifest["variants"] for file in variant["files"]}
    assert sorted(files) == ["pruned.f16.gguf", "pruned.q8_0.gguf"] == sorted(p.name for p in out.glob("*.gguf"))
    for name, line in files.items():
        check_header(out / name)
        told = Source(out / name)
        assert (told.value("general.name"), told.value("general.finetune")) == ("tiny-pruned", "prompt-x")
        assert line["bytes"] == (out / name).stat().st_size
        assert line["sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest()
        assert line["measured"]["agreement"]["top1"] >= 0.5
        assert 0 < line["measured"]["perplexity_ratio"] <= 100
    assert manifest["recipe"] == RECIPE
    assert [step["kind"] for step in manifest["variants"][0]["steps"]] == ["prune_depth", "distill"]
    assert not any("minutes" in step["report"] for step in manifest["variants"][0]["steps"])
    assert str(out.parent) not in (out / "manifest.json").read_text()


def test_a_second_run_makes_nothing_anew(whole: tuple[Path, float], recipe: Path, server: Server) -> None:
    out, _ = whole
    before = files_of(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("model*")}
    assert server.run(recipe, out) == 0
    lines = [line for line in server.said().splitlines() if line.startswith("pruned:")]
    assert len(lines) == 6
    assert all(line.endswith(": done before") for line in lines)
    assert files_of(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("model*")} == times


def test_killed_at_ten_random_moments_it_leaves_nothing_that_looks_whole_and_ends_with_the_same_bytes(
    whole: tuple[Path, float], recipe: Path, server: Server, tmp_path: Path
) -> None:
    expected, took = files_of(whole[0]), whole[1]
    out, draws = tmp_path / "out", random.Random(7)
    killed = 0
    while killed < KILLS:
        status = server.run(recipe, out, kill_after=draws.uniform(0, took))
        if status == 0:  # it was faster: begin again
            assert files_of(out) == expected
            shutil.rmtree(out)
            continue
        assert status == -9, server.said()
        killed += 1
        found = files_of(out)
        assert {name: found[name] for name in found} == {name: expected.get(name) for name in found}
        if "manifest.json" in found:
            assert {"pruned.f16.gguf", "pruned.q8_0.gguf"} <= found.keys()
    assert server.run(recipe, out) == 0, server.said()
    assert files_of(out) == expected
    assert sorted(path.name for path in (out / "work").iterdir()) == sorted(
        path.name for path in (whole[0] / "work").iterdir()
    )


@pytest.mark.parametrize("limit", [3_000, 20_000, 200_000, 400_000])
def test_without_room_on_the_disk_it_says_so_leaves_nothing_that_looks_whole_and_can_go_on(
    whole: tuple[Path, float], recipe: Path, server: Server, tmp_path: Path, limit: int
) -> None:
    """A file that may not grow further is what a full disk is to the one who writes it."""
    expected = files_of(whole[0])
    out = tmp_path / "out"
    status = server.run(recipe, out, file_limit=limit)
    assert status == 2, server.said()
    error = server.said()[server.said().index("error: ") :]
    assert "Traceback" not in server.said()
    assert "cannot" in error.splitlines()[0]
    found = files_of(out)
    assert {name: found[name] for name in found} == {name: expected.get(name) for name in found}
    assert not [name for name in found if name.endswith((".gguf", "manifest.json"))]
    if limit == 200_000:
        assert server.run(recipe, out) == 0
        assert files_of(out) == expected


@pytest.mark.parametrize("size", ["400k", "700k"])
def test_a_disk_that_runs_full_ends_in_a_clear_error(recipe: Path, tmp_path: Path, size: str) -> None:
    """On a small file system of its own, which only who mounted it sees: so it is listed there."""
    space = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size={size} tmpfs '{tmp_path}'"
    try:
        allowed = subprocess.run([*space, mount], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("needs `unshare` and the right to mount a tmpfs")
    command = f"'{sys.executable}' -m edgeslm convert '{recipe}' --out '{tmp_path}/out' 2>&1"
    script = f"{mount} && {{ {command}; echo status $?; cd '{tmp_path}/out' && find . -type f; }}"
    done = subprocess.run([*space, script], capture_output=True, text=True, check=True)
    said, _, left = done.stdout.partition("status ")
    assert left.startswith("2\n"), done.stdout
    assert "error: " in said
    assert "Traceback" not in said
    assert not [name for name in left.splitlines() if name.endswith((".gguf", "manifest.json"))]


def damage(kind: str, folder: Path) -> None:
    weights = folder / "model.safetensors"
    if kind == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif kind == "corrupt":
        weights.write_bytes(b"\xff" * 8 + weights.read_bytes()[8:])
    elif kind == "pickled":
        weights.unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
    elif kind == "lacking a layer":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    elif kind == "without a tokenizer":
        (folder / "tokenizer.model").unlink()
        (folder / "tokenizer_config.json").unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "is damaged"),
        ("corrupt", "is damaged"),
        ("pickled", "holds no safetensors"),
        ("lacking a layer", "is not whole"),
        ("without a tokenizer", "cannot load the tokenizer"),
    ],
)
def test_a_damaged_checkpoint_ends_in_a_clear_error_and_leaves_no_file(
    recipe: Path, server: Server, tmp_path: Path, kind: str, message: str
) -> None:
    source = shutil.copytree(recipe.parent / "hf", tmp_path / "damaged")
    damage(kind, source)
    assert server.run(recipe, tmp_path / "out", "--source", str(source)) == 2, server.said()
    first = next(line for line in server.said().splitlines() if line.startswith("error: "))
    assert message in first
    assert "Traceback" not in server.said()
    assert files_of(tmp_path / "out") == {}


def test_a_bound_that_is_not_kept_leaves_no_manifest_and_names_the_file_and_the_value(
    whole: tuple[Path, float], recipe: Path, server: Server, tmp_path: Path
) -> None:
    out = shutil.copytree(whole[0], tmp_path / "out")
    strict = recipe.with_name("strict.toml")
    strict.write_text(RECIPE.replace("top1 = 0.5", "top1 = 1.1\nmax_bytes = 10").replace("= 100", "= 0.01"))
    assert server.run(strict, out) == 2
    said = server.said()
    assert "error: the recipe's bounds are not kept, so there is no manifest" in said
    for broken in (
        "pruned.q8_0.gguf: top1 is ",
        "pruned.q8_0.gguf: bytes is ",
        "pruned.f16.gguf: perplexity_ratio is ",
    ):
        assert broken in said
    assert (out / "manifest.json").read_bytes() == (whole[0] / "manifest.json").read_bytes()
    assert server.run(strict, tmp_path / "new") == 2
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["work"]


def test_a_changed_step_is_done_anew_with_all_that_follows_and_nothing_else(
    whole: tuple[Path, float], recipe: Path, server: Server, tmp_path: Path
) -> None:
    out = shutil.copytree(whole[0], tmp_path / "out")
    changed = recipe.with_name("changed.toml")
    changed.write_text(RECIPE.replace("steps = 6", "steps = 5"))
    assert server.run(changed, out) == 0
    done = [line for line in server.said().splitlines() if line.startswith("pruned:")]
    assert [line.endswith("done before") for line in done] == [True, False, False, False, False, False]
    assert len(list((out / "work").glob("*distill*"))) == 1


def test_two_runs_in_one_folder_do_not_meet(whole: tuple[Path, float], recipe: Path, server: Server) -> None:
    import fcntl

    with (whole[0] / "work" / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert server.run(recipe, whole[0]) == 2
    assert "another run is at work there" in server.said()
