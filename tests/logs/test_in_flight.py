"""What is in flight where a log ends, and what became of its process."""

import io
import json
import os
from datetime import timedelta

import pytest
from log_cases import NOON, events_of_run, lines_of, run_id

from atrio import events as ev
from atrio.logs import check

SECOND = timedelta(seconds=1)


def checked(*lines, **options):
    return check(io.BytesIO(b"".join(lines)), **options)


class TestInFlight:
    def test_runs_stages_batches_and_tasks(self):
        batch = (run_id(1), None, None, None)
        task = [
            ev.BatchStart(*batch, NOON, "nightly", 1, 1),
            ev.TaskStart(*batch, NOON + SECOND, "nightly", "t-0", "p", 0, 0.0),
        ]
        run = events_of_run(2, at=NOON + 2 * SECOND, parents=(run_id(1), None, "t-0"))[:2]
        report = checked(*lines_of(task + run))
        assert report.ok
        assert [(each.kind, each.name, each.run_id[-1]) for each in report.in_flight] == [
            ("batch", "nightly", "1"), ("task", "t-0", "1"), ("pipeline", "p", "2"), ("stage", "s0", "2"),
        ]  # fmt: skip
        assert [each.since[17:22] for each in report.in_flight] == ["00.00", "01.00", "02.00", "02.00"]
        assert {(each.pid, each.host, each.process) for each in report.in_flight} == {
            (os.getpid(), os.uname().nodename, "running")
        }
        assert {each.last_seen for each in report.in_flight} == {report.last}
        report = checked(*lines_of(task + run), shown=1)
        assert (len(report.in_flight), report.in_flight_count) == (1, 4)

    @pytest.mark.parametrize(
        ("pid", "host", "process"),
        [
            (None, None, "gone"),
            (None, "elsewhere", "unknown"),
            (0, None, "unknown"),
            (2**52, None, "unknown"),
            (1, None, "running"),
        ],
    )
    def test_what_became_of_the_process(self, pid, host, process, gone_pid):
        line = json.loads(lines_of(events_of_run())[0])
        line |= {"pid": gone_pid if pid is None else pid, "host": host or line["host"]}
        assert [each.process for each in checked(json.dumps(line).encode()).in_flight] == [process]

    def test_a_process_of_another_user_runs(self, monkeypatch):
        def kill(pid, number):
            raise PermissionError

        lines = lines_of(events_of_run())[:1]
        monkeypatch.setattr(os, "kill", kill)
        assert [each.process for each in checked(*lines).in_flight] == ["running"]

    def test_a_process_that_others_outlived_was_killed(self, gone_pid):
        line = json.loads(lines_of(events_of_run())[0]) | {"pid": gone_pid}
        report = checked(json.dumps(line).encode(), b"\n", *lines_of(events_of_run(2)))
        assert [each.process for each in report.in_flight] == ["killed"]


@pytest.fixture
def gone_pid():
    """The number of a process that is no more."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid
