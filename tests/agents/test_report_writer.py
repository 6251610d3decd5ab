import dataclasses
import enum
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from itertools import pairwise

import attrs
import jinja2
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from atrio.agents import Keyword, ReportWriter, TextAnalysis
from atrio.agents._sections import MOST_ROWS, MOST_SECTIONS, plain, sections_of, weight

VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "<script>alert('x')</script> | `code` **b** [a](javascript:b) &amp; \\| \n# no heading\n\n| a |"


class Page(HTMLParser):
    """Checks nesting as it goes, and keeps what a reader and a screen reader find."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts, self.rows = [], [], {}, []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts[self.open[-1] if self.open else ""] = self.texts.get(self.open[-1] if self.open else "", "") + data
        if self.open and self.open[-1] in {"th", "td"}:
            self.rows[-1][-1] += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def tables(markdown):
    """Give the cells of every row of the tables that a CommonMark reader finds, literal text only."""
    rows = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level == 4:
            assert {child.type for child in token.children} <= {"text", "text_special"}, token.content
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def analysis(**changes):
    figures = {
        "language": "en", "characters": 12_345, "words": 2_000, "unique_words": 700, "sentences": 100, "paragraphs": 20,
        "code_lines": 0, "syllables": 3_000, "reading_ease": 59.64, "reading_level": "fairly difficult",
        "reading_note": "", "reading_time_s": 504.2, "lexical_variety": 0.7123,
        "keywords": (Keyword("agent", 12), Keyword("a|b", 3)),
    }  # fmt: skip
    return TextAnalysis(**figures | changes)


async def markdown(data, **arguments):
    return await ReportWriter(**arguments).process(data)


async def html(data, **arguments):
    return await ReportWriter(format="html", **arguments).process(data)


class TestOfAnAnalysis:
    async def test_as_markdown(self):
        text = await markdown(analysis(), title="My *draft*")
        assert text.startswith("# My \\*draft\\*\n\n## Reading\n\n| Measure | Value |\n| ------- | ----- |\n")
        assert text.endswith("| agent | 12 |\n| a\\|b | 3 |\n")
        assert "\n\n\n" not in text
        found = dict(tables(text))
        assert found["Reading time"] == "8 min 24 s"
        assert found["Reading ease"] == "59.6 (fairly difficult)"
        assert found["Lexical variety"] == "0.71"
        assert found["Words"] == "2,000"
        assert found["Words per sentence"] == "20.0"
        assert found["a|b"] == "3"

    async def test_notes_stand_below_the_figures(self):
        text = await markdown(analysis(reading_note="Take care.", variety_note="Of 100 words."))
        assert "\n\nTake care. Of 100 words.\n\n## Counts" in text
        assert "\n\nCharacters count all of the text. The other figures leave out what is no prose: " in text

    async def test_as_html(self):
        page = Page(await html(analysis(), title="My <draft>"))
        assert page.texts["title"] == page.texts["h1"] == "My <draft>"
        assert page.texts["h2"] == "ReadingCountsKeywords"
        assert ["Reading ease", "59.6 (fairly difficult)"] in page.rows
        assert ["a|b", "3"] in page.rows

    async def test_of_an_empty_text(self):
        nothing = analysis(
            language=None, words=0, sentences=0, paragraphs=0, syllables=None, reading_ease=None, reading_level=None,
            reading_note="There are no words.", reading_time_s=0.0, lexical_variety=None, keywords=(),
        )  # fmt: skip
        text = await markdown(nothing)
        assert "## Keywords" not in text
        assert "\n\nThere are no words.\n" in text
        found = dict(tables(text))
        assert found["Reading time"] == "0 s"
        assert found["Language"] == "not recognised"
        assert {found[name] for name in ("Reading ease", "Lexical variety", "Syllables", "Words per sentence")} == {
            "none"
        }

    @pytest.mark.parametrize(
        ("seconds", "shown"), [(59.6, "1 min"), (3600, "1 h"), (3723, "1 h 2 min 3 s"), (7, "7 s")]
    )
    async def test_reading_times(self, seconds, shown):
        assert dict(tables(await markdown(analysis(reading_time_s=seconds))))["Reading time"] == shown


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Point:
    x: int
    y: float


@dataclasses.dataclass
class Pair:
    left: object
    right: object


class TestOfAnything:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (None, "none"),
            (True, "yes"),
            (False, "no"),
            (1234567, "1,234,567"),
            (0.1 + 0.2, "0.3"),
            (123456.789, "123,456.8"),
            (float("nan"), "nan"),
            (Colour.RED, "red"),
            (date(2024, 2, 29), "2024-02-29"),
            (datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02-29T12:00:00+00:00"),
            (b"abc\xff", "abc\\xff"),
            ("text", "text"),
            (Point, str(Point)),
        ],
    )
    async def test_single_values(self, value, shown):
        assert plain(value) == shown
        assert await markdown(value) == f"# Report\n\n```text\n{shown}\n```\n"

    @pytest.mark.parametrize("nothing", ["", {}, [], (), set()])
    async def test_nothing(self, nothing):
        assert await markdown(nothing) == "# Report\n\nThere is nothing to show.\n"
        assert "There is nothing to show." in await html(nothing)

    @pytest.mark.parametrize("data", [{"x": 1, "y": 2.5}, Point(1, 2.5), [Point(1, 2.5)][0]])
    async def test_named_parts(self, data):
        assert tables(await markdown(data)) == [["Name", "Value"], ["x", "1"], ["y", "2.5"]]

    async def test_members(self):
        assert tables(await markdown([3, "x"])) == [["Number", "Value"], ["1", "3"], ["2", "x"]]
        assert tables(await markdown({"b", "a"})) == [["Number", "Value"], ["1", "a"], ["2", "b"]]

    async def test_records(self):
        assert tables(await markdown([Point(1, 2), {"x": None, "z": "!"}])) == [
            ["x", "y", "z"], ["1", "2", ""], ["none", "", "!"],
        ]  # fmt: skip

    async def test_parts_of_parts(self):
        text = await markdown(Pair({"a": 1, "more": [Point(1, 2), 5]}, "flat"))
        assert re.findall(r"(?m)^#+ (.*)", text) == ["Report", "left", "left / more", "left / more / 1"]
        assert tables(text)[:2] == [["Name", "Value"], ["right", "flat"]]

    async def test_records_with_many_fields_are_shown_one_by_one(self):
        text = await markdown([{f"field{n}": n for n in range(9)}])
        assert "## 1\n" in text

    async def test_depth_has_an_end(self):
        endless = []
        endless.append(endless)
        text = await markdown({"a": {"b": {"c": {"d": {"e": 1}}}}, "loop": endless})
        assert ["d", "{'e': 1}"] in tables(text)
        assert ["1", "[[...]]"] in tables(text)

    async def test_length_has_an_end(self):
        assert f"\n\n{5:,} more are not shown.\n" in await markdown(range(MOST_ROWS + 5))
        assert "more are not shown" in await markdown([{"a": 1}] * (MOST_ROWS + 1))
        assert "more are not shown" in await markdown({n: [1] for n in range(MOST_ROWS + 1)})
        assert len(list(sections_of([[1]] * (MOST_SECTIONS + 1)))) == MOST_SECTIONS + 1
        assert "And more" not in await markdown([[1]] * MOST_SECTIONS)

    async def test_text_is_shown_as_it_is(self):
        text = "Some ````` text\n\twith <b>all</b>\n"
        assert await markdown(text) == f"# Report\n\n``````text\n{text}\n``````\n"
        assert Page(await html(text)).texts["pre"].strip() == text.strip()

    @pytest.mark.parametrize("kind", ["markdown", "html"])
    async def test_small_and_large(self, kind):
        line = "The same line, again and again.\n"
        writer = ReportWriter(format=kind)
        assert (await writer.process(line * 100_000)).count(line) == 100_000
        assert (await writer.process({"lines": [line.strip()] * 5_000})).count(line.strip()) == MOST_ROWS

    def test_weight_is_soon_known(self):
        assert weight("x" * 50, 1_000) == 70
        assert weight({"a": ["x" * 5, b"y"], "b": 1}, 1_000) == 106
        assert 100 <= weight([[0] * 1_000] * 1_000, 100) < 200


class TestHostileData:
    async def test_in_markdown(self):
        text = await markdown({HOSTILE: HOSTILE, "list": [{HOSTILE: HOSTILE}]}, title=HOSTILE)
        literal = " ".join(HOSTILE.split())
        assert tables(text) == [["Name", "Value"], [literal, literal], [literal], [literal]]
        assert re.search(r"(?m)^# ", text.split("\n", 1)[1]) is None

    async def test_in_html(self):
        page = Page(await html({HOSTILE: HOSTILE, "list": [{HOSTILE: HOSTILE}]}, title=HOSTILE))
        assert page.all("script") == []
        assert [HOSTILE, HOSTILE] in page.rows
        assert page.texts["h1"] == HOSTILE

    @settings(deadline=None, max_examples=25)
    @given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=3))
    def test_never_breaks_a_table(self, data):
        async def both():
            return await markdown(data), await html(data)

        text, page = trio.run(both)
        assert [len(row) for row in tables(text)] == [2] * (len(data) + 1)
        assert [len(row) for row in Page(page).rows] == [2] * (len(data) + 1)


class TestThePage:
    async def test_is_complete_and_stands_alone(self):
        text = await html(analysis(), title="T")
        page = Page(text)
        assert text.startswith("<!DOCTYPE html>\n")
        assert page.all("html") == [{"lang": "en"}]
        assert {"charset": "utf-8"} in page.all("meta")
        assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")
        assert not [value for _, attributes in page.tags for value in attributes.values() if value and "//" in value]

    async def test_can_be_heard(self):
        page = Page(await html(analysis()))
        assert len(page.all("main")) == len(page.all("h1")) == 1
        ids = [attributes["id"] for attributes in page.all("h2")]
        assert [attributes["aria-labelledby"] for attributes in page.all("section")] == ids
        assert len(set(ids)) == len(ids)
        assert {attributes["scope"] for attributes in page.all("th")} == {"col", "row"}
        headings = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3"}]
        assert all(after - before <= 1 for before, after in pairwise(headings))


class TestOwnTemplates:
    async def test_are_given_all_there_is(self):
        template = "{{ title }}: {{ data.x }} {{ sections[0].rows | length }} {{ '*' | md }}\n"
        assert await markdown({"x": "<"}, template=template, title="T") == "T: < 1 \\*\n"
        assert await html({"x": "<"}, template=template, title="T") == "T: &lt; 1 \\*\n"

    async def test_cannot_guess(self):
        with pytest.raises(jinja2.UndefinedError):
            await markdown({}, template="{{ data.missing }}")

    @pytest.mark.parametrize("template", ["{{ data.__class__.__mro__ }}", "{{ data.clear() }}"])
    async def test_stay_in_the_sandbox(self, template):
        with pytest.raises(jinja2.exceptions.SecurityError):
            await markdown({"x": 1}, template=template)

    def test_must_be_right(self):
        with pytest.raises(ValueError, match=r"template, line 2: "):
            ReportWriter(template="fine\n{% if %}")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"format": "pdf"}, ValueError, "format must be 'markdown' or 'html', not 'pdf'"),
        ({"title": " "}, ValueError, "title must not be blank"),
        ({"title": None}, TypeError, "title must be a str, not NoneType"),
        ({"template": b""}, TypeError, "template must be the source of a Jinja2 template, a str, not bytes"),
    ],
)
def test_checks_its_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ReportWriter(**arguments)


@pytest.mark.parametrize("data", ["x", "x" * 100_000])
async def test_is_a_checkpoint(data):
    assert ReportWriter.agent_id == "report_writer"
    with trio.testing.assert_checkpoints():
        await markdown(data)


async def test_a_large_report_hears_of_a_cancellation():
    began = trio.current_time()
    with trio.move_on_after(0.05) as scope:
        await html("<&>" * 20_000_000)
    assert scope.cancelled_caught
    assert trio.current_time() - began < 1
