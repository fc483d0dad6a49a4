"""The study's four sets from small local files in each set's own columns, and from a hub that is a stand-in."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import EdgeSlmError, InputError

duckdb = pytest.importorskip("duckdb")
sets = pytest.importorskip("edgeslm_convert.data.sets")
records = pytest.importorskip("edgeslm_convert.data.records")

ABSTRACT = "We study how long an abstract has to be so that it counts. " * 5
ROWS: dict[str, list[dict[str, Any]]] = {
    "wikipedia_field_of_science": [
        {"id": "12", "text": "Anarchism is a political philosophy.", "category": "Social_sciences"},
        {"id": "13", "text": "  ", "category": "Chemistry"},
        {"id": "14", "text": "Boron is an element.", "category": "Chemistry"},
    ],
    "astronomy-stack-dpo-text": [
        {"prompt": "Why is the sky dark?", "chosen": "Because the universe is young.", "rejected": "It sleeps."},
        {"prompt": "", "chosen": "Nothing asked.", "rejected": ""},
    ],
    "scidocs": [
        {"doc_id": "a1", "corpus_id": 7, "title": "A long enough title", "abstract": ABSTRACT, "year": 2019},
        {"doc_id": "a2", "corpus_id": 8, "title": "Too short an abstract", "abstract": "So it is.", "year": 2019},
        {"doc_id": "a3", "corpus_id": 9, "title": "One without an abstract", "abstract": None, "year": 2019},
    ],
    "the-stack": [
        {
            "hexsha": "f00", "size": 40, "ext": "py", "lang": "Python", "max_stars_repo_path": "a/b.py",
            "max_stars_repo_name": "me/it", "max_stars_repo_licenses": ["MIT"], "avg_line_length": 20.0,
            "max_line_length": 22, "alphanum_fraction": 0.6, "content": "import numpy as np\nprint(np.ones(3))\n",
        },
        {"content": "print('no library')\n"},
        {"content": "# AUTO-GENERATED\nimport numpy\n"},
    ],
}  # fmt: skip
TEXTS = {
    "wikipedia_field_of_science": ["Anarchism is a political philosophy.", "Boron is an element."],
    "astronomy-stack-dpo-text": ["Why is the sky dark?\n\nBecause the universe is young."],
    "scidocs": [f"A long enough title\n\n{ABSTRACT}"],
    "the-stack": ["import numpy as np\nprint(np.ones(3))\n"],
}


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_local_copy_gives_the_sets_records(tmp_path: Path, name: str) -> None:
    found = list(sets.load(name, write_lines(tmp_path / "rows.jsonl", ROWS[name])))
    assert [record.text for record in found] == TEXTS[name]
    assert all(record.meta["source"] == name for record in found)


def test_parquet_as_the_hub_keeps_it_gives_the_same_records(tmp_path: Path) -> None:
    source, folder = write_lines(tmp_path / "s.ndjson", ROWS["astronomy-stack-dpo-text"]), tmp_path / "data"
    folder.mkdir()
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * FROM read_json('{source}')) TO '{folder}/train-00000-of-00001.parquet' (FORMAT parquet)"
        )
    (record,) = sets.load("astronomy-stack-dpo-text", folder)
    assert record.prompt == "Why is the sky dark?\n\n"
    assert record.answer == "Because the universe is young."


def test_what_is_known_of_a_record_comes_along(tmp_path: Path) -> None:
    def first(name: str) -> Any:
        return next(iter(sets.load(name, write_lines(tmp_path / f"{name}.jsonl", ROWS[name])))).meta

    assert first("wikipedia_field_of_science")["label"] == "Social_sciences"
    assert (first("scidocs")["id"], first("scidocs")["title"]) == ("a1", "A long enough title")
    assert (first("the-stack")["repository"], first("the-stack")["licenses"]) == ("me/it", ["MIT"])


def test_copies_of_wikipedia_with_words_and_labels_are_read_too(tmp_path: Path) -> None:
    row = {"token": ["Boron", "is", "light", "."], "label": ["Natural sciences", "Chemistry"]}
    (record,) = sets.load("wikipedia_field_of_science", write_lines(tmp_path / "w.jsonl", [row]))
    assert (record.text, record.meta["label"]) == ("Boron is light .", "Natural sciences > Chemistry")


def test_scidocs_own_json_and_beirs_corpus_are_read_too(tmp_path: Path) -> None:
    own = tmp_path / "paper_metadata_view_cite_read.json"
    paper = {"title": "A long enough title", "abstract": ABSTRACT, "authors": ["1"], "references": [], "year": 2010}
    own.write_text(json.dumps({"0dfb47": {"paper_id": "0dfb47", **paper}, "1": {**paper, "abstract": None}}))
    beir = write_lines(tmp_path / "corpus.jsonl", [{"_id": "632", "title": "A long enough title", "text": ABSTRACT}])
    found = [next(iter(sets.load("scidocs", path))) for path in (own, beir)]
    assert {record.text for record in found} == set(TEXTS["scidocs"])
    assert [record.meta["id"] for record in found] == ["0dfb47", "632"]


def test_a_row_that_lacks_a_column_is_told_with_its_place(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [ROWS["the-stack"][0], {"text": "import numpy"}])
    with pytest.raises(InputError) as caught:
        list(sets.load("the-stack", path))
    assert (
        str(caught.value) == f"{path}:2 is no row of bigcode/the-stack\n  because it has no column content; it has text"
    )


def test_a_column_of_another_kind_is_told(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [{"prompt": "?", "chosen": [{"role": "assistant"}], "rejected": ""}])
    with pytest.raises(InputError, match="its column chosen holds no text but list"):
        list(sets.load("astronomy-stack-dpo-text", path))


def test_an_unknown_set_is_refused_naming_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="known are wikipedia_field_of_science, astronomy-stack-dpo-text, scidocs"):
        list(sets.load("wikipedia", tmp_path))


def test_logs_and_texts_are_loaded_by_name_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    for name, source in (("logs", "log"), ("texts", "text")):
        (record,) = sets.load(name, tmp_path, caps=records.Caps(length=5))
        assert (record.text, record.meta["source"]) == ("one\nt", source)
        with pytest.raises(InputError, match="name a file or a folder"):
            sets.load(name)


class Hub(types.ModuleType):
    """Stands in for the package datasets."""

    def __init__(self, rows: list[dict[str, Any]], error: Exception | None = None) -> None:
        super().__init__("datasets")
        self.rows, self.error, self.given = rows, error, 0
        self.asked: list[Any] = []

    def load_dataset(self, *positional: Any, **named: Any) -> Iterator[dict[str, Any]]:
        self.asked.append((positional, named))
        for row in self.rows:
            self.given += 1
            yield row
        if self.error is not None:
            raise self.error


def test_the_hub_is_streamed_no_further_than_the_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(ROWS["the-stack"][:1] * 50)
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert len(list(sets.load("the-stack", caps=records.Caps(records=3)))) == 3
    assert hub.given == 3
    assert hub.asked == [
        (("bigcode/the-stack", None), {"split": "train", "streaming": True, "data_dir": "data/python"})
    ]


def test_scidocs_on_the_hub_is_a_configuration_of_scirepeval(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(ROWS["scidocs"])
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert [record.text for record in sets.load("scidocs")] == TEXTS["scidocs"]
    assert hub.asked == [(("allenai/scirepeval", "scidocs_view_cite_read"), {"split": "evaluation", "streaming": True})]


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", Hub(ROWS["scidocs"][:2], ConnectionError("no route\nto host")))
    with pytest.raises(InputError) as caught:
        list(sets.load("scidocs"))
    assert caught.value.message == "cannot read allenai/scirepeval from the hub after row 2"
    assert caught.value.reason == "no route"
    assert "name a local copy" in caught.value.hint


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(EdgeSlmError, match="data sets of the hub need the package datasets"):
        list(sets.load("scidocs"))


def test_the_real_package_reports_a_set_it_cannot_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (extra: convert)")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(InputError, match="cannot read David-Xu/astronomy-stack-dpo-text from the hub"):
        next(iter(sets.load("astronomy-stack-dpo-text")))


def test_pairs_of_the_planner_are_prompts_and_answers(tmp_path: Path) -> None:
    pair = {"intent": "count", "question": "how many", "prompt": "question how many\nsql ", "sql": "SELECT count(*)"}
    (tmp_path / "00000.jsonl").write_text(json.dumps(pair) + "\n")
    (record,) = sets.load("pairs", tmp_path)
    assert (record.prompt, record.answer, record.text) == (pair["prompt"], pair["sql"], pair["prompt"] + pair["sql"])


def test_a_row_that_is_no_pair_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "00000.jsonl").write_text(json.dumps({"prompt": "question how many\nsql "}) + "\n")
    with pytest.raises(InputError, match=r"00000.jsonl:1 is no pair"):
        list(sets.load("pairs", tmp_path))
    with pytest.raises(InputError, match="no pairs to read"):
        sets.load("pairs")
