"""Whatever is in a log, reading it gives an answer or a sentence."""

import io
import json
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_cases import NOON, events_of_run, lines_of, outside, parsed, run_id

from atrio import events as ev
from atrio.logs import UnreadableLogError, check, summarise
from atrio.logs import _decoding as decoding
from atrio.logs import _summing as summing

LINES = lines_of([
    *events_of_run(stages=1),
    ev.StageRetry(run_id(2), None, None, None, NOON, "p", "s", "agent", 1, 3, 1.0, None, None),
    ev.BatchStart(run_id(3), None, None, None, NOON, "nightly", None, 2),
    ev.TaskStart(run_id(3), None, None, None, NOON, "nightly", "t-0", "p", 0, 0.0),
    outside(ev.FallbackUsed, None, None, "a|b", "a", "b", "OSError", "gone"),
    outside(ev.BreakerOpened, "b", 3, 1.0),
    outside(ev.BreakerHalfOpened, "b", 1.0),
    outside(ev.BreakerClosed, "b", 1.0),
    outside(ev.LogDropped, 3, "stalled"),
])  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@pytest.fixture(params=["orjson", "json"], scope="module")
def decoder(request):
    """Whatever decodes JSON."""
    with pytest.MonkeyPatch.context() as patched:
        if request.param == "json":
            patched.setitem(sys.modules, "orjson", None)
            assert decoding.fastest_loads() is decoding._loads
        else:
            pytest.importorskip("orjson")
        yield request.param


@pytest.fixture(scope="module")
def rendered():
    """What makes tables of it, which needs the extra `cli`."""
    return pytest.importorskip("atrio.cli._events_report", exc_type=ImportError)


def read(data):
    """Read `data` in both ways, and return what they agree about."""
    try:
        report, summary = check(io.BytesIO(data)), summarise(io.BytesIO(data))
    except UnreadableLogError:  # binary, or compressed and damaged
        return None
    assert report.lines == report.events + report.invalid + report.foreign + len(report.torn)
    assert summary.lines == report.lines
    assert (summary.foreign, summary.torn) == (report.foreign, len(report.torn))
    assert summary.events >= report.events  # what is not looked at may be wrong
    assert summary.events + summary.unusable == report.events + report.invalid
    return report, summary


@given(st.binary(max_size=500))
def test_any_bytes(decoder, data):
    read(data)


@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=60), max_size=10), st.binary(max_size=9))
def test_any_bytes_between_lines(decoder, lines, end):
    read(b"\n".join(lines) + end)


@settings(deadline=None)  # tables take their time
@given(data=st.data())
def test_any_values_in_lines(decoder, rendered, data):
    line = dict(data.draw(st.sampled_from(parsed(LINES))))
    named = sorted(field for field in line if field.endswith("_id") or field in {"batch", "breaker"})
    # Names more often than the rest: what is in flight and what is counted goes by them.
    fields = st.sets(st.sampled_from(sorted(line)), max_size=4) | st.sets(
        st.sampled_from(named), min_size=1, max_size=2
    )
    for field in data.draw(fields):
        if data.draw(st.booleans()):
            line[field] = data.draw(JUNK)
        else:
            del line[field]
    others = LINES
    if data.draw(st.booleans()):  # so that what is in flight stays so
        others = [each for each in LINES if b'.end"' not in each]
    found = read(b"".join([json.dumps(line).encode() + b"\n", *others]))
    assert found is not None
    report, summary = found
    assert [*rendered.check_tables(report), rendered.check_complaint(report)]
    assert [*rendered.summary_tables(summary), rendered.summary_complaint(summary)]


@given(data=st.data())
def test_lines_that_were_damaged(decoder, data):
    whole = bytearray(b"".join(LINES))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(whole))


@pytest.mark.parametrize(
    "line",
    [
        b'{"logger":"atrio","schema":1,"event":NaN}',
        b'{"logger":"atrio","x":Infinity}',
        b'{"logger":"atrio","x":"\\ud800"}',
        b'{"logger":"atrio","x":"\\uD800"}',
        b'{"logger":"atrio","x":"\xed\xa0\x80"}',
        b'{"logger":"atrio","x":"\xff"}',
        b'{"logger":"atrio","x":' + b"[" * 100_000,
        b'{"logger":"atrio","x":' + b"9" * 10_000 + b"x}",
        '{"logger":"atrio"}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_is_none_for_either_decoder(decoder, line):
    report, _ = read(b"{}\n" + line + b"\n")
    assert report.events == 0
    assert not line.startswith(b"{") or report.invalid == 1


def test_numbers_that_are_too_large(decoder):
    end = parsed(LINES)[2]
    for duration in ("1e308", "1" + "0" * 400, "-1.0", "9007199254740993"):
        line = json.dumps(end).replace('"duration_s": 0.001', f'"duration_s": {duration}')
        assert duration in line
        summary = summarise(io.BytesIO(line.encode() + b"\n"))
        assert (summary.unusable, summary.stages) == (1, {})


def growth(read, count):
    """Return how many bytes reading a log of `count` lines needs at most."""
    tracemalloc.start()
    read(Generated(count))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


class Generated(io.RawIOBase):
    """A log of runs that is never all in memory; every seventh run does not end, every fifth lost a line."""

    def __init__(self, count):
        super().__init__()
        self._left = count
        self._number = 0
        self._pattern = b"".join(lines_of(events_of_run(0xABCDEF, stages=2)))
        self._of = parsed(self._pattern.splitlines())[0]["run_id"].encode()

    def read(self, size=-1):
        if self._left <= 0:
            return b""
        runs = []
        for _ in range(100):
            self._number += 1
            lines = self._pattern.replace(self._of, self._of[:12] + b"%020x" % self._number).splitlines(keepends=True)
            if not self._number % 7:
                del lines[-1]
            if not self._number % 5:
                del lines[2]
            self._left -= len(lines)
            runs += lines
        return b"".join(runs)


@pytest.mark.parametrize("read", [check, summarise])
def test_memory_does_not_grow_with_the_log(read, monkeypatch):
    monkeypatch.setattr("atrio.logs._following.MOST_OPEN", 100)
    monkeypatch.setattr("atrio.logs._following._MOST_ENDED", 100)
    monkeypatch.setattr(summing, "MOST_OPEN", 100)
    monkeypatch.setattr(summing, "_BLOCKS", 4)
    small, large = growth(read, 7500), growth(read, 30_000)

    assert large < 1.1 * small
    assert large < 20_000_000
