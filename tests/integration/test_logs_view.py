"""The view over real files: every format in SQL as in Python, physical line numbers, records over several lines."""

import random
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from edgeslm.logs import load_formats, open_logs
from edgeslm.logs.entities import load_entities
from edgeslm.logs.logset import LogSet
from edgeslm.logs.sqltext import identifier, quote

FORMATS = load_formats()


def column_rows(logs: LogSet, names: Sequence[str]) -> list[tuple[object, ...]]:
    return logs.query(f"SELECT {', '.join(identifier(n) for n in names)} FROM logs ORDER BY line_no").rows


def rows_as_sampled(logs: LogSet) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The whole file by SQL and by Python: their equality is the view's invariant."""
    names = [column.name for column in logs.columns if not column.entity]
    return column_rows(logs, names), [tuple(row[name] for name in names) for row in logs.sample]


@pytest.mark.parametrize("name", FORMATS)
def test_sql_and_python_read_every_sample_alike(name: str, tmp_path: Path) -> None:
    lines = [sample["line"] for sample in FORMATS[name].samples]
    lines += ["", "  indented, of no layout", lines[0] + " ", lines[0][: len(lines[0]) // 2], '{"half": ']
    path = tmp_path / "x.log"
    path.write_text("\n".join(lines) + "\n")
    with open_logs([path], year=2024, format_name=name) as logs:
        by_sql, by_python = rows_as_sampled(logs)
    assert by_sql == by_python


@pytest.mark.parametrize("name", load_entities())
def test_sql_and_python_find_the_same_entities(name: str, tmp_path: Path) -> None:
    messages = [
        "Failed password for invalid user eva from 192.0.2.7 port 42393 ssh2",
        "peer /192.0.2.7:45307 [2001:db8::7] user unknown user=root rhost=x",
        'File "/srv/app/x.py" at https://example.org/a?b=1, to=<eva@example.org> via 52:54:00:ab:cd:ef',
        "[instance: 7e7cc42b-1111-4222-8333-abcdefabcdef] C:\\Windows\\a.dll v6.1.7601.23505 std::add(0x1)",
        "nothing at all",
    ]
    path = tmp_path / "x.log"
    path.write_text("\n".join(messages) + "\n")
    with open_logs([path], format_name="plain") as logs:
        found = [None if row[0] is None else str(row[0]) for row in column_rows(logs, [name])]
    assert found == [load_entities()[name].find(message) for message in messages]


LINE_ENDS: dict[str, bytes] = {
    "no final newline": b"a\nb",
    "empty lines": b"\n\na\n\n\nb\n\n",
    "CRLF": b"a\r\n\r\nb\r\n",
    "CRLF without a final one": b"a\r\nb",
    "mixed": b"a\r\nb\nc\r\n\n\r\nd\n",
    "LF then CRLF": b"a\nb\n" + b"c\r\n" * 50,
    "CR inside": b"10%\r20%\rdone\nb\n",
    "CR CR LF": b"a\r\r\nb\n",
    "final CR": b"a\nb\r",
    "quotes and delimiters": b'"a\nb",;|\\"\n\'\n#c\n\x1fd\x1e\n',
    "NUL": b"a\x00b\n" + b"x" * 300 + b"\n",
    "BOM": b"\xef\xbb\xbfa\nb\n",
    "unicode line separators": "a\u2028b\x85c\x0bd\ne\n".encode(),
    "invalid UTF-8": b"a\xff\xfeb\n\xc3\nc\n",
    "only a newline": b"\n",
    "the word NULL": b"NULL\n\\N\nnull\n",
    "blank lines": b"  \n\t\n a \n",
}


def lines_of(data: bytes) -> list[str]:
    """What a person counts: pieces that end in LF, one CR before it dropped, other CRs and bad bytes shown as marks."""
    pieces = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    pieces = pieces[:-1] if pieces[-1] == b"" else pieces
    return [piece.removesuffix(b"\r").decode("utf-8", "replace").replace("\r", "\u240d") for piece in pieces]


def assert_lines_are(path: Path, want: list[str]) -> None:
    with open_logs([path], format_name="plain", threads=2) as logs:
        assert logs.query("SELECT line_no, line FROM logs").rows == list(enumerate(want, 1))
        assert logs.counts().read == len(want)
        last = len(want)
        assert [(line.line_no, line.text) for line in logs.lines([last, 1])] == [(last, want[-1]), (1, want[0])]


@pytest.mark.parametrize("case", LINE_ENDS)
def test_line_numbers_are_physical(case: str, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(LINE_ENDS[case])
    assert_lines_are(path, lines_of(LINE_ENDS[case]))


@pytest.mark.parametrize("seed", range(4))
def test_line_numbers_are_physical_in_files_of_several_buffers(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    end = source.choice([b"\n", b"\r\n"])
    alphabet = [b"abc \"',;|", bytes(range(32, 127)), "aéß…漢".encode()][seed % 3]
    text = alphabet.decode()
    lines = ["".join(source.choices(text, k=source.choice([0, 1, 80, 300]))).encode() for _ in range(50_000)]
    lines[source.randrange(50_000)] = b"x" * 400_000
    if seed == 3:
        lines[40_000] = b"bad \xff byte"
        lines = [line[:1000] for line in lines]
    path = tmp_path / "x.log"
    path.write_bytes(end.join(lines) + end)
    assert_lines_are(path, [line.decode("utf-8", "replace") for line in lines])


TRACE = """\
started by hand
2024-05-03 21:14:09,123 ERROR [main] org.example.Pay: boom 192.0.2.7
java.lang.IllegalStateException: no card
\tat org.example.Pay.run(Pay.java:7)

2024-05-03 21:14:10,000 INFO [main] org.example.Web: fine
"""


def test_a_stack_trace_belongs_to_the_record_it_follows(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(TRACE)
    with open_logs([path]) as logs:
        assert logs.query("SELECT line_no, record, level FROM logs").rows == [
            (1, None, None),
            (2, 2, "ERROR"),
            (3, 2, None),
            (4, 2, None),
            (5, 2, None),
            (6, 6, "INFO"),
        ]
        assert logs.query("SELECT count(*) FROM logs WHERE component = 'org.example.Pay' AND ts IS NOT NULL").rows == [
            (4,)
        ]
        assert logs.query("SELECT count(*) FROM logs WHERE level = 'ERROR'").rows == [(1,)]
        assert (logs.counts().read, logs.counts().unparsed) == (6, 1)
        by_sql, by_python = rows_as_sampled(logs)
        assert by_sql == by_python


def test_a_plain_file_has_no_record_column(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("2024-05-03 21:14:10,000 INFO [main] org.example.Web: fine\n" * 3)
    with open_logs([path]) as logs:
        assert "record" not in [column.name for column in logs.columns]


def test_levels_are_ordered(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    words = ["INFO", "ERROR", "WARN", "FATAL", "DEBUG"]
    path.write_text("".join(f"18/09/21 04:05:06 {word} a.B: x\n" for word in words))
    with open_logs([path]) as logs:
        assert logs.query("SELECT level FROM logs WHERE level >= 'WARN' ORDER BY level").rows == [
            ("WARN",),
            ("ERROR",),
            ("FATAL",),
        ]


def test_a_line_of_the_greatest_length_is_whole_and_one_byte_more_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    for length, kept in ((1_000_000, 1_000_000), (1_000_001, 1_000_000)):
        path.write_text("a\n" + "x" * length + "\nb\n")
        with open_logs([path], format_name="plain") as logs:
            assert logs.query("SELECT length(line) FROM logs").rows == [(1,), (kept,), (1,)]


def test_a_year_passes_inside_a_file_without_years(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("Dec 31 23:59:59 h a[1]: x\nJan  1 00:00:01 h a[1]: y\n" + "Feb 29 12:00:00 h a[1]: z\n" * 9)
    with open_logs([path], year=2024) as logs:
        assert logs.time_range() == (datetime(2023, 12, 31, 23, 59, 59), datetime(2024, 2, 29, 12))


def test_without_a_year_given_the_file_time_tells_it(tmp_path: Path) -> None:
    import os

    path = tmp_path / "x.log"
    path.write_text("Dec 10 06:55:46 h a[1]: x\n")
    for modified, year in ((datetime(2021, 12, 11), 2021), (datetime(2022, 3, 1), 2021)):
        os.utime(path, (modified.timestamp(), modified.timestamp()))
        with open_logs([path]) as logs:
            assert logs.time_range() == (datetime(year, 12, 10, 6, 55, 46),) * 2


def test_several_files_have_a_source_and_their_own_line_numbers(tmp_path: Path) -> None:
    for name, text in (("app.log.1", "Jan  1 00:00:00 h a: one\n" * 2), ("app.log", "Jan  2 00:00:00 h a: two\n")):
        (tmp_path / name).write_text(text)
    with open_logs([f"{tmp_path}/app.log*"], year=2024) as logs:
        assert logs.query("SELECT source, line_no, message FROM logs").rows == [
            ("app.log.1", 1, "one"),
            ("app.log.1", 2, "one"),
            ("app.log", 1, "two"),
        ]
        assert [line.file for line in logs.lines([("app.log", 1)])] == ["app.log"]
        assert logs.counts().read == 3


def test_many_files_are_read_in_few_scans_and_each_keeps_its_numbers(tmp_path: Path) -> None:
    """Short and long files, without an end of line, with other ends of lines, of another month, of another format."""
    wanted: list[tuple[str, int, str]] = []
    for number in range(12):
        count = 40_000 if number == 3 else 3 + number
        messages = [f"message {n} of {number}" for n in range(count)]
        stamp = "Feb" if number == 7 else "Jan"
        end = "\r\n" if number == 5 else "\n"
        lines = [f"{stamp} {number + 1:2} 00:00:{n % 60:02} h a: {text}" for n, text in enumerate(messages)]
        if number == 9:
            lines = [f"18/09/21 04:05:{n % 60:02} WARN x.Y: {text}" for n, text in enumerate(messages)]
        (tmp_path / f"{number:02}.log").write_text(end.join(lines) + ("" if number % 2 else end), newline="")
        wanted += [(f"{number:02}.log", at, text) for at, text in enumerate(messages, 1)]
    with open_logs([tmp_path / f"{number:02}.log" for number in range(12)], year=2024) as logs:
        assert logs.view_sql.count("read_csv(") == 7  # 0-4, 5, 6, 7, 8, 9, 10-11
        assert logs.query("SELECT source, line_no, message FROM logs").rows == wanted
        assert (logs.counts().read, logs.counts().unparsed) == (len(wanted), 0)
        ends = logs.query("SELECT source, min(ts), max(line_no) FROM logs GROUP BY source ORDER BY source").rows
        assert [(name, last) for name, _, last in ends][3:5] == [("03.log", 40_000), ("04.log", 7)]
        assert logs.time_range() == (datetime(2018, 9, 21, 4, 5), datetime(2024, 2, 8, 0, 0, 9))


def test_records_over_several_lines_end_with_their_file(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("  a line before any record\n18/09/21 04:05:06 WARN x.Y: two\n  at z\n")
    with open_logs([tmp_path / "a.log", tmp_path / "b.log"]) as logs:
        assert logs.query("SELECT source, line_no, record FROM logs").rows == [
            (name, at, record) for name in ("a.log", "b.log") for at, record in ((1, None), (2, 2), (3, 2))
        ]


def test_files_of_different_formats_share_one_view(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("Jan  1 00:00:00 h a[7]: one\n")
    (tmp_path / "b.log").write_text("18/09/21 04:05:06 WARN x.Y: two\n")
    with open_logs([tmp_path / "a.log", tmp_path / "b.log"], year=2024) as logs:
        assert logs.query("SELECT app, pid, component, level, message FROM logs").rows == [
            ("a", 7, None, None, "one"),
            (None, None, "x.Y", "WARN", "two"),
        ]


def test_a_name_with_a_quote_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "it's [1] *.log"
    path.write_text("hello\n")
    with open_logs([path]) as logs:
        assert logs.query("SELECT message FROM logs").rows == [("hello",)]


def test_the_sample_of_a_long_file_is_spread_and_numbered(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("".join(f"18/09/21 04:05:06 INFO a.B: {n} {'x' * 60}\n" for n in range(1, 30_001)))
    with open_logs([path]) as logs:
        sample = logs.sample
    assert len(sample) <= 5000
    assert all(row["message"].startswith(f"{row['line_no']} ") for row in sample)
    assert sample[-1]["line_no"] > 20_000


def test_a_message_that_is_compared_is_quoted_safely(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("it's\n")
    with open_logs([path]) as logs:
        assert logs.query(f"SELECT count(*) FROM logs WHERE message = {quote(chr(39).join(['it', 's']))}").rows == [
            (1,)
        ]
