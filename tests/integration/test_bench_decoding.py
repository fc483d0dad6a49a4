"""What measures decoding measures what it says: replayed texts, real tokenizers, exits, and llama-bench beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import pytest

from edgeslm.engine import Model
from edgeslm.engine.memory import Plan
from edgeslm.errors import EdgeSlmError, InputError, ModelError
from edgeslm_bench.decoding.exits import default_layers, measure_exits
from edgeslm_bench.decoding.exits import to_markdown as exits_table
from edgeslm_bench.decoding.modes import FORCED, PLAIN, measure_modes, to_markdown
from edgeslm_bench.decoding.replay import ReplayDecoder
from edgeslm_bench.decoding.speed import DecodeMeasure, beyond, find_llama_bench, measure_decode
from edgeslm_bench.decoding.vocabulary import with_vocabulary
from edgeslm_bench.decoding.workloads import Workload, own_text, summary
from tiny_models import write_tiny_llama


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("decoding") / "model.gguf", layers=6)


def test_modes_write_the_given_text_and_their_own(model: Path) -> None:
    quoted = "the log count 42 yes the log"
    workloads = [
        own_text("the log", 24),
        Workload("quote", f"{quoted}\n", f"{quoted} no {quoted}"),
        Workload("bound", "the log", "SELECT yes FROM logs", 'root ::= "SELECT " ("yes" | "no") " FROM logs"'),
    ]
    found = measure_modes(model, workloads, threads=1, rounds=2, n_ctx=256)
    assert [(one.workload, one.mode) for one in found] == [
        *(("own text", mode) for mode in (PLAIN, "lookup", "self")),
        *(("quote", mode) for mode in (PLAIN, "lookup")),
        *(("bound", mode) for mode in (PLAIN, FORCED)),
    ]
    assert all(one.ratio == 1 for one in found if one.mode == PLAIN)
    assert all(len(one.times_ms) == 2 and min(one.times_ms) > 0 for one in found)
    assert to_markdown(found).count("\n") == len(found) + 1


def test_a_replayed_text_is_the_one_given_and_not_the_models(model: Path) -> None:
    with ReplayDecoder(model, plan=Plan(128), threads=1) as decoder:
        script = decoder.model.tokenize("the log count yes no yes no the log")
        decoder.read(script[:4])
        own = decoder.best(3, 1)[0]
        decoder.script = script
        assert decoder.best(3, 1)[0] == script[4:5] != own
        decoder.read(script[4:7], outputs=3)
        assert decoder.best(0, 3)[0] == script[5:8]
        decoder.exit_layer = 2
        with pytest.raises(ModelError, match="says nothing of what the first layers would draft"):
            decoder.best(0, 1)


def test_a_text_outside_the_grammar_is_not_replayed(model: Path) -> None:
    workload = Workload("bound", "the log", "SELECT maybe", 'root ::= "SELECT " ("yes" | "no")')
    with pytest.raises(ModelError, match="not one of the grammar's"):
        measure_modes(model, [workload], threads=1, rounds=1, n_ctx=128)


def test_a_model_gets_the_tokenizer_of_another_and_computes_as_before(tmp_path: Path, model: Path) -> None:
    words = write_tiny_llama(tmp_path / "words.gguf", layers=1, metadata={"tokenizer.chat_template": "{{ x }}"})
    made = with_vocabulary(model, words, tmp_path / "made.gguf")
    with Model(model, n_ctx=64) as one, Model(made, n_ctx=64) as other:
        assert other.metadata["tokenizer.chat_template"] == "{{ x }}"
        assert one.complete("the log", max_tokens=8).tokens == other.complete("the log", max_tokens=8).tokens


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path: Path, model: Path) -> None:
    large = tmp_path / "large.gguf"
    writer = gguf.GGUFWriter(large, "llama")
    writer.add_token_list([f"word{number}" for number in range(5000)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(InputError, match="it has 5000 tokens, the model's embedding"):
        with_vocabulary(model, large, tmp_path / "made.gguf")


def test_a_summary_quotes_lines_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"Mar  3 00:00:0{n} host app[{n}]: Failed password for user{n}\n" for n in range(9)))
    found = summary(log, 5)
    assert found.text is not None
    assert "user4" in found.prompt
    assert "user5" not in found.prompt
    assert '5 lines say "Failed password", the last one:\n  Mar  3 00:00:04 host app[4]' in found.text


def test_exits_are_measured_against_their_share_of_the_layers(model: Path) -> None:
    found = measure_exits(model, threads=1, rounds=2, position=8, cpu_time=True)
    assert [one.layer for one in found] == default_layers(6) == [2, 3, 4]
    assert default_layers(22) == [6, 7, 11, 16]
    assert all(one.measured_ms > 0 for one in found)
    assert exits_table(found).count("\n") == len(found) + 1


def test_generate_is_measured_beside_llama_bench(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = tmp_path / "llama-bench"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\nassert os.environ['LD_LIBRARY_PATH']\n"
        "print(json.dumps([{'avg_ts': 10.0 * int(sys.argv[sys.argv.index('-t') + 1])}]))\n"
    )
    program.chmod(0o755)
    (found,) = measure_decode([model], llama_bench=program, tokens=12, threads=2, rounds=2, n_ctx=256)
    assert found.llama_bench == (20.0, 20.0)
    assert found.ratio is not None
    assert found.ratio == pytest.approx(sum(found.generate) / 40.0, rel=1.0)
    assert found.peak_bytes > 20e6
    assert found.file_bytes == model.stat().st_size


def test_what_is_too_slow_or_too_large_is_named() -> None:
    slow = DecodeMeasure("a", (9.0, 9.2), (10.0, 10.0), 1.0, 10, 10)
    large = DecodeMeasure("b", (10.0,), (10.0,), 52e6, 10_000_000, 500_000)
    assert beyond([slow, large]) == [
        "a decodes at 0.910 of llama-bench's speed, 0.95 was promised",
        "b took 52.0 MB, 51.5 were promised",
    ]


def test_a_missing_llama_bench_is_said_with_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LLAMA_BENCH", raising=False)
    with pytest.raises(EdgeSlmError) as caught:
        find_llama_bench(None)
    assert "make llama-bench" in str(caught.value)
