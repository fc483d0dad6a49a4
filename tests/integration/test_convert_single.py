"""`prune`, `distill` and `finetune` alone, on a checkpoint folder: the same steps as in a recipe."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from click.testing import CliRunner, Result

from edgeslm.errors import InputError
from edgeslm_convert import cli
from edgeslm_convert.checkpoint import load_model
from edgeslm_convert.shape import ModelShape
from tiny_checkpoints import write_checkpoint

WORDS = "the log of errors counts lines from hosts where SELECT count FROM logs level message time warn info".split()
SMALL = ["--tokens", "1024", "--sequence", "64"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint `hf`, a pruned one made by the command, and a text."""
    folder = tmp_path_factory.mktemp("single")
    write_checkpoint("llama", folder / "hf")
    draws = random.Random(0)
    (folder / "words.txt").write_text("\n".join(" ".join(draws.choices(WORDS, k=9)) for _ in range(200)))
    done = call(
        cli.prune, folder / "hf", folder / "pruned", "--layers", 2, "--vocabulary", 320, "--ffn", 96, "--kv-heads", 1,
        "--text", folder / "words.txt", *SMALL,
    )  # fmt: skip
    assert done.exception is None, done.output
    return folder


def call(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]


def refusal(result: Result) -> InputError:
    assert isinstance(result.exception, InputError)
    return result.exception


def test_pruning_leaves_a_checkpoint_of_the_wanted_shape_and_notes_what_is_left(folder: Path) -> None:
    shape = ModelShape.from_config(folder / "pruned")
    assert (shape.n_layer, shape.n_vocab, shape.n_ff, shape.n_head_kv, shape.n_head) == (2, 320, 96, 1, 2)
    assert sum(p.numel() for p in load_model(folder / "pruned").parameters()) == shape.parameters()
    kept = json.loads((folder / "pruned" / "kept.json").read_text())
    assert (len(kept["layers"]), len(kept["tokens"])) == (2, 320)
    assert sorted(path.name for path in folder.iterdir() if "pruned" in path.name) == ["pruned"]


def test_distillation_knows_what_pruning_left_and_goes_towards_the_teacher(folder: Path, tmp_path: Path) -> None:
    done = call(
        cli.distill, folder / "pruned", tmp_path / "out", "--teacher", folder / "hf", "--steps", 15,
        "--text", folder / "words.txt", "--held-out", folder / "words.txt", "--set", "rate=3e-3", *SMALL,
    )  # fmt: skip
    assert done.exception is None, done.output
    report = json.loads(done.stdout.split(": ", 1)[1])
    assert report["after"]["held_out_kl"] < report["before"]["held_out_kl"]
    assert json.loads((tmp_path / "out" / "kept.json").read_text())["layers"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_fine_tuning_merges_its_adapter_and_keeps_it(folder: Path, tmp_path: Path) -> None:
    done = call(
        cli.finetune, folder / "hf", tmp_path / "out", "--steps", 3, "--text", folder / "words.txt",
        "--set", "rank=4", *SMALL,
    )  # fmt: skip
    assert done.exception is None, done.output
    assert (tmp_path / "out" / "adapter" / "adapter_model.safetensors").is_file()
    before, after = load_model(folder / "hf").state_dict(), load_model(tmp_path / "out").state_dict()
    changed = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    adapter = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert changed == set(adapter["target_modules"])


def test_all_wrong_settings_and_missing_texts_are_told_at_once_and_nothing_is_written(
    folder: Path, tmp_path: Path
) -> None:
    done = call(
        cli.prune, folder / "hf", tmp_path / "out", "--layers", 2, "--ffn", 96, "--set", "hiden=4", "--set", "budget=3"
    )
    reasons = refusal(done).reason.split("; ")
    assert [line.split(" (")[0] for line in reasons] == [
        "prune_depth: needs a text, give --text or --data",
        "prune_width: unknown key 'hiden'",
        "prune_width: budget is 3, not a text",
        "prune_width: needs a text, give --text or --data",
    ]
    assert list(tmp_path.iterdir()) == []


def test_impossible_shapes_are_told_before_anything_is_loaded(folder: Path, tmp_path: Path) -> None:
    done = call(cli.prune, folder / "hf", tmp_path / "out", "--layers", 9, "--ffn", 100, "--text", folder / "words.txt")
    reason = refusal(done).reason
    assert "cannot keep 9 of 3 layers" in reason
    assert "ffn = 100 is not a multiple of 32" in reason
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_is_no_toml_is_named(folder: Path, tmp_path: Path) -> None:
    done = call(cli.prune, folder / "hf", tmp_path / "out", "--layers", 2, "--set", "rate", "--set", "method=influence")
    assert refusal(done).message == "no such setting: rate, method=influence"


def test_pruning_nothing_is_a_usage_error(folder: Path, tmp_path: Path) -> None:
    done = call(cli.prune, folder / "hf", tmp_path / "out")
    assert done.exit_code == 2
    assert "nothing to remove" in done.output
