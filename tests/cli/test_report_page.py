"""What a page about a run has in it, and that whatever was said in a run is shown as text."""

import base64
import hashlib
import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs_made_up import (
    HOSTILE,
    NOW,
    RUN_ID,
    STACK,
    after,
    batch,
    content,
    failed_run,
    figures,
    hostile_batch,
    hostile_run,
    interrupted_run,
    killed_batch,
    retry,
    run,
    stage,
    task,
)

from atrio.cli._page import page_of
from atrio.cli._page_distribution import Distribution
from atrio.cli._page_scales import Scale
from atrio.cli._page_text import in_a_line, in_lines, in_words
from atrio.cli._page_timeline import time_line_of_stages, time_line_of_tasks
from atrio.history import Alert

VOID = {"meta", "line", "rect"}
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "a", "header", "main", "footer", "nav", "section", "article"),
    *("h1", "h2", "h3", "p", "b", "small", "span", "bdi", "pre", "time", "ul", "ol", "li", "dl", "dt", "dd", "div"),
    *("table", "thead", "tbody", "tr", "th", "td", "details", "summary", "svg", "g", "text", "line", "rect"),
}
"""Nothing else is ever on a page."""


class Read(HTMLParser):
    """A page, read: its elements with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.open = []
        self.elements = []
        self.words = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag in {"td", "th", "dt", "dd", "small", "li"}:
            self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "title"}.intersection(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


PAGES = {
    "failed": failed_run(),
    "batch": batch(),
    "hostile": hostile_run(),
    "hostile batch": hostile_batch(),
    "without stages": content(run("cancelled", total=3)),
    "empty batch": content(run(kind="batch", total=0), tasks=figures()),
    "interrupted": interrupted_run(5),
    "killed batch": killed_batch(),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed_and_needs_nothing_else(name):
    page = page_of(PAGES[name])
    read = Read(page)
    assert {tag for tag, _ in read.elements} <= ELEMENTS
    ids = read.values("id")
    assert len(ids) == len(set(ids))
    named = [one for value in read.values("aria-labelledby") for one in value.split()]
    assert {f"#{one}" for one in named} | set(read.values("href")) <= {f"#{one}" for one in ids}
    assert not {"src", "srcset", "style", "action"} & {each for _, attributes in read.elements for each in attributes}
    assert not [each for _, attributes in read.elements for each in attributes if each.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_lets_in_its_own_style_sheet_and_nothing_else(name):
    page = page_of(PAGES[name])
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [each["content"] for tag, each in Read(page).elements if "http-equiv" in each]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_told_and_what_scrolls_can_be_reached_with_keys(name):
    elements = Read(page_of(PAGES[name])).elements
    drawn = [each for tag, each in elements if each.get("role") == "img"]
    assert all(each["aria-label"].strip() for each in drawn)
    scrolling = [each for _, each in elements if each.get("class") == "scroll"]
    assert all(each["tabindex"] == "0" and each["aria-labelledby"] for each in scrolling)
    assert [tag for tag, _ in elements].count("h1") == 1


def test_a_failed_run_has_its_stages_attempts_waits_and_errors():
    read = Read(page_of(failed_run()))
    assert "triage ✕ failed" in read.text
    assert "It failed in classify after 4 attempts: ConnectionError: no answer from http" in read.text
    assert "stages that succeeded 2 of 5 1 failed, 1 skipped" in read.text
    assert "attempts 8 4 retries" in read.text
    assert "waited 1.85 s between attempts, 35% of the time" in read.text
    assert "1 stage not begun" in read.text
    assert "classify ✕ error 3.79 s 4 1.75 s 1.45 s guarded_model 1,204 -" in read.text
    assert " ".join(STACK.split()) in read.text
    assert "detect_language 310 ms 120 ms 290 ms 330 ms 412 ms 112" in read.text
    assert "guarded_model small-instruct of local 4 4 5,120 0 2.41 s" in read.text
    # What ended the run is told before what was skipped.
    assert read.text.index("classify failed after 4 attempts") < read.text.index("enrich was skipped after 2 attempts")
    assert (
        "enrich: attempt 1 of 2 failed after 500 ms: timeout: no result within 0.5 s; waited 100 ms; attempt 2 was "
        "skipped after 500 ms: timeout: no result within 0.5 s"
    ) in read.values("aria-label")


def test_a_batch_has_its_figures_its_distribution_and_its_failed_tasks():
    made = batch()
    read = Read(page_of(made))
    assert "tickets of the night ↷ degraded" in read.text
    assert "Of 1,000 tasks 9 failed, 3 ran out of their own time." in read.text
    assert "succeeded 988 98.8%" in read.text
    assert "throughput 12.5/s" in read.text
    assert "Of 1,000 tasks that ended." in read.text
    assert "53 ✕ error 2.00 s 420 ms ConnectionError: no answer" in read.text
    assert "159 ✕ timeout 6.00 s 460 ms timeout: no result within 2 s" in read.text
    # What ended several is told once.
    assert read.text.count("Traceback (most recent call last)") == 1
    assert "9 tasks failed with this: 0, 53, 106, 212, 265, 318, 424, 477, 530" in read.text
    assert f"Stage by stage: task {made.detail.tasks.slowest[0].index}" in read.text
    assert len([each for tag, each in read.elements if tag == "rect" and each.get("class") == "open"]) > 20


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (content(run(total=1, successful=1), [stage(0, "clean")]), "✓ success"),
        (content(run("running", duration_s=None, total=None), [stage(0, "clean", "running", duration_s=None)]),
         "It runs still: this is how it stood on 2026-02-03 05:00:00 UTC."),
        (content(run("interrupted", duration_s=None), [stage(0, "clean", "interrupted", duration_s=None)]),
         "Its process ended before it did"),
        (content(run("cancelled"), [stage(0, "clean", "cancelled")]), "It was cancelled."),
        (content(run("failed", error_type="TypeError", error_message="no stage takes it")),
         "It failed: TypeError: no stage takes it."),
        (content(run("failed")), "It failed: nobody knows why."),
        (content(run("degraded"), [stage(at, f"s{at}", "skipped", error_type="E") for at in range(7)]),
         "It skipped s0, s1, s2, s3, s4, ..."),
        (content(run("timeout", kind="batch", total=9), tasks=figures(cancelled=2, not_started=3)),
         "The batch's time was up. Of 9 tasks 2 were cancelled, 3 were not started."),
        (content(run("running", kind="batch", total=None, duration_s=None),
                 tasks=figures(running=7, successful=3, throughput_per_s=None, efficiency=None)),
         "succeeded 3 failed 0 running 7 at once 20 at most"),
        (content(run("cancelled", kind="batch", total=1), tasks=figures(cancelled=1)),
         "It was cancelled. Of 1 task 1 were cancelled."),
    ],
)  # fmt: skip
def test_a_page_says_first_how_the_run_ended(made, words):
    assert words in Read(page_of(made)).text


def test_of_an_interrupted_run_the_end_is_said_to_be_unknown():
    read = Read(page_of(interrupted_run(5)))
    assert "It was last seen 5.00 s after it began; when it ended is not known." in read.text
    assert "last seen 5.00 s after it began; its end is not known" in read.text
    assert "its process ended, and when is not known" in read.text
    assert "classify: went on for 5.00 s at least; was going on when its process ended, at some time after 5.00 s" in (
        read.values("aria-label")
    )
    (hatched, _) = [each for tag, each in read.elements if tag == "line" and each.get("class") == "unknown"]
    assert (hatched["x1"], hatched["x2"]) == ("75.0%", "100.0%")


def test_of_a_killed_batch_all_tasks_are_accounted_for():
    read = Read(page_of(killed_batch()))
    assert "Of 300 tasks 177 succeeded, 32 failed, 5 were running, 86 had not begun." in read.text
    assert "were running 5 not begun 86" in read.text


def test_of_a_batch_whose_begin_was_not_kept_times_are_those_of_some_tasks():
    tasks = figures(
        max_concurrent=None, successful=98, failed=2, measured=12, mean_s=0.2, shortest_s=0.1, p50_s=0.2, p95_s=0.3,
        p99_s=0.3, longest_s=0.3,
    )  # fmt: skip
    row = run("degraded", kind="batch", total=100, successful=98, failed=2)
    read = Read(page_of(content(row, tasks=tasks, task_durations=(0.1,) * 6 + (0.3,) * 6)))
    assert "p95 of its tasks 300 ms of 12 tasks" in read.text
    assert "mean 200 ms 100 ms to 300 ms, of 12 tasks" in read.text
    assert "Of 12 tasks whose end is in the history." in read.text
    assert "at once" not in read.text


def test_moments_have_one_form():
    page = Read(page_of(failed_run())).text
    assert "began 2026-02-03 04:05:06 UTC" in page
    assert page.count("2026-02-03 04:05:06 UTC") == 2
    assert "T04:05" not in page


def test_alerts_are_shown_in_their_units():
    alerts = (
        Alert("slow_stage", "triage/classify", 2.5, 0.75, "triage", NOW, None),
        Alert("failure_rate", "triage", 0.35, 0.2, "triage", NOW, NOW),
        Alert("breaker_opened", "llm", 1.0, 0.0, "triage", NOW, None),
    )
    read = Read(page_of(content(run(), [stage(0, "classify")], alerts=alerts)))
    assert "slow_stage triage/classify raised 2026-02-03 05:00:00 UTC 2.50 s 750 ms" in read.text
    assert "failure_rate triage resolved 2026-02-03 05:00:00 UTC 35% 20%" in read.text
    assert "breaker_opened llm raised 2026-02-03 05:00:00 UTC 1 0" in read.text


@pytest.mark.parametrize("made", [hostile_run, hostile_batch])
def test_hostile_words_are_shown_as_text_everywhere(made):
    page = page_of(made())
    read = Read(page)
    assert {tag for tag, _ in read.elements} <= ELEMENTS
    shown = HOSTILE.translate({ord(each): each.encode("unicode_escape").decode() for each in INVISIBLE})
    assert read.text.count(" ".join(shown.split())) > 5
    assert not set(INVISIBLE) & set(page)
    page.encode()


INVISIBLE = "\x1b\x07\u202e\u202c\u200f\u2066\x00\ud800"


@given(st.text(st.characters(), max_size=60))
def test_any_words_leave_a_page_well_formed(words):
    page = page_of(hostile_run(words or "x"))
    read = Read(page)
    assert {tag for tag, _ in read.elements} <= ELEMENTS
    page.encode()


class Unescaped(HTMLParser):
    """What a text was before it was shown."""

    def __init__(self, html):
        super().__init__()
        self.is_escape = False
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert (tag, attrs) == ("span", [("class", "escape")])
        self.is_escape = True

    def handle_endtag(self, tag):
        self.is_escape = False

    def handle_data(self, data):
        self.text += data.encode("ascii").decode("unicode_escape") if self.is_escape else data


@given(st.text(st.characters(), max_size=200))
def test_text_is_all_there_and_nothing_in_it_is_unseen(text):
    for shown, kept in ((in_lines(text), "\t\n"), (in_a_line(text), "")):
        assert Unescaped(str(shown)).text == text
        unseen = [each for each in shown if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} and each not in kept]
        assert unseen == []
        assert not set(shown) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=200), st.integers(2, 100))
def test_of_a_long_text_both_ends_are_there_and_how_much_is_left_out(text, longest):
    shown = str(in_a_line(text, longest))
    if len(text) <= longest:
        assert shown == text
        return
    half = longest // 2
    assert shown.startswith(text[:half])
    assert shown.endswith(text[-half:])
    assert f"[{len(text) - 2 * half} characters are left out here]" in shown
    assert len(in_words(text, longest)) <= longest + 1


def test_a_megabyte_is_cut_and_the_page_says_so():
    text = f"first {'x' * 2**20} last"
    page = page_of(hostile_run(text))
    assert len(page) < 300_000
    assert f"[{len(text) - 4000:,} characters are left out here]" in page
    assert "first xxx" in page
    assert "xxx last" in page


@pytest.mark.parametrize(("text", "shown"), [("a\u202eb", "\\u202e"), ("a\nb", "\\n"), ("\ufeff", "\\ufeff")])
def test_what_cannot_be_seen_is_an_escape_that_is_marked_as_one(text, shown):
    assert f'<span class="escape">{shown}</span>' in in_a_line(text)
    assert shown in in_words(text)


def test_what_only_looks_like_an_escape_is_not_marked():
    assert in_lines("C:\\new\\x1b") == "C:\\new\\x1b"


def test_thousands_of_stages_make_a_page_of_some_of_them():
    stages = [stage(at, f"stage_{at}", begin_s=at, error_type="E", error_message="m") for at in range(2000)]
    read = Read(page_of(content(run("failed", total=2000, duration_s=2000.0), stages)))
    assert "1,800 more stages not drawn" in read.text
    assert f"1,500 more stages not shown: atrio status {RUN_ID} --format json has all." in read.text
    assert "1,950 more errors not shown" in read.text


def test_more_failed_tasks_and_attempts_than_are_shown_are_counted():
    failed = task(0, "error", error_type="E", error_message="m")
    made = content(run("failed", kind="batch", failed=70, total=70), tasks=figures(failed=70, failures=(failed,)))
    assert "69 more failed tasks not shown" in Read(page_of(made)).text
    retries = tuple(retry(at + 1, 0.01 * at, 0.001) for at in range(25))
    many = content(run("failed"), [stage(0, "s", "error", attempts=26, error_type="E", retries=retries)])
    assert "5 more attempts not shown" in Read(page_of(many)).text


class TestTimeLine:
    def stretches(self, *stages, **fields):
        line = time_line_of_stages(content(run(**fields), stages).detail, NOW)
        return [(each.kind, each.begin_s, each.end_s) for each in line.lines[0].stretches]

    def test_attempts_and_waits_follow_each_other(self):
        retried = stage(
            0, "s", begin_s=0.5, duration_s=3.0, attempts=3, retries=(retry(1, 1.0, 0.5), retry(2, 2.0, 1.0))
        )
        assert self.stretches(retried) == [
            ("error", 0.5, 1.0), ("wait", 1.0, 1.5), ("error", 1.5, 2.0), ("wait", 2.0, 3.0), ("success", 3.0, 3.5)
        ]  # fmt: skip

    def test_what_was_stopped_in_a_wait_has_no_attempt_after_it(self):
        stopped = stage(0, "s", "cancelled", duration_s=1.2, attempts=1, retries=(retry(1, 1.0, 5.0),))
        assert self.stretches(stopped) == [("error", 0.0, 1.0), ("wait", 1.0, 1.2)]

    def test_what_failed_before_its_agent_was_called_is_one_stretch(self):
        line = time_line_of_stages(content(run("failed"), [stage(0, "s", "error", attempts=0)]).detail, NOW)
        assert line.lines[0].said == "s: failed after 1.00 s, before any attempt"

    def test_a_clock_that_was_set_back_turns_nothing_round(self):
        retried = stage(0, "s", begin_s=-3.0, duration_s=2.0, attempts=2, retries=(retry(1, -9.0, 0.5),))
        assert self.stretches(retried) == [("error", 0.0, 0.0), ("wait", 0.0, 0.5), ("success", 0.5, 2.0)]

    def test_what_runs_reaches_to_now(self):
        running = stage(0, "s", "running", begin_s=1.0, duration_s=None)
        detail = content(run("running", duration_s=None), [running]).detail
        line = time_line_of_stages(detail, after(9))
        assert line.scale.span_s == 9.0
        assert line.lines[0].stretches[0].end_s == 9.0
        assert line.lines[0].said == "s: still runs"

    def test_what_was_interrupted_is_open_beyond_what_is_known(self):
        cut = stage(0, "s", "interrupted", begin_s=1.0, duration_s=None, retries=(retry(1, 3.0, 0.5),))
        detail = content(run("interrupted", duration_s=None), [cut], last_seen_at=after(6)).detail
        line = time_line_of_stages(detail, NOW)
        assert (line.known_s, line.scale.span_s) == (6.0, 8.0)
        assert [(each.kind, each.begin_s, each.end_s) for each in line.lines[0].stretches] == [
            ("error", 1.0, 3.0), ("wait", 3.0, 3.5), ("interrupted", 3.5, 6.0), ("unknown", 6.0, 8.0)
        ]  # fmt: skip
        assert line.lines[0].said.endswith(
            "attempt 2 went on for 2.50 s at least; was going on when its process ended, at some time after 6.00 s"
        )
        assert [tick.label for tick in line.ticks()] == ["0", "2 s", "4 s", "6 s", "?"]

    @pytest.mark.parametrize("seen_s", [None, 0.0005])
    def test_a_stage_of_which_only_the_begin_is_known_has_a_stretch(self, seen_s):
        line = time_line_of_stages(interrupted_run(seen_s).detail, NOW)
        (stretch,) = line.lines[1].stretches
        assert (stretch.kind, stretch.begin_s) == ("unknown", 0.0005)
        assert stretch.end_s == line.scale.span_s > 0.0006

    def test_tasks_begin_when_their_turn_came(self):
        tasks = (task(3, queued_s=1.0), task(4, "running", queued_s=2.0, duration_s=None))
        line = time_line_of_tasks(run("running", kind="batch", duration_s=None), tasks, after(5))
        assert [(each.begin_s, each.end_s) for one in line.lines for each in one.stretches] == [(1.0, 2.0), (2.0, 5.0)]
        assert line.lines[1].said == "task 4: began at 2.00 s, still runs"

    @given(
        st.lists(st.tuples(st.floats(-5, 50), st.floats(0, 10)), max_size=8), st.floats(-5, 50), st.floats(0, 50),
        st.integers(0, 10),
    )  # fmt: skip
    def test_stretches_stay_in_the_run_and_in_their_order(self, retries, begin_s, duration_s, attempts):
        rows = tuple(retry(at + 1, at_s, backoff_s) for at, (at_s, backoff_s) in enumerate(retries))
        one = stage(0, "s", begin_s=begin_s, duration_s=duration_s, attempts=attempts, retries=rows)
        line = time_line_of_stages(content(run(duration_s=1.0), [one]).detail, NOW)
        places = [place for each in line.lines[0].stretches for place in (each.begin_s, each.end_s)]
        assert places
        assert places == sorted(places)
        assert places[0] >= 0
        assert places[-1] <= line.scale.span_s


class TestScales:
    @pytest.mark.parametrize(
        ("span_s", "labels"),
        [
            (0.0, ["0", "1 us"]),
            (0.3, ["0", "100 ms", "200 ms", "300 ms"]),
            (1.0, ["0", "200 ms", "400 ms", "600 ms", "800 ms", "1 s"]),
            (2.4, ["0", "500 ms", "1 s", "1.5 s", "2 s"]),
            (0.0012, ["0", "500 us", "1 ms"]),
            (5.25, ["0", "2 s", "4 s"]),
            (42.7, ["0", "10 s", "20 s", "30 s", "40 s"]),
            (300, ["0", "1 min", "2 min", "3 min", "4 min", "5 min"]),
            (40_000, ["0", "3 h", "6 h", "9 h"]),
            (10 * 86_400, ["0", "2 d", "4 d", "6 d", "8 d", "10 d"]),
        ],
    )
    def test_ticks_are_round(self, span_s, labels):
        assert [tick.label for tick in Scale(span_s).ticks()] == labels

    @given(st.floats(0, 1e9))
    def test_there_are_a_few_ticks_on_every_scale(self, span_s):
        ticks = Scale(span_s).ticks()
        assert 2 <= len(ticks) <= 6
        assert [tick.percent for tick in ticks] == sorted({tick.percent for tick in ticks})
        assert 0 <= ticks[0].percent < ticks[-1].percent <= 100

    @given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
    def test_every_duration_falls_into_one_step(self, durations):
        found = Distribution.of(durations)
        assert sum(step.count for step in found.steps) == len(durations)
        assert max(step.height for step in found.steps) == 100
        assert all(0 <= step.percent < 100 for step in found.steps)
        assert all(0 <= tick.percent <= 100 for tick in (*found.ticks(), *found.labels()))
        assert " ".join(label.label for label in found.labels()) == "p50 p95 p99"

    def test_a_wide_distribution_is_one_of_ratios(self):
        found = Distribution.of([0.001 * 1.1**power for power in range(100)])
        assert found.by_ratio
        assert [tick.label for tick in found.ticks()] == ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        assert len({step.count for step in found.steps}) <= 2

    def test_a_narrow_one_begins_at_0(self):
        found = Distribution.of([1.0, 2.0, 3.0])
        assert not found.by_ratio
        assert found.said == "3 tasks, the longest 3.00 s: p50 2.00 s, p95 3.00 s, p99 3.00 s"
        assert [(label.label, label.anchor) for label in found.labels()] == [("p50", "start"), ("p95 p99", "end")]

    def test_each_percentile_has_its_name_at_its_line(self):
        found = Distribution.of(killed_batch().task_durations)
        labels = {label.label: label for label in found.labels()}
        assert list(labels) == ["p50", "p95", "p99"]
        assert {name: label.percent for name, label in labels.items()} == {
            name: found.percent(seconds) for name, seconds in found.percentiles.items()
        }

    @given(st.lists(st.floats(0, 100), min_size=1, max_size=3))
    def test_names_of_percentiles_lie_neither_on_each_other_nor_on_a_line(self, places):
        percentiles = {f"p{at}": place for at, place in enumerate(sorted(places))}
        labels = Distribution((), 0.0, 100.0, False, percentiles).labels()
        assert " ".join(label.label for label in labels) == " ".join(percentiles)
        for at, one in enumerate(labels):
            assert 0 <= one.begin <= one.percent <= one.end <= 100
            assert one.percent in {one.begin, one.end}
            for other in labels[:at] + labels[at + 1 :]:
                if one.row == other.row:
                    assert one.end <= other.begin or other.end <= one.begin
                if other.row > one.row:  # whose line goes down past this text
                    assert not one.begin < other.percent < one.end
