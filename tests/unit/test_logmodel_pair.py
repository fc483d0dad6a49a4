"""Training pairs: the query of each is a sentence of the grammar of its own candidates, and runs on its own log."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.prompt import compact_prompt
from edgeslm.ask.sense import nonsense
from edgeslm_convert.logmodel.pair import Dropped, make_pairs, profile_log, write_query
from edgeslm_convert.logmodel.questions import Asker
from edgeslm_convert.logmodel.simulate import simulate
from edgeslm_convert.logmodel.table import open_table
from gbnf import Grammar


def test_the_queries_of_pairs_run_and_are_sentences_of_their_grammar() -> None:
    made, ruled_out = 0, []
    for seed in range(16):
        rng = random.Random(seed)
        log = simulate(rng, held_out=seed % 4 == 0)
        profile, asker, view = profile_log(log), Asker(log, rng), open_table(log)
        for question in filter(None, (asker.ask() for _ in range(24))):
            candidates = link(question.text, profile, now=question.now or log.records[-1]["ts"])
            try:
                sql = write_query(question, log, candidates)
            except Dropped:
                continue
            made += 1
            if not Grammar(build_grammar(candidates)).accepts(sql):
                ruled_out.append(f"{candidates.annotated}\n{sql}")
            assert not nonsense(sql, candidates), f"{candidates.annotated}\n{sql}"
            view.execute(expand(sql, candidates)).fetchall()
            handles = set(re.findall(r"\b[SVTNA]\d\b", sql))
            assert handles <= set(re.findall(r"[SVTNA]\d", compact_prompt(candidates)))
    assert made > 150
    assert len(ruled_out) <= 0.04 * made, "\n".join(ruled_out)  # slips of spelling, and words that nobody uses so


def test_a_seed_decides_the_pairs() -> None:
    one, same = ([(pair.question, pair.prompt, pair.sql) for pair in make_pairs(11)] for _ in range(2))
    assert one == same != []


def test_dropped_pairs_are_counted_with_their_reason() -> None:
    dropped: Counter[str] = Counter()
    for seed in range(6):
        list(make_pairs(seed, dropped=dropped))
    assert dropped
    assert all(re.fullmatch(r"\w+: .+", reason) for reason in dropped)


def test_the_prompt_ends_where_the_query_begins() -> None:
    for pair in make_pairs(2):
        assert pair.prompt.endswith("\nsql ")
        assert pair.sql.startswith("SELECT ")
        assert "SELECT" not in pair.prompt


def test_the_answer_of_a_count_is_the_number_of_lines_that_the_simulator_wrote() -> None:
    checked = 0
    for seed in range(10):
        rng = random.Random(seed)
        log = simulate(rng)
        profile, asker, view = profile_log(log), Asker(log, rng), open_table(log)
        for _ in range(120):
            question = asker.ask()
            if question is None or question.intent not in ("count", "exists"):
                continue
            if len(question.conds) != 1 or question.conds[0][0] != "S":
                continue
            candidates = link(question.text, profile, now=log.records[-1]["ts"])
            try:
                sql = write_query(question, log, candidates)
            except Dropped:
                continue
            (count,) = view.execute(expand(sql, candidates)).fetchone() or (None,)
            truth = log.truth.count(question.conds[0][1])
            assert isinstance(count, int)
            assert truth <= count <= truth / 0.4  # a pattern may be shared, but not by much: pair.py drops those
            checked += 1
    assert checked > 10


def test_shards_are_written_whole_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    from edgeslm_convert.logmodel import generate

    monkeypatch.setattr(generate, "LOGS_PER_SHARD", 2)
    made = generate._write_shard((tmp_path, 0, 5, False))
    assert made == len((tmp_path / "00000.jsonl").read_text(encoding="utf-8").splitlines()) > 0
    assert not list(tmp_path.glob("*.part"))
    (tmp_path / "00000.jsonl").write_text('{"prompt": "p", "sql": "s"}\n', encoding="utf-8")
    assert generate._write_shard((tmp_path, 0, 5, False)) == 1
    assert list(generate.read_pairs(tmp_path)) == [json.loads('{"prompt": "p", "sql": "s"}')]


def test_levels_are_ordered_in_the_simulated_view() -> None:
    from edgeslm.logs.sqltext import ordered_levels

    log = next(log for seed in range(50) if "level" in (log := simulate(random.Random(seed))).columns)
    view = open_table(log)
    above = view.execute(ordered_levels("SELECT DISTINCT level FROM logs WHERE level >= 'WARN'")).fetchall()
    assert {level for (level,) in above} <= {"WARN", "ERROR", "FATAL"}
    with pytest.raises(duckdb.Error):
        view.execute("SELECT 'LOUD'::log_level")
