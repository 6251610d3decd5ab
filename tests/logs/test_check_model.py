"""The check against a model: lines of several runs, interleaved, some of them taken away."""

import io
import json
from collections import defaultdict
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from log_cases import NOON, events_of_run, lines_of, outside

from atrio import events as ev
from atrio.logs import check

DAY = timedelta(days=1)


@st.composite
def logs(draw):
    """Return the lines of a log, and those of them that are left; runs began a day before it or as it says."""
    waiting = []
    for number in range(draw(st.integers(1, 4))):
        run = events_of_run(number, stages=draw(st.integers(0, 3)), at=NOON + timedelta(seconds=number))
        waiting.append(run)
    waiting.append([outside(ev.BreakerHalfOpened, "b", 1.0, at=NOON)] * draw(st.integers(0, 4)))
    order = draw(st.permutations([number for number, each in enumerate(waiting) for _ in each]))
    sources = [iter(each) for each in waiting]
    written = lines_of([next(sources[number]) for number in order])
    kept = draw(st.lists(st.booleans(), min_size=len(written), max_size=len(written)))
    return written, [line for line, keep in zip(written, kept, strict=True) if keep]


def milliseconds(line):
    hours, minutes, seconds = line["timestamp"][11:26].split(":")
    since_noon = timedelta(hours=int(hours) - 12, minutes=int(minutes), seconds=float(seconds))
    return round(NOON.timestamp() * 1000) + since_noon // timedelta(milliseconds=1)


@given(logs())
def test_exactly_what_was_taken_away_is_missing(log):
    _, kept = log
    left = defaultdict(list)
    for line in map(json.loads, kept):
        left[line["run_id"]].append(line)
    log_begins = milliseconds(json.loads(kept[0])) if kept else 0
    missing, earlier, in_flight = 0, 0, 0
    for run_id, lines in left.items():
        numbers = [line["seq"] for line in lines]
        begun_earlier = numbers[0] > 0 and (run_id is None or int(run_id[:12], 16) < log_begins)
        earlier += begun_earlier
        missing += numbers[-1] + 1 - len(numbers) - (numbers[0] if begun_earlier else 0)
        names = [(line["event"], line.get("stage_id")) for line in lines]
        if run_id is not None and ("pipeline.end", None) not in names:
            in_flight += ("pipeline.start", None) in names
            in_flight += sum(name == "stage.start" and ("stage.end", stage_id) not in names for name, stage_id in names)
    report = check(io.BytesIO(b"".join(kept)), shown=1000)
    assert (report.missing, report.begun_earlier, report.in_flight_count) == (missing, earlier, in_flight)
    assert (report.invalid, report.repeated, report.out_of_order, report.unended) == (0, 0, 0, 0)
    assert report.runs == len(left) - (None in left)
    assert {problem.kind for problem in report.problems} <= {"missing"}
    assert report.ok == (not missing)


@given(logs())
def test_a_whole_log_is_whole(log):
    written, _ = log
    report = check(io.BytesIO(b"".join(written)))
    assert report.ok
    assert (report.missing, report.begun_earlier, report.in_flight_count) == (0, 0, 0)
