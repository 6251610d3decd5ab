import unicodedata

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atrio.agents import TextCleaner
from atrio.agents._cleaning import clean

# What cleaning is about, more often than chance would have it.
PIECES = [*"ab \t\n\r\x00\x0b\x0c\x1f\x85é.", "\u200b", "\u200c", "\u200d", "\ufeff", "\u00ad", "\u0301", "\u00a0"]
PIECES += [
    "\u3000",
    "\u2028",
    "\u2029",
    "👩",
    "💻",
    "\ufe0f",
    "🏽",
    "🏴",
    "\U000e0067",
    "\U000e007f",
    "ن",
    "क",
    "\u094d",
]
PIECES += ["ខ", "漢", "か", "\u3099", "カ", "가", "ᄀ", "ᅡ", "\ud800", "\r\n", "\u200f", "  ", "\n\n\n"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(
    st.characters(codec=None, exclude_categories=[]), max_size=40
)


@pytest.mark.parametrize(
    ("dirty", "tidy"),
    [
        ("", ""),
        (" \t\r\n \n", ""),
        ("plain", "plain"),
        ("one\r\ntwo\rthree\x85four\u2028five\x0bsix", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("\ufeffa\x00b\u200bc\u00add\x7f", "abcd"),
        ("e\u0301", "é"),
        ("a \t b", "a b"),
        ("a\tb", "a\tb"),
        ("a\u00a0b\u3000\u2003c", "a b c"),
        ("trailing  \nblanks\t\n", "trailing\nblanks\n"),
        ("\n\n a\n\n \n\n b\n\n\n", " a\n\n b\n"),
        ("no newline at the end  ", "no newline at the end"),
        ("def f():\n    return 1\n", "def f():\n    return 1\n"),
        ("x\n" + " " * 100 + "y", "x\n" + " " * 80 + "y"),
        ("half a pair \ud83d", "half a pair \ufffd"),
        ("x" + "\u200b" * 3 + "y", "xy"),
    ],
)
def test_makes_text_tidy(dirty, tidy):
    assert clean(dirty) == tidy


@pytest.mark.parametrize(
    "text",
    [
        "👩‍💻 👩🏽‍🚀 🏳️‍🌈 ❤️ 🇩🇪 1️⃣",  # joined, toned, with variation selectors, flags, keycaps
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England is spelled in tags
        "می‌خواهم",  # Persian needs its non-joiners
        "क्‍ष",  # and Devanagari its joiners
        "ភាសា\u200bខ្មែរ",  # Khmer has no other mark between words
        "\u200fשלום\u200f (hello)",  # noqa: RUF001
        "Straße, naïve, Ελλάδα, 漢字かな交じり文",
    ],
)
def test_leaves_alone_what_readers_need(text):
    assert clean(text) == text


@pytest.mark.parametrize("text", ["Auf\u200clage", "a\u200db", "x\U000e0067", "👩\u200d", "漢\u200b字"])
def test_drops_joiners_that_join_nothing(text):
    assert len(clean(text)) == len(text) - 1


@settings(deadline=None, max_examples=100)
@given(TEXTS, st.sampled_from(["NFC", "NFD"]))
@example("\u200b\u200d👩\u200d👩", "NFC")
def test_clean_text_stays_as_it_is(text, form):
    once = clean(text, form)
    assert clean(once, form) == once
    assert unicodedata.is_normalized(form, once)


@settings(deadline=None, max_examples=100)
@given(TEXTS)
def test_nothing_is_left_that_ought_to_go(text):
    tidy = clean(text)
    tidy.encode()
    assert not any(unicodedata.category(c) == "Cc" for c in tidy if c not in "\t\n")
    assert "\n\n\n" not in tidy
    assert not any(line != line.rstrip(" \t") for line in tidy.split("\n"))
    assert not tidy.startswith("\n")


@settings(deadline=None, max_examples=100)
@given(TEXTS)
def test_letters_and_digits_survive(text):
    def kept(characters):
        normal = unicodedata.normalize("NFD", characters)
        return [c for c in normal if unicodedata.category(c)[0] in "LN"]

    assert kept(clean(text)) == kept(text)


@settings(deadline=None, max_examples=100)
@example("a\x1f\u0301", 1, "NFC")
@given(TEXTS, st.integers(1, 6), st.sampled_from(["NFC", "NFKC"]))
def test_chunks_do_not_change_the_result(text, size, form):
    assert clean(text, form, size=size) == clean(text, form)


def test_text_without_any_place_for_a_cut_is_cut_all_the_same():
    text = "\u0301" * 600_000
    assert clean(text) == text


def test_long_runs_of_blanks_take_linear_time():
    assert clean("a" + " " * 300_000 + "b" + " \t" * 100_000) == "a b"
    assert clean(" " * 300_000) == ""
    assert clean("\n \n" * 100_000 + "x") == "x"


async def test_cleans_small_texts_and_large_ones():
    cleaner = TextCleaner(form="NFKC")
    assert cleaner.agent_id == "text_cleaner"
    assert await cleaner.process("ﬁne  x²\r\n") == "fine x2\n"
    assert await cleaner.process("ab  c\r\n" * 20_000) == "ab c\n" * 20_000


@pytest.mark.parametrize("data", [b"bytes", None, 7, ["x"]])
async def test_takes_nothing_but_text(data):
    with pytest.raises(TypeError, match=f"text_cleaner takes text, a str, but got {type(data).__name__};"):
        await TextCleaner().process(data)


@pytest.mark.parametrize("form", ["nfc", "", None, 1])
def test_refuses_other_forms(form):
    with pytest.raises(ValueError, match="form must be one of NFC, NFD, NFKC, NFKD, not"):
        TextCleaner(form=form)


@pytest.mark.parametrize("size", [10, 100_000])
async def test_is_a_checkpoint(size):
    with trio.testing.assert_checkpoints():
        await TextCleaner().process("x" * size)


async def test_a_large_text_hears_of_a_cancellation():
    text = "Zoë’s  cat sat\u200b on the mat.\r\n" * 1_000_000  # noqa: RUF001
    began = trio.current_time()
    with trio.move_on_after(0.1) as scope:
        await TextCleaner().process(text)
    assert scope.cancelled_caught
    assert trio.current_time() - began < 1
