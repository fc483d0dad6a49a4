"""Every measured number of the README comes from a committed result: one section holds them, written from these."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeslm.errors import InputError
from edgeslm_bench.facts import read_facts, state
from edgeslm_bench.readme import BEGIN, END, claims_outside, section, update
from edgeslm_bench.suite.cli import bench
from result_files import records, write_results

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results"
SOURCE = {"command": "edgeslm measure-ask", "date": "2026-11-22", "machine": "AMD EPYC, 2 cores", "commit": "0123456"}
SAYS, VALUES = "Right on {right} of {total}.", {"right": 68, "total": 80}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A README with the markers and a folder of results with one fact."""
    (tmp_path / "README.md").write_text(f"# x\n\n{BEGIN}\n{END}\n\nmore\n")
    (tmp_path / "results").mkdir()
    state(tmp_path / "results", "questions", VALUES, SOURCE, says=SAYS)
    return tmp_path


def call(project: Path, *arguments: str) -> tuple[int, str]:
    where = ["--results", str(project / "results"), "--readme", str(project / "README.md")]
    done = CliRunner().invoke(bench, [*arguments, *where])
    return done.exit_code, done.output.strip()


# --- the project's own


def test_the_readmes_measured_section_is_that_of_the_committed_results() -> None:
    changed = update(ROOT / "README.md", RESULTS, write=False)
    assert not changed, "the README is not up to date: run `edgeslm bench readme`"


def test_the_readme_claims_nothing_measured_outside_that_section() -> None:
    assert claims_outside((ROOT / "README.md").read_text()) == []


def test_the_results_are_committed() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    found = subprocess.run(["git", "ls-files", "bench/results"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {f"bench/results/{path.name}" for path in RESULTS.glob("*.json")} <= set(found.stdout.split())


def test_what_is_said_of_a_model_was_measured_on_the_file_that_ships() -> None:
    stale = []
    for name, fact in read_facts(RESULTS).items():
        if fact.model:
            (path,) = ROOT.glob(f"models/*/{fact.model['file']}")
            data = path.read_bytes()
            if (len(data), hashlib.sha256(data).hexdigest()) != (fact.model["bytes"], fact.model["sha256"]):
                stale.append(name)
    assert stale == [], "measure again and say so: `edgeslm bench fact NAME KEY=NUMBER... --model FILE`"


def test_the_facts_about_the_planner_agree_with_its_file() -> None:
    fact = read_facts(RESULTS)["planner"]
    assert fact.values["bytes"] == (ROOT / "models/planner/planner.gguf").stat().st_size
    gguf = pytest.importorskip("gguf")
    tensors = gguf.GGUFReader(ROOT / "models/planner/planner.gguf").tensors
    assert fact.values["parameters"] == sum(int(tensor.n_elements) for tensor in tensors)


# --- how it works


@pytest.mark.parametrize(
    "claim",
    [
        "It writes 46.4 tokens/s.",
        "It is 11.9 times as fast.",
        "It is 2x faster.",
        "Right on 68 of 80 questions.",
        "The score is 68/80.",
        "accuracy 0.85",
        "takes 45 ms",
        "takes 3 seconds",
        "a file of 6.6 MB",
        "6,596,896 bytes",
        "85 % of them",
        "memory at 20 GB/s",
        "**0.850** of them",
        "| 1.5 s |",
        "1.5 % of 3 <!-- set, not measured -->",
    ],
)
def test_what_looks_like_a_measurement_is_found(claim: str) -> None:
    assert len(claims_outside(f"Some text. {claim} More.")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Python 3.11 or newer",
        "(Apache-2.0)",
        "a sample of at most 5,000 records",
        "between 02:00 and 03:00",
        "llama.cpp 0.3.36",
        "docs/decisions/0005",
        "`--max-memory 800M` and `0.79`",
        "```\n58 of 107\n```",
        "    edgeslm verify OUT small.gguf --bound top1=0.8",
        "exit status 0, 1 or 2",
        "RFC 3164, RFC 5424",
        "stopped at 1.5 % <!-- set, not measured --> of the run",
        f"{BEGIN}\n68 of 80\n{END}",
    ],
)
def test_what_is_no_measurement_is_left_alone(text: str) -> None:
    assert claims_outside(f"Some text.\n{text}\nMore.") == []


def test_the_section_holds_the_newest_runs_best_and_every_fact(project: Path) -> None:
    write_results(project / "results/old.json", records(speed=0.5), moment="2026-11-20T03:00:00")
    write_results(project / "results/new.json", moment="2026-11-22T03:00:00")
    text = section(project / "results")
    assert (
        "| TinyLlama 1.1B | random | pruned+quantized | 46.4 tokens/s, 11.9 × | 371 MB, 1/17.9 | 331 MB | – |" in text
    )
    assert "| trained | base-gguf-q8_0 | 2,105 tokens/s, 5.24 × | 52.2 MB, 1/9.81 | 6.6 MB | 0.695, base 0.7 |" in text
    assert "- Right on 68 of 80. <!-- facts.json: questions -->" in text
    assert "bench/results/new.json" in text


def test_the_command_writes_the_section_and_nothing_else(project: Path) -> None:
    assert call(project, "readme", "--check") == (1, f"{project / 'README.md'}: not up to date")
    assert call(project, "readme") == (0, f"{project / 'README.md'}: written")
    assert call(project, "readme") == (0, f"{project / 'README.md'}: nothing to change")
    assert call(project, "readme", "--check") == (0, f"{project / 'README.md'}: up to date")
    text = (project / "README.md").read_text()
    assert text == f"# x\n\n{BEGIN}\n{section(project / 'results')}{END}\n\nmore\n"


@pytest.mark.parametrize("change", ["68", "80", "Right on"])
def test_a_number_changed_by_hand_is_noticed(project: Path, change: str) -> None:
    update(project / "README.md", project / "results")
    text = (project / "README.md").read_text()
    (project / "README.md").write_text(text.replace(change, "99", 1))
    assert update(project / "README.md", project / "results", write=False)


def test_one_command_states_a_new_measurement_and_writes_it_into_the_readme(project: Path) -> None:
    (project / "planner.gguf").write_bytes(b"model")
    arguments = ["fact", "questions", "right=70", "total=80", "--model", str(project / "planner.gguf")]
    assert call(project, *arguments) == (0, "Right on 70 of 80.")
    assert "Right on 70 of 80." in (project / "README.md").read_text()
    fact = read_facts(project / "results")["questions"]
    assert (fact.values, fact.command) == ({"right": 70, "total": 80}, SOURCE["command"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", fact.date)
    assert fact.date != SOURCE["date"] or fact.machine != SOURCE["machine"]
    assert fact.model == {"file": "planner.gguf", "bytes": 5, "sha256": hashlib.sha256(b"model").hexdigest()}


def test_a_new_fact_needs_its_sentence(project: Path) -> None:
    with pytest.raises(InputError, match="no fact speed\n  because there are: questions"):
        state(project / "results", "speed", {"s": 1.0}, SOURCE)
    state(project / "results", "speed", {"s": 1.0}, SOURCE, says="It takes {s} s.")
    assert list(read_facts(project / "results")) == ["questions", "speed"]


def test_everything_wrong_with_facts_is_told_at_once(project: Path) -> None:
    table = {"facts": {"a": {"says": "{x} of 80", "values": {"y": "1"}, "command": "", "date": "d", "machine": "m"}}}
    (project / "results/facts.json").write_text(json.dumps(table))
    with pytest.raises(InputError) as caught:
        read_facts(project / "results")
    assert caught.value.reason == (
        "a: no value for x; a: y is not in its sentence; a: y is no number: '1'; a: no command; "
        "a: its sentence holds a number that is none of its values"
    )


@pytest.mark.parametrize("content", ["", "[]", '{"facts": {"a": {"says": "x"}}}', '{"facts": {"a": 1}}'])
def test_a_file_that_holds_no_facts_is_refused(project: Path, content: str) -> None:
    (project / "results/facts.json").write_text(content)
    with pytest.raises(InputError, match="does not hold facts"):
        read_facts(project / "results")


def test_a_readme_without_a_place_for_numbers_is_an_error_that_shows_the_markers(project: Path) -> None:
    (project / "README.md").write_text("# x\n")
    with pytest.raises(InputError, match="has no place for measured numbers") as caught:
        update(project / "README.md", project / "results")
    assert BEGIN in caught.value.hint


def test_every_option_of_every_command_of_the_suite_is_documented() -> None:
    silent = [
        f"{name} {option.name}"
        for name, command in bench.commands.items()
        for option in command.params
        if option.param_type_name == "option" and not (getattr(option, "help", "") or "").strip()
    ]
    assert silent == []
    assert all(command.get_short_help_str() for command in bench.commands.values())
