"""Runs found by prefixes, names and states; figures; and files that cannot be read."""

import copy
import pickle
import sqlite3
from contextlib import closing
from datetime import UTC

import pytest
from history_cases import batches, double, kept, pipeline_of, refuse, run_of
from hypothesis import given
from hypothesis import strategies as st

from atrio import observe_only
from atrio.history import AmbiguousRunError, History, HistoryError, UnknownRunError
from atrio.history.schema import connect, microseconds, moment_of
from atrio.testing import fixed_stamps, run_in_virtual_time


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A history of two runs of `orders`, one of `bills` that failed, and a batch of three runs called `orders`."""
    path = tmp_path_factory.mktemp("read") / "history.db"
    with kept(path) as history, observe_only(history):
        for pipeline in (pipeline_of(double), pipeline_of(refuse, name="bills"), pipeline_of(double)):
            run_in_virtual_time(lambda pipeline=pipeline: pipeline.execute(1))
        run_in_virtual_time(lambda: batches().map(pipeline_of(double), range(3), name="orders"))
    return path


@pytest.fixture
def history(path):
    with History(path) as history:
        yield history


def insert_batch(connection, run_id):
    into = "INSERT INTO runs (run_id, kind, name, state, started_us, process) "
    connection.execute(into + "VALUES (?, 'batch', 'b', 'cancelled', 0, 1)", (run_id,))


class TestRuns:
    def test_the_newest_is_first_and_those_inside_others_are_left_out(self, history):
        runs = history.runs()
        assert [(run.kind, run.name, run.state) for run in runs] == [
            ("batch", "orders", "success"),
            ("pipeline", "orders", "success"),
            ("pipeline", "bills", "failed"),
            ("pipeline", "orders", "success"),
        ]
        assert [run.started_at for run in runs] == sorted((run.started_at for run in runs), reverse=True)
        assert history.runs(2) == runs[:2]

    def test_the_tasks_of_a_batch_without_an_end_are_counted(self, tmp_path):
        with closing(connect(tmp_path / "h.db", read_only=False)) as connection:
            insert_batch(connection, "ab")
            connection.execute("UPDATE runs SET state = 'running', successful = 1, failed = 7")  # the last progress
            for index, status in enumerate(("success", "success", "error", "timeout", "cancelled", "running")):
                connection.execute(
                    "INSERT INTO tasks (run_id, task_index, task_id, agent_id, status, queued_s, started_us, "
                    "duration_s) VALUES ('ab', ?, 't', 'a', ?, 0, 0, ?)",
                    (index, status, None if status == "running" else 1.0),
                )
        with History(tmp_path / "h.db") as history:
            detail = history.run("ab")
            for each in (detail.run, detail.tasks, history.runs()[0]):
                assert (each.successful, each.failed, each.timed_out, each.cancelled) == (2, 1, 1, 1)

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"name": "orders"}, 3),
            ({"name": "orders", "kind": "batch"}, 1),
            ({"kind": "pipeline"}, 3),
            ({"state": "failed"}, 1),
            ({"state": "failed", "name": "orders"}, 0),
            ({"state": "running"}, 0),
            ({"state": "interrupted"}, 0),
            ({"name": "order"}, 0),
        ],
    )
    def test_some_of_them(self, history, wanted, found):
        runs = history.runs(**wanted)
        assert len(runs) == found
        assert all(getattr(run, name) == value for run in runs for name, value in wanted.items())

    def test_those_inside_another(self, history):
        batch = history.runs(kind="batch")[0]
        inside = history.runs(parent=batch.run_id)
        assert [(run.parent_run_id, run.name) for run in inside] == [(batch.run_id, "orders")] * 3
        assert history.runs(parent=batch.run_id, state="failed") == ()

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"limit": 0}, ValueError),
            ({"limit": "3"}, TypeError),
            ({"kind": "run"}, ValueError),
            ({"state": ""}, ValueError),
        ],
    )
    def test_what_cannot_be_asked(self, history, options, error):
        with pytest.raises(error, match="must be"):
            history.runs(**options)

    def test_durations(self, history):
        assert history.durations("pipeline", "orders") == (("success", 0.25), ("success", 0.25))
        assert len(history.durations("pipeline", "orders", nested=True)) == 5
        assert history.durations("batch", "orders", 1) == (("success", 0.25),)
        assert history.durations("pipeline", "nothing") == ()
        batch = history.runs(kind="batch")[0]
        assert history.task_durations(batch.run_id) == (0.25, 0.25, 0.25)

    def test_durations_of_stages(self, history):
        found = history.stage_durations("orders")
        assert {stage: [seconds for _, seconds in pairs] for stage, pairs in found.items()} == {"stage-0": [0.25] * 5}
        run_ids = [run_id for run_id, _ in found["stage-0"]]
        assert run_ids == sorted(run_ids, reverse=True)
        assert len(history.stage_durations("orders", runs=2)["stage-0"]) == 2
        assert history.stage_durations("bills") == {}  # it failed


class TestPrefixes:
    def test_a_run_by_its_id_and_by_as_much_of_it_as_no_other_has(self, history):
        for run in history.runs():
            others = [other.run_id for other in history.runs() if other != run]
            long_enough = next(
                length for length in range(1, 33) if not any(each.startswith(run.run_id[:length]) for each in others)
            )
            for prefix in (run.run_id, run.run_id[:long_enough], f" {run.run_id[:long_enough].upper()}\n"):
                assert history.run(prefix).run.run_id == run.run_id

    def test_one_inside_another(self, history):
        batch = history.runs(kind="batch")[0]
        inner = history.runs(parent=batch.run_id)[0]
        assert history.run(inner.run_id).run == inner

    def test_several_that_begin_so(self, history):
        with pytest.raises(AmbiguousRunError, match="Give more of it") as caught:
            history.run(history.runs()[0].run_id[:1])
        assert set(caught.value.run_ids) == {run.run_id for run in history.runs()}

    def test_an_id_that_is_the_begin_of_another(self, tmp_path):
        """No id is, but files may hold anything."""
        with closing(connect(tmp_path / "h.db", read_only=False)) as connection:
            for run_id in ("ab", "abc", "abd"):
                insert_batch(connection, run_id)
        with History(tmp_path / "h.db") as history:
            assert history.run("ab").run.run_id == "ab"
            with pytest.raises(AmbiguousRunError):
                history.run("a")

    @pytest.mark.parametrize("prefix", ["", "  ", "nothing", "%", "_", "' OR 1=1 --", "\0", "\U0010ffff" * 40])
    def test_none(self, history, prefix):
        with pytest.raises(UnknownRunError) as caught:
            history.run(prefix)
        assert (caught.value.prefix, caught.value.nearest) == (prefix.strip(), None)

    def test_the_nearest_is_named(self, history):
        last = history.runs()[-1].run_id
        with pytest.raises(UnknownRunError, match=f"Did you mean {last}") as caught:
            history.run(f"{last[:30]}zz")
        assert caught.value.nearest == last

    def test_the_name_of_a_pipeline_leads_to_its_last_run(self, history):
        with pytest.raises(UnknownRunError) as caught:
            history.run("orders")
        assert caught.value.nearest == history.runs()[0].run_id

    def test_a_name_that_only_runs_inside_others_have(self, tmp_path):
        with closing(connect(tmp_path / "h.db", read_only=False)) as connection:
            insert_batch(connection, "ab")
            connection.execute("UPDATE runs SET parent_run_id = 'cd'")
        with History(tmp_path / "h.db") as history, pytest.raises(UnknownRunError, match="Did you mean ab"):
            history.run("b")

    def test_the_errors_pickle_and_copy(self):
        for error in (UnknownRunError("ab", "ac"), UnknownRunError("ab"), AmbiguousRunError("a", ("ab", "ac"))):
            for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
                assert (type(other), str(other), other.__dict__) == (type(error), str(error), error.__dict__)
                assert isinstance(other, HistoryError)


@given(st.lists(st.integers(0, 10**6).map(lambda number: number / 1000), max_size=60))
def test_percentiles_are_those_of_results(tmp_path_factory, seconds):
    path = tmp_path_factory.mktemp("ranks") / "history.db"
    run_id = "0" * 32
    with closing(connect(path, read_only=False)) as connection:
        insert_batch(connection, run_id)
        connection.executemany(
            "INSERT INTO tasks (run_id, task_index, task_id, agent_id, status, queued_s, started_us, duration_s) "
            "VALUES (?, ?, '', '', 'success', 0, 0, ?)",
            [(run_id, index, each) for index, each in enumerate([*seconds, None])],
        )
    figures = run_of(path, slowest=3).tasks
    ordered = sorted(seconds)

    def ranked(share):
        """Hyndman & Fan's first definition: the least that so many are not above."""
        return min((each for each in ordered if sum(x <= each for x in ordered) >= share * len(ordered)), default=0)

    assert [figures.shortest_s, figures.p50_s, figures.p95_s, figures.p99_s, figures.longest_s] == [
        min(ordered, default=0), ranked(0.5), ranked(0.95), ranked(0.99), max(ordered, default=0)
    ]  # fmt: skip
    assert [task.duration_s for task in figures.slowest] == ordered[::-1][:3]
    assert (figures.running, figures.successful) == (1, len(seconds) + 1)
    assert figures.mean_s == pytest.approx(sum(seconds) / len(seconds) if seconds else 0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_come_back(moment):
    assert moment_of(microseconds(moment)) == moment


def test_there_is_none(tmp_path):
    with pytest.raises(HistoryError, match="there is no history at"):
        History(tmp_path / "history.db")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_history(tmp_path):
    path = tmp_path / "history.db"
    path.touch()
    with pytest.raises(HistoryError, match="there is no history in"):
        History(path)
    with kept(path), History(path) as history:
        assert history.runs() == ()


def test_it_is_damaged_while_it_is_read(path, tmp_path):
    copied = tmp_path / "copy.db"
    copied.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copied)) as connection:
        [(size,)] = connection.execute("PRAGMA page_size")
        pages = [page for (page,) in connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'runs'")]
    content = bytearray(copied.read_bytes())
    for page in pages:
        content[(page - 1) * size : page * size] = b"\xff" * size
    copied.write_bytes(content)
    with History(copied) as history:
        with pytest.raises(HistoryError, match="is damaged"):
            history.runs()
        with pytest.raises(HistoryError, match="is damaged"):
            history.run("0")


def test_reading_changes_nothing(path):
    before = path.read_bytes()
    with History(path) as history:
        history.runs()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            history._connection.execute("DELETE FROM runs")
    assert path.read_bytes() == before


def test_ids_that_are_made_reproducible_are_read_too(tmp_path):
    path = tmp_path / "history.db"
    with fixed_stamps(), kept(path) as history, observe_only(history):
        run_in_virtual_time(lambda: pipeline_of(double).execute(1))
    with History(path) as history:
        assert history.run("000000000000").run.name == "orders"


class TestManyRuns:
    """What is asked often looks at what it returns, however many runs there are besides."""

    @pytest.fixture(params=["alone", "in a batch"])
    def steps_of(self, request, tmp_path):
        """Return a function that says how much SQLite does for a question, by how many runs there are."""

        def fill(connection, count):
            insert_batch(connection, "ab")
            dead = "INSERT INTO processes (id, pid, host, identity, seen_us) VALUES (99, 0, '', '', 0)"
            connection.execute(dead)
            into = "INSERT INTO runs (run_id, kind, name, state, started_us, process, parent_run_id, parent_task_id) "
            parent = "ab" if request.param == "in a batch" else None
            # Ids of tasks are in another order than the tasks, and than the runs in them.
            rows = [(f"{each:09}", "success", each, 1, parent, parent and f"ab-{each}") for each in range(count)]
            rows += [("running", "running", 1, 1, None, None), ("dead", "running", 2, 99, None, None)]
            connection.executemany(into + "VALUES (?, 'pipeline', 'p', ?, ?, ?, ?, ?)", rows)
            task = "INSERT INTO tasks (run_id, task_index, task_id, agent_id, status, queued_s, started_us) "
            tasks = [(each, f"ab-{each}") for each in range(100)]
            connection.executemany(task + "VALUES ('ab', ?, ?, 'p', 'success', 0, 0)", tasks)

        def steps_of(count, ask):
            path = tmp_path / f"{count}.db"
            steps = []
            with kept(path), closing(connect(path, read_only=False)) as connection, connection:
                connection.execute("BEGIN")
                fill(connection, count)
                connection.execute("COMMIT")
                with History(path) as history:
                    history._connection.set_progress_handler(lambda: steps.append(1), 10)
                    ask(history)
            return len(steps)

        return steps_of

    @pytest.mark.parametrize("options", [{}, {"name": "p"}, {"kind": "pipeline"}, {"name": "p", "kind": "pipeline"}])
    def test_those_that_run(self, steps_of, options):
        def ask(history):
            assert [run.run_id for run in history.runs(state="running", **options)] == ["running"]
            assert "dead" in [run.run_id for run in history.runs(10**4, state="interrupted")]

        def ask_only(history):
            history.runs(state="running", **options)

        steps_of(50, ask)
        assert steps_of(20_000, ask_only) < 2 * steps_of(200, ask_only)

    def test_those_inside_a_run(self, steps_of):
        def ask(history):
            assert [run.parent_task_id for run in history.run("ab").inside] in (
                [],
                [f"ab-{each}" for each in range(20)],
            )

        assert steps_of(20_000, ask) < 2 * steps_of(200, ask)


def test_those_inside_a_batch_of_few_are_found_wherever_they_ran(tmp_path):
    with closing(connect(tmp_path / "h.db", read_only=False)) as connection:
        insert_batch(connection, "ab")
        into = "INSERT INTO runs (run_id, kind, name, state, started_us, process, parent_run_id, parent_task_id) "
        rows = [("c2", "ab-0"), ("c1", "ab-0"), ("e", "ab-3000"), ("d", "ab-900"), ("f", None)]
        connection.executemany(into + "VALUES (?, 'pipeline', 'p', 'success', 0, 1, 'ab', ?)", rows)
        task = "INSERT INTO tasks (run_id, task_index, task_id, agent_id, status, queued_s, started_us) "
        tasks = [(each, f"ab-{each}") for each in (0, 1, 2, 900, 3000)]
        connection.executemany(task + "VALUES ('ab', ?, ?, 'p', 'success', 0, 0)", tasks)
    with History(tmp_path / "h.db") as history:
        assert [run.run_id for run in history.run("ab").inside] == ["c1", "c2", "d", "e", "f"]
        assert [run.run_id for run in history.run("ab", inside=2).inside] == ["c1", "c2"]
        assert history.run("ab", inside=0).inside == ()
