"""Records of the suite: what goes into a result file comes out of it, and what is wrong is named, all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import InputError
from edgeslm_bench.records import Record, read_results

RECORD = Record("log-model", "pruned+quantized", "trained", latency_ms=12.5, samples={"decode_tokens_s": [80.0, 90.0]})


def write(path: Path, *infos: Any) -> Path:
    content = {
        "machine_info": {"cpu": {}},
        "commit_info": {"id": "abc"},
        "datetime": "2026-01-02T03:04:05",
        "benchmarks": [{"name": "one", "extra_info": info} for info in infos],
    }
    path.write_text(json.dumps(content))
    return path


def test_a_record_comes_back_from_a_result_file_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "run.json", {"scale": "lines"}, RECORD.to_extra_info())
    found = read_results(path)
    assert found.records == (RECORD,)
    assert (found.commit["id"], found.moment) == ("abc", "2026-01-02T03:04:05")
    assert found.find("log-model", "pruned+quantized") == RECORD
    assert found.of_group("code-model") == []


def test_everything_wrong_with_a_record_is_named() -> None:
    record = Record("a-model", "pruned+squeezed", "guessed", latency_ms=-1, valid_code_pct=101)
    assert record.problems() == [
        "group 'a-model' is none of tinyllama-1.1b, tiny_starcoder_py, log-model, code-model",
        "technique 'squeezed' is none of base-transformers-fp32, base-gguf-f16, base-gguf-q8_0, pruned, shared, "
        "early-exit, low-rank, distilled, quantized",
        "weights 'guessed' is none of random, trained",
        "latency_ms is -1",
        "valid_code_pct is over 100: 101",
    ]
    assert RECORD.problems() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "3", -0.5])
def test_a_number_that_is_none_is_refused(value: Any) -> None:
    assert Record("log-model", "pruned", "trained", rss_ratio=value).problems()
    assert Record("log-model", "pruned", "trained", samples={"load_ms": [value]}).problems()


def test_all_unsound_records_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    wrong = Record("log-model", "shared", "trained", load_ms=-2).to_extra_info()
    path = write(tmp_path / "run.json", RECORD.to_extra_info(), RECORD.to_extra_info(), wrong)
    with pytest.raises(InputError, match="records that cannot be used") as caught:
        read_results(path)
    assert "load_ms is -2" in caught.value.reason
    assert "log-model pruned+quantized is there twice" in caught.value.reason


def test_unknown_and_missing_fields_are_named() -> None:
    with pytest.raises(InputError) as caught:
        Record.from_extra_info({"technique": "pruned", "group": "log-model"})
    assert caught.value.reason == "it lacks weights"
    with pytest.raises(InputError) as caught:
        Record.from_extra_info({**RECORD.to_extra_info(), "colour": 3})
    assert caught.value.reason == "it has unknown colour"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"benchmarks": 3}', "not json"])
def test_what_is_no_result_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"run\.json is not a result"):
        read_results(path)


def test_a_file_without_records_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no record"):
        read_results(write(tmp_path / "run.json"))
    with pytest.raises(InputError, match="cannot read"):
        read_results(tmp_path / "none.json")
