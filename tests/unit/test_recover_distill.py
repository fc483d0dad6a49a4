"""Distillation: what a student is pulled towards, and that it gets there. Tiny random models, seconds in all."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import InputError

torch = pytest.importorskip("torch", reason="torch is not installed (extra: convert)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra: convert)")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra: convert)")
losses = pytest.importorskip("edgeslm_convert.recover.losses")
module = pytest.importorskip("edgeslm_convert.recover.distill")
Kept, DistilSettings, Pupil, distil = module.Kept, module.DistilSettings, module.Pupil, module.distil

VOCABULARY, LAYERS, WIDTH = 48, 4, 16
SHARP = 5  # times the usual initial scale, so that predictions differ


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_llama(layers: int = LAYERS, width: int = WIDTH, vocabulary: int = VOCABULARY, seed: int = 1) -> Any:
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64, initializer_range=SHARP * 0.02,
        tie_word_embeddings=True,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def make_bigcode(seed: int = 1) -> Any:
    torch.manual_seed(seed)
    config = transformers.GPTBigCodeConfig(
        vocab_size=VOCABULARY,
        n_embd=WIDTH,
        n_layer=2,
        n_head=2,
        n_positions=64,
        initializer_range=SHARP * 0.02,
        bos_token_id=0,
        eos_token_id=0,
    )
    return transformers.GPTBigCodeForCausalLM(config)


def without_layers(teacher: Any, kept: list[int]) -> Any:
    student = copy.deepcopy(teacher)
    student.model.layers = torch.nn.ModuleList([student.model.layers[number] for number in kept])
    student.config.num_hidden_layers = len(kept)
    return student


def make_batches(count: int = 12, vocabulary: int = VOCABULARY, seed: int = 7) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        ids = torch.randint(3, vocabulary, (4, 16), generator=generator)
        labels = ids.clone()
        labels[:, :5] = -100
        labels[1, 12:] = -100
        found.append((ids, labels))
    return found


def gradient(pupil: Any, batch: Any) -> float:
    pupil.student.zero_grad()
    for loss, _ in pupil.objective(batch):
        loss.backward()
    return max(float(p.grad.abs().max()) for p in pupil.student.parameters() if p.grad is not None)


@pytest.mark.parametrize("make", [make_llama, make_bigcode])
def test_a_student_that_is_the_teacher_has_no_divergence_and_no_gradient(make: Any) -> None:
    teacher = make()
    student = copy.deepcopy(teacher).eval()
    settings = DistilSettings(cross_entropy=0.0, hidden=1.0)
    (batch,) = make_batches(1)
    pupil = Pupil(student, teacher, settings)
    assert pupil.evaluate([batch])["held_out_kl"] == pytest.approx(0, abs=1e-6)
    assert pupil.evaluate([batch])["held_out_top1"] == 1.0
    assert gradient(pupil, batch) < 1e-5
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    assert gradient(pupil, batch) > 1e-2
    assert pupil.evaluate([batch])["held_out_kl"] > 1e-3


def test_distilling_a_pruned_student_brings_it_near_its_teacher(tmp_path: Path) -> None:
    teacher = make_llama()
    student = without_layers(teacher, [0, 3])
    data = make_batches(30)
    settings = DistilSettings(steps=80, rate=3e-3, hidden=0.2)
    report = distil(
        student, teacher, lambda epoch: data[:24], settings, tmp_path, kept=Kept(layers=[0, 3]), held_out=data[24:]
    )
    assert report.before["held_out_kl"] > 2 * report.after["held_out_kl"]
    assert report.after["held_out_top1"] > report.before["held_out_top1"]
    assert (report.steps, report.tokens) == (80, 80 * 64)
    assert not student.training


def test_in_bfloat16_the_weights_stay_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = pytest.importorskip("edgeslm_convert.recover.loop")
    data, found = make_batches(3), {}
    for fast in (False, True):
        monkeypatch.setattr(loop, "fast_bfloat16", lambda device, fast=fast: fast)
        student = make_llama(layers=2, seed=2)
        settings = DistilSettings(steps=3, hidden=0.1)
        report = distil(student, make_llama(), lambda epoch: data, settings, tmp_path / str(fast), held_out=data)
        assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}
        found[fast] = report.after["held_out_kl"]
    assert found[True] == pytest.approx(found[False], rel=0.05)
    assert found[True] != found[False]


def test_without_a_teacher_the_labels_are_learnt(tmp_path: Path) -> None:
    student, data = make_llama(layers=1), make_batches(2)
    settings = DistilSettings(steps=60, rate=1e-2, cross_entropy=1.0)
    report = distil(student, None, lambda epoch: data, settings, tmp_path, held_out=data)
    assert report.after["held_out_loss"] < 0.5 * report.before["held_out_loss"]
    assert set(report.after) == {"held_out_loss", "held_out_perplexity"}


def test_a_killed_distillation_ends_with_the_weights_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, data = make_llama(), make_batches(5)
    settings = DistilSettings(steps=9, rate=1e-3, hidden=0.1, checkpoint_minutes=0.0)
    loop = pytest.importorskip("edgeslm_convert.recover.loop")
    real, calls = loop.Run.train_on, 0

    def run(folder: Path) -> Any:
        student = make_llama(layers=2, width=8, seed=2)
        return student, distil(student, teacher, lambda epoch: data, settings, folder, held_out=data[:1])

    def killed(run: Any, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt
        real(run, *arguments)

    whole, report = run(tmp_path / "whole")
    monkeypatch.setattr(loop.Run, "train_on", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    monkeypatch.setattr(loop.Run, "train_on", real)
    resumed, resumed_report = run(tmp_path / "cut")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert resumed_report.before == report.before  # of the untrained student, though this run began later
    assert resumed_report.after == report.after


def test_the_temperature_softens_both_and_scales_the_loss() -> None:
    torch.manual_seed(3)
    student, teacher = torch.randn(6, 9), torch.randn(6, 9)
    one, other = (torch.softmax(logits / 4, -1) for logits in (student, teacher))
    expected = 16 * (other * (other.log() - one.log())).sum(-1).mean()
    assert losses.divergence(student, teacher, 4.0) == pytest.approx(expected.item(), rel=1e-5)
    pupils = [Pupil(make_llama(seed=2), make_llama(), DistilSettings(temperature=t)) for t in (1.0, 4.0)]
    (batch,) = make_batches(1)
    found = [next(iter(pupil.objective(batch)))[1]["kl"] for pupil in pupils]
    assert found[0] != pytest.approx(found[1], rel=0.005)


def test_only_labelled_tokens_count_and_reach_the_head() -> None:
    model = make_llama()
    (batch,) = make_batches(1)
    seen = []
    model.lm_head.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape[0]))
    pupil = Pupil(model, make_llama(seed=2), DistilSettings())
    (part,) = pupil.objective(batch)
    assert seen == [11 * 3 + 7]
    ids, labels = batch[0].clone(), batch[1]
    ids[1, 13:] = 3  # nothing that is read before a label
    (same,) = pupil.objective((ids, labels))
    assert torch.equal(part[0], same[0])
    ids[1, 4] = 3
    (other,) = pupil.objective((ids, labels))
    assert not torch.equal(part[0], other[0])


def test_a_batch_in_parts_has_the_loss_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pupil = Pupil(make_llama(seed=2), make_llama(), DistilSettings(hidden=0.0))
    (batch,) = make_batches(1)
    (whole,) = pupil.objective(batch)
    monkeypatch.setattr(losses, "_MOST_LOGITS", 20 * VOCABULARY)
    pieces = list(pupil.objective(batch))
    assert len(pieces) == 3  # 11 + 7, 11, 11 labels
    assert sum(loss.item() for loss, _ in pieces) == pytest.approx(whole[0].item(), rel=1e-5)
    for name in ("ce", "kl"):
        assert sum(found[name] for _, found in pieces) == pytest.approx(whole[1][name], rel=1e-5)


@pytest.mark.parametrize("name", ["llama", "gpt_bigcode", "gemma", "granite", "phi", "mistral"])
def test_the_logits_of_chosen_positions_are_those_of_the_model(name: str) -> None:
    tiny = pytest.importorskip("tiny_checkpoints")
    config_class, model_class, shape, _ = tiny.ARCHITECTURES[name]
    torch.manual_seed(1)
    model = getattr(transformers, model_class)(getattr(transformers, config_class)(**shape)).eval()
    (batch,) = make_batches(1)
    rows, places, _ = losses.answer_places(batch[1])
    with torch.no_grad():
        found = losses.forward(model, batch[0], rows, places, hidden=True)
        expected = model(input_ids=batch[0]).logits[rows, places]
        assert torch.allclose(found.logits, expected, atol=1e-5)
        assert len(found.hidden) == shape.get("num_hidden_layers", 3) + 1
        assert model(input_ids=batch[0]).logits.shape[:2] == batch[0].shape  # no hook is left behind


def test_a_student_with_a_part_of_the_vocabulary_is_compared_on_that_part() -> None:
    teacher = make_llama()
    tokens = torch.tensor([0, 1, 2, *range(10, 40)])
    student = make_llama(vocabulary=len(tokens))
    weights = teacher.state_dict()
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = weights[name][tokens]
    student.load_state_dict(weights)
    (batch,) = make_batches(1, vocabulary=len(tokens))
    pupil = Pupil(student, teacher, DistilSettings(cross_entropy=0.0), Kept(tokens=tokens))
    assert pupil.evaluate([batch])["held_out_kl"] == pytest.approx(0, abs=1e-6)
    assert gradient(pupil, batch) < 1e-5
    shuffled = Kept(tokens=tokens.flip(0))
    assert Pupil(student, teacher, DistilSettings(), shuffled).evaluate([batch])["held_out_kl"] > 1e-2


def test_layers_are_matched_to_what_the_next_kept_layer_read() -> None:
    assert losses.layer_map(2, 4, [0, 3]) == [(1, 3), (2, 4)]
    assert losses.layer_map(3, 4, [0, 1, 2]) == [(1, 1), (2, 2), (3, 4)]
    assert losses.layer_map(2, 4) == [(1, 2), (2, 4)]
    assert losses.layer_map(4, 4) == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_a_students_width_is_matched_by_its_channels_or_a_learnt_projection(tmp_path: Path) -> None:
    teacher, student = make_llama(), make_llama(layers=2, width=8, seed=2)
    settings = DistilSettings(steps=40, rate=5e-3, divergence=0.0, cross_entropy=0.0, hidden=1.0)
    by_channels = Pupil(student, teacher, settings, Kept(channels=torch.arange(0, 16, 2)))
    assert by_channels.projection is None
    (batch,) = make_batches(1)
    first = next(iter(by_channels.objective(batch)))[1]["hidden"]
    assert first > 0.1
    learnt = Pupil(student, teacher, settings)
    assert tuple(learnt.projection.weight.shape) == (16, 8)
    before = next(iter(learnt.objective(batch)))[1]["hidden"]
    distil(student, teacher, lambda epoch: [batch], settings, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt")
    assert "projection.weight" in state["model"]
    assert state["means"]["hidden"] < before


def test_every_mismatch_is_told_at_once(tmp_path: Path) -> None:
    teacher, student = make_llama(), make_llama(layers=2, width=8, vocabulary=40)
    kept = Kept(tokens=torch.tensor([0, 99]), layers=[3, 1, 2], channels=torch.tensor([1]))
    with pytest.raises(InputError) as caught:
        distil(student, teacher, lambda epoch: [], DistilSettings(temperature=0.0, hidden=1.0), tmp_path, kept=kept)
    for words in (
        "temperature is 0.0, above 0",
        "2 kept tokens are named and the student has 40",
        "of the kept tokens 99 is not one of the teacher's 48",
        "3 kept layers are named and the student has 2",
        "the kept layers [3, 1, 2] do not rise",
        "1 kept channels are named and the student has 8",
    ):
        assert words in caught.value.reason
    with pytest.raises(InputError, match="it is not said which of the teacher's they are"):
        distil(student, teacher, lambda epoch: [], DistilSettings(), tmp_path)
    with pytest.raises(InputError, match="there is no teacher and cross_entropy is 0"):
        distil(student, None, lambda epoch: [], DistilSettings(cross_entropy=0.0), tmp_path)
    assert not list(tmp_path.iterdir())
