"""The page of the documentation shows the recorded run, and nobody's typing."""

from pathlib import Path

from benchmarks.analysis.runs import Run
from benchmarks.catalogue import PROGRAMS, ROWS
from benchmarks.report.markdown import written_into

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "benchmarks" / "results" / "reference.json"


def test_its_tables_are_made_from_the_recorded_run():
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert written_into(page, Run.read(RECORDED), ROWS) == page


def test_the_recorded_run_measured_every_target_and_all_that_is_guarded():
    recorded = Run.read(RECORDED)
    wanted = {name for row in ROWS if row.target or row.gate for name in row.programs}
    assert not {name: recorded.absence(name) for name in wanted if recorded.absence(name)}


def test_the_recorded_run_is_of_programs_that_are_still_there():
    assert set(Run.read(RECORDED).programs) <= set(PROGRAMS)
