"""From generated pairs to a GGUF: tokenizer, model and converter; llama.cpp cuts text as SentencePiece does."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.planner import sure_above, write_sql
from edgeslm.ask.prompt import FINETUNE_NAME
from edgeslm.engine import Model
from edgeslm.errors import ModelError, PlanError
from edgeslm_convert.logmodel.pair import make_pairs, profile_log
from edgeslm_convert.logmodel.simulate import simulate
from edgeslm_convert.logmodel.table import open_table
from gbnf import Grammar

for needed in ("torch", "transformers", "safetensors", "sentencepiece", "gguf", "tqdm"):
    pytest.importorskip(needed, reason=f"{needed} is not installed (extra: convert)")
sentencepiece = pytest.importorskip("sentencepiece")
training = pytest.importorskip("edgeslm_convert.logmodel.train")
exporting = pytest.importorskip("edgeslm_convert.logmodel.export")
tokenizing = pytest.importorskip("edgeslm_convert.logmodel.tokenizer")
VOCABULARY = 700


@dataclass
class Exported:
    texts: list[str]  # prompts with their queries
    tokenizer: Any
    tokenizer_path: Path
    checkpoint: Path
    gguf: Path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A random model of one layer with a tokenizer trained on some 200 pairs."""
    try:
        converting = pytest.importorskip("edgeslm_convert.gguf")
        converting.converter_script()
    except ModelError as missing:
        pytest.skip(f"no converter: {missing}")
    folder = tmp_path_factory.mktemp("planner")
    pairs = [pair for seed in range(24) for pair in make_pairs(seed)]
    lines = [pair_line(pair.prompt, pair.sql) for pair in pairs]
    (folder / "00000.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = tokenizing.train_tokenizer(folder, folder / "tokenizer", vocabulary=VOCABULARY)
    settings = training.TrainSettings(layers=1, width=32, heads=2, ffn=64, vocabulary=VOCABULARY)
    training.make_model(settings).save_pretrained(folder / "model", safe_serialization=True)
    gguf = exporting.export_planner(
        folder / "model", tokenizer, folder / "out" / "planner.gguf", outtype="f32", sure_above=0.625
    )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    return Exported([pair.prompt + pair.sql for pair in pairs], processor, tokenizer, folder / "model", gguf)


def pair_line(prompt: str, sql: str) -> str:
    return json.dumps({"intent": "", "question": "", "prompt": prompt, "sql": sql}, ensure_ascii=False)


@pytest.fixture(scope="module")
def model(exported: Exported) -> Iterator[Model]:
    with Model(exported.gguf) as loaded:
        yield loaded


def test_llama_cpp_cuts_pairs_as_sentencepiece_does(exported: Exported, model: Model) -> None:
    texts = exported.texts[:200]
    assert len(texts) == 200
    for text in texts:
        assert model.tokenize(text, add_special=False) == exported.tokenizer.encode(text), text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  two  spaces",
        "\n\n",
        "ünïcode 🙂 四",
        "\tTab",
        "S1 V2 T3 N1 A9",
        "s1 V",
        "a<b>c",
        "100% _x_ \\",
        "S10 V77",
    ],
)
def test_llama_cpp_cuts_odd_text_as_sentencepiece_does(text: str, exported: Exported, model: Model) -> None:
    assert model.tokenize(text, add_special=False) == exported.tokenizer.encode(text)


def test_training_and_asking_begin_with_the_same_token(exported: Exported, model: Model) -> None:
    from edgeslm_convert.logmodel.dataset import BOS

    text = exported.texts[0]
    assert model.tokenize(text) == [BOS, *exported.tokenizer.encode(text)]


def test_every_handle_is_one_token(exported: Exported) -> None:
    for handle in tokenizing.HANDLES:
        assert len(exported.tokenizer.encode(f" {handle}")) <= 2
        assert exported.tokenizer.piece_to_id(handle) != exported.tokenizer.unk_id()


def test_the_file_says_which_prompt_it_reads(model: Model) -> None:
    assert model.metadata["general.finetune"] == FINETUNE_NAME
    assert sure_above(model) == 0.625
    assert model.name == "edgeslm-planner"


def test_an_untrained_planner_still_writes_sql_that_runs(model: Model) -> None:
    """The grammar alone makes it so; a text that does not come to an end is refused instead."""
    written = 0
    for seed in range(8):
        log = simulate(random.Random(seed))
        candidates = link("how many errors are there?", profile_log(log), now=log.records[-1]["ts"])
        try:
            sql, confidence = write_sql(model, candidates)
        except PlanError:
            continue
        written += 1
        assert 0 <= confidence <= 1
        assert Grammar(build_grammar(candidates)).accepts(sql)
        open_table(log).execute(expand(sql, candidates)).fetchall()
    assert written


def test_tokenized_pairs_begin_their_answer_where_the_query_begins(exported: Exported, tmp_path: Path) -> None:
    from edgeslm_convert.logmodel.dataset import tokenize_pairs

    pairs = list(make_pairs(3))
    (tmp_path / "00000.jsonl").write_text(
        "\n".join(pair_line(pair.prompt, pair.sql) for pair in pairs), encoding="utf-8"
    )
    data = tokenize_pairs(tmp_path, exported.tokenizer_path)
    assert 0 < len(data) <= len(pairs)
    answers = set()
    for number in range(len(data)):
        ids = data.ids[data.starts[number] : data.starts[number + 1]]
        answers.add(exported.tokenizer.decode(ids[data.answers[number] : -1].tolist()))
    assert answers <= {pair.sql for pair in pairs}
    assert len(tokenize_pairs(tmp_path, exported.tokenizer_path, limit=2)) <= 2


def test_a_failed_conversion_says_why_and_leaves_nothing(exported: Exported, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    broken.mkdir()
    (broken / "config.json").write_text('{"architectures": ["NoSuchModel"]}')
    (broken / "model.safetensors").write_bytes((exported.checkpoint / "model.safetensors").read_bytes())
    with pytest.raises(ModelError) as caught:
        exporting.export_planner(broken, exported.tokenizer_path, tmp_path / "out" / "planner.gguf")
    assert caught.value.reason
    assert not [path for path in (tmp_path / "out").glob("*") if path.is_file()]
