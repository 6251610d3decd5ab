from functools import cache

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio.agents import _chunks as chunks
from atrio.agents._chunks import LONGEST_LINE, spans
from atrio.agents._languages import StopWords
from atrio.agents._markup import Markup, front_matter_end
from atrio.agents._measures import words_of
from atrio.agents._summary import Settings, analyze


@cache
def settings():
    return Settings(stop_words=StopWords.load(), window=3)


def figures(text, size=1 << 16):
    return analyze(text, settings(), size=size)


def prose_words(text):
    return words_of(Markup().prose(text))


class TestWhatIsLeftOut:
    def test_targets_of_links_are_no_keywords(self):
        found = figures("See [retries](docs/how-to/retries.md) and [timeouts](docs/how-to/timeouts.md).")
        assert found.words == 4
        assert [keyword.word for keyword in found.keywords] == ["retries", "timeouts"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('[a b](c.md "A title") d', "a b d"),
            ("[a](<b c.md> 'T (x) y') d", "a d"),
            ("[a](u_(v).html (T)) d", "a d"),
            ("[a]() d", "a d"),
            ("[a\nb](c) d", "a b d"),
            ("x ![The alt](y.png) z", "x z"),
            ("[![CI](badge.svg)](https://ci.org) z", "z"),
            ('[x]: http://a.b/c "T t"\nz', "z"),
            ("a\n\n   [x y]: <docs/a b.md>\r\nz", "a z"),
            ("[x]: other.md", ""),
            ("see <https://a.b/c> now", "see https://a.b/c> now"),
            ("see https://a.b/c now", "see https://a.b/c now"),
            ("a <!-- b c --> d", "a d"),
            ("a\n<!-- b\n\n```\nc -->\nd", "a d"),
            ("a\n<!-- b\nnever closed", "a"),
            ("a<br>b <b class='x y' hidden>c</b><hr />", "a b c"),
            ('<img\n  src="a b"\n  alt=c\n/>\nd', "d"),
            ("| a | b |\n|:--|---|\n| c | d |", "a b c d"),
        ],
    )
    def test_in_markdown(self, text, words):
        assert prose_words(text) == words.split()

    @pytest.mark.parametrize(
        "text",
        [
            "see [1] (and more)",
            "see [1](and more)",
            "an [aside] and (another) one, a[i], f(x)",
            "[note]: important words",
            "[note]: important",
            "[^1]: http://a.b is a footnote",
            "in a line [x]: http://a.b",
            "a < b and c > d, or <T> and a <b and c>",
            "x <- y -> z <!- no -->",
            "say `<br>`, `<!--` or `[a](b)`",
            "`<!-- a -->`",
        ],
    )
    def test_prose_stays(self, text):
        assert Markup().prose(text) == text

    def test_a_sentence_may_end_in_a_link_or_a_tag(self):
        assert figures("<p>One [two.](a.md) Three <b>four.</b> Five</p>").sentences == 3

    def test_lines_in_a_comment_are_no_code(self):
        assert figures("a\n<!-- b\n```\nc\n").code_lines == 0

    @pytest.mark.parametrize("fence", ["---", "..."])
    def test_front_matter(self, fence):
        found = figures(f"---\ntitle: A word\ntags: [x]\n{fence}\nProse here.\n")
        assert (found.words, found.paragraphs, found.characters) == (2, 1, 44)

    @pytest.mark.parametrize(
        "text", ["---\n\nProse\n\n---\n", "---\nProse here\n---\n", "---\na: b\n", "a\n---\nb: c\n---"]
    )
    def test_a_ruler_begins_no_front_matter(self, text):
        assert front_matter_end(text) == 0


PIECES = [
    "[a b]", "[x](u)", '](u "t t")', "](u_(v) 't 漢')", ")", '![a b](c.png "T t")', "![a b", "<!-- x y -->", "<!--",
    "-->",
    "\n<!-- a\n", '\n[x]: http://a.b/c "T t"\n', "\n[x]: http://a.b", "\n  [n]: u/漢 ", "<b>", '<a href="x y 漢">',
    "<img\nsrc='a'\nalt='b c'>", "<img\n", 'src="a"\n', ">", "</p>", "<p", "`", "```", "\n```\n", "\n~~~\n", "\n\n",
    "\n", " ", "word ", "Word. ", "lower", "漢", "か", "| a | b |\n|---|---|\n", "---\n", "\n---\n", "key: v\n", "[",
    "]",
    "<https://a.b/c>", "https://a.b ", "(", "](", "<", '"', "'", ". ", "!", "\r\n",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


class TestChunks:
    @hypothesis.settings(deadline=None, max_examples=150)
    @given(TEXTS | TEXTS.map("---\n".__add__), st.integers(1, 8))
    def test_do_not_change_the_figures(self, text, size):
        assert figures(text, size) == figures(text)

    @hypothesis.settings(deadline=None, max_examples=150)
    @given(TEXTS.map(lambda text: 3 * text.replace("\n", " ")))
    def test_of_one_long_line_do_not_change_them(self, text):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunks, "LONGEST_LINE", 30)
            assert figures(text, 1) == figures(text)

    def test_begin_after_a_link(self):
        text = "x" * (LONGEST_LINE - 5) + ' ![a link](to.md "of many words") and more words'
        assert [text[start:end] for start, end in spans(text, 1)][1] == "and more words"

    def test_what_is_no_markdown_is_cut_between_words(self):
        text = "](u " + "word " * LONGEST_LINE
        text = text.replace("word word ", "](u word ")
        assert len(list(spans(text, 1))) > 2
        assert all(text[start - 1] == " " for start, _ in list(spans(text, 1))[1:])
