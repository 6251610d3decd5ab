"""What a report's files hold: every plot, every sample, nothing from elsewhere, and the same bytes each time."""

import csv
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from report_runs import HOSTILE, ROWS, Maker, made_up

from benchmarks.analysis.targets import PLANNED
from benchmarks.report.charts import Entry, Point, Series, coloured, is_wide
from benchmarks.report.html import html
from benchmarks.report.plots import plots
from benchmarks.report.svg import COLOURS, inlined
from benchmarks.report.write import write_report

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Reads a page: its ids, its links, its elements; fails where elements are not closed in their order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.ids, self.references, self.text = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.references += [attributes[name] for name in ("src", "href", "xlink:href", "srcset") if name in attributes]
        assert not any(name.startswith("on") for name in attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def run():
    return made_up()


@pytest.fixture(scope="module")
def drawn(run):
    return plots(run)


def text_of(plot):
    """Return all that is written in a plot; it must be XML."""
    return " ".join(ET.fromstring(plot.svg).itertext())  # noqa: S314 - made a moment ago


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "plots").mkdir()
    (folder / "plots" / "of-an-earlier-report.svg").write_text("old")
    write_report(run, ROWS, folder)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text())


class TestFiles:
    def test_all_files_are_named_and_there(self, run, folder):
        written = write_report(run, ROWS, folder)
        assert sorted(written) == sorted(path for path in folder.rglob("*") if path.is_file())
        assert {path.name for path in written} >= {"report.md", "report.html", "samples.csv", "pipeline-20--cost.svg"}

    def test_the_markdown_shows_every_plot(self, folder):
        shown = set(re.findall(r"!\[.*\]\((.*\.svg)\)", (folder / "report.md").read_text()))
        assert shown == {f"plots/{path.name}" for path in (folder / "plots").iterdir()}

    def test_the_csv_has_every_value(self, run, folder):
        with (folder / "samples.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        values = [
            (sample["program"], str(sample["round"]), figure, str(index), value)
            for sample in run.data["samples"]
            for figure, each in sample["values"].items()
            for index, value in enumerate(each)
        ]
        read = [(each["program"], each["round"], each["figure"], each["index"], float(each["value"])) for each in lines]
        assert read == values
        assert {each["work"] for each in lines} <= set(run.works)
        units = {(each["figure"], each["unit"]) for each in lines}
        assert units >= {("cpu_s", "s"), ("kept_bytes", "bytes"), ("p99", "s"), ("q02", "s")}

    def test_the_same_samples_give_the_same_bytes(self, folder, tmp_path):
        for path in write_report(made_up(), ROWS, tmp_path):
            assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes(), path


class TestPage:
    def test_nothing_comes_from_elsewhere(self, page, folder):
        assert all(reference.startswith("#") for reference in page.references)
        assert not {"script", "link", "img", "iframe", "object", "image"} & set(page.names)
        text = (folder / "report.html").read_text()
        assert "http:" not in text
        assert "https:" not in text
        assert "@import" not in text
        assert {target[:5] for target in re.findall(r"url\((.*?)\)", text)} <= {"#" + each[:4] for each in page.ids}

    def test_every_link_has_its_place_and_every_id_is_one(self, page):
        assert {reference[1:] for reference in page.references} <= set(page.ids)
        assert len(page.ids) == len(set(page.ids))

    def test_every_plot_is_there(self, drawn, page):
        assert page.names.count("svg") == len(drawn.drawn) == 15
        assert {plot.title for plot in drawn.drawn} <= set(page.text)

    def test_every_row_and_program_is_there(self, run, page):
        text = re.sub(r"\s+", " ", "".join(page.text))
        rows = [row for row in ROWS if set(row.programs) <= set(run.programs)]
        assert len(rows) == len(ROWS) - 1
        for said in [row.label for row in rows] + [program["label"] for program in run.programs.values()]:
            assert said.replace("`", "") in text

    def test_hostile_words_are_shown_not_obeyed(self, page, folder):
        text = (folder / "report.html").read_text()
        assert "<script" not in text
        assert "&lt;script&gt;alert" in text
        assert HOSTILE.replace("`", "") in "".join(page.text)

    def test_colours_are_variables_for_light_and_dark(self, folder):
        text = (folder / "report.html").read_text()
        body = text.partition("</head>")[2]
        assert "@media screen and (prefers-color-scheme: dark)" in text
        assert set(re.findall(r"var\(--(\w+)\)", body)) <= set(COLOURS)
        assert not re.findall(r"(?:fill|stroke): #(?!000000)[0-9a-f]{6}", body)

    def test_the_summary_tells_noise_targets_and_who_is_faster(self, page):
        text = re.sub(r"\s+", " ", "".join(page.text))
        for said in (
            "half of the samples spread over more than 10%",
            "Of 8 targets that were measured, 5 were met and 3 missed",
            "Batch: atrio's map / hand-written loop: 1.374, the target being <= 1.2",
            "It costs more than hand-written (0.88 times atrio's).",
            "Apache Hamilton, a node a stage: not installed: no wheel for this",
        ):
            assert said in text

    def test_targets_of_what_is_not_built_are_listed_too(self, page):
        assert ("not built yet" in page.text) == bool(PLANNED)

    def test_a_quiet_machine_is_said_to_be_one(self):
        make = Maker(6)
        work = make.work("pipeline.2", "Pipeline of 2 stages", "stage", 2)
        make.timed(f"{work}.atrio", "ours", work, 5, spread=0)
        assert "The machine showed no sign of noise" in html(make.run(), [])

    def test_a_run_in_which_nothing_could_be_measured_has_a_page(self, tmp_path):
        make = Maker(1)
        work = make.work("pipeline.2", "Pipeline of 2 stages", "stage", 2)
        make.program(f"{work}.x", "one", work, status="not installed", reason="no network", packages={}, python=None)
        written = write_report(make.run(), ROWS, tmp_path)
        assert len(written) == 3
        assert "not installed: no network" in (tmp_path / "report.html").read_text()


class TestPlots:
    @pytest.mark.parametrize(
        ("only", "missing"),
        [
            ({"pipeline"}, ["Cost against size", "Distributions of latency"]),
            ({"latency"}, ["Bars"]),
            ({"scale"}, ["Bars", "Distributions of latency"]),
        ],
    )
    def test_what_was_not_measured_is_left_out_and_said(self, only, missing):
        drawn = plots(made_up(only=only))
        assert [said.partition(" are ")[0].partition(" is ")[0] for said in drawn.left_out] == missing
        assert drawn.left_out[0] in html(made_up(only=only), ROWS)

    def test_all_kinds_are_drawn(self, drawn):
        names = [plot.name for plot in drawn.drawn]
        assert drawn.left_out == ()
        assert names[:5] == [
            "pipeline-20--cost",
            "batch-10000--cost",
            "latency--size",
            "latency--quantiles-100",
            "latency--percentiles-100",
        ]
        assert {"scale-stages--size", "scale-items--size", "scale-sinks--size", "memory-kept--cost"} <= set(names)

    def test_axes_say_what_is_measured_and_which_way_is_better(self, drawn):
        for plot in drawn.drawn:
            text = text_of(plot)
            assert "(lower is better)" in text
            assert "95 % intervals of the median of" in text
            assert re.search(r"(us|ms|bytes)\b", text)

    def test_wide_ranges_have_a_logarithmic_axis_that_says_so(self, drawn):
        by_name = {plot.name: text_of(plot) for plot in drawn.drawn}
        assert "logarithmic axis (lower is better)" in by_name["pipeline-20--cost"]
        assert "Both axes are logarithmic." in by_name["scale-items--size"]
        assert "ogarithmic" not in by_name["scale-sinks--size"] + by_name["startup--cost"]

    def test_what_was_not_measured_is_named(self, drawn):
        text = text_of(drawn.drawn[0])
        assert "Not measured: Apache Hamilton, a node a stage (not installed)" in text

    def test_few_rounds_have_no_95_percent(self):
        drawn = plots(made_up(rounds=3, only={"pipeline"})).drawn
        assert "the range of 3 rounds, too few for a 95 % interval" in text_of(drawn[0])

    def test_a_program_at_one_size_alone_is_a_bar_beside_the_line(self):
        make = Maker(6)
        for places in (1, 50, 1_000):
            work = make.work(f"batch.100.{places}", f"100 items, {places:,} at once", "item", 100)
            make.timed(f"{work}.atrio", "ours", work, 5)
            make.timed(f"{work}.hand", "theirs", work, 5, subject="hand")
        make.timed("batch.100.50.stream", "a stream", "batch.100.50", 9)
        drawn = plots(make.run()).drawn
        assert [plot.name for plot in drawn] == ["batch-100--size", "batch-100--cost-50"]
        assert drawn[0].title == "100 items, 1 to 1,000 at once: CPU"
        assert "a stream" not in drawn[0].svg

    def test_files_have_no_metadata_and_inlined_ones_no_namespace(self, drawn):
        svg = drawn.drawn[0].svg
        assert "<metadata" not in svg
        assert "<style" not in svg
        assert 'role="img"' in svg
        assert "xmlns" not in inlined(svg)

    def test_lines_of_one_subject_differ(self):
        point = (Point(1.0, 1.0, 1.0),)
        lines = coloured([
            Series(label, subject, (1.0,), point)
            for label, subject in (("a", "atrio"), ("b", "atrio"), ("c", "langgraph"), ("d", "burr"))
        ])  # fmt: skip
        assert [(line.colour, line.dashes) for line in lines] == [
            ("atrio", 0),
            ("atrio", 1),
            ("green", 0),
            ("purple", 0),
        ]
        assert len({line.marker for line in lines}) == 4

    def test_thirty_times_is_wide(self):
        def entry(value):
            return Entry("", "", "", (Point(value, value, value),)).points[0]

        assert is_wide([entry(1), entry(31)])
        assert not is_wide([entry(1), entry(29)])
        assert not is_wide([entry(0), entry(100)])
