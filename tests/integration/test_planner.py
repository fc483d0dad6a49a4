"""The planner: any model under the grammar gives SQL that DuckDB binds; the one that ships answers the sample log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from asked_log import make_profile, open_view
from edgeslm.ask import planner
from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.planner import plan_question, write_sql
from edgeslm.ask.prompt import FINETUNE_NAME, chat_prompt, compact_prompt
from edgeslm.engine import Model
from edgeslm.errors import ModelError, PlanError
from edgeslm.logs import LogSet, open_logs
from edgeslm.resources import default_model, sample_log
from tiny_models import write_tiny_llama

NOW = datetime(2024, 5, 3, 12, 0)
QUESTIONS = [
    "how many failed passwords?",
    "top 3 users with failed passwords from 10.0.0.2 in the last 2.5 hours",
    "slowest backup of vol3",
    'turbine restarts, with "it\'s 100%_\\" before 08:10?',
    "🙂",
]
CHAT = "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n'}}{% endfor %}"


@pytest.fixture(scope="module")
def compact_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """A random model that says it reads the compact prompt."""
    path = tmp_path_factory.mktemp("planner") / "tiny.gguf"
    with Model(write_tiny_llama(path, context=2048, metadata={"general.finetune": FINETUNE_NAME})) as model:
        yield model


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_model_writes_under_the_grammar_binds(seed: int, compact_model: Model) -> None:
    """Texts drawn at temperature 1 from random weights: all that is certain about them is the grammar."""
    candidates = link(QUESTIONS[seed % len(QUESTIONS)], make_profile(), now=NOW)
    view = open_view()
    done = compact_model.complete(
        compact_prompt(candidates), grammar=build_grammar(candidates), max_tokens=1200, temperature=1.0, seed=seed
    )
    assert done.finished
    sql = expand(done.text, candidates)
    view.execute(f"EXPLAIN {sql}").fetchall()
    view.execute(sql).fetchall()


class Recorder:
    """Stands for a model: keeps the prompt it was given, and writes what it was told to."""

    name = "recorder"

    def __init__(self, text: str, *, finetune: str = "", finished: bool = True) -> None:
        self.metadata = {"general.finetune": finetune} if finetune else {}
        self.text, self.finished, self.prompt = text, finished, ""

    def chat_prompt(self, system: str, user: str) -> str:
        return f"[{system}][{user}]"

    def complete(self, prompt: str, **_: Any) -> Any:
        from edgeslm.engine.model import Completion

        self.prompt = prompt
        return Completion(self.text, [1, 2], [-0.1, -0.2], 3, 2, 0.0, 0.0, self.finished)


def test_the_planners_own_model_reads_the_compact_prompt() -> None:
    candidates = link("how many failed passwords?", make_profile(), now=NOW)
    model: Any = Recorder("SELECT count(*) FROM logs", finetune=FINETUNE_NAME)
    sql, confidence = write_sql(model, candidates)
    assert sql == "SELECT count(*) FROM logs"
    assert confidence == pytest.approx(0.7408, abs=1e-4)  # e to the -0.3
    assert model.prompt == compact_prompt(candidates)


@pytest.mark.parametrize("finetune", ["", "edgeslm-prompt-0", "chat"])
def test_any_other_model_is_asked_by_its_chat_template(finetune: str) -> None:
    candidates = link("how many failed passwords?", make_profile(), now=NOW)
    model: Any = Recorder("SELECT count(*) FROM logs", finetune=finetune)
    write_sql(model, candidates)
    system, user = chat_prompt(candidates)
    assert model.prompt == f"[{system}][{user}]"


@pytest.mark.parametrize("text", ["SELECT count(*) FROM", "", "I cannot"])
def test_a_text_that_is_no_whole_query_is_refused(text: str) -> None:
    candidates = link("how many failed passwords?", make_profile(), now=NOW)
    model: Any = Recorder(text, finished=text == "I cannot")
    with pytest.raises(PlanError) as caught:
        write_sql(model, candidates)
    assert str(caught.value) == (
        "the model wrote no whole query\n"
        "  because it stopped after 2 tokens\n"
        "  hint: ask in other words, or write the SQL yourself with `edgeslm sql`"
    )


@pytest.mark.parametrize("template", [CHAT, None], ids=["template", "plain"])
def test_a_model_with_a_prompt_of_its_own_writes_sql(template: str | None, tmp_path: Path) -> None:
    candidates = link("how many failed passwords?", make_profile(), now=NOW)
    path = write_tiny_llama(tmp_path / "chat.gguf", context=8192, chat_template=template)
    with Model(path, n_ctx=8192) as model:
        prompt = model.chat_prompt(*chat_prompt(candidates))
        assert ("<|im_start|>system" in prompt) is (template is not None)
        done = model.complete(prompt, grammar=build_grammar(candidates), max_tokens=600, temperature=1.0, seed=1)
    assert done.finished
    open_view().execute(expand(done.text, candidates)).fetchall()


# the whole way, on the sample log ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logs() -> Iterator[LogSet]:
    with open_logs([sample_log()]) as opened:
        yield opened


def one(logs: LogSet, sql: str) -> Any:
    return logs.query(sql).rows[0][0]


def stub(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Let the planner read this instead of what a model writes."""

    class Stub(Recorder):
        def __init__(self, path: Path, *, threads: int | None = None) -> None:
            super().__init__(sql, finetune=FINETUNE_NAME)

        def __enter__(self) -> Stub:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(planner, "Model", Stub)


def test_a_plan_holds_query_evidence_and_subject(logs: LogSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "SELECT count(*) FROM logs WHERE message LIKE S1")
    plan = plan_question("how many failed passwords?", logs, model_path=Path("x.gguf"), now=None)
    assert plan.reading.sql == "SELECT count(*) FROM logs WHERE message LIKE '%Failed password%'"
    assert plan.reading.evidence_where == "message LIKE '%Failed password%'"
    assert plan.reading.subject == "lines with 'Failed password'"
    assert (plan.now, plan.now_source, plan.model_name) == (None, "", "recorder")
    assert set(plan.timing_ms) == {"link", "load", "plan"}


def test_the_evidence_of_a_share_is_what_was_counted(logs: LogSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "SELECT 100.0 * count(*) FILTER (WHERE message LIKE S1) / count(*) FROM logs WHERE app = V1")
    plan = plan_question("what share of sshd lines are failed passwords?", logs, model_path=Path("x"), now=None)
    assert plan.reading.evidence_where == "((message LIKE '%Failed password%')) AND app = 'sshd'"
    assert logs.query(f"SELECT count(*) FROM logs WHERE {plan.reading.evidence_where}").rows[0][0] > 0


def test_the_evidence_of_a_query_without_conditions_is_any_line(logs: LogSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "SELECT count(*) FROM logs")
    assert plan_question("how many lines?", logs, model_path=Path("x"), now=None).reading.evidence_where is None


@pytest.mark.parametrize(
    ("question", "now", "source"),
    [
        ("errors in the last hour", datetime(2026, 3, 3, 12), "given"),
        ("errors in the last hour", None, "log end"),  # the sample log is older than a day
        ("how many lines are there?", None, ""),
    ],
)
def test_relative_times_count_back_from_now_or_from_the_logs_end(
    question: str, now: datetime | None, source: str, logs: LogSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    condition = " WHERE ts IN T1" if source else ""
    stub(monkeypatch, f"SELECT count(*) FROM logs{condition}")
    plan = plan_question(question, logs, model_path=Path("x"), now=now)
    span = logs.time_range()
    assert span is not None
    assert plan.now_source == source
    assert plan.now == {"given": now, "log end": span[1], "": None}[source]


def shipped() -> Path:
    try:
        return default_model()
    except ModelError as missing:
        pytest.skip(f"no planner ships with this checkout: {missing}")


@pytest.mark.parametrize(
    ("question", "truth"),
    [
        ("how many failed passwords?", "SELECT count(*) FROM logs WHERE message LIKE '%Failed password%'"),
        ("when was the last failed password?", "SELECT max(ts) FROM logs WHERE message LIKE '%Failed password%'"),
    ],
)
def test_the_planner_that_ships_answers_the_sample_log(question: str, truth: str, logs: LogSet) -> None:
    plan = plan_question(question, logs, model_path=shipped(), now=None)
    assert one(logs, plan.reading.sql) == one(logs, truth), plan.reading.handle_sql


def test_the_planner_that_ships_ranks_the_addresses_of_the_readme(logs: LogSet) -> None:
    plan = plan_question("top 3 addresses with failed passwords", logs, model_path=shipped(), now=None)
    truth = (
        "SELECT count(*) FROM logs WHERE message LIKE '%Failed password%' GROUP BY ip ORDER BY count(*) DESC LIMIT 3"
    )
    assert [count for _, count in logs.query(plan.reading.sql).rows] == [count for (count,) in logs.query(truth).rows]
    assert 0 < plan.reading.confidence <= 1
