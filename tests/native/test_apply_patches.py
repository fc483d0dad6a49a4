"""The patch applier: in order, exactly once, again when a patch changes, and a clear failure when one does not fit."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CMAKE = shutil.which("cmake")

pytestmark = pytest.mark.skipif(
    CMAKE is None or shutil.which("git") is None, reason="cmake and git are needed to apply patches"
)


class Tree:
    """A small stand-in for the sdist, unpacked, with a patch folder, inside a git work tree as in a checkout."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "llama_cpp_python-1"
        self.patches = folder / "patches"
        self.patches.mkdir()
        self.source = self.root / "vendor/llama.cpp"
        self.source.mkdir(parents=True)
        (self.source / "a.txt").write_text("one\ntwo\nthree\n")
        (self.source / "b.txt").write_text("left alone\n")
        self.sdist = folder / "sdist.tar.gz"
        with tarfile.open(self.sdist, "w:gz") as archive:
            archive.add(self.root, arcname=self.root.name)
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        self.script = folder / "apply.cmake"
        self.script.write_text(
            f'include("{ROOT}/cmake/apply-patches.cmake")\n'
            f'edgeslm_apply_patches("{self.patches}" "{self.root}" "{self.sdist}")\n'
        )

    def patch(self, name: str, old: str, new: str) -> None:
        (self.patches / name).write_text(
            "why: a test\n"
            "--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n"
            + "".join(f"-{line}\n+{new}\n" if line == old else f" {line}\n" for line in self.now)
        )

    @property
    def now(self) -> list[str]:
        return (self.source / "a.txt").read_text().split()

    def apply(self) -> subprocess.CompletedProcess[str]:
        assert CMAKE is not None
        return subprocess.run([CMAKE, "-P", self.script], capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_patch_is_applied_below_another_git_work_tree(tree: Tree) -> None:
    tree.patch("0001-a.patch", "two", "TWO")
    assert tree.apply().returncode == 0
    assert tree.now == ["one", "TWO", "three"]


def test_patches_are_applied_in_the_order_of_their_names(tree: Tree) -> None:
    tree.patch("0001-a.patch", "two", "TWO")
    assert tree.apply().returncode == 0
    tree.patch("0002-b.patch", "TWO", "TWICE")
    assert tree.apply().returncode == 0
    assert tree.now == ["one", "TWICE", "three"]


def test_applying_again_changes_nothing_and_touches_no_file(tree: Tree) -> None:
    tree.patch("0001-a.patch", "two", "TWO")
    tree.apply()
    before = (tree.source / "a.txt").stat().st_mtime_ns
    assert tree.apply().returncode == 0
    assert (tree.source / "a.txt").stat().st_mtime_ns == before


def test_a_changed_patch_replaces_the_old_one_and_leaves_other_files_untouched(tree: Tree) -> None:
    tree.patch("0001-a.patch", "two", "TWO")
    untouched = (tree.source / "b.txt").stat().st_mtime_ns
    tree.apply()
    text = (tree.patches / "0001-a.patch").read_text()
    (tree.patches / "0001-a.patch").write_text(text.replace("TWO", "2"))
    assert tree.apply().returncode == 0
    assert tree.now == ["one", "2", "three"]
    assert (tree.source / "b.txt").stat().st_mtime_ns == untouched


def test_a_removed_patch_is_undone(tree: Tree) -> None:
    tree.patch("0001-a.patch", "two", "TWO")
    tree.apply()
    (tree.patches / "0001-a.patch").unlink()
    assert tree.apply().returncode == 0
    assert tree.now == ["one", "two", "three"]


def test_a_new_file_is_removed_with_its_patch(tree: Tree) -> None:
    patch = tree.patches / "0001-new.patch"
    patch.write_text("--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+new\n")
    assert tree.apply().returncode == 0
    assert (tree.source / "new.txt").read_text() == "new\n"
    patch.unlink()
    tree.apply()
    assert not (tree.source / "new.txt").exists()


def test_a_patch_that_does_not_fit_stops_with_its_name_and_the_remedy(tree: Tree) -> None:
    tree.patch("0001-a.patch", "two", "TWO")
    (tree.patches / "0002-b.patch").write_text("--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-nowhere\n+here\n")
    failed = tree.apply()
    assert failed.returncode != 0
    assert "0002-b.patch" in failed.stderr
    assert "must move together" in " ".join(failed.stderr.split())


def test_after_a_failure_the_next_run_starts_from_the_source_again(tree: Tree) -> None:
    tree.patch("0001-a.patch", "two", "TWO")
    bad = tree.patches / "0002-b.patch"
    bad.write_text("--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-nowhere\n+here\n")
    tree.apply()
    bad.unlink()
    assert tree.apply().returncode == 0
    assert tree.now == ["one", "TWO", "three"]
