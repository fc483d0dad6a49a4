"""Training on a few random pairs: labels, schedule, resumption, and what is refused. Tiny settings, seconds in all."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import InputError

numpy = pytest.importorskip("numpy", reason="numpy is not installed (extra: convert)")
torch = pytest.importorskip("torch", reason="torch is not installed (extra: convert)")
for needed in ("transformers", "safetensors", "sentencepiece", "tqdm"):
    pytest.importorskip(needed, reason=f"{needed} is not installed (extra: convert)")
dataset = pytest.importorskip("edgeslm_convert.logmodel.dataset")
training = pytest.importorskip("edgeslm_convert.logmodel.train")
loop = pytest.importorskip("edgeslm_convert.recover.loop")
TrainSettings, train, batches = training.TrainSettings, training.train, dataset.batches
BOS, EOS = dataset.BOS, dataset.EOS

TINY = {"layers": 1, "width": 16, "heads": 2, "ffn": 32, "vocabulary": 40, "batch_tokens": 96}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_pairs(count: int, seed: int = 3) -> Any:
    """Random prompts; the answer repeats the prompt's first token three times."""
    rng = numpy.random.default_rng(seed)
    ids: list[int] = []
    starts, answers = [0], []
    for _ in range(count):
        prompt = rng.integers(5, 40, rng.integers(3, 12)).tolist()
        ids += [BOS, *prompt, *[prompt[0]] * 3, EOS]
        starts.append(len(ids))
        answers.append(len(prompt) + 1)
    return dataset.Tokenized(
        numpy.array(ids, numpy.uint16), numpy.array(starts, numpy.int64), numpy.array(answers, numpy.int64)
    )


def weights(out: Path) -> dict[str, Any]:
    return dict(importlib.import_module("safetensors.torch").load_file(out / "model" / "model.safetensors"))


def test_labels_are_the_answer_alone() -> None:
    data = make_pairs(25)
    seen = 0
    for ids, labels in batches(data, tokens=96, seed=1):
        assert ids.shape == labels.shape
        assert ids.shape[1] % 16 == 0
        for row, wanted in zip(ids, labels, strict=True):
            answer = row[wanted != -100]
            assert torch.equal(answer, wanted[wanted != -100])
            assert answer.tolist() == [int(row[1])] * 3 + [EOS]
            seen += 1
    assert seen == 25


def test_an_epoch_is_the_same_for_the_same_seed_only() -> None:
    data = make_pairs(25)
    first, same, other = ([ids.tolist() for ids, _ in batches(data, tokens=96, seed=seed)] for seed in (1, 1, 2))
    assert first == same != other


def test_a_run_that_was_cut_off_ends_with_the_weights_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(**TINY, steps=14, checkpoint_minutes=0)
    data, held_out = make_pairs(30), make_pairs(6, seed=4)
    whole = train(lambda: data, held_out, settings, tmp_path / "whole")
    per_epoch = len(list(batches(data, tokens=settings.batch_tokens, seed=1)))
    assert 2 < per_epoch < 14  # so that it is cut off within an epoch, and goes on over its end
    real, calls = loop.Run.train_on, 0

    def fail_in_second_epoch(run: Any, batch: Any, objective: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == per_epoch + 3:
            raise KeyboardInterrupt
        real(run, batch, objective)

    monkeypatch.setattr(loop.Run, "train_on", fail_in_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(lambda: data, held_out, settings, tmp_path / "cut")
    monkeypatch.setattr(loop.Run, "train_on", real)
    resumed = train(lambda: data, held_out, settings, tmp_path / "cut")
    assert resumed["step"] == whole["step"] == 14
    assert resumed["loss"] == whole["loss"]
    for name, tensor in weights(tmp_path / "whole").items():
        assert torch.equal(tensor, weights(tmp_path / "cut")[name]), name


def test_a_finished_run_is_not_trained_further(tmp_path: Path) -> None:
    settings = TrainSettings(**TINY, steps=3)
    data = make_pairs(20)
    train(lambda: data, data, settings, tmp_path)
    before = weights(tmp_path)
    assert train(lambda: data, data, settings, tmp_path)["step"] == 3
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(tmp_path).items())


def test_a_checkpoint_is_moved_into_place_whole(tmp_path: Path) -> None:
    train(lambda: make_pairs(20), make_pairs(5), TrainSettings(**TINY, steps=2), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "train.jsonl", "model"}
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 2
    assert lines[-1]["settings"]["layers"] == 1
    assert {"held_out_loss", "held_out_exact", "tokens", "minutes"} <= set(lines[-1])


def test_loss_falls_and_answers_come_right(tmp_path: Path) -> None:
    data = make_pairs(8)
    settings = TrainSettings(**{**TINY, "width": 32}, steps=150, rate=1e-2, checkpoint_minutes=9)
    before = training.evaluate(training.make_model(settings), data, batch=9)
    after = train(lambda: data, data, settings, tmp_path)
    assert after["held_out_loss"] < 0.5 * before["held_out_loss"]
    assert after["held_out_exact"] > before["held_out_exact"]


def test_training_starts_from_given_embeddings(tmp_path: Path) -> None:
    settings = TrainSettings(**TINY, steps=1, rate=0.0)
    start = torch.arange(40 * 16).reshape(40, 16).float() / 999
    train(lambda: make_pairs(9), make_pairs(5), settings, tmp_path, embeddings=start)
    assert torch.equal(weights(tmp_path)["model.embed_tokens.weight"], start)


def trained(folder: Path, **changes: Any) -> Path:
    train(lambda: make_pairs(9), make_pairs(5), TrainSettings(**{**TINY, **changes}, steps=3, rate=1e-2), folder)
    return folder / "model"


def test_a_grown_model_says_what_the_smaller_one_said(tmp_path: Path) -> None:
    small = training.LlamaForCausalLM.from_pretrained(trained(tmp_path, layers=2)).eval()
    grown = training.make_model(TrainSettings(**{**TINY, "layers": 4})).eval()
    training.grow(small, grown)
    ids = torch.arange(3, 30)[None]
    with torch.no_grad():
        assert torch.allclose(grown(ids).logits, small(ids).logits, atol=1e-5)
    assert all(layer.mlp.down_proj.weight.abs().sum() == 0 for layer in grown.model.layers[1::2])


@pytest.mark.parametrize("changes", [{"layers": 3}, {"width": 32}, {"vocabulary": 60}])
def test_a_model_of_another_shape_cannot_be_started_from(tmp_path: Path, changes: dict[str, int]) -> None:
    start = trained(tmp_path / "start", layers=2)
    settings = TrainSettings(**{**TINY, "layers": 2, **changes}, steps=1)
    with pytest.raises(InputError, match="cannot start"):
        train(lambda: make_pairs(9), make_pairs(5), settings, tmp_path, start=start)


def test_the_weights_saved_keep_their_share_of_those_before(tmp_path: Path) -> None:
    start = trained(tmp_path / "start")
    for share in (0.0, 0.25):
        settings = TrainSettings(**TINY, steps=2, rate=1e-2, keep=share)
        train(lambda: make_pairs(9), make_pairs(5), settings, tmp_path / str(share), start=start)
    before, after, kept = (weights(tmp_path / name) for name in ("start", "0.0", "0.25"))
    for name, weight in kept.items():
        assert torch.allclose(weight, 0.75 * after[name] + 0.25 * before[name], atol=1e-6)


def test_a_share_to_keep_is_below_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot keep 1\.5"):
        train(lambda: make_pairs(9), make_pairs(5), TrainSettings(**TINY, steps=2, keep=1.5), tmp_path)


@pytest.mark.parametrize(
    ("pairs", "held_out", "message"),
    [(0, 5, "there are no pairs to train on"), (5, 0, "there are no held-out pairs")],
)
def test_training_on_nothing_is_refused(tmp_path: Path, pairs: int, held_out: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(lambda: make_pairs(pairs), make_pairs(held_out), TrainSettings(**TINY, steps=2), tmp_path)


def test_a_recipe_gives_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[model]\nlayers = 2\n[training]\nsteps = 7\nminutes = 3.0\n")
    settings = training.read_recipe(path)
    assert (settings.layers, settings.steps, settings.minutes) == (2, 7, 3.0)
    assert training.read_recipe(path, minutes=9).minutes == 9


def test_a_recipe_with_unknown_keys_is_refused_naming_each(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[model]\nlayer = 2\n[training]\nspeed = 7\nsteps = 7\n")
    with pytest.raises(InputError) as caught:
        training.read_recipe(path)
    assert str(caught.value).startswith(f"{path} has keys that training does not know: layer, speed\n")
