"""Fields that a question only seems to name, in training pairs."""

import random
import re

import pytest

from edgeslm_convert.logmodel.distract import distract
from edgeslm_convert.logmodel.pair import Pair

PROMPT = "\n".join(
    [
        "columns host",
        "S1 pump <A2> stalled at <A3#> bar",
        "A1# field bar pressure",
        "V1 text",
        "question how often did the pump stall above N1 bar V1 ?",
        "sql ",
    ]
)
SQL = "SELECT count(*) FROM logs WHERE message LIKE S1 AND A3 > N1"


def meaning(pair: Pair) -> str:
    """The SQL with each A-handle written as what its prompt line or place says."""
    names: dict[str, str] = {}
    for line in pair.prompt.split("\n"):
        if found := re.match(r"(A\d)#? field (.+)", line):
            names[found[1]] = found[2]
        for position, found in enumerate(re.finditer(r"<(A\d)#?>", line)):
            names.setdefault(found[1], f"{line[:2]}.{position}")
    return re.sub(r"\bA\d\b", lambda found: names[found[0]], pair.sql)


@pytest.mark.parametrize("seed", range(40))
def test_more_fields_are_offered_and_the_query_means_the_same(seed: int) -> None:
    pair = Pair("count", "", PROMPT, SQL)
    found = distract(pair, random.Random(seed))
    assert meaning(found) == meaning(pair)
    lines = [line for line in found.prompt.split("\n") if " field " in line]
    assert [line[:2] for line in lines] == [f"A{number}" for number in range(1, len(lines) + 1)]
    assert 1 <= len(lines) <= 3
    assert any("bar pressure" in line for line in lines)


def test_both_happen_a_distraction_and_none() -> None:
    pairs = [distract(Pair("count", "", PROMPT, SQL), random.Random(seed)).prompt for seed in range(60)]
    assert 10 < sum(prompt != PROMPT for prompt in pairs) < 50


def test_the_noun_of_an_asked_column_never_becomes_a_field() -> None:
    prompt = PROMPT.replace("how often did the pump stall above N1 bar V1 ?", "which valves had pump stalls?")
    for seed in range(60):
        found = distract(Pair("distinct_list", "", prompt, "SELECT DISTINCT A2 FROM logs"), random.Random(seed))
        assert not re.search(r"field.*valve", found.prompt)
