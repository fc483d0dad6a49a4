"""The student encoder: its parts taken out of the teacher, its layers refitted, the batches it learns from."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from edgeslm.errors import InputError
from edgeslm_convert.encoder.corpus import Sentence
from edgeslm_convert.encoder.refit import refit
from edgeslm_convert.encoder.stream import Embedder, Reading, Stream, padded, taught
from edgeslm_convert.encoder.student import StudentSettings, cut_positions, make_student
from edgeslm_convert.encoder.train import held_out_sample, read_recipe
from edgeslm_convert.prune.depth import keep_layers
from edgeslm_convert.recover.losses import NO_WORD
from tiny_checkpoints import write_checkpoint

_WORDS = "the log of errors counts lines from hosts where level time message warn info".split()


def _bert(layers: int = 4) -> BertModel:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "max_position_embeddings": 32}
    return BertModel(BertConfig(vocab_size=100, num_hidden_layers=layers, **shape), add_pooling_layer=False).eval()


def _samples(count: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(1, 100, (5 + at % 9,), generator=generator).tolist() for at in range(count)]
    return [padded(rows[at : at + 8]) for at in range(0, count, 8)]


@torch.no_grad()
def _turned(student: BertModel, teacher: BertModel) -> float:
    total = 0.0
    samples = _samples(32, seed=9)
    for ids, mask in samples:
        one, other = (m(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()] for m in (student, teacher))
        total += float(1 - torch.cosine_similarity(one, other, dim=-1).mean())
    return total / len(samples)


def test_refitting_brings_a_student_without_some_layers_nearer_to_its_teacher() -> None:
    teacher = _bert()
    student = copy.deepcopy(teacher)
    keep_layers(student, [0, 3])
    before = _turned(student, teacher)
    errors = refit(student, teacher, [0, 3], _samples(160))
    assert len(errors) == 2
    assert _turned(student, teacher) < 0.5 * before


def test_refitting_a_student_that_lacks_nothing_changes_next_to_nothing() -> None:
    teacher = _bert(2)
    student = copy.deepcopy(teacher)
    assert max(refit(student, teacher, [0, 1], _samples(160))) < 0.02
    assert _turned(student, teacher) < 0.01


def test_cut_positions_are_the_first_ones_and_the_configuration_says_how_many() -> None:
    model = _bert()
    ids, mask = _samples(8)[0]
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).last_hidden_state
        cut_positions(model, 16)
        after = model(input_ids=ids, attention_mask=mask).last_hidden_state
    assert torch.equal(before, after)
    assert model.config.max_position_embeddings == 16
    assert model.embeddings.position_embeddings.num_embeddings == 16


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_checkpoint("bert", tmp_path_factory.mktemp("teacher"))
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def _texts(count: int) -> list[str]:
    return [" ".join(_WORDS[(at * step) % len(_WORDS)] for step in (1, 3, 5, 7)) + f" {at}" for at in range(count)]


def test_a_student_has_the_chosen_layers_tokens_and_positions(teacher: Path, tmp_path: Path) -> None:
    settings = StudentSettings(layers=(0, 2), ffn=96, vocabulary=200, positions=64, refitted=64)
    out = make_student(teacher, _texts(100), settings, tmp_path / "student")
    model, tokenizer = BertModel.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    assert (model.config.num_hidden_layers, model.config.vocab_size, len(tokenizer)) == (2, 200, 200)
    assert (model.config.max_position_embeddings, model.config.intermediate_size) == (64, 96)
    assert tokenizer.tokenize("the log") == AutoTokenizer.from_pretrained(teacher).tokenize("the log")


def test_settings_that_the_teacher_cannot_follow_are_all_named(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot make such a student") as found:
        make_student(
            teacher, _texts(9), StudentSettings(layers=(2, 7), ffn=64, vocabulary=9999, positions=0), tmp_path / "no"
        )
    for part in ("no layers [7]", "9999", "positions is 0"):
        assert part in found.value.reason


def _stream(teacher: Path, **changes: int) -> Stream:
    embedder = Embedder(BertModel.from_pretrained(teacher), AutoTokenizer.from_pretrained(teacher))
    return Stream(_texts(64), embedder, embedder, **{"chunk": 16, "repeats": 2, "batch": 4, **changes})


def test_a_batch_brings_the_teachers_embeddings_of_its_own_sentences(teacher: Path) -> None:
    stream = _stream(teacher)
    for ids, mask, wanted, *_ in stream.batches(0):
        with torch.no_grad():
            hidden = stream.teacher.model(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        assert torch.cosine_similarity(mean, wanted, dim=-1).min() > 0.999


def test_a_batch_brings_the_teachers_words_wherever_the_student_cuts_them(teacher: Path) -> None:
    whole = Embedder(BertModel.from_pretrained(teacher), AutoTokenizer.from_pretrained(teacher))
    text = "the logs of unforgettable errors"
    tokens = whole.tokenizer.tokenize(text)
    assert len(tokens) > len(text.split()), "the text must have a word of several tokens"
    words = whole.words([text])[0]
    assert (words[0], words[-1]) == (0, len(text.split()) + 1)
    reading = whole.read([text])[0]
    assert len(reading.words) == words[-1] + 1
    with torch.no_grad():
        hidden = whole.model(input_ids=torch.tensor(whole.ids([text]))).last_hidden_state[0]
    for word in range(len(reading.words)):
        mean = hidden[[at for at, number in enumerate(words) if number == word]].mean(0)
        assert torch.allclose(reading.words[word].float(), mean, atol=2e-3)
    # A student that cuts each word into letters: its tokens still name the teacher's words.
    letters = [at for at, word in enumerate(["", *text.split(), ""]) for _ in range(max(1, len(word)))]
    ids = [1] * len(letters)
    _, _, _, rows, states = taught([ids, whole.ids([text])[0]], [letters, words], [reading, reading])
    assert rows[0, : len(letters)].tolist() == letters
    assert rows[1, : len(words)].tolist() == [len(reading.words) + number for number in words]
    assert (rows[1, len(words) :] == NO_WORD).all()
    assert torch.equal(states[: len(reading.words)], reading.words.float())


def test_a_sentence_that_was_cut_off_for_one_of_both_brings_no_words(teacher: Path) -> None:
    whole = Embedder(BertModel.from_pretrained(teacher), AutoTokenizer.from_pretrained(teacher))
    text = "the log of errors counts lines"
    reading, words = whole.read([text])[0], whole.words([text])[0]
    _, _, embedded, rows, states = taught([[1, 2, 3], [1, 2]], [[0, 1, 2], [0, 1]], [reading, reading])
    assert (rows == NO_WORD).all()
    assert len(states) == 0
    assert len(embedded) == 2
    assert words[-1] > 2


def test_every_sentence_is_seen_as_often_as_said_and_read_by_the_teacher_once(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = _stream(teacher)
    read: list[str] = []
    plain = stream.teacher.read

    def noted(texts: list[str]) -> list[Reading]:
        read.extend(texts)
        return plain(texts)

    monkeypatch.setattr(stream.teacher, "read", noted)
    seen = [sum(len(batch[0]) for batch in stream.batches(epoch)) for epoch in range(3)]
    assert seen == [16, 32, 32]
    assert len(read) == len(set(read)) == 48
    again = [batch[0].tolist() for batch in stream.batches(2)]
    assert again == [batch[0].tolist() for batch in _stream(teacher).batches(2)]


def test_the_held_out_sample_is_fixed_and_has_no_training_sentence() -> None:
    sentences = [Sentence(text, "x", number % 3 == 0) for number, text in enumerate(_texts(90))]
    sample = held_out_sample(sentences, 10)
    assert sample == held_out_sample(sentences, 10)
    assert set(sample) <= {sentence.text for sentence in sentences if sentence.held_out}
    assert not set(sample) & set(held_out_sample(sentences, 10, skip=10))


def test_the_recipe_that_ships_can_be_read_and_a_wrong_one_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "models/encoder/recipe.toml"
    student, training = read_recipe(shipped)
    assert len(student.layers) == 3
    assert training.similarity > 0
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[student]\nlayer = 3\n[training]\nsentence = -1\n[other]\n")
    with pytest.raises(InputError) as found:
        read_recipe(wrong)
    for part in ("[other]", "'layer'", "sentence is -1"):
        assert part in found.value.reason
