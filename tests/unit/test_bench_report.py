"""The report: what it says, that it needs nothing from elsewhere, and that what comes from files stays text."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from edgeslm.answer.terminal import safe
from edgeslm_bench.records import Record, read_results
from edgeslm_bench.report import charts
from edgeslm_bench.report.charts import Bar, Chart, Dot, bars, pareto
from edgeslm_bench.report.columns import DASH, OUR_COLUMNS, best, short, study_columns
from edgeslm_bench.report.content import Content, content_of, front, headline, read_history
from edgeslm_bench.report.terminal import draw
from edgeslm_bench.report.write import write_report
from edgeslm_bench.suite.cli import bench
from result_files import MACHINE, records, write_results

HOSTILE = "<script>alert(1)</script> | `x` ![i](http://e.example/i.png) {{ 7 * 7 }} \x1b[31m & \" '"


class Page(HTMLParser):
    """All tags with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs and files that are none."""
    folder = tmp_path_factory.mktemp("runs")
    write_results(folder / "a.json", records(speed=0.8), moment="2026-11-20T03:00:00", commit="aaaaaaaaaaaa")
    write_results(folder / "b.json", moment="2026-11-22T03:00:00", commit="bbbbbbbbbbbb")
    write_results(folder / "baseline.json", moment="2026-11-23T03:00:00", commit="cccccccccccc")
    (folder / "facts.json").write_text('{"facts": []}')
    (folder / "torn.json").write_text("{")
    return folder


@pytest.fixture(scope="module")
def written(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the second run."""
    out = tmp_path_factory.mktemp("report")
    write_report(content_of(read_results(runs / "b.json"), read_history(runs)), out)
    return out


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page((written / "report.html").read_text())


def content(*found: Record, tmp_path: Path, **about: object) -> Content:
    return content_of(read_results(write_results(tmp_path / "run.json", found, **about)))  # type: ignore[arg-type]


def test_the_page_has_the_studys_table_and_ours_for_every_group(page: Page) -> None:
    heads = [column.head for column in study_columns("tinyllama-1.1b")]
    assert heads[:3] == ["latency (ms)", "throughput (samples/s)", "memory (MB)"]
    assert heads[3:6] == ["inference success (%)", "valid code (%)", "execution success (%)"]
    assert heads[6:] == ["syntax errors", "quality score (0 to 1)"]
    assert set(heads) <= set(page.texts)
    assert page.count("table") == 4
    assert {"valid SQL (%)", "decode (tokens/s)", "of the memory's speed (%)"} <= set(page.texts)
    assert "Not measured here: peak PSS (MB), energy (J)." in " ".join(page.texts)


def test_the_page_says_which_weights_are_random_and_that_profiles_are_limits(page: Page) -> None:
    text = " ".join(page.texts)
    assert text.count("random weights") == 2  # the tile and the section of TinyLlama
    assert text.count("trained weights") == 2
    assert "no measurement on that board and no claim about its speed" in text
    assert "quality cannot be judged" in text


def test_the_page_needs_nothing_from_elsewhere(written: Path, page: Page) -> None:
    assert page.count("script") == page.count("link") == page.count("img") == page.count("iframe") == 0
    assert re.findall(r"(?:https?:)?//\w|@import|url\((?!#)", (written / "report.html").read_text()) == []
    links = [
        value for _, attributes in page.tags for name, value in attributes.items() if name.endswith(("href", "src"))
    ]
    assert links
    assert all(link and link.startswith("#") for link in links)


def test_no_two_elements_of_the_page_have_one_id_and_every_reference_leads_somewhere(written: Path, page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = re.findall(r'(?:url\(|href=")#([^)"]+)', (written / "report.html").read_text())
    assert set(wanted) <= set(ids)


def test_pictures_take_the_pages_colours_so_that_they_read_in_the_dark(written: Path) -> None:
    svgs = re.findall(r"<svg.*?</svg>", (written / "report.html").read_text(), re.DOTALL)
    assert len(svgs) == 9
    for svg in svgs:
        assert "var(--ink)" in svg
        assert "fill: #000000" not in svg
        assert "#1a1d21" not in svg


def test_every_chart_says_in_words_what_it_shows_and_is_a_png_too(written: Path, page: Page) -> None:
    labels = [attributes["aria-label"] or "" for tag, attributes in page.tags if tag == "figure"]
    assert len(labels) == len(list(written.glob("*.png"))) == 9
    assert any("pruned+quantized: 6,886 ms" in label for label in labels)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written.glob("*.png"))


def test_markdown_holds_the_same_tables_and_names_pictures_that_are_there(written: Path) -> None:
    text = (written / "report.md").read_text()
    assert "| pruned+quantized | **6,886** | **0.145** | **371** | 100 | – | – | – | – |" in text
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert sorted(pictures) == sorted(path.name for path in written.glob("*.png"))
    assert "## TinyLlama 1.1B, random weights" in text


def test_what_comes_from_a_file_stays_text(tmp_path: Path) -> None:
    one = [replace(record, notes=f"{HOSTILE} {number}") for number, record in enumerate(records()[:3])]
    cpu = {**MACHINE, "cpu": {"brand_raw": HOSTILE, "count": 2}}
    found = content(*one, tmp_path=tmp_path, machine=cpu, commit=HOSTILE)
    write_report(found, tmp_path / "out")
    source = (tmp_path / "out" / "report.html").read_text()
    page = Page(source)
    assert page.count("script") == page.count("img") == 0
    assert sum(safe(HOSTILE) in text for text in page.texts) == 4
    assert "\x1b" not in source
    assert "49" not in " ".join(text for text in page.texts if "alert" in text)
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "\x1b" not in markdown
    assert "<script>" not in markdown.replace("\\<", "")
    assert "![i]" not in markdown.replace("!\\[", "")
    screen = io.StringIO()
    draw(found, Console(file=screen, force_terminal=True, width=120))
    assert "\x1b[31m &" not in screen.getvalue()
    assert "alert(1)" in screen.getvalue()


def test_a_note_on_all_techniques_is_said_once(tmp_path: Path) -> None:
    notes = ["random weights; 16 tokens", "random weights", "random weights; half the layers"]
    noted = [replace(record, notes=note) for record, note in zip(records()[:3], notes, strict=True)]
    (group,) = content(*noted, tmp_path=tmp_path).groups
    assert group.notes == (
        ("all", "random weights"),
        (noted[0].technique, "16 tokens"),
        (noted[2].technique, "half the layers"),
    )


def test_other_files_in_the_folder_stay(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    write_report(content_of(read_results(runs / "b.json")), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "only run in its folder" in (tmp_path / "report.md").read_text()


def test_history_is_the_runs_of_the_folder_by_date_and_other_files_are_left_out(runs: Path) -> None:
    found = content_of(read_results(runs / "b.json"), read_history(runs)).history
    assert [run.commit for run in found] == ["aaaaaaa", "bbbbbbb"]
    assert found[0].speed[("log-model", "quantized")] == pytest.approx(0.8 * 2801 / 402.1)
    assert ("log-model", "base-transformers-fp32") not in found[0].speed


def test_a_headline_names_the_fastest_that_keeps_the_quality() -> None:
    trained = [record for record in records() if record.weights == "trained"]
    assert headline(trained) == (
        "base-gguf-q8_0: 5.24 times the speed of base-transformers-fp32, 1/9.81 of its memory, quality 0.695"
    )
    random = [record for record in records() if record.weights == "random"]
    assert headline(random) == "pruned+quantized: 11.9 times the speed of base-transformers-fp32, 1/17.9 of its memory"
    lost = [replace(record, quality_score=0.1) if record.speed_ratio != 1 else record for record in trained]
    assert headline(lost) == "No technique keeps 97% of the base's quality."
    assert headline([replace(record, speed_ratio=None) for record in random]) == ""


@pytest.mark.parametrize(
    ("points", "best_ones"),
    [
        ([(1, 1), (2, 2), (3, 1)], [0, 1]),
        ([(1, 1), (1, 2)], [1]),
        ([(1, 1), (1, 1)], [0, 1]),
        ([(2, 1)], [0]),
        ([(1, 3), (2, 2), (3, 1)], [0]),
    ],
)
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]], best_ones: list[int]) -> None:
    assert front(points) == best_ones


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.05594, "0.0559"), (1.005, "1"), (12.34, "12.3"), (99.96, "100"), (123.4, "123"), (81023.4, "81,023")],
)
def test_numbers_have_three_digits_and_whole_ones_all_of_theirs(value: float, text: str) -> None:
    assert short(value) == text


def test_what_was_not_measured_is_a_dash_and_never_best() -> None:
    found = records()[-2:]
    columns = {column.head: column for column in (*study_columns("code-model"), *OUR_COLUMNS)}
    assert columns["quality score (0 to 1)"].text(found[0]) == DASH
    assert best(columns["quality score (0 to 1)"], found) is None
    assert best(columns["latency (ms)"], found) == min(one.latency_ms or 0 for one in found)
    assert best(columns["decode (tokens/s)"], found) == max(one.decode_tokens_s or 0 for one in found)
    assert best(columns["weights read (GB/s)"], found) is None  # neither way is better


def test_a_record_with_next_to_nothing_measured_makes_a_page(tmp_path: Path) -> None:
    found = content(Record("code-model", "pruned", "trained", inference_success_pct=0.0), tmp_path=tmp_path)
    write_report(found, tmp_path / "out")
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert page.count("svg") == 0
    assert "Nothing to compare with a base." in page.texts


def test_a_bars_text_stays_within_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is reckoned from its letters; drawn, it must not pass the edge."""
    drawn: list[Figure] = []

    def finish(name: str, title: str, says: str, figure: Figure, of: str = "") -> Chart:
        drawn.append(figure)
        return Chart(name, title, says, "", b"")

    monkeypatch.setattr(charts, "_chart", finish)
    bars("x", "x", [Bar("a", 81023, "81,023,456,789 ms"), Bar("b", 1, "1 ms")])
    bars("y", "y", [Bar("a", 1e-9, "0 ms")])
    assert len(drawn) == 2
    for figure in drawn:
        canvas = FigureCanvasAgg(figure)
        for text in figure.axes[0].texts:
            assert text.get_window_extent(canvas.get_renderer()).x1 <= figure.bbox.x1


def test_models_on_one_spot_are_drawn() -> None:
    chart = pareto("x", "x", [Dot("a", 5.0, 0.5), Dot("b", 5.0, 0.5), Dot("c", 5.0, 0.0)])
    assert chart.says == "a: 5.0 MB, quality 0.5; b: 5.0 MB, quality 0.5; c: 5.0 MB, quality 0"


def test_the_terminal_has_bars_where_they_fit(runs: Path) -> None:
    found = content_of(read_results(runs / "b.json"))
    screens = {}
    for width in (80, 120):
        screen = io.StringIO()
        draw(found, Console(file=screen, width=width))
        screens[width] = screen.getvalue()
        assert max(map(len, screens[width].splitlines())) <= width
        assert "base-transformers-fp32" in screens[width]
        assert "11.9" in screens[width]
    assert "█" not in screens[80]
    assert "█" in screens[120]


def test_the_command_writes_the_report_or_draws_it(runs: Path, tmp_path: Path) -> None:
    arguments = ["report", str(runs / "b.json")]
    done = CliRunner().invoke(bench, [*arguments, "--out", str(tmp_path / "r")], catch_exceptions=False)
    assert done.output.splitlines()[0] == f"wrote {tmp_path / 'r' / 'report.html'}"
    assert "bbbbbbb" in (tmp_path / "r" / "report.html").read_text()
    drawn = CliRunner().invoke(bench, [*arguments, "--terminal"], catch_exceptions=False)
    assert "TinyLlama 1.1B, random weights" in drawn.output
    assert "wrote" not in drawn.output


def test_a_file_that_is_no_result_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    done = CliRunner().invoke(bench, ["report", str(tmp_path / "x.json")])
    assert "is not a result of the benchmark suite" in str(done.exception)
