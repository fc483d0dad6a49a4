"""The prompts: the compact form a trained planner reads, word for word, and the chat form of any other model."""

from __future__ import annotations

from datetime import datetime

import pytest

from asked_log import make_profile
from edgeslm.ask.candidates import Candidates
from edgeslm.ask.link import link
from edgeslm.ask.prompt import WORDS_SHOWN, chat_prompt, compact_prompt, show_shape

NOW = datetime(2024, 5, 3, 12, 0)


@pytest.fixture(scope="module")
def found() -> Candidates:
    question = 'Top 3 users with Failed Passwords from 10.0.0.2 and "It\'s 100%_\\" after 08:10'
    return link(question, make_profile(), now=NOW)


def test_the_compact_prompt_is_columns_candidates_and_question(found: Candidates) -> None:
    """A planner is trained on this very form: a change here needs a new planner."""
    assert compact_prompt(found).split("\n") == [
        "columns host app pid# level ip port# user",
        "S1 failed password for <user> from <ip> port <port> ssh 2",
        "S2 accepted password for <user> from <ip> port <port> ssh 2",
        "V1 ip text",
        "V2 text",
        "question top N1 users with failed passwords from V1 and V2 T1",
        "sql ",
    ]


def test_a_guess_is_marked_as_one() -> None:
    prompt = compact_prompt(link("how many turbine restarts?", make_profile(), now=NOW))
    assert "V1 guess\nquestion how many turbine restarts V1 ?\nsql " in prompt


def test_values_that_a_message_may_hold_are_shown_as_slots(found: Candidates) -> None:
    prompt = compact_prompt(link("slowest backup of a volume", make_profile(), now=NOW))
    assert "S1 backup of volume <A1> took <A2#> ms" in prompt


def test_a_long_shape_is_shown_around_its_pattern() -> None:
    words = "zero one two three four five six seven eight nine ten eleven twelve valve jammed thirteen fourteen fifteen"
    profile = make_profile([{"message": f"{words} sixteen seventeen eighteen number {n}"} for n in range(5)])
    candidates = link("when was the valve jammed?", profile, now=NOW)
    shown = show_shape(candidates.shapes[0], candidates).split()
    assert len(shown) == WORDS_SHOWN
    assert {"valve", "jammed"} <= set(shown)


def test_the_chat_prompt_names_every_handle_and_asks_in_the_persons_words(found: Candidates) -> None:
    system, user = chat_prompt(found)
    assert user == found.question
    handles = [line.split(":")[0] for line in system.split("Handles you may use:\n")[1].split("\n") if ": " in line[:4]]
    assert handles == ["S1", "S2", "V1", "V2", "T1", "N1"]
    assert "ts, line_no, line, message, host, app, pid, level, ip, port, user" in system


def test_the_chat_prompt_of_a_bare_question_says_there_are_no_handles() -> None:
    system, _ = chat_prompt(link("", make_profile([{"message": "x"}]), now=NOW))
    assert "Handles you may use:\nnone\n" in system
