"""Readers that stall, go, or come late: a run waits no longer than it was told, and knows nothing of it."""

import contextlib
import fcntl
import os
import pty
import select
import socket
import threading
import time
import tty

import pytest
from line_cases import checked, outcome, pipeline_start, stage_end

from atrio.sinks import JsonLinesSink, _line_files

PATIENCE_S = 0.05


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):  # the test has closed it
            os.close(descriptor)


@pytest.fixture
def waits(monkeypatch):
    """Count the waits, and how long they took."""
    waited = []
    real = select.poll

    class Poll:
        def __init__(self):
            self._poll = real()
            self.register = self._poll.register

        def poll(self, milliseconds):
            begin = time.perf_counter()
            found = self._poll.poll(milliseconds)
            if milliseconds:
                waited.append(time.perf_counter() - begin)
            return found

    monkeypatch.setattr(_line_files.select, "poll", Poll)
    return waited


def fill(descriptor):
    """Write until nothing more is taken, and return how much was."""
    os.set_blocking(descriptor, False)
    filled = 0
    try:
        while True:
            filled += os.write(descriptor, b" " * 512)
    except BlockingIOError:
        return filled
    finally:
        os.set_blocking(descriptor, True)


def drained(descriptor, size=10**7):
    """Return what is there to be read."""
    os.set_blocking(descriptor, False)
    data = b""
    try:
        while len(data) < size and (more := os.read(descriptor, size - len(data))):
            data += more
    except BlockingIOError:
        pass
    return data


def parsed(data):
    assert data.endswith(b"\n")
    return [checked(line) for line in data.lstrip(b" ").split(b"\n")[:-1]]


class TestAPipe:
    def test_gets_each_line(self, pipe):
        with JsonLinesSink(pipe[1]) as log:
            for _ in range(10):
                log(stage_end())
        assert [line["seq"] for line in parsed(drained(pipe[0]))] == list(range(10))

    def test_that_nobody_reads_blocks_once(self, pipe, waits):
        expected = outcome()
        fill(pipe[1])
        with JsonLinesSink(pipe[1], patience_s=PATIENCE_S) as log:
            assert outcome(log) == expected
            assert len(waits) == 1
            assert outcome(log) == expected
        assert len(waits) == 1
        assert waits[0] < PATIENCE_S + 0.5
        assert log.dropped > 10

    def test_whose_reader_goes_on_gets_to_know_what_it_missed(self, pipe, waits):
        with JsonLinesSink(pipe[1], patience_s=PATIENCE_S) as log:
            for _ in range(3):
                fill(pipe[1])
                for _ in range(5):
                    log(stage_end())
                assert drained(pipe[0]).strip(b" ") == b""
                log(stage_end())
                told, line = parsed(drained(pipe[0]))
                assert (told["event"], told["count"], told["reason"]) == ("log.dropped", 5, "nobody reads")
                assert line["event"] == "stage.end"
        assert waits[0] < PATIENCE_S + 0.5
        assert log.dropped == 15
        assert line["seq"] == 17

    @pytest.mark.parametrize("between_s", [0.0, 0.01])
    def test_whose_reader_is_slow_holds_up_little(self, pipe, monkeypatch, between_s):
        """One that takes a page each 0.09 seconds, which each line would wait for."""
        now, waits = 1000.0, []

        class Poll:
            def register(self, descriptor, events):
                pass

            def poll(self, milliseconds):
                nonlocal now
                waited = min(milliseconds / 1000, 0.09)
                waits.append(waited)
                now += waited
                return waited == 0.09 and bool(os.read(pipe[0], 4096))

        monkeypatch.setattr(_line_files, "elapsed_clock", lambda: now)
        monkeypatch.setattr(_line_files.select, "poll", Poll)
        fill(pipe[1])
        with JsonLinesSink(pipe[1], patience_s=0.1) as log:
            for number in range(2000):
                log(stage_end())
                now += between_s
                if number % 9 == 8 and between_s:
                    drained(pipe[0], 4096)
        assert waits
        assert sum(waits) <= 0.1 + (now - 1000) / 100 + 0.001

    def test_whose_reader_stalls_again_much_later_is_waited_for_again(self, pipe, waits, monkeypatch):
        later = 0.0
        monkeypatch.setattr(_line_files, "elapsed_clock", lambda: time.monotonic() + later)
        with JsonLinesSink(pipe[1], patience_s=PATIENCE_S) as log:
            for times in (1, 2, 3):
                fill(pipe[1])
                log(stage_end())
                assert len(waits) == times
                drained(pipe[0])
                log(stage_end())
                later += 100 * PATIENCE_S

    def test_whose_reader_comes_in_time_misses_nothing(self, pipe):
        fill(pipe[1])
        reader = threading.Thread(target=drained, args=(pipe[0], 8192))
        with JsonLinesSink(pipe[1], patience_s=30) as log:
            timer = threading.Timer(0.01, reader.start)
            timer.start()
            log(stage_end())
            timer.join()
            reader.join()
        assert log.dropped == 0
        assert parsed(drained(pipe[0]))[-1]["seq"] == 0

    def test_whose_room_others_take_is_tried_again(self, pipe, monkeypatch):
        real, refusals = os.write, [BlockingIOError(), BlockingIOError()]

        def contended(descriptor, data):
            if refusals:
                raise refusals.pop()
            return real(descriptor, data)

        monkeypatch.setattr(os, "write", contended)
        with JsonLinesSink(pipe[1], patience_s=30) as log:
            log(stage_end())
        assert (log.dropped, len(parsed(drained(pipe[0])))) == (0, 1)

    def test_whose_reader_has_gone(self, pipe):
        expected = outcome()
        with JsonLinesSink(pipe[1]) as log:
            os.close(pipe[0])
            assert outcome(log) == expected
        assert log.dropped > 5

    def test_whose_reader_went_before(self, pipe):
        os.close(pipe[0])
        with JsonLinesSink(pipe[1]) as log:
            log(stage_end())
        assert log.dropped == 1

    def test_stays_as_it_was_for_whoever_else_has_it(self, pipe):
        with JsonLinesSink(pipe[1]) as log:
            log(stage_end())
            assert os.get_blocking(pipe[1])
        assert os.write(pipe[1], b"x") == 1

    def test_that_does_not_wait_already(self, pipe, waits):
        os.set_blocking(pipe[1], False)
        fill(pipe[1])
        with JsonLinesSink(pipe[1], patience_s=PATIENCE_S) as log:
            for _ in range(5):
                log(stage_end())
        assert (log.dropped, len(waits)) == (5, 1)

    def test_that_cannot_be_opened_once_more(self, pipe, waits, monkeypatch):
        """As that of another user, or on a system that has no way to do so."""
        real = os.open

        def refusing(path, *rest, **named):
            if str(path).startswith("/proc"):
                raise PermissionError(13, "Permission denied")
            return real(path, *rest, **named)

        monkeypatch.setattr(os, "open", refusing)
        with JsonLinesSink(pipe[1], patience_s=PATIENCE_S) as log:
            log(pipeline_start())
            assert len(parsed(drained(pipe[0]))) == 1
            fill(pipe[1])
            for _ in range(5):
                log(stage_end())
            drained(pipe[0])
            log(stage_end())
        assert [line["event"] for line in parsed(drained(pipe[0]))] == ["log.dropped", "stage.end"]
        assert (log.dropped, len(waits)) == (5, 1)


class TestANamedPipe:
    def test_gets_each_line(self, tmp_path):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with JsonLinesSink(path) as log:
            log(stage_end())
            log(stage_end())
        assert len(parsed(drained(reading))) == 2
        os.close(reading)

    def test_that_nobody_reads_is_refused_and_not_waited_for(self, tmp_path):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        with pytest.raises(OSError, match="No such device or address"):
            JsonLinesSink(path)

    def test_whose_reader_comes_back(self, tmp_path):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with JsonLinesSink(path) as log:
            os.close(reading)
            log(stage_end())
            reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            log(stage_end())
        assert [line["event"] for line in parsed(drained(reading))] == ["log.dropped", "stage.end"]
        os.close(reading)


class TestASocket:
    def test_whose_reader_stalls(self, waits):
        here, there = socket.socketpair()
        with here, there:
            fill(here.fileno())
            with JsonLinesSink(here.fileno(), patience_s=PATIENCE_S) as log:
                for _ in range(5):
                    log(stage_end())
                drained(there.fileno())
                log(stage_end())
            told, line = parsed(drained(there.fileno()))
        assert (told["count"], line["seq"]) == (5, 5)
        assert len(waits) == 1

    def test_that_takes_a_part_of_a_line(self, waits, monkeypatch):
        here, there = socket.socketpair()
        real, rooms = os.write, [100]
        with here, there:
            with JsonLinesSink(here.fileno(), patience_s=PATIENCE_S) as log:
                monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: rooms.pop()] if rooms else data))
                log(stage_end())
            assert [line["seq"] for line in parsed(drained(there.fileno()))] == [0]


class TestATerminal:
    def test_gets_each_line_and_is_not_waited_for_once_it_is_stopped(self, waits):
        reading, writing = pty.openpty()
        tty.setraw(writing)
        with JsonLinesSink(writing, patience_s=PATIENCE_S) as log:
            log(stage_end())
            assert len(parsed(drained(reading))) == 1
            # What a terminal was given moves on by and by, to a place that fills up in its turn; on a busy machine the
            # kernel takes its time for it.
            while select.select([], [writing], [], 20 * PATIENCE_S)[1]:
                fill(writing)
            for _ in range(5):
                log(stage_end())
            assert log.dropped == 5
            assert len(waits) == 1
            assert not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK
        os.close(reading)
        os.close(writing)
