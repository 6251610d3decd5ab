"""What is published is what was measured: the page's tables are made from the samples that lie beside the script."""

import json
from pathlib import Path

import pytest

import report
import suites

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
REFERENCE = ROOT / "benchmarks" / "results" / "reference.json"


def run_of(*samples, began="now"):
    return {
        "command": "python benchmarks/ratios.py",
        "began": began,
        "rounds": len(samples),
        "rigorous": False,
        "load": [1.0, 2.0],
        "conditions": {"machine": "a fast one"},
        "labels": {"hand": "the loop", "hand again": "the loop again", "atrio": "ours", "twin": "theirs"},
        "samples": {
            f"{name}{clock}": list(samples)
            for name in ("hand", "hand again", "atrio", "twin")
            for clock in ("", ", CPU")
        },
    }


@pytest.fixture(scope="module")
def reference():
    return json.loads(REFERENCE.read_text())


def test_the_page_shows_what_was_measured(reference):
    page = PAGE.read_text()
    assert report.BEGIN in page
    assert report.END in page
    assert report.written_into(page, reference) == page


def test_all_suites_are_published_at_their_full_length(reference):
    assert set(reference["suites"]) == set(suites.SUITES)
    for name, run in reference["suites"].items():
        assert all(len(each) == run["rounds"] >= suites.SUITES[name].rounds for each in run["samples"].values())
    assert reference["suites"]["memory"]["rigorous"]


def test_every_row_was_measured(reference):
    for name, run in reference["suites"].items():
        named = {
            each for row in suites.SUITES[name].rows(run["rigorous"]) for each in (row.above, row.below, row.minus)
        }
        assert named - {None} <= set(run["samples"])


def test_a_suite_says_what_it_holds_for():
    shown = report.suite_markdown("sleep", run_of(1.0, 1.0), "####")
    assert shown.startswith("#### Batch of 10,000 items that sleep")
    for line in ("- load 1.00 before and 2.00 after, noise 0.0%", "- machine: a fast one", "- 2 rounds, begun now"):
        assert line in shown.splitlines()
    assert "| atrio's throughput / the hand-written loop's | 1.000 | 1.000 to 1.000 | >= 0.93 | met |" in shown
    assert "noisy" not in shown


def test_noise_is_published():
    run = run_of(1.0, 2.0, 1.0, 2.0)
    run["samples"]["hand again"] = [2.0] * 4
    shown = report.suite_markdown("sleep", run)
    assert "- **noisy machine**: half of the samples spread over more than 10% of their median for 7 of 8" in shown
    assert "- **noisy machine**: a control, a loop against itself" in shown


def test_of_several_runs_the_quietest_counts():
    wild, calm = run_of(1.0, 1.0, 5.0, 5.0, began="first"), run_of(3.0, 3.0, 3.0, 3.0, began="second")
    chosen = report.quietest([{"suites": {"sleep": wild}}, {"suites": {"sleep": calm}}])
    assert chosen == {"suites": {"sleep": calm}}


def test_a_control_that_is_off_is_noise_too():
    wild, crooked = run_of(1.0, 1.0, 1.2, 1.2), run_of(1.0, 1.0, 1.0, 1.0)
    crooked["samples"]["hand again"] = [1.5] * 4
    assert report.noise_of("sleep", crooked) == pytest.approx(0.5)
    assert report.quietest([{"suites": {"sleep": crooked}}, {"suites": {"sleep": wild}}])["suites"]["sleep"] is wild


def test_a_page_keeps_what_is_written_around_the_tables(tmp_path):
    measured = {"suites": {"sleep": run_of(1.0)}}
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    report.write_markdown(page, measured)
    once = page.read_text()
    assert once.startswith(f"# Before\n\n{report.BEGIN}\n\n### Batch of")
    assert once.endswith(f"|\n\n{report.END}\n\nafter\n")
    report.write_markdown(page, measured)
    assert page.read_text() == once


def test_a_page_without_marks_is_the_tables(tmp_path):
    page = tmp_path / "tables.md"
    report.write_markdown(page, {"suites": {"sleep": run_of(1.0)}})
    assert page.read_text().startswith("## Batch of")
