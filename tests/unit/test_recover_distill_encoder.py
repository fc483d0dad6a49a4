"""Distilling a sentence encoder: the student comes to embed sentences where its teacher does. Tiny, in seconds."""

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
module = pytest.importorskip("edgeslm_convert.recover.distill_encoder")
EncoderSettings, Kept, distil_encoder = module.EncoderSettings, module.Kept, module.distil_encoder
VOCABULARY = 60


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_bert(layers: int = 3, width: int = 16, vocabulary: int = VOCABULARY, seed: int = 1) -> Any:
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers,
        num_attention_heads=2, max_position_embeddings=32, initializer_range=0.15,
    )  # fmt: skip
    return transformers.BertModel(config, add_pooling_layer=False).eval()


def make_batches(count: int = 6, vocabulary: int = VOCABULARY) -> list[Any]:
    generator = torch.Generator().manual_seed(7)
    found = []
    for _ in range(count):
        ids = torch.randint(1, vocabulary, (8, 12), generator=generator)
        mask = torch.ones_like(ids)
        for row in range(8):
            mask[row, 12 - row // 2 :] = 0
        found.append((ids * mask, mask))
    return found


def test_padding_is_no_part_of_a_sentence() -> None:
    hidden = torch.randn(2, 5, 3)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    pooled = losses.mean_pooled(hidden, mask)
    assert torch.allclose(pooled[0], hidden[0, :3].mean(0))
    assert torch.allclose(pooled[1], hidden[1].mean(0))
    changed = hidden.clone()
    changed[0, 3:] = 99
    assert torch.equal(losses.mean_pooled(changed, mask), pooled)
    assert torch.equal(losses.relative_error(changed, hidden, mask), torch.tensor(0.0))


def test_a_student_that_is_the_teacher_has_no_loss_and_no_gradient() -> None:
    teacher = make_bert()
    student = copy.deepcopy(teacher)
    settings = EncoderSettings(sentence=1.0, similarity=1.0, tokens=1.0, hidden=1.0)
    pupil = module._Pupil(student, teacher, settings, Kept())
    (batch,) = make_batches(1)
    ((loss, found),) = pupil.objective(batch)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert found["cosine"] == pytest.approx(1)
    assert max(float(p.grad.abs().max()) for p in student.parameters() if p.grad is not None) < 1e-3
    assert pupil.evaluate([batch]) == {"held_out_cosine": pytest.approx(1), "held_out_neighbour": 1.0}


@pytest.mark.parametrize("weights", [{}, {"sentence": 0.0, "similarity": 1.0}, {"tokens": 0.5, "hidden": 0.5}])
def test_distilling_a_pruned_encoder_brings_it_near_its_teacher(tmp_path: Path, weights: dict[str, float]) -> None:
    teacher = make_bert()
    student = copy.deepcopy(teacher)
    del student.encoder.layer[1]
    student.config.num_hidden_layers = 2
    data = make_batches()
    settings = EncoderSettings(steps=40, rate=3e-3, **weights)
    pupil = module._Pupil(student, teacher, settings, Kept(layers=[0, 2]))
    before = next(iter(pupil.objective(data[0])))[0].item()
    report = distil_encoder(
        student, teacher, lambda epoch: data, settings, tmp_path, kept=Kept(layers=[0, 2]), held_out=data
    )
    after = next(iter(pupil.objective(data[0])))[0].item()
    assert after < 0.5 * before
    if settings.sentence:
        assert report.after["held_out_cosine"] > report.before["held_out_cosine"]


@pytest.mark.usefixtures("float32")
def test_the_teachers_embeddings_may_come_with_the_batches(tmp_path: Path) -> None:
    teacher, data = make_bert(), make_batches()
    with torch.no_grad():
        brought = [
            (ids, mask, losses.mean_pooled(teacher(input_ids=ids, attention_mask=mask).last_hidden_state, mask))
            for ids, mask in data
        ]
    students = [make_bert(layers=1, seed=2) for _ in range(2)]
    settings = EncoderSettings(steps=5, rate=1e-3)
    reports = [
        distil_encoder(students[0], teacher, lambda epoch: data, settings, tmp_path / "run", held_out=data),
        distil_encoder(students[1], None, lambda epoch: brought, settings, tmp_path / "kept", held_out=brought),
    ]
    assert reports[0].after == reports[1].after
    for name, tensor in students[0].state_dict().items():
        assert torch.allclose(tensor, students[1].state_dict()[name], atol=1e-6), name


def test_embeddings_of_another_width_need_the_teacher(tmp_path: Path) -> None:
    brought = [(ids, mask, torch.randn(len(ids), 16)) for ids, mask in make_batches(2)]
    with pytest.raises(InputError, match="they have 16 numbers and the student's have 8"):
        distil_encoder(make_bert(width=8), None, lambda epoch: brought, EncoderSettings(steps=1), tmp_path)


def test_a_narrower_student_learns_through_a_projection(tmp_path: Path) -> None:
    teacher, student, data = make_bert(), make_bert(layers=1, width=8, seed=2), make_batches()
    settings = EncoderSettings(steps=60, rate=5e-3, similarity=1.0)
    report = distil_encoder(student, teacher, lambda epoch: data, settings, tmp_path, held_out=data)
    assert report.after["held_out_cosine"] > report.before["held_out_cosine"] + 0.3


def test_a_smaller_vocabulary_is_read_by_the_teacher_as_its_own_tokens(tmp_path: Path) -> None:
    teacher = make_bert()
    tokens = torch.tensor([0, *range(20, 50)])
    student = make_bert(vocabulary=len(tokens))
    weights = teacher.state_dict()
    name = "embeddings.word_embeddings.weight"
    student.load_state_dict({**weights, name: weights[name][tokens]})
    data = make_batches(2, vocabulary=len(tokens))
    pupil = module._Pupil(student, teacher, EncoderSettings(), Kept(tokens=tokens))
    assert pupil.evaluate(data)["held_out_cosine"] == pytest.approx(1)


def test_neighbours_agree_where_both_put_the_same_sentence_nearest() -> None:
    one = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    assert module.same_neighbour(one, 3 * one) == 1.0
    assert module.same_neighbour(one, one[[0, 2, 1, 3]]) == 0.0
    assert module.same_neighbour(one, torch.cat([one[:2], one[[2]], -one[[3]]])) == 0.5


def _with_words(teacher: Any, batch: Any) -> Any:
    """The batch with what the teacher makes of it; every two tokens are a word."""
    ids, mask = batch
    with torch.no_grad():
        hidden = teacher(input_ids=ids, attention_mask=mask).last_hidden_state
    rows, count = torch.full_like(ids, losses.NO_WORD), 0
    for row, length in enumerate(mask.sum(1).tolist()):
        rows[row, :length] = torch.arange(length) // 2 + count
        count = int(rows[row].max()) + 1
    return ids, mask, losses.mean_pooled(hidden, mask), rows, losses.word_means(hidden, rows, count)


def test_words_are_taught_without_the_teacher_itself(tmp_path: Path) -> None:
    teacher, student = make_bert(), make_bert(layers=2, seed=2)
    data = [_with_words(teacher, batch) for batch in make_batches()]
    settings = EncoderSettings(sentence=0.0, tokens=1.0, steps=60, rate=5e-3)
    pupil = module._Pupil(student, None, settings, Kept())
    before = next(iter(pupil.objective(data[0])))[1]["tokens"]
    distil_encoder(student, None, lambda epoch: data, settings, tmp_path)
    assert next(iter(pupil.objective(data[0])))[1]["tokens"] < 0.7 * before
    same = module._Pupil(teacher, None, settings, Kept())
    assert next(iter(same.objective(data[0])))[1]["tokens"] == pytest.approx(0, abs=1e-6)


def test_words_that_no_batch_brings_cannot_be_taught(tmp_path: Path) -> None:
    teacher = make_bert()
    data = [_with_words(teacher, batch) for batch in make_batches(2)]
    settings = EncoderSettings(tokens=1.0, steps=1)
    with pytest.raises(InputError, match="tokens cannot be taught"):
        distil_encoder(make_bert(seed=2), None, lambda epoch: [data[0][:3]], settings, tmp_path)
    ids, mask, embedded, rows, words = data[1]
    none = (ids, mask, embedded, torch.full_like(rows, losses.NO_WORD), words[:0])
    loss, _ = next(iter(module._Pupil(make_bert(seed=2), None, settings, Kept()).objective(none)))
    assert torch.isfinite(loss)


def test_every_offender_is_told_at_once(tmp_path: Path) -> None:
    settings = EncoderSettings(steps=0, sentence=-1.0, tokens=1.0, hidden=1.0)
    with pytest.raises(InputError) as caught:
        distil_encoder(make_bert(), None, lambda epoch: [], settings, tmp_path)
    for words in ("steps is 0", "sentence is -1.0", "hidden needs a teacher"):
        assert words in caught.value.reason
    with pytest.raises(InputError, match="are all 0"):
        distil_encoder(make_bert(), None, lambda epoch: [], EncoderSettings(sentence=0.0), tmp_path)
