"""Text on a terminal: what is safe, how wide it is, when it has colour."""

import io
import json

import pytest

from edgeslm.answer.terminal import Style, fit, json_safe, pad, safe, stream_style, wants_colour, width


class _Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text", "plain text"),
        ("日本 é ☃", "日本 é ☃"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x00\x07\x08\x7f", r"\x00\x07\x08\x7f"),
        ("\x85\x9b31m", r"\x85\x9b31m"),
        ("abc\u202edef\u2066\u200f", r"abc\u202edef\u2066\u200f"),
        ("line\u2028sep\ufeff", r"line\u2028sep\ufeff"),
        ("bad name \udcff", r"bad name \xff"),
        ("tag\U000e0041", r"tag\U000e0041"),
    ],
)
def test_control_characters_become_visible_escapes(raw: str, shown: str) -> None:
    assert safe(raw) == shown


def test_every_control_character_of_unicode_is_neutralised() -> None:
    import sys
    import unicodedata

    controls = [
        chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cc", "Cs", "Zl", "Zp")
    ]
    bidi = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.bidirectional(chr(code)) in _BIDI_CONTROLS]
    assert [character for character in controls + bidi if character in safe(character)] == []


_BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_json_keeps_the_exact_value_and_shows_no_control_character() -> None:
    value = 'a\x1b[31m\n\x7f\x9b\u202e\udcff\U000e0041 \\ " é'
    document = json_safe(json.dumps({"v": value}, ensure_ascii=False))
    assert safe(document) == document
    assert json.loads(document)["v"] == value
    assert "é" in document


def test_wide_and_combining_characters_are_measured_in_cells() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert width("abc") == 3


def test_text_that_does_not_fit_is_cut_with_an_ellipsis() -> None:
    assert fit("abcdef", 6) == "abcdef"
    assert fit("abcdef", 4) == "abc…"
    assert fit("日本語", 4) == "日…"
    assert fit("abc", 0) == ""


def test_padding_counts_cells() -> None:
    assert pad("日", 4) == "日  "
    assert pad("7", 3, right=True) == "  7"


@pytest.mark.parametrize(
    ("terminal", "environment", "colour"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "0"}, False),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
    ],
)
def test_colour_only_where_it_is_wanted(terminal: bool, environment: dict[str, str], colour: bool) -> None:
    assert wants_colour(_Stream(terminal), environment) is colour


def test_width_comes_from_the_environment_and_has_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    assert stream_style(_Stream(False), {}).cells == 64
    monkeypatch.setenv("COLUMNS", "3")
    assert stream_style(_Stream(False), {}).cells == 20


def test_no_escape_without_colour() -> None:
    assert Style(80).bold("x") == Style(80).dim("x") == "x"
    assert Style(80, colour=True).dim("x") == "\x1b[2mx\x1b[0m"
