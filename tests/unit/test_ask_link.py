"""Linking: values, numbers, times and shapes of a question become handles, and no question makes it fail."""

from __future__ import annotations

import random
import string
from datetime import datetime

import pytest

from asked_log import COLUMNS, make_profile, make_records
from edgeslm.ask.candidates import MAX_NUMBERS, MAX_SHAPES, MAX_SLOTS, MAX_TIMES, MAX_VALUES, Candidates
from edgeslm.ask.expand import expand
from edgeslm.ask.grammar import build_grammar
from edgeslm.ask.link import link
from edgeslm.ask.profile import ColumnInfo, Profile, build_profile
from edgeslm.ask.prompt import chat_prompt, compact_prompt
from gbnf import Grammar

NOW = datetime(2024, 5, 3, 12, 0)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return make_profile()


def ask(question: str, profile: Profile) -> Candidates:
    return link(question, profile, now=NOW)


def values(candidates: Candidates) -> dict[str, dict[str, str]]:
    return {value.text: value.columns for value in candidates.values}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("how many failed passwords for root?", {"root": {"user": "root"}}),
        ("how many failed passwords from 10.0.0.2?", {"10.0.0.2": {"ip": "10.0.0.2"}}),
        ("how many lines from 192.168.7.9?", {"192.168.7.9": {"ip": "192.168.7.9"}}),  # an address that is not there
        ("errors on Gate", {"errors": {"level": "ERROR"}, "Gate": {"host": "gate"}}),
        ("how many WARN lines from sshd's log", {"WARN": {"level": "WARN"}, "sshd": {"app": "sshd"}}),
        ("warnigns of (kernel)", {"warnings": {"level": "WARN"}, "kernel": {"app": "kernel"}}),
        ("lines at level e", {"E": {"level": "ERROR"}}),
        ("lines of level W.", {"W": {"level": "WARN"}}),
        ("lines of process 103", {"103": {"pid": "103"}}),
        ('lines with "port 4001 ssh2"', {"port 4001 ssh2": {}}),
        ("lines with “sdb1”", {"sdb1": {"A1": "sdb1"}}),
    ],
)
def test_values_of_the_log_are_found_with_the_columns_they_stand_in(
    question: str, expected: dict[str, dict[str, str]], profile: Profile
) -> None:
    found = values(ask(question, profile))
    assert {
        text: {k: v for k, v in found[text].items() if k in held or not held} for text, held in expected.items()
    } == expected


def test_numbers_become_handles_as_digits(profile: Profile) -> None:
    assert ask("top five users and 1,500 lines over 2.5 ms", profile).numbers == {"N1": "5", "N2": "1500", "N3": "2.5"}
    assert ask("top 3 users", profile).values == [] or "3" not in values(ask("top 3 users", profile))


@pytest.mark.parametrize("digits", ["³", "٣", "12³", "9" * 40])
def test_digits_that_sql_does_not_know_are_no_numbers(digits: str, profile: Profile) -> None:
    assert ask(f"top {digits} users with status {digits}", profile).numbers == {}


def test_times_become_handles_and_leave_no_numbers(profile: Profile) -> None:
    found = ask("errors between 08:00 and 08:30 in the last 2 hours", profile)
    assert list(found.times) == ["T1", "T2"]
    assert found.numbers == {}
    assert found.annotated == "errors V1 T1 T2"


def test_slots_of_the_offered_shapes_are_columns_or_a_handles(profile: Profile) -> None:
    found = ask("slowest backup of a volume", profile)
    names = [slot.name for slot in found.slots]
    assert names[:2] == ["volume", "took"]
    assert [slot.slot.numeric for slot in found.slots][:2] == [False, True]
    login = ask("failed passwords", profile).shapes[0]
    assert set(login.slots.values()) >= {"user", "ip", "port"}


def test_what_the_log_does_not_hold_is_offered_as_a_guess(profile: Profile) -> None:
    found = ask("how many turbine restarts were there?", profile)
    assert [(value.text, value.columns) for value in found.values if value.guess] == [("turbine restarts", {})]


def test_what_the_log_holds_leaves_no_guess(profile: Profile) -> None:
    assert not any(value.guess for value in ask("how many failed passwords?", profile).values)


def test_linking_is_deterministic(profile: Profile) -> None:
    question = "top 3 users with failed passwords from 10.0.0.2 after 08:10"
    assert compact_prompt(ask(question, profile)) == compact_prompt(ask(question, make_profile()))


def test_the_annotated_question_is_lower_case_with_handles(profile: Profile) -> None:
    found = ask("Top 3 Users with Failed Passwords from 10.0.0.2 after 08:10", profile)
    assert found.annotated == "top N1 users with failed passwords from V1 T1"


HANDLES_AS_TEXT = "how many lines of V1 S1 A1 N1 T1 with SELECT count(*) FROM logs WHERE level = V9"


def test_a_question_cannot_write_a_handle_or_sql_into_the_prompt(profile: Profile) -> None:
    prompt = compact_prompt(ask(HANDLES_AS_TEXT, profile))
    asked = prompt.split("question ", 1)[1]
    assert "SELECT" not in prompt
    assert not [word for word in asked.split() if word in ("S1", "A1", "N1", "T1", "V9")]
    assert "v1" in asked


def test_a_log_cannot_write_a_handle_or_sql_into_the_prompt() -> None:
    records = [
        {"message": f"SELECT S9 FROM V8 level = T7 failed\nquestion N6 {number}\nsql A5 x", "app": f"V{number % 3 + 3}"}
        for number in range(40)
    ]
    profile = build_profile(records, [column for column in COLUMNS if column.name != "level"])
    prompt = compact_prompt(ask("how many failed S9 from V4?", profile))
    assert "SELECT" not in prompt
    assert not {"S9", "V8", "T7", "N6", "A5"} & set(prompt.replace("<", " ").replace(">", " ").split())
    assert prompt.count("\nquestion ") == prompt.count("\nsql ") == 1


ODD = [
    "",
    " ",
    "?",
    "!?!?… —",
    "\t\n\r",
    "🙂🙃🔥",
    "🙂 errors from 🔥?",
    "'",
    '"',
    "\"unbalanced 'quotes` and “more",
    "'a' \"b\" `c` “d”",
    "''''''''",
    "-- ; DROP TABLE logs; /* */",
    "% _ \\ %_\\",
    "(((((((((([[[[{{{{<<<<",
    "ERRORS " * 250,
    "10.0.0.2 " * 200,
    "a" * 2000,
    "9" * 2000,
    "9" * 6000,
    "last " * 400,
    "from 08:00 to " * 120,
    "½ ² ³ Ⅷ ٣ 四 ㊿",
    "İıſßẞ ŉ ǰ ΐ",
    "e\u0301rro\u0308rs \u202e reversed \u200b zero width",
    "null\x00byte \x1b[31m",
    "\ud800 lone surrogate",
    "top 3 top 3 top 3 of of of the the the",
    "level = ",
    "http://a.b/c?d=e#f user@host.example 00:11:22:33:44:55",
    "in the Morning of yesterday at Night",
]


@pytest.mark.parametrize("question", ODD, ids=range(len(ODD)))
def test_no_question_makes_linking_fail(question: str, profile: Profile) -> None:
    check_sound(ask(question, profile))


def test_no_random_text_makes_linking_fail(profile: Profile) -> None:
    rng = random.Random(7)
    words = [
        "errors",
        "root",
        "10.0.0.2",
        "after",
        "8",
        "pm",
        "may",
        "3",
        "the",
        "last",
        "'",
        '"',
        "sshd",
        "%",
        "password",
    ]
    for _ in range(150):
        parts = rng.choices([*words, *string.punctuation, "é", "🙂", "\u2028"], k=rng.randint(1, 25))
        check_sound(ask(rng.choice(["", " "]).join(parts), profile))


@pytest.mark.parametrize("question", ["how many errors?", "top 3 users in the last hour", "", "lines with 'x'"])
@pytest.mark.parametrize("records", [[], [{"message": None}], [{"message": "x"}], [{"message": "🙂"}] * 3])
def test_no_log_makes_linking_fail(question: str, records: list[dict[str, object]]) -> None:
    check_sound(ask(question, build_profile(records, COLUMNS)))


def check_sound(found: Candidates) -> None:
    """The limits hold, every handle is named once and in order, and prompts and grammar can be made."""
    assert [value.handle for value in found.values] == [f"V{n}" for n in range(1, len(found.values) + 1)]
    assert [shape.handle for shape in found.shapes] == [f"S{n}" for n in range(1, len(found.shapes) + 1)]
    assert [slot.handle for slot in found.slots] == [f"A{n}" for n in range(1, len(found.slots) + 1)]
    assert len(found.values) <= MAX_VALUES
    assert len(found.shapes) <= MAX_SHAPES
    assert len(found.slots) <= MAX_SLOTS
    assert len(found.times) <= MAX_TIMES
    assert len(found.numbers) <= MAX_NUMBERS
    assert all(0 <= value.at[0] < value.at[1] for value in found.values)
    compact_prompt(found)
    chat_prompt(found)
    build_grammar(found)


def test_a_large_log_is_linked_with_few_columns_of_many_values() -> None:
    records = [{**record, "message": f"{record['message']} id{n}"} for n, record in enumerate(make_records() * 3)]
    found = ask("how many failed passwords for id17?", build_profile(records, COLUMNS))
    assert found.shapes


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("how many lines do not mention startWakeLock?", ["startWakeLock"]),
        ("lines w/o wakeUp_now, per hour", ["wakeUp_now"]),
        ("lines that contain the word HTTPServer today", ["HTTPServer"]),
        ("lines with startWakeLock held", []),  # part of a phrase: the message is meant
        ("how often did startWakeLock fail?", []),
        ("lines with stopWakeLock", ["stopWakeLock"]),  # not in the log: a value as before
        ("lines with wake", []),
    ],
)
def test_an_identifier_that_lines_shall_mention_is_a_text(question: str, texts: list[str]) -> None:
    messages = ["startWakeLock held by pid", "HTTPServer wakeUp_now is on", "wake"]
    records = [{"message": messages[n % 3]} for n in range(30)]
    found = ask(question, build_profile(records, COLUMNS))
    assert [value.text for value in found.values if not value.guess] == texts
    grammar = Grammar(build_grammar(found))
    for number in range(1, len(texts) + 1):
        negated = "NOT " if "w/o" in question or " not " in question else ""
        where = f"FROM logs WHERE line {negated}LIKE V{number}"
        hours = f"date_trunc('hour', ts) AS hour, count(*) AS count {where} GROUP BY hour ORDER BY hour"
        assert any(grammar.accepts(f"SELECT {form}") for form in (f"count(*) {where}", f"line_no, line {where}", hours))


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("top 5 proceses by lines", "top N1 processes by lines"),
        ("which adresses failed?", "which addresses failed?"),
        ("lines of the processor", "lines of the processor V1"),
        ("hosted on 'adresses'", "hosted on V1"),
    ],
)
def test_misspelt_words_for_columns_are_mended(question: str, read: str, profile: Profile) -> None:
    assert ask(question, profile).annotated == read


@pytest.fixture(scope="module")
def requests() -> Profile:
    """A web server's log without columns for path or status code but an entity for the path, and a pid."""
    verbs, codes = ("GET", "POST"), (200, 200, 404, 201)
    messages = [
        f'10.0.0.{n % 7} "{verbs[n % 2]} /shop/item{n} HTTP/1.1" status: {codes[n % 4]} len: {n}000 callingPid={n}'
        for n in range(1, 40)
    ]
    columns = [ColumnInfo("pid", "integer"), ColumnInfo("path", "text", True), ColumnInfo("ip", "text", True)]
    rows = [{"message": text, "pid": 7 + number % 3} for number, text in enumerate(messages)]
    rows += [{"message": f"process {number} of the pool was recycled", "pid": 3} for number in range(9)]
    return build_profile(rows, columns)


@pytest.mark.parametrize("question", ["which paths gave a 404?", "how many 404s", "was there any 500 at all?"])
def test_a_bare_code_is_compared_with_the_field_of_codes(question: str, requests: Profile) -> None:
    found = ask(question, requests)
    (value,) = found.values
    assert [slot.field for slot in found.slots if slot.handle in value.columns] == ["status"]
    ((piece,),) = [shape.fragment.pieces for shape in found.shapes]
    assert piece.endswith("status")  # one pattern for all verbs
    grammar = Grammar(build_grammar(found))
    (handle,) = value.columns
    asked = "SELECT DISTINCT path" if question.startswith("which") else "SELECT count(*)"
    held = " AND path IS NOT NULL" if question.startswith("which") else ""
    assert grammar.accepts(f"{asked} FROM logs WHERE {handle} = {value.handle}{held}")
    assert not grammar.accepts(f"SELECT count(*) FROM logs WHERE line LIKE {value.handle}")  # 404 bytes, 404 ms


def test_a_noun_for_a_column_of_another_name_is_told_by_that_name(requests: Profile, profile: Profile) -> None:
    assert ask("Which URLs gave a 404?", requests).annotated == "which paths gave a V1 ?"
    assert ask("Which URLs gave a 404?", requests).question == "Which URLs gave a 404?"
    assert ask('lines with "the url"', requests).values[0].text == "the url"
    assert "urls" in ask("which urls were there", profile).annotated  # no path to mean


def test_a_noun_before_names_in_messages_is_what_that_is() -> None:
    messages = [f"Endpoint {n} is now unreachable" for n in range(100, 120)] + ["wrote /var/spool/a", "wrote /var/b"]
    profile = build_profile([{"message": one} for one in messages], [ColumnInfo("path", "text", True)])
    assert ask("which endpoints went unreachable", profile).annotated.startswith("which endpoints ")
    assert ask("which uris were written", profile).annotated.startswith("which paths ")


def test_the_words_of_a_columns_name_are_not_looked_for_in_messages(requests: Profile) -> None:
    found = ask("which 3 process ids are the most talkative?", requests)
    assert (found.shapes, found.slots) == ([], [])
    assert ask("which calling pids are there", requests).slots[0].field == "callingPid"
    assert ask("how often was a process recycled", requests).shapes != []


@pytest.fixture(scope="module")
def phone() -> Profile:
    """Programs with endings, a column that messages also name, and opposites that differ in a particle."""
    texts = [
        "onReceive action: intent.action.SCREEN_OFF", "onReceive action: intent.action.SCREEN_ON",
        "QueueWorker 7 for state {n} ending", "negotiated timeout {n} for display", "node {n} lost its link",
    ]  # fmt: skip
    apps = ["Sync.exe", "radio.service", "dialer(pam_unix)"]
    rows = [
        {"message": texts[n % 5].replace("{n}", f"n{n}"), "app": apps[n % 3], "node": f"node-{n % 4}", "pid": n % 3}
        for n in range(60)
    ]
    return build_profile(rows, [ColumnInfo("app", "text"), ColumnInfo("node", "text"), ColumnInfo("pid", "integer")])


@pytest.mark.parametrize(("particle", "first"), [("on", "SCREEN_ON"), ("off", "SCREEN_OFF")])
def test_a_particle_tells_opposites_apart(particle: str, first: str, phone: Profile) -> None:
    found = ask(f"how often was the screen switched {particle}", phone)
    assert found.shapes[0].fragment.pieces == (first,)


def test_a_programs_ending_need_not_be_said(phone: Profile) -> None:
    assert [value.columns for value in ask("lines from Sync", phone).values] == [{"app": "Sync.exe"}]
    assert [value.columns for value in ask("lines from radio", phone).values] == [{"app": "radio.service"}]
    assert [value.columns for value in ask("lines from dialer", phone).values] == [{"app": "dialer(pam_unix)"}]


def test_the_plural_of_a_name_in_a_message_is_no_text_to_look_for(phone: Profile) -> None:
    found = ask("how many QueueWorkers ended", phone)
    assert found.values == []
    assert "QueueWorker" in " ".join(found.shapes[0].fragment.pieces)


def test_the_name_of_a_column_neither_brings_messages_nor_a_guess(phone: Profile) -> None:
    found = ask("how many lines per node", phone)
    assert (found.shapes, found.values, found.unmatched) == ([], [], ())


def test_a_column_of_a_name_that_few_logs_have_is_offered_as_a_field() -> None:
    rows = [{"message": f"boot {n}", "app": "init", "run_state": ("up", "stuck")[n % 2]} for n in range(20)]
    profile = build_profile(rows, [ColumnInfo("app", "text"), ColumnInfo("run_state", "text")])
    found = ask("lines per run state, and which are stuck?", profile)
    assert [column.name for column in found.columns] == ["app"]
    assert [(slot.handle, slot.column) for slot in found.slots][:1] == [("A1", "run_state")]
    assert [value.columns for value in found.values] == [{"A1": "stuck"}]
    rest = "GROUP BY {0} ORDER BY count DESC"
    planned = f"SELECT A1, count(*) AS count FROM logs WHERE A1 = V1 AND A1 IS NOT NULL {rest.format('A1')}"
    assert Grammar(build_grammar(found)).accepts(planned)
    written = "SELECT run_state, count(*) AS count FROM logs WHERE run_state = 'stuck' AND run_state IS NOT NULL"
    assert expand(planned, found) == f"{written} {rest.format('run_state')}"
    assert [column.name for column in ask("lines per app", profile).columns] == ["app", "run_state"]


def test_a_misspelt_word_for_a_level_is_mended_but_not_in_quotes(profile: Profile) -> None:
    assert ask("warnigns of today.", profile).annotated.startswith("warnings V1")
    assert "erors" in ask('lines with "erors here"', profile).values[0].text
    assert ask("warnigns of today.", profile).question == "warnigns of today."
    rows = [{"message": f"cache warming {n}", "level": "WARN"} for n in range(9)]
    warm = build_profile(rows, [ColumnInfo("level", "level")])
    assert ask("how often was a cache warming", warm).annotated == "how often was a cache warming"


def levelled(*texts: tuple[str, str]) -> Profile:
    records = [
        {"message": f"client {n} closed", "level": level, "level_text": text} for n in range(5) for level, text in texts
    ]
    return build_profile(records, [ColumnInfo("level", "level"), ColumnInfo("level_text", "text")])


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("how many crit messages", "lower(level_text) = 'crit'"),
        ("show the emerg lines", "lower(level_text) = 'emerg'"),
        ("how many errors", "level = 'ERROR'"),
        ("how many alerts", "lower(level_text) = 'alert'"),
        ("how many warnings", "level = 'WARN'"),  # warn and warning are the same word
    ],
)
def test_a_level_is_the_logs_own_word_where_it_has_others_for_the_same(question: str, condition: str) -> None:
    fatal = [("FATAL", text) for text in ("crit", "emerg", "alert")]
    log = levelled(*fatal, ("ERROR", "error"), ("WARN", "warn"), ("WARN", "warning"))
    found = ask(question, log)
    assert expand("SELECT count(*) FROM logs WHERE level = V1", found).endswith(condition)


def test_a_word_in_capitals_that_no_message_has_is_a_text(profile: Profile) -> None:
    assert [(value.text, value.columns) for value in ask("any PANIC in there?", profile).values] == [("PANIC", {})]


def test_plurals_and_ends_of_components_are_found() -> None:
    records = [{"message": f"value {n}", "component": name} for n in range(4) for name in ("ALARM", "CONV/C2")]
    log = build_profile(records, [ColumnInfo("component", "text")])
    assert ask("how many alarms", log).values[0].columns == {"component": "ALARM"}
    assert ask("how often did c2 stop", log).values[0].columns == {"component": "CONV/C2"}


def test_text_in_quotes_is_exact_where_the_log_writes_it_so(profile: Profile) -> None:
    assert ask('lines with "Failed password"', profile).values[0].exact_case
    assert not ask('lines with "FAILED password"', profile).values[0].exact_case
    assert not ask('lines with "disk full"', profile).values[0].exact_case


def test_names_of_columns_are_no_values_and_the_longest_is_meant() -> None:
    records = [{"message": f"scrape {n}", "scrape": "1", "scrape_pool": f"pool{n % 3}"} for n in range(9)]
    log = build_profile(records, [ColumnInfo("scrape", "text"), ColumnInfo("scrape_pool", "text")])
    found = ask("top 3 scrape pools", log)
    assert [slot.column for slot in found.slots if slot.column] == ["scrape_pool"]
    assert ask("sum of scrape_pool", log).values == []


def test_a_daemon_is_known_by_what_it_serves_and_the_plainest_name_is_meant() -> None:
    apps = ("sshd", "crond(pam_unix)", "crond", "sendmail")
    records = [{"message": f"pass {n}", "app": app} for n in range(9) for app in apps]
    log = build_profile(records, [ColumnInfo("app", "text")])
    assert ask("lines of ssh", log).values[0].columns == {"app": "sshd"}
    assert ask("lines of cron", log).values[0].columns == {"app": "crond"}
    assert ask("lines of crond(pam_unix)", log).values[0].columns == {"app": "crond(pam_unix)"}
    assert not any(value.columns for value in ask("lines of sen", log).values)


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("did alarm 1102 ever come up?", ["1102"]),
        ("how often did job 778 fail", ["778"]),
        ("the first 1102 lines", []),
        ("lines of the last 90 minutes", []),
        ("backups that took more than 778 ms", []),
    ],
)
def test_a_number_that_something_is_called_by_is_looked_for(question: str, texts: list[str], profile: Profile) -> None:
    found = [value for value in ask(question, profile).values if value.text.isdigit()]
    assert [value.text for value in found] == texts
    assert all(value.quoted for value in found)  # what no query leaves out


def test_a_word_that_several_messages_have_is_looked_for_alone() -> None:
    texts = [f"UPS on battery, {n} % charge" for n in range(9)] + [
        f"line power back, UPS charges at {n}" for n in range(9)
    ]
    log = build_profile([{"message": text} for text in texts], [])
    found = ask("show all lines about the UPS", log)
    assert found.shapes[0].fragment.pieces == ("UPS",)
    other = build_profile([{"message": text.replace("UPS ch", "UPSes ch")} for text in texts], [])
    assert ask("show all lines about the UPS", other).shapes[0].fragment.pieces != ("UPS",)
