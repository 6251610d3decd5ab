"""The history's suite: its histories have the size that they are called by, and its targets are the contract's."""

import sqlite3
from contextlib import closing

import pytest

from atrio.history import History
from benchmarks import history
from benchmarks.harness.worker import built, digest_of
from benchmarks.history import keeping
from benchmarks.history.asking import Asking
from benchmarks.history.filled import TASKS, fill
from benchmarks.history.keeping import Running

WORKS = {work.name: work for work in history.WORKS}
PROGRAMS = {program.name: program for program in history.PROGRAMS}
SMALL = {"runs": 100, "stages": 12 * TASKS}


@pytest.mark.parametrize("program", history.PROGRAMS, ids=lambda program: program.name)
def test_answers(program):
    options = {name: SMALL.get(name, value) for name, value in program.options.items()}
    subject = built(program.build, options)
    assert digest_of(subject.answer()) == digest_of(WORKS[program.work].answer)
    if program.kind == "figures":
        figures = subject.figures()
        assert {row.figure for row in history.ROWS if row.above == program.name} == set(figures)
        assert all(0 < seconds < 20 for seconds in figures.values())


def test_a_batch_is_timed(monkeypatch):
    monkeypatch.setattr(keeping, "ITEMS", 3)
    cost = Running("idle", "kept").time(2)
    assert 0 < cost.wall_s < 20


def test_a_history_that_cannot_be_kept_is_noticed(tmp_path):
    (tmp_path / "history.db").mkdir()
    with pytest.raises(RuntimeError, match="cannot be"), Running("idle", "kept")._listening(tmp_path):
        pass


def test_histories_have_the_size_that_they_are_called_by(tmp_path):
    path = tmp_path / "history.db"
    asking = Asking(history.STAGE_RECORDS)
    assert 0 <= (asking._alone + asking._batches * TASKS) * history.STAGES - history.STAGE_RECORDS < history.STAGES
    fill(path, alone=5, batches=2)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM stages), (SELECT count(*) FROM tasks)"
        [counted] = connection.execute(query)
    assert counted == (2 * TASKS + 7, (2 * TASKS + 5) * history.STAGES, 2 * TASKS)
    with History(path) as read:
        batch = read.runs(1, kind="batch")[0]
        detail = read.run(batch.run_id, failures=TASKS)
        assert (detail.run.total, len(detail.tasks.failures)) == (TASKS, TASKS // 50)
        assert detail.tasks.slowest[0].run_id in {run.run_id for run in read.runs(TASKS, parent=batch.run_id)}


def test_names_and_rows():
    for program in PROGRAMS.values():
        assert program.name.startswith(f"{program.work}.")
        assert program.work in WORKS
    assert {name for row in history.ROWS for name in row.programs} == set(PROGRAMS)
    assert len({row.label for row in history.ROWS}) == len(history.ROWS)


def test_the_targets():
    targets = {(row.above, row.figure): row.target for row in history.ROWS if row.target}
    assert targets == {
        ("history.run.waiting.kept", "wall_s"): "<= 1.1",
        ("history.run.computing.kept", "wall_s"): "<= 1.1",
        ("history.purge.atrio", "longest_s"): "<= 50 ms",
        **{("history.ask.atrio", figure): "<= 200 ms" for figure in history._ASKED},
    }
