"""The sentence encoder of the engine, on a tiny random BERT."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from edgeslm.engine.encoder import Encoder, likeness
from edgeslm.errors import ModelError
from edgeslm_convert.gguf import converter_script, to_gguf
from tiny_checkpoints import pre_tokenizer, write_checkpoint

_TEXTS = ["the log of errors", "count lines from hosts", "warn", "select level time message info error the the the"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_checkpoint("bert", tmp_path_factory.mktemp("bert"))
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)  # says which tokens are special
    return folder


@pytest.fixture(scope="module")
def gguf(checkpoint: Path) -> Path:
    try:
        converter_script()
    except ModelError as error:
        pytest.skip(f"no converter here: {error}")
    return to_gguf(checkpoint, checkpoint / "tiny.gguf", outtype="f32", pre_tokenizer=pre_tokenizer("bert"))


def test_embeddings_are_the_mean_over_the_tokens_that_transformers_computes(gguf: Path, checkpoint: Path) -> None:
    model, tokenizer = AutoModel.from_pretrained(checkpoint).eval(), AutoTokenizer.from_pretrained(checkpoint)
    with Encoder(gguf, threads=1) as encoder, torch.no_grad():
        for text, row in zip(_TEXTS, encoder.embed(_TEXTS), strict=True):
            ids = tokenizer(text)["input_ids"]
            assert encoder.tokenize(text) == ids
            mean = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0)
            wanted = torch.nn.functional.normalize(mean, dim=0)
            assert torch.dot(wanted, torch.tensor(row)).item() == pytest.approx(1, abs=1e-5)


def test_an_embedding_does_not_depend_on_the_texts_beside_it(gguf: Path) -> None:
    many = [f"{text} {number}" for number in range(30) for text in _TEXTS]
    with Encoder(gguf, threads=1, cached=0) as encoder:
        together = encoder.embed(many)
        for text, row in list(zip(many, together, strict=True))[::17]:
            (alone,) = encoder.embed([text])
            assert likeness(alone, row) == pytest.approx(1, abs=1e-5)


def test_a_text_asked_for_again_is_not_computed_again(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Encoder(gguf, threads=1, cached=2) as encoder:
        first = encoder.embed(["the log", "the host", "the log"])
        assert first[0] is first[2]
        computed: list[int] = []
        run = encoder._run

        def counted(rows: list[list[int]]) -> object:
            computed.append(len(rows))
            return run(rows)

        monkeypatch.setattr(encoder, "_run", counted)
        encoder.embed(["the host", "the log"])
        assert computed == []
        encoder.embed(["warn"])
        encoder.embed(["the host"])  # the one used longest ago was forgotten
        assert computed == [1, 1]


def test_a_text_longer_than_the_model_reads_is_cut_and_still_ends_in_the_separator(gguf: Path) -> None:
    with Encoder(gguf, threads=1) as encoder:
        tokens = encoder.tokenize("error " * 1000)
        assert len(tokens) == encoder.most_tokens
        assert tokens[-1] == encoder.tokenize("error")[-1]
        assert len(encoder.embed(["error " * 1000])[0]) == encoder.width


def test_no_texts_give_no_embeddings(gguf: Path) -> None:
    with Encoder(gguf, threads=1) as encoder:
        assert encoder.embed([]) == []


def test_a_causal_model_is_no_encoder(tiny_llama: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny\.gguf is no encoder"):
        Encoder(tiny_llama)
