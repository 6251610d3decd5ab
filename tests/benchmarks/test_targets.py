"""The table has every target: those that were measured, those that were not, and those of what is not built yet."""

from analysis_runs import run_of

from benchmarks.analysis.rows import Row
from benchmarks.analysis.targets import PLANNED, Planned
from benchmarks.report.tables import target_table

RUN = run_of(
    {"pipeline.20.atrio": [0.4] * 7, "pipeline.20.hand": [1.0] * 7, "memory.atrio": {"status": "not installed"}}
)


def lines(rows, planned=()):
    return [(*line.cells, line.note) for line in target_table(RUN, rows, planned).lines]


def test_a_target_stands_beside_its_measured_value():
    met = Row("atrio / hand", "pipeline.20.atrio", "pipeline.20.hand", at_most=0.45)
    missed = Row("hand / atrio", "pipeline.20.hand", "pipeline.20.atrio", at_least=3, unit=" times")
    missed_line, met_line = lines([met, missed])
    assert met_line[1:] == ("atrio / hand", "0.400", "0.400 to 0.400", "<= 0.45", "met", "")
    assert missed_line[1:3] == ("hand / atrio", "2.500 times")
    assert missed_line[4:] == (">= 3 times", "missed", "")


def test_rows_without_a_target_are_left_out():
    assert lines([Row("atrio / hand", "pipeline.20.atrio", "pipeline.20.hand")]) == []


def test_what_the_run_did_not_mean_to_measure_is_left_out():
    assert lines([Row("other", "scale.atrio", at_most=1)]) == []


def test_what_was_not_measured_says_why():
    (line,) = lines([Row("kept", "memory.atrio", at_most=250, unit=" bytes")])
    assert "<= 250 bytes" in line
    assert "not installed" in line[-1]


def test_what_is_not_built_yet_has_its_target():
    (line,) = lines([], [Planned("registry", "a lookup", "<= 1 us")])
    assert line == ("Registry", "a lookup", "", "", "<= 1 us", "", "not built yet")


def test_the_planned_targets_are_in_the_table():
    table = target_table(RUN, [])
    assert [line.cells[1] for line in table.lines] == [each.label for each in PLANNED]
