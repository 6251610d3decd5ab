import math
import time
from collections import Counter
from functools import cache

import attrs
import hypothesis
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from atrio.agents import Keyword, TextAnalysis, TextAnalyzer
from atrio.agents import _measures as measures
from atrio.agents._chunks import LONGEST_LINE, LONGEST_RUN, spans
from atrio.agents._languages import StopWords
from atrio.agents._measures import MovingRatio, count_clusters, words_of
from atrio.agents._readability import FORMULAS, reading_level, syllables
from atrio.agents._summary import Settings, analyze


@cache
def stop_words():
    return StopWords.load()


def figures(text, *, size=1 << 16, **settings):
    return analyze(text, Settings(stop_words=stop_words(), **settings), size=size)


PIECES = [
    *"ab.!?… \t\n\r-_',3Z’“”*#|`~",  # noqa: RUF001
    "Dr. ",
    "e.g. ",
    "\n\n",
    "\n \n",
    "\n- ",
    "\n# T\n",
    "\n```\n",
    "\n~~~~\n",
    "漢",
    "か",
]
PIECES += [
    "。",
    "」",
    "カ",
    "ー",
    "\u3099",
    "ن",
    "؟",
    "\u200c",
    "👩‍💻",
    "❤️",
    "é",
    "e\u0301",
    "https://a.b/c ",
    "\u0e33",
    "\ud800",
]
PIECES += ["Word ", "word ", "The ", "und ", "\u0600", "\u2028", "가", "ᅡ", "x. Y"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=50).map("".join) | st.text(
    st.characters(codec=None, exclude_categories=[]), max_size=50
)

ENGLISH = """\
The cat sat on the mat. It was a very happy cat! Was the dog happy too?

Nobody asked the dog, but "he was not." And that is the end of the story.
"""


class TestCounts:
    def test_of_english(self):
        found = figures(ENGLISH, keywords=3)
        assert found.language == "en"
        assert (found.words, found.sentences, found.paragraphs) == (33, 5, 2)
        assert found.characters == len(ENGLISH)
        assert found.unique_words == len({word.strip('.,!?"').lower() for word in ENGLISH.split()})
        assert found.keywords == (Keyword("cat", 2), Keyword("dog", 2), Keyword("happy", 2))
        assert found.reading_time_s == pytest.approx(33 / 238 * 60)
        assert found.lexical_variety is None  # fewer words than a window
        assert "fewer than 100 words" in found.reading_note

    @pytest.mark.parametrize("text", ["", " ", "\n\n\t \r\n", "...", "👩‍💻", "--- | --- ~~~"])
    def test_of_no_words(self, text):
        found = figures(text)
        assert (found.words, found.unique_words, found.sentences, found.paragraphs) == (0, 0, 0, 0)
        assert (found.reading_ease, found.reading_level, found.lexical_variety) == (None, None, None)
        assert (found.reading_time_s, found.keywords, found.language) == (0, (), None)
        assert found.reading_note == "There are no words."

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("state-of-the-art", ["state-of-the-art"]),
            ("don't, don’t; 'quoted'", ["don't", "don't", "quoted"]),  # noqa: RUF001
            ("$3.50 for 1,000 things, ok", ["3.50", "for", "1,000", "things", "ok"]),
            ("see https://a.b/c?d=e. and www.x.org", ["see", "https://a.b/c?d=e.", "and", "www.x.org"]),
            ("__init__ snake_case *bold* _soft_", ["init", "snake_case", "bold", "soft"]),
            ("हिन्दी العَرَبِيَّة می‌خواهم", ["हिन्दी", "العَرَبِيَّة", "می‌خواهم"]),
            ("漢字かカタカナabc", ["漢", "字", "か", "カタカナ", "abc"]),
            ("❤️ 1️⃣ ☎️", ["1️⃣"]),
            ("e.g. Dr. Who", ["e.g", "Dr", "Who"]),
            ("https://例.jp/漢", ["https", "例", "jp", "漢"]),
        ],
    )
    def test_words(self, text, words):
        assert words_of(text) == words

    @pytest.mark.parametrize(
        ("text", "sentences"),
        [
            ("e.g. Dr. Smith paid $3.50. He left!", 2),
            ("No sentence end", 1),
            ("Wait... what? Yes!! OK", 3),
            ("漢. Next", 2),
            ("J. K. Rowling wrote it, i.e. not me. Or so.", 2),
            ('"Really?" she asked. "Yes."', 2),
            ("Der Hund, z. B. Rex, bellt. Dr. Frank nicht.", 2),
            ("今天天气很好。我们去公园玩吧！「好的。」", 3),  # noqa: RUF001
            ("أين الكتاب؟ الكتاب هنا.", 2),
            ("A title\n\nA paragraph", 2),
            ("# A title\nA paragraph", 2),
            ("To do:\n- milk\n- bread\n1. eggs", 4),
            ("One line\nand the next.", 1),
            ("version 3.11.2 is out", 1),
            ("Done.\r\n\r\nNext.\r\n", 2),
        ],
    )
    def test_sentences(self, text, sentences):
        assert figures(text).sentences == sentences

    @pytest.mark.parametrize(
        ("text", "characters"),
        [("abc\r\n", 4), ("é", 1), ("e\u0301", 1), ("👩‍💻🇩🇪", 2), ("나는", 2), ("\r\nक्षि\r\n", 3), ("\ud800", 1)],
    )
    def test_characters_are_those_that_readers_see(self, text, characters):
        assert count_clusters(text) == characters

    @pytest.mark.parametrize(
        ("text", "words", "code_lines"),
        [
            ("Say:\n```python\nx = 1\ny = 2\n```\nDone.", 2, 2),
            ("~~~\na\n```\nb\n~~~~\nend", 1, 3),
            ("````\n```\nb\n````\nend", 1, 2),
            ("never closed\n```\na\nb", 2, 2),
            ("never closed\n```\na\nb\n", 2, 2),
            ("```inline``` is no fence", 4, 0),
            ("``` x\na\n``` y\nb\n```\n", 0, 3),
        ],
    )
    @pytest.mark.parametrize("size", [1, 1 << 16])
    def test_fenced_code_is_no_prose(self, text, words, code_lines, size):
        found = figures(text, size=size)
        assert (found.words, found.code_lines) == (words, code_lines)

    @hypothesis.settings(deadline=None, max_examples=60)
    @given(TEXTS)
    def test_agree_with_each_other(self, text):
        found = figures(text, window=3)
        assert 0 <= found.paragraphs <= found.sentences <= found.words
        assert found.unique_words <= found.words
        assert 0 <= found.characters <= len(text)
        assert found.lexical_variety is None or 0 < found.lexical_variety <= 1
        assert (found.reading_ease is None) == (found.reading_level is None)
        assert found.reading_ease is not None or found.reading_note

    @hypothesis.settings(deadline=None, max_examples=80)
    @hypothesis.example("a\n.b", 1)
    @hypothesis.example("a\n# T\n", 1)
    @given(TEXTS, st.integers(1, 8))
    def test_chunks_do_not_change_them(self, text, size):
        assert figures(text, size=size, window=3) == figures(text, window=3)

    @hypothesis.settings(max_examples=20, deadline=None)
    @given(st.lists(st.sampled_from([p for p in PIECES if "\n" not in p]), min_size=1, max_size=30).map("".join))
    def test_chunks_of_one_huge_line_do_not_change_them(self, piece):
        text = piece * (1 + 3 * LONGEST_LINE // len(piece))
        assert figures(text, size=1, window=3) == figures(text, size=len(text), window=3)

    @hypothesis.settings(deadline=None, max_examples=60)
    @given(TEXTS, st.integers(1, 8))
    def test_chunks_leave_nothing_out(self, text, size):
        assert "".join(text[start:end] for start, end in spans(text, size)) == text

    def test_what_has_no_place_for_a_cut_is_cut_all_the_same(self):
        assert len(list(spans("x" * 3 * LONGEST_RUN, 1))) == 3

    def test_the_quick_way_to_words_is_the_right_one(self):
        everything = map(chr, (*range(0x530), *range(0x2000, 0x2030), 0x20AC))
        for c in filter(lambda c: measures._NOT_ALPHABETIC.search(c) is None, everything):
            text = f"{c} a{c}b 1{c}2 {c}{c}"
            assert measures._ALPHABETIC_WORD.findall(text) == measures._WORD.findall(text), ascii(c)


class TestReading:
    def test_flesch_by_hand(self):
        # 10 words, 2 sentences, 13 syllables: the(1) cat(1) sat(1) on(1) water(2), my(1) table(2) is(1) very(2) old(1)
        found = figures("The cat sat on water. My table is very old.", language="en")
        assert found.syllables == 13
        assert found.reading_ease == pytest.approx(206.835 - 1.015 * 5 - 84.6 * 1.3)
        assert found.reading_level == "very easy"

    def test_amstad_by_hand(self):
        # 5 words, 1 sentence, 6 syllables: der(1) Hund(1) läuft(1) nach(1) Hause(2)
        found = figures("Der Hund läuft nach Hause.", language="de")
        assert found.syllables == 6
        assert found.reading_ease == pytest.approx(180 - 5 - 58.5 * 6 / 5)

    @pytest.mark.parametrize(
        ("counts", "ease"), [((100, 5, 150), 206.835 - 20.3 - 126.9), ((1, 1, 1), 206.835 - 1.015 - 84.6)]
    )
    def test_formula(self, counts, ease):
        assert FORMULAS["en"].ease(*counts) == pytest.approx(ease)

    @pytest.mark.parametrize(
        ("word", "count"),
        [
            *dict.fromkeys(
                ["the", "cat", "make", "asked", "red", "through", "strength", "times", "safe", "bed", "queue"], 1
            ).items(),
            *dict.fromkeys(
                ["table", "wanted", "houses", "movement", "being", "settled", "reader", "nation", "quiet"], 2
            ).items(),
            *dict.fromkeys(["beautiful", "syllable", "animal", "idea", "piano", "video", "family"], 3).items(),
            *dict.fromkeys(["information", "american"], 4).items(),
            ("readability", 5),
            ("3.50", 1),
            ("https://example.com/aeiou", 1),
            ("a" * 81, 1),
            ("nth", 1),
        ],
    )
    def test_english_syllables(self, word, count):
        assert syllables(word, "en") == count

    @pytest.mark.parametrize(
        ("word", "count"), [("straße", 2), ("häuser", 2), ("bäume", 2), ("universität", 5), ("see", 1), ("psst", 1)]
    )
    def test_german_syllables(self, word, count):
        assert syllables(word, "de") == count

    @pytest.mark.parametrize(
        ("ease", "level"),
        [
            (121, "very easy"),
            (90, "very easy"),
            (89.9, "easy"),
            (60, "standard"),
            (30, "difficult"),
            (-5, "very difficult"),
        ],
    )
    def test_levels(self, ease, level):
        assert reading_level(ease) == level

    def test_a_long_text_needs_no_caution(self):
        found = figures(ENGLISH * 4)
        assert found.reading_note == ""
        assert 80 < found.reading_ease < 120

    @pytest.mark.parametrize(
        ("text", "language", "note"),
        [
            ("xyzzy plugh", None, "not recognised"),
            ("Bonjour le monde.", "fr", "no formula here for the language 'fr', only for de, en"),
            ("word " * 101, "en", "this is not prose"),
        ],
    )
    def test_says_why_there_is_none(self, text, language, note):
        found = figures(text, language=language)
        assert found.reading_ease is None
        assert note in found.reading_note

    def test_time_by_characters_where_they_are_words(self):
        assert figures("漢字" * 255).reading_time_s == pytest.approx(120)
        assert figures("かな" * 357 + " word").reading_time_s == pytest.approx(120 + 60 / 238)

    def test_time_at_another_rate(self):
        assert figures("one two three", words_per_minute=60).reading_time_s == pytest.approx(3)


class TestLanguage:
    @pytest.mark.parametrize(
        ("text", "language"),
        [
            (ENGLISH, "en"),
            ("Der Hund läuft über die Straße, und das Haus ist groß.", "de"),
            ("Le chat est sur la table et le chien est dans la maison.", "fr"),
            ("El perro está en la casa y el gato no está con él.", "es"),
            ("هذا هو البيت الذي كان في المدينة", "ar"),
            ("今天天气很好，我们去公园玩吧。", "zh"),  # noqa: RUF001
            ("私は学生です。東京に住んでいます。", "ja"),
            ("x1 y2 z3", None),
        ],
    )
    def test_recognised(self, text, language):
        assert figures(text).language == language

    def test_every_list_is_there(self):
        assert {"en", "de", "zh", "ja", "ar"} <= stop_words().of.keys()


class TestVariety:
    @hypothesis.settings(deadline=None, max_examples=60)
    @given(st.lists(st.sampled_from("abcdefg"), max_size=60), st.integers(1, 20), st.integers(1, 10))
    def test_is_the_mean_over_all_windows(self, words, window, size):
        ratio = MovingRatio(window)
        for start in range(0, len(words), size):
            ratio.add(words[start : start + size])
        windows = [words[start : start + window] for start in range(len(words) - window + 1)]
        if windows:
            assert ratio.value == pytest.approx(math.fsum(len(set(w)) / window for w in windows) / len(windows))
        else:
            assert ratio.value is None

    def test_by_hand(self):
        # Windows of "a b a c": (a b a) 2 types, (b a c) 3 types.
        assert figures("a b a c", window=3).lexical_variety == pytest.approx((2 / 3 + 3 / 3) / 2)

    def test_is_undefined_for_single_characters(self):
        found = figures("漢字仮名" * 100, window=3)
        assert found.lexical_variety is None
        assert "most words are single characters" in found.variety_note

    @pytest.mark.parametrize(
        ("text", "note"),
        [
            ("a b", "Lexical variety is measured over 3 words in a row, more than the text has."),
            ("a b c", "Lexical variety is the share of different words among 3 in a row, averaged over the text."),
            ("...", ""),
        ],
    )
    def test_says_what_it_is(self, text, note):
        assert figures(text, window=3).variety_note == note


class TestKeywords:
    def test_have_the_spelling_that_is_most_frequent(self):
        assert figures("NASA Nasa NASA nasa. The Trio trio", keywords=2).keywords == (
            Keyword("NASA", 4),
            Keyword("Trio", 2),
        )

    def test_are_words_that_mean_something(self):
        text = "the and 42 x https://a.b/c 漢 … comet it's don’t"  # noqa: RUF001
        assert [keyword.word for keyword in figures(text, language="en").keywords] == ["comet"]

    @pytest.mark.parametrize("language", [None, "en"])
    def test_of_a_short_text_are_its_own_words(self, language):
        found = figures("Hello world. Hello trio.", language=language).keywords
        assert found == (Keyword("Hello", 2), Keyword("trio", 1), Keyword("world", 1))

    def test_are_found_where_no_language_is(self):
        assert figures("Xyzzy system: a test").keywords == (
            Keyword("system", 1),
            Keyword("test", 1),
            Keyword("Xyzzy", 1),
        )

    @hypothesis.settings(deadline=None, max_examples=60)
    @given(st.lists(st.sampled_from(["comet", "Planet", "moon", "planet"]), max_size=30))
    def test_are_counted_right(self, words):
        expected = Counter(map(str.lower, words)).most_common()
        found = figures(" ".join(words), language="en").keywords
        assert [(k.word.lower(), k.count) for k in found] == sorted(expected, key=lambda item: (-item[1], item[0]))


class TestAgent:
    async def test_analyses_small_texts_and_large_ones(self):
        analyzer = TextAnalyzer(keywords=1)
        assert analyzer.agent_id == "text_analyzer"
        small = await analyzer.process(ENGLISH)
        large = await analyzer.process(ENGLISH * 1_000)
        assert isinstance(small, TextAnalysis)
        assert large.words == 1_000 * small.words
        assert large.sentences == 1_000 * small.sentences
        assert large.paragraphs == 1_001

    def test_the_analysis_is_frozen(self):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            figures("x").words = 2

    @pytest.mark.parametrize("data", [b"bytes", None, 7, {"text": "x"}])
    async def test_takes_nothing_but_text(self, data):
        with pytest.raises(TypeError, match=f"text_analyzer takes text, a str, but got {type(data).__name__};"):
            await TextAnalyzer().process(data)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"language": "xx"}, ValueError, "language must be one of ar, .*, not 'xx'"),
            ({"language": 3}, TypeError, "language must be a code"),
            ({"keywords": -1}, ValueError, "keywords must be at least 0, not -1"),
            ({"keywords": True}, TypeError, "keywords must be a whole number, not True"),
            ({"window": 0}, ValueError, "window must be at least 1, not 0"),
            ({"window": 1.5}, TypeError, "window must be a whole number"),
            ({"words_per_minute": 0}, ValueError, "words_per_minute must be above 0"),
            ({"words_per_minute": math.nan}, ValueError, "words_per_minute must be above 0 and finite, not nan"),
            ({"words_per_minute": "fast"}, TypeError, "words_per_minute must be a number"),
            ({"words_per_minute": True}, TypeError, "words_per_minute must be a number"),
        ],
    )
    def test_checks_its_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            TextAnalyzer(**arguments)

    @pytest.mark.parametrize("size", [10, 100_000])
    async def test_is_a_checkpoint(self, size):
        with trio.testing.assert_checkpoints():
            await TextAnalyzer().process("x " * size)

    @pytest.mark.parametrize("piece", [ENGLISH, "漢字", "x", "\n", "👩‍💻"])
    async def test_a_large_text_hears_of_a_cancellation(self, piece):
        analyzer, text = TextAnalyzer(), piece * (20_000_000 // len(piece))
        began = time.process_time()  # whatever else the computer does
        with trio.move_on_after(0.1) as scope:
            await analyzer.process(text)
        assert scope.cancelled_caught
        assert time.process_time() - began < 1

    def test_a_large_vocabulary_hears_of_a_cancellation(self):
        polls = []
        analyze(" ".join(map(str, range(50_000))), Settings(stop_words=stop_words()), poll=lambda: polls.append(1))
        assert len(polls) > 15
