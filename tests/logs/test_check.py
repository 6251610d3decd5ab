"""The check of logs: what is invalid, missing, repeated, unended, in flight, torn or another's."""

import gzip
import io
import json
import os
import re
from datetime import timedelta

import pytest
from log_cases import NOON, events_of_run, lines_of, outside, run_id, write_dropped, write_varied_log

from atrio import events as ev
from atrio.logs import _checking as checking
from atrio.logs import _following as following
from atrio.logs import check

SECOND = timedelta(seconds=1)


def checked(*lines, **options):
    return check(io.BytesIO(b"".join(lines)), **options)


def texts(report):
    return [problem.text for problem in report.problems]


def test_a_varied_log_is_complete(tmp_path):
    path = tmp_path / "run.log"
    write_varied_log(path)
    report = check(path)
    lines = path.read_bytes().splitlines()
    assert report.ok
    assert (report.lines, report.events, report.files) == (len(lines), len(lines), (str(path),))
    assert (report.problems, report.in_flight, report.in_flight_count, report.forgotten) == ((), (), 0, 0)
    stamps = sorted(json.loads(line)["timestamp"] for line in lines)
    assert (report.first, report.last) == (stamps[0], stamps[-1])
    assert report.runs == len({json.loads(line)["run_id"] for line in lines} - {None})


def test_an_empty_log_is_complete():
    report = checked()
    assert report.ok
    assert (report.lines, report.first, report.last) == (0, None, None)


class TestInvalidLines:
    def test_are_told_with_their_place_and_what_would_be_right(self):
        lines = lines_of(events_of_run())
        lines[2] = lines[2].replace(b'"duration_s":0.001', b'"duration_s":"fast"')
        report = checked(*lines)
        assert not report.ok
        problem = report.problems[0]
        assert (problem.kind, problem.file, problem.line) == ("invalid", "-", 3)
        assert problem.text == 'duration_s must be a number from 0 up, not "fast"'

    @pytest.mark.parametrize(
        ("old", "new", "text"),
        [
            (b'"schema":1', b'"schema":2', "schema must be 1, not 2"),
            (
                b'"status":"success"',
                b'"status":"ok"',
                'status must be success or error or skipped or cancelled, not "ok"',
            ),
            (
                b'"event":"stage.end"',
                b'"event":"stage.edn"',
                'event must be the name of one, as stage.end is, not "stage.edn"',
            ),
            (b'"event":"stage.end",', b"", "it has no event, which must be the name of one"),
            (b'"duration_s":0.001', b'"duration_s":-1.5', "duration_s must be a number from 0 up, not -1.5"),
            (b'"attempts":1', b'"attempts":-1', "attempts must be a whole number from 0 up, below 2^53, not -1"),
            (b'"seq":2', b'"seq":-2', "seq must be a whole number from 0 up, below 2^53, not -2"),
            (
                b'"input_size":null',
                b'"input_size":1.5',
                "input_size must be a whole number from 0 up, below 2^53 or null, not 1.5",
            ),
            (
                b'"parent_run_id":null',
                b'"parent_run_id":"A"',
                'parent_run_id must be 32 lower-case hexadecimal digits or null, not "A"',
            ),
            (b'"logger":"atrio"', b'"logger":"a"', 'logger must be atrio, not "a"'),
            (b'"agent_id":"agent",', b"", "it has no agent_id, which must be a string"),
        ],
    )
    def test_say_what_would_be_right(self, old, new, text):
        lines = lines_of(events_of_run())
        assert old in lines[2]
        lines[2] = lines[2].replace(old, new)
        report = checked(*lines)
        assert (report.invalid, texts(report)[0]) == (1, text)

    @pytest.mark.parametrize(
        ("at", "old", "new"),
        [
            (2, b"0.001", b"true"),
            (0, b'"p"', b"7"),
            (1, b'"s0"', b"[]"),
            (1, b'"stage_id":"s0",', b""),
            (5, b'"p"', b"1"),
            (0, b'"p"', b'["p"]'),
            (0, b'"p"', b"null"),
            (1, b'"s0"', b"5"),
            (2, b"0.001", b"-0.001"),
            (0, b'"pipeline.start"', b'["pipeline.start"]'),
        ],
    )
    def test_are_not_missing_as_well(self, at, old, new):
        lines = lines_of(events_of_run())
        assert old in lines[at]
        lines[at] = lines[at].replace(old, new)
        report = checked(*lines)
        assert (report.invalid, report.problem_count, report.in_flight_count) == (1, 1, 0)

    @pytest.mark.parametrize(
        ("old", "new"), [(b'"seq":2', b'"seq":true'), (b'"pid":', b'"pid":-'), (b'"host":', b'"h":')]
    )
    def test_that_do_not_say_their_place_are_missing(self, old, new):
        lines = lines_of(events_of_run())
        lines[2] = lines[2].replace(old, new)
        report = checked(*lines)
        assert (report.invalid, report.missing) == (1, 1)

    def test_of_drops_are_not_counted(self):
        (line,) = lines_of([outside(ev.LogDropped, 3, "stalled")])
        for count in (b'"x"', b"-3", b"2.5", b"true"):
            report = checked(line.replace(b'"count":3', b'"count":' + count))
            assert (report.invalid, report.dropped) == (1, 0)

    @pytest.mark.parametrize("time", [b"99:99:99", b"24:00:00", b"12:60:00", b"12:00:60"])
    def test_are_those_at_no_time_of_day(self, time):
        lines = lines_of(events_of_run())
        lines[0] = lines[0].replace(b"T12:00:00", b"T" + time)
        report = checked(*lines)
        assert report.invalid == 1
        assert texts(report)[0].startswith("timestamp must be UTC as in ")

    @pytest.mark.parametrize("name", [b'["p"]', b"5", b"null"])
    def test_of_starts_that_do_not_say_of_what_are_not_in_flight(self, name):
        report = checked(lines_of(events_of_run())[0].replace(b'"p"', name))
        assert (report.invalid, report.in_flight_count, report.runs) == (1, 0, 1)

    def test_that_are_torn_in_the_middle(self):
        lines = lines_of(events_of_run())
        lines[2] = lines[2][:100] + b"\n"
        report = checked(*lines)
        assert (report.invalid, report.missing) == (1, 1)
        assert texts(report)[0].startswith("it is no JSON (")

    def test_that_are_too_long_are_passed_over(self):
        lines = lines_of(events_of_run())
        long = b'{"schema":1,"event":"' + b"x" * 3_000_000
        report = checked(*lines[:2], long + b"\n", *lines[2:], long)
        assert (report.invalid, report.missing, report.events) == (2, 0, len(lines))
        assert [problem.line for problem in report.problems] == [3, len(lines) + 2]
        assert texts(report)[0].startswith("it is longer than 1 MiB")

    def test_are_counted_where_they_are_not_shown(self):
        bad = [b'{"schema":1,"event":"x"}\n'.replace(b"x", str(number).encode()) for number in range(100)]
        report = checked(*[b'{"logger":"atrio"}\n'] * 100, *bad, shown=3)
        assert (report.problem_count, report.invalid, len(report.problems), report.foreign) == (100, 100, 3, 100)
        assert [problem.line for problem in report.problems] == [1, 2, 3]

    @pytest.mark.parametrize("shown", [0, -1])
    def test_of_which_none_is_to_be_shown(self, shown):
        with pytest.raises(ValueError, match="shown must be a whole number, at least 1"):
            check(shown=shown)


class TestGaps:
    def test_within_a_run(self):
        lines = lines_of(events_of_run(7))
        report = checked(*lines[:1], *lines[3:])
        assert (report.missing, report.ok) == (2, False)
        assert texts(report) == [f"seq 1 to 2 are missing before this line of run {run_id(7)}"]
        assert [(problem.kind, problem.line) for problem in report.problems] == [("missing", 2)]

    def test_at_the_beginning_of_a_run(self):
        first, second = lines_of(events_of_run(1)), lines_of(events_of_run(2, at=NOON + SECOND))
        report = checked(*first, *second[1:])
        assert (report.missing, texts(report)) == (
            1,
            [f"seq 0 is missing before this line of run {run_id(2, at=NOON + SECOND)}"],
        )

    def test_are_none_where_the_run_began_before_the_log(self):
        earlier, later = lines_of(events_of_run(1)), lines_of(events_of_run(2, at=NOON + SECOND))
        report = checked(later[0], *earlier[2:], *later[1:])
        assert report.ok
        assert (report.begun_earlier, report.runs) == (1, 2)

    def test_of_a_process_outside_of_runs(self):
        lines = lines_of([outside(ev.BreakerHalfOpened, "b", 1.0)] * 5)
        assert checked(*lines).ok
        report = checked(*lines[:2], *lines[3:])
        assert texts(report) == [
            f"seq 2 is missing before this line of process {os.getpid()} on {os.uname().nodename}, outside of runs"
        ]
        report = checked(*lines[2:])
        assert (report.ok, report.begun_earlier) == (True, 1)

    def test_a_process_that_begins_anew_has_lost_nothing(self):
        lines = lines_of([outside(ev.BreakerHalfOpened, "b", 1.0)] * 3)
        assert checked(*lines, *lines).ok
        assert checked(*lines[:1], lines[2], *lines).missing == 1

    def test_that_are_filled_later_are_none(self):
        lines = lines_of(events_of_run(stages=4))
        lines[2:7] = reversed(lines[2:7])
        report = checked(*lines)
        assert report.ok
        assert (report.missing, report.repeated, report.out_of_order) == (0, 0, 4)

    def test_of_which_there_are_many(self):
        lines = lines_of(events_of_run(stages=200))
        report = checked(*lines[::2], lines[-1])
        assert (report.missing, report.problem_count) == (200, 200)

    def test_files_in_the_wrong_order_are_no_loss(self, tmp_path):
        lines = lines_of(events_of_run())
        (tmp_path / "a").write_bytes(b"".join(lines[:3]))
        (tmp_path / "b").write_bytes(b"".join(lines[3:]))
        report = check(tmp_path / "b", tmp_path / "a")
        assert (report.ok, report.out_of_order, report.begun_earlier) == (True, 3, 1)


class TestRepeatedLines:
    def test_of_a_run_that_goes_on(self):
        lines = lines_of(events_of_run())
        report = checked(*lines[:3], lines[1], *lines[3:])
        assert (report.repeated, report.missing) == (1, 0)
        assert texts(report)[0].startswith(f"seq 1 of run {run_id(1)} was there already")

    def test_of_a_run_that_has_ended(self):
        lines = lines_of(events_of_run())
        report = checked(*lines, *lines)
        assert (report.repeated, report.runs) == (len(lines), 1)
        assert texts(report)[0] == f"seq 0 of run {run_id(1)} comes after the end of that run"

    def test_of_a_run_that_ended_long_ago_are_a_run_again(self, monkeypatch):
        monkeypatch.setattr(following, "_MOST_ENDED", 1)
        first, second = lines_of(events_of_run(1)), lines_of(events_of_run(2))
        assert checked(*first, *second, *first).runs == 3


def test_whole_numbers_with_a_point_are_whole_numbers():
    start = lines_of(events_of_run())[0].replace(b'"seq":0', b'"seq":0.0').replace(b',"host"', b'.0,"host"')
    (dropped,) = lines_of([outside(ev.LogDropped, 3, "stalled")])
    report = checked(start, dropped.replace(b'"count":3', b'"count":3.0'))
    assert (report.invalid, report.in_flight[0].pid, report.in_flight[0].process) == (0, os.getpid(), "running")
    assert repr(report.dropped) == "3"


def test_a_stage_without_an_end_in_a_run_that_has_one():
    events = events_of_run()
    del events[2]
    report = checked(*lines_of(events))
    assert (report.unended, report.ok) == (1, False)
    assert texts(report) == [f"stage s0 of run {run_id(1)} began, and has no end although the run ended"]


def test_a_stage_whose_end_is_missing_is_explained_by_that():
    lines = lines_of(events_of_run())
    report = checked(*lines[:2], *lines[3:])
    assert (report.unended, report.missing) == (0, 1)


class TestBounds:
    def test_of_open_runs(self, monkeypatch):
        monkeypatch.setattr(following, "MOST_OPEN", 2)
        runs = [lines_of(events_of_run(number)) for number in range(3)]
        report = checked(
            runs[0][0], runs[0][1], runs[0][3], runs[1][0], runs[2][0], *runs[0][4:], *runs[1][1:], *runs[2][1:]
        )
        assert report.forgotten > 0
        assert report.begun_earlier > 0
        assert report.missing == 1

    def test_of_stages(self, monkeypatch):
        monkeypatch.setattr(following, "_MOST_PARTS", 1)
        runs = [lines_of(events_of_run(number)) for number in range(3)]
        report = checked(*runs[0][:2], *runs[1][:2], *runs[1][2:], *runs[0][2:], *runs[2])
        assert report.ok
        assert report.forgotten == 2

    def test_of_processes(self, monkeypatch):
        monkeypatch.setattr(following, "MOST_OPEN", 1)
        first, _, third = lines_of([outside(ev.BreakerHalfOpened, "b", 1.0)] * 3)
        other = first.replace(b'"host":"', b'"host":"x')
        report = checked(first, third, other, third)
        assert (report.missing, report.begun_earlier) == (1, 1)

    def test_of_hosts(self, monkeypatch):
        monkeypatch.setattr(following, "_MOST_HOSTS", 0)
        assert checked(*lines_of(events_of_run())[1:]).missing == 1

    def test_of_reasons(self, monkeypatch, tmp_path):
        monkeypatch.setattr(following, "_MOST_REASONS", 1)
        for reason in ("a", "b", "c", "a"):
            write_dropped(tmp_path / "log", 2, reason)
        assert check(tmp_path / "log").dropped_because == {"a": 4, "(other)": 4}

    def test_of_torn_lines(self, monkeypatch, tmp_path):
        monkeypatch.setattr(checking, "_MOST_TORN", 1)
        (tmp_path / "log").write_bytes(b"{")
        report = check(tmp_path / "log", tmp_path / "log")
        assert (report.torn, report.lines) == ((f"{tmp_path / 'log'}:1",), 2)


def test_what_the_log_says_was_dropped_is_wrong(tmp_path):
    write_dropped(tmp_path / "log", 3, "stalled")
    report = check(tmp_path / "log")
    assert (report.dropped, report.dropped_because, report.problem_count, report.ok) == (3, {"stalled": 3}, 0, False)


class TestLinesOfOthers:
    OTHERS = (
        b"Traceback (most recent call last):\n",
        b'{"logger": "django", "event": "request"}\n',
        b'{"event": "stage.end"}\n',
        b"[1, 2]\n",
        b"7\n",
        b"{\n",
        b"\xff\xfe\n",
    )

    def test_are_counted(self):
        lines = lines_of(events_of_run())
        mixed = [part for pair in zip(lines, self.OTHERS, strict=False) for part in pair]
        report = checked(*mixed)
        assert report.ok
        assert (report.events, report.foreign) == (len(lines), min(len(lines), len(self.OTHERS)))

    def test_alone_are_not_well(self):
        report = checked(*self.OTHERS)
        assert not report.ok
        assert (report.foreign, report.problem_count) == (len(self.OTHERS), 0)

    def test_blank_ones_do_not_count(self):
        report = checked(b"\n", b" \r\n", *lines_of(events_of_run()), b"\n")
        assert (report.ok, report.lines) == (True, 6)

    def test_a_mark_and_other_ends_of_lines_do_not_matter(self):
        lines = [line.replace(b"\n", b"\r\n") for line in lines_of(events_of_run())]
        assert checked(b"\xef\xbb\xbf", *lines).events == len(lines)

    def test_times_that_there_are_none_of_are_passed_over(self):
        lines = [re.sub(rb"2026-01-31T12", b"2026-99-31T12", line) for line in lines_of(events_of_run())]
        assert checked(*lines[1:]).missing == 1


class TestATornLastLine:
    def test_is_told_and_is_no_fault(self):
        lines = lines_of(events_of_run())
        report = checked(*lines[:-1], lines[-1][:100])
        assert report.ok
        assert (report.torn, report.events, report.in_flight_count) == ((f"-:{len(lines)}",), len(lines) - 1, 1)

    def test_is_none_if_only_the_newline_is_missing(self):
        report = checked(b"".join(lines_of(events_of_run())).removesuffix(b"\n"))
        assert (report.torn, report.in_flight_count, report.events) == ((), 0, 6)

    def test_in_each_file(self, tmp_path):
        line = lines_of(events_of_run())[0]
        (tmp_path / "a.log").write_bytes(line[:50])
        with gzip.open(tmp_path / "b.gz", "wb") as packed:
            packed.write(line[:60])
        assert check(tmp_path / "a.log", tmp_path / "b.gz").torn == (
            f"{tmp_path / 'a.log'}:1",
            f"{tmp_path / 'b.gz'}:1",
        )


def test_problems_come_in_the_order_of_files_and_lines(tmp_path):
    lines = lines_of(events_of_run())
    (tmp_path / "b").write_bytes(b"".join([lines[0], lines[2]]))
    (tmp_path / "a").write_bytes(b'{"schema":1,\n')
    report = check(tmp_path / "b", tmp_path / "a")
    assert [(problem.kind, problem.file[-1]) for problem in report.problems] == [("missing", "b"), ("invalid", "a")]
