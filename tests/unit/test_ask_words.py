"""Stems and typos: the short cuts give what the libraries behind them give."""

import json
import random
import subprocess
import sys

import pytest
import snowballstemmer
from rapidfuzz import fuzz, process

from edgeslm.ask import stemmer
from edgeslm.ask.lexicon import content_words, split_words, stems
from edgeslm.ask.typos import nearest

STEMMER = snowballstemmer.stemmer("english")


def test_the_table_holds_what_the_stemmer_says() -> None:
    table = stemmer._table()
    assert len(table) > 1000
    assert {word: known for word, known in table.items() if STEMMER.stemWord(word) != known} == {}


@pytest.mark.parametrize("word", ["failed", "zyxwvuting", "", "skies", "generously", "naïveties"])
def test_a_word_has_the_stem_that_snowball_gives_it(word: str) -> None:
    assert stemmer.stem(word) == stemmer.compute_stem(word) == STEMMER.stemWord(word)


def test_without_the_table_stems_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stemmer, "_table", dict)
    assert stemmer.stem("passwords") == "password"


def test_without_the_private_import_the_package_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stemmer, "find_spec", lambda name: None)
    stemmer._english.cache_clear()
    try:
        assert stemmer.compute_stem("passwords") == "password"
    finally:
        stemmer._english.cache_clear()


def test_linking_a_plain_question_imports_neither_thirty_stemmers_nor_the_typo_library() -> None:
    code = (
        "import json, sys\n"
        "import edgeslm.ask.planner\n"
        "from edgeslm.ask.lexicon import stems, synonyms\n"
        "from edgeslm.ask.values import spelled_level\n"
        "stems('zyxwvuting'), synonyms('fail'), spelled_level('passwords')\n"
        "print(json.dumps([name for name in ('rapidfuzz', 'snowballstemmer') if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("least", [50.0, 84.0, 85.0, 100.0])
def test_the_nearest_words_are_those_that_rapidfuzz_finds(least: float) -> None:
    draw = random.Random(3)

    def word() -> str:
        return "".join(draw.choice("aabcdeérst") for _ in range(draw.randrange(0, 9)))

    for _ in range(400):
        asked, known = word(), [word() for _ in range(30)]
        found = process.extract(asked, known, scorer=fuzz.ratio, score_cutoff=least, limit=3)
        assert nearest(asked, known, least=least, most=3) == [other for other, _, _ in found], (asked, known)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("how many users logged in", ["users", "login", "accepted"]),
        ("which account managed to log in?", ["account", "login", "accepted"]),
        ("did root ever fail to log in", ["root", "fail", "login"]),
        ("who logged in from the gateway", ["gateway", "login", "accepted"]),
        ("when did root log out?", ["root", "logout"]),
        ("failed logins", ["failed", "logins"]),
        ("how many GET requests", ["get", "requests"]),
        ("HOW MANY GET REQUESTS", ["requests"]),
        ("the most active process", ["process"]),
        ("how many active sessions", ["active", "sessions"]),
        ("what was logged in the last hour", []),
        ("how many lines are in the log in total", []),
        ("everything logged in between 9 and 10", ["everything", "9", "10"]),
        ("what was logged on Tuesday", ["tuesday"]),
    ],
)
def test_who_logged_in_was_let_in_and_what_was_logged_in_an_hour_is_something_else(
    question: str, words: list[str]
) -> None:
    said = [word for word in content_words(question) if word not in ("ever", "managed", "actually")]
    assert sorted(said) == sorted(words)


def test_a_message_that_says_logged_in_says_login() -> None:
    assert "login" in split_words("User alice logged in from 10.0.0.1")


def test_the_plural_of_an_abbreviation_is_one_word() -> None:
    assert split_words("which IPs and VMs, by PIDs") == ["which", "ips", "and", "vms", "by", "pids"]
    assert split_words("HTTPServer URLs") == ["http", "server", "urls"]


@pytest.mark.parametrize(
    ("british", "american"),
    [("synchronised", "synchronized"), ("colour", "color"), ("initialisation", "initialization")],
)
def test_british_spellings_are_the_same_words(british: str, american: str) -> None:
    assert stems(british) == stems(american)


def test_words_that_only_look_british_stay_what_they_are() -> None:
    assert stems("promised") != stems("promized")
    assert stems("hours") == stems("hour")
