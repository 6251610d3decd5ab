"""CI's gate fails on what is worse by a factor of 1.5, and on what was not measured, and on nothing else."""

import pytest
from analysis_runs import run_of

from benchmarks.analysis.gate import gate_report
from benchmarks.analysis.rows import Row

LOW = Row("atrio / hand", "p.atrio", "p.hand", at_most=0.45, gate=True)
HIGH = Row("twin / atrio", "p.twin", "p.atrio", at_least=2.5, gate=True)
OPEN = Row("other / hand", "p.other", "p.hand")


def run(atrio=0.4, twin=1.2, **more):
    return run_of(
        {"p.hand": [1.0, 10.0, 1.0], "p.atrio": [atrio, 10 * atrio, atrio], "p.twin": [twin, 10 * twin, twin], **more}
    )


@pytest.mark.parametrize(
    ("fresh", "row", "ok"),
    [
        (run(), LOW, True),
        (run(atrio=0.59), LOW, True),
        (run(atrio=0.61), LOW, False),
        (run(atrio=0.1), LOW, True),
        (run(), HIGH, True),
        (run(twin=0.81), HIGH, True),
        (run(twin=0.79), HIGH, False),
        (run(twin=9.0), HIGH, True),
        (run(atrio=9.0), OPEN, False),
    ],
)
def test_only_what_is_worse_by_the_factor_fails(fresh, row, ok):
    # The one without gate is not held; but a gate that holds nothing does not pass.
    text, passed = gate_report(fresh, run(), [row])
    assert passed is ok
    assert text.splitlines()[-1].startswith("PASSED" if ok else "FAILED")


def test_the_table_shows_both_figures_and_the_factor():
    text, passed = gate_report(run(atrio=0.8), run(), [LOW, HIGH, OPEN])
    assert not passed
    low, high = text.splitlines()[2:4]
    assert [cell.strip() for cell in low.strip("|").split("|")] == [
        "atrio / hand", "FAILED: worse by more than 1.5", "0.800", "0.400", "2.00",
    ]  # fmt: skip
    assert [cell.strip() for cell in high.strip("|").split("|")][1:] == [
        "FAILED: worse by more than 1.5", "1.500", "3.000", "2.00",
    ]  # fmt: skip
    assert text.splitlines()[-1] == "FAILED: 2 of 2 rows were held against made-up, 2 failed."


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"p.twin": {"status": "failed", "reason": "ValueError: no"}}, "not measured: p.twin: failed (ValueError: no)"),
        ({"p.twin": {"costs": [9.0], "status": "failed", "reason": "later"}}, "not measured: p.twin: failed (later)"),
        ({"p.twin": {"status": "unfair", "reason": "other answer"}}, "not measured: p.twin: unfair (other answer)"),
        ({"p.twin": [None, None, None, 1.0]}, "not measured: no round has all of its figures: p.twin, p.atrio"),
        ({"p.twin": [0.0, 0.0, 0.0]}, "a figure that is not above zero has no factor"),
    ],
)
def test_what_was_not_measured_fails_with_the_reason(broken, said):
    text, passed = gate_report(run(**broken), run(), [LOW, HIGH])
    assert not passed
    assert f"FAILED: {said}" in text


def test_what_is_not_recorded_is_a_note():
    text, passed = gate_report(run(), run(**{"p.twin": []}), [LOW, HIGH])
    assert passed
    assert "note: nothing to hold it against: p.twin: no samples" in text
    assert text.endswith("PASSED: 1 of 2 rows were held against made-up, 0 failed.")


def test_a_gate_that_holds_nothing_does_not_pass():
    text, passed = gate_report(run(), run_of({}), [LOW])
    assert not passed
    assert text.endswith("0 failed: a gate that holds nothing does not pass.")
    assert gate_report(run(), run(), []) == (gate_report(run(), run(), [OPEN])[0], False)
