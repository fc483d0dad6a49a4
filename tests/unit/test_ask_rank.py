"""Ranking and patterns: which shapes a question's words propose, and the stretch of text that stands for them."""

from __future__ import annotations

from datetime import datetime

import pytest

from asked_log import make_profile
from edgeslm.ask.fragments import LONGEST_PIECE, Fragment, choose_fragments
from edgeslm.ask.lexicon import content_words, locate_words, split_words, stems, synonyms
from edgeslm.ask.link import link
from edgeslm.ask.profile import ColumnInfo, Profile, build_profile
from edgeslm.ask.rank import LexicalRanker, RankedShape


@pytest.fixture(scope="module")
def profile() -> Profile:
    return make_profile()


def rank(question: str, profile: Profile) -> list[RankedShape]:
    return LexicalRanker().rank(content_words(question), profile, {}, set())


def patterns(question: str, profile: Profile) -> list[Fragment]:
    known = frozenset(stem for word in split_words(question) for stem in stems(word))
    return choose_fragments(rank(question, profile), profile, 5, known)


@pytest.mark.parametrize(
    ("question", "example"),
    [
        ("how many failed passwords?", "Failed password"),
        ("how many accepted passwords?", "Accepted password"),
        ("when was the disk full?", "disk full"),
        ("show the backups", "backup of volume"),
        ("show the accepetd ones", "Accepted password"),  # a slip of the fingers
        ("blocks that were lost", "disk full"),
        ("how many rejected passwords?", "Failed password"),  # a synonym
    ],
)
def test_the_best_shape_is_the_one_that_the_words_name(question: str, example: str, profile: Profile) -> None:
    assert rank(question, profile)[0].shape.example.startswith(example)


def test_shapes_that_share_no_word_are_not_proposed(profile: Profile) -> None:
    assert rank("how many reboots of the turbine?", profile) == []
    assert choose_fragments([], profile, 5) == []


def test_a_value_seen_in_a_slot_speaks_for_its_shape(profile: Profile) -> None:
    shape = next(one for one in profile.shapes if "backup" in one.example)
    assert [one.shape for one in LexicalRanker().rank([], profile, {id(shape): 0.8}, set())] == [shape]


def test_words_that_are_values_count_for_little(profile: Profile) -> None:
    heavy = LexicalRanker().rank(["password"], profile, {}, set())
    assert LexicalRanker().rank(["password"], profile, {}, {"password"}) == []
    assert heavy


def test_scores_fall_and_coverage_is_a_share(profile: Profile) -> None:
    found = rank("failed passwords on a full disk", profile)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(0 < one.coverage <= 1 for one in found)


def test_the_pattern_is_the_text_that_was_asked_for(profile: Profile) -> None:
    assert patterns("failed passwords", profile)[0].pieces == ("Failed password",)
    alone = [one.pieces for one in patterns("passwords", profile)]
    assert alone == [("password",)]  # a word of several messages means all of them
    other = [one.pieces for one in patterns("secrets", profile)]
    assert other == [("Failed password for",), ("Accepted password for",)]  # one that stands for it is not so sure


def test_two_patterns_never_select_the_same_messages(profile: Profile) -> None:
    found = patterns("failed and accepted passwords, full disk, backup of a volume", profile)
    assert len({one.members for one in found}) == len(found) <= 5


def test_a_pattern_holds_in_the_messages_it_counts(profile: Profile) -> None:
    for one in patterns("failed passwords and lost blocks and backups", profile):
        assert one.matches(one.shape.example)
        assert one.count == sum(profile.shapes[index].count for index in one.members)
        assert all(0 < len(piece) <= 3 * LONGEST_PIECE for piece in one.pieces)


def test_pieces_match_in_order_only(profile: Profile) -> None:
    one = Fragment(("disk", "blocks"), profile.shapes[0], 0, 0.0, frozenset(), (0, 0))
    assert one.matches("disk lost its blocks")
    assert not one.matches("blocks of the disk")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("startWakeLock", ["start", "wake", "lock"]),
        ("HTTPServer_error", ["http", "server", "error"]),
        ("root's files", ["root's", "files"]),
        ("a-b 12ms", ["a", "b", "12", "ms"]),
        ("🙂 — !?", []),
        ("''' '", []),
    ],
)
def test_texts_are_cut_into_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words
    assert all(0 <= start < end <= len(text) for _, start, end in locate_words(text))


def test_synonyms_hold_both_ways() -> None:
    for word in ("reject", "start", "error", "password"):
        for other in synonyms(stems(word)[0]):
            assert stems(word)[0] in synonyms(other)


def test_a_message_that_says_no_comes_after_one_that_does_not_unless_the_question_says_so() -> None:
    messages = ["Established session 7 for client", "Closed socket (no session established for client)"]
    profile = build_profile([{"message": text} for text in messages * 3], [])
    first, second = LexicalRanker().rank(["sessions", "established"], profile, {}, set())
    assert [first.shape.example[:11], second.shape.example[:6]] == ["Established", "Closed"]
    asked = LexicalRanker().rank(["sessions", "established"], profile, {}, set(), negative=True)
    assert asked[0].shape.example.startswith("Closed")


def test_a_number_that_never_varies_does_not_narrow_a_pattern() -> None:
    messages = [f'10.0.0.{n} "GET /a/b{n} HTTP/1.1" status: 200 len: {n}00 time: 0.{n}' for n in range(1, 9)]
    profile = build_profile([{"message": text} for text in messages], [])
    (found,) = patterns("response status", profile)
    assert "200" not in "".join(found.pieces)
    assert "status" in found.pieces[0]


def test_filler_words_are_no_guess_at_an_event() -> None:
    profile = build_profile([{"message": f"link {n} up"} for n in range(9)], [])
    asked = link("what pct of the lines actually needed", profile, now=datetime(2024, 5, 3))
    assert [value.text for value in asked.values if value.guess] == []
    asked = link("did anybody see a meltdown", profile, now=datetime(2024, 5, 3))
    assert [value.text for value in asked.values if value.guess] == ["meltdown"]


def logins() -> Profile:
    messages = [f"{verb} password for {who}user{n} from 10.0.0.{n} port 22" for n in range(9)
                for verb, who in (("Failed", ""), ("Failed", "invalid user "), ("Accepted", ""))]  # fmt: skip
    messages += [f"POSSIBLE BREAK-IN ATTEMPT from 10.0.0.{n}" for n in range(9)]
    return build_profile([{"message": text} for text in messages], [ColumnInfo("user", "text", True)])


@pytest.mark.parametrize(
    ("question", "pattern"),
    [
        ("how many users logged in", "Accepted password"),
        ("failed logins per user", "Failed password"),
        ("successful logins", "Accepted password"),
        ("failed passwords of invalid users", "invalid user"),
    ],
)
def test_logins_are_passwords_and_a_columns_name_does_not_narrow_the_pattern(question: str, pattern: str) -> None:
    found = link(question, logins(), now=datetime(2024, 5, 3))
    assert " ".join(found.shapes[0].fragment.pieces).endswith((pattern, pattern + " for"))
    assert [value.text for value in found.values if value.guess] == []


def test_a_compound_that_a_message_holds_and_a_word_for_a_level_are_no_guess() -> None:
    asked = link("how many break-in warnings were there", logins(), now=datetime(2024, 5, 3))
    assert [value.text for value in asked.values if value.guess] == []
    asked = link("how many warnings of meltdowns were there", logins(), now=datetime(2024, 5, 3))
    assert any("meltdowns" in value.text for value in asked.values if value.guess)


def made(*messages: str) -> Profile:
    records = [{"message": text.format(n), "level": "INFO"} for text in messages for n in range(10, 14)]
    return build_profile(records, [ColumnInfo("level", "level")])


def test_words_that_the_question_does_not_say_are_left_open_where_that_selects_more() -> None:
    log = made("SASL LOGIN authentication failed: {}", "SASL PLAIN authentication failed: {}", "connect from {}")
    found = patterns("SASL authentication failed lines", log)[0]
    assert found.pieces == ("SASL", "authentication failed")
    assert found.count == 8


def test_the_nearest_places_of_the_words_make_the_pattern() -> None:
    log = made("upstream timed out while reading from upstream {}", "upstream timed out while connecting {}")
    assert patterns("upstream timed out", log)[0].pieces == ("upstream timed out",)


def test_a_lone_word_takes_what_all_that_have_it_say() -> None:
    log = made("batch {} ABORTED in phase HOLDING: agitator", "batch {} ABORTED in phase HEATING: sensor")
    assert patterns("which ones were aborted", log)[0].pieces == ("ABORTED in phase",)


def test_a_name_with_signs_is_looked_for_as_it_is_written() -> None:
    log = made("mail {} status=bounced (full) at end of data", "mail {} status=bounced (unknown)", "end of day {}")
    found = link("how many ended with status=bounced", log, now=datetime(2024, 5, 3))
    assert found.shapes[0].fragment.pieces == ("status=bounced",)
    assert found.shapes[0].count == 8


def test_a_stack_trace_is_no_event_unless_it_is_asked_for() -> None:
    log = made("\tat shop.OrderController.create(OrderController.java:{})", "order {} created for a customer")
    assert "customer" in rank("created orders", log)[0].shape.example
    assert "Controller" in rank("stack trace of create in the order controller", log)[0].shape.example


def test_capitals_prefer_messages_that_have_them() -> None:
    log = made("Received PUBLISH from {}", "malformed packet of {}", "publisher {} dropped a packet")
    found = link("how many PUBLISH packets", log, now=datetime(2024, 5, 3))
    assert "PUBLISH" in found.shapes[0].fragment.pieces[0]


@pytest.mark.parametrize(
    ("question", "words"),
    [("did it run out of memory", ["memory"]), ("running low on disk", ["disk"]), ("did the job run", ["job", "run"])],
)
def test_what_runs_out_does_not_run(question: str, words: list[str]) -> None:
    found = content_words(question)
    assert ("run" in found or "running" in found) is ("run" in words)
    assert words[0] in found
