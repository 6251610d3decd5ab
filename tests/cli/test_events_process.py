"""``atrio events`` as its users start it: in a process, in pipes, on a log whose writer was killed."""

import fcntl
import gzip
import json
import re
import signal
import struct
import subprocess
import sys
import termios

import pytest

WRITER = """
import sys, trio
from atrio import BatchProcessor, Pipeline, Stage, StageConfig, observe_only
from atrio.sinks import JsonLinesSink

async def work(number):
    if number == 3:
        print("works", flush=True)
        await trio.sleep_forever()
    return number

async def main():
    stage = Stage("work", work, config=StageConfig(timeout=None))
    with JsonLinesSink("run.log") as sink, observe_only(sink):
        await BatchProcessor().map(Pipeline("orders").add_stage(stage), range(int(sys.argv[1])), name="nightly")

trio.run(main)
"""


@pytest.fixture
def write_log(spawned):
    """Start a program that writes run.log: with more than three tasks it does not end."""

    def write(tasks):
        return spawned(str(tasks), command=(sys.executable, "-c", WRITER), stdout=subprocess.PIPE)

    return write


def in_flight(ended):
    return [(each["kind"], each["name"], each["process"]) for each in json.loads(ended.out)["in_flight"]]


def test_what_a_killed_process_was_at(write_log, atrio_process, tmp_path):
    writer = write_log(5)
    assert writer.stdout.readline() == b"works\n"
    lines = [json.loads(line) for line in (tmp_path / "run.log").read_bytes().splitlines()]
    (task,) = [line["task_id"] for line in lines if line["event"] == "task.start" and line["task_index"] == 3]

    ended = atrio_process("events", "check", "run.log", "--format", "json")
    assert ended.code == 0
    expected = {("batch", "nightly"), ("task", task), ("pipeline", "orders"), ("stage", "work")}
    assert {each[:2] for each in in_flight(ended)} >= expected
    assert {each[2] for each in in_flight(ended)} == {"running"}

    writer.send_signal(signal.SIGKILL)
    writer.wait()
    ended = atrio_process("events", "check", "run.log", "--format", "json")
    assert ended.code == 0
    assert {each[:2] for each in in_flight(ended)} >= expected
    assert {each[2] for each in in_flight(ended)} == {"gone"}

    assert write_log(2).wait() == 0
    ended = atrio_process("events", "check", "run.log", "--format", "json")
    assert {each[2] for each in in_flight(ended)} == {"killed"}
    summary = json.loads(atrio_process("events", "summary", "run.log", "--format", "json").out)
    assert summary["in_flight"]["batch"] == {"nightly": 1}
    assert summary["batches"]["nightly"]["count"] == 1


@pytest.fixture
def log(write_log, tmp_path):
    """Write a complete log."""
    assert write_log(2).wait() == 0
    return tmp_path / "run.log"


def test_standard_input(atrio_process, log):
    lines = len(log.read_bytes().splitlines())
    for command in ("check", "summary"):
        ended = atrio_process("events", command, "-", stdin=gzip.compress(log.read_bytes()))
        assert (ended.code, ended.err) == (0, "")
        assert re.search(f"events +│ +{lines} │", ended.out)


def test_a_compressed_log_that_is_cut_off(atrio_process, log, tmp_path):
    (tmp_path / "run.log.gz").write_bytes(gzip.compress(log.read_bytes())[:-20])
    for command, code in [("check", 1), ("summary", 0)]:
        ended = atrio_process("events", command, "run.log.gz")
        assert ended.code == code
        assert re.search("events +│ +[1-9]", ended.out)
        assert re.search("compressed files that are cut off +│ +1 │", ended.out)
        assert ended.err.endswith("The end is missing of what is compressed and was cut off: run.log.gz.\n")


def test_binary_data(atrio_process, tmp_path):
    (tmp_path / "core").write_bytes(bytes(range(256)) * 10)
    ended = atrio_process("events", "summary", "core")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "atrio: 'core' is binary data, and a log has a JSON object a line.\n"


@pytest.mark.parametrize("arguments", [("schema",), ("check", "run.log"), ("summary", "run.log")])
class TestStdout:
    def test_that_nobody_reads(self, log, tmp_path, arguments):
        command = f'"{sys.executable}" -m atrio events {" ".join(arguments)} --format json'.replace(
            "schema --format json", "schema"
        )
        done = subprocess.run(
            ["/bin/bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"],
            capture_output=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode in {0, 141}
        assert done.stderr == b""

    def test_that_is_full(self, log, tmp_path, arguments):
        command = f'exec "{sys.executable}" -m atrio events {" ".join(arguments)} > /dev/full'
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, cwd=tmp_path, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith("atrio: the results cannot be written to stdout: ")

    def test_that_shows_only_ascii(self, log, atrio_process, arguments):
        ended = atrio_process("events", *arguments, PYTHONIOENCODING="ascii", LC_ALL="C", NO_COLOR="1")
        assert ended.code == 0
        assert ended.out.isascii()
        assert "\x1b" not in ended.out


def test_an_interrupt(spawned):
    process = spawned("events", "check", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b"{}\n")
    process.stdin.flush()
    while struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, b"\0" * 4))[0]:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.stderr.read() == b"atrio: interrupted.\n"
