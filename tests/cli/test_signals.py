"""Signals that ask to end: what runs is recorded as cancelled, its programs are ended, and the exit code says which."""

import json
import os
import signal
import subprocess
import sys

import pytest

PATIENT = """\
[agents.wait]
extends = "command_runner"
configuration = { command = ["sh", "-c", "echo $$ > pid; exec sleep 600"] }

[pipelines.patient]
stages = [{ agent = "wait", timeout = "none" }]
"""
DEAF = """
import trio
from atrio import Pipeline, Stage

async def deaf(data):
    try:
        print("hears", flush=True)
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            print("deaf", flush=True)
            await trio.sleep_forever()

own = Pipeline("own").add_stage(Stage("deaf", deaf))
"""
CODES = {signal.SIGTERM: 143, signal.SIGHUP: 129}


def wait_for(process, path):
    """Wait until a file says something, and return what."""
    while not path.exists() or not path.read_text().endswith("\n"):
        assert process.poll() is None
    return path.read_text()


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("command", [("run", "patient", "--value", "1"), ("batch", "patient", "a.jsonl")])
def test_one_records_and_cleans_up(spawned, tmp_path, number, command):
    (tmp_path / "atrio.toml").write_text(PATIENT)
    (tmp_path / "a.jsonl").write_text("1\n")
    process = spawned(*command, "--log-file", "run.log", "--log-level", "error", stderr=subprocess.PIPE)
    child = int(wait_for(process, tmp_path / "pid"))
    process.send_signal(number)
    err = process.stderr.read().decode()
    assert process.wait() == CODES[number]
    assert "atrio: interrupted: " in err.splitlines()[-1]
    ends = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
    assert (ends[-1]["event"], ends[-1]["status"]) == (
        f"{'pipeline' if command[0] == 'run' else 'batch'}.end",
        "cancelled",
    )
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize("number", CODES)
def test_a_second_one_ends_what_does_not_listen(spawned, tmp_path, number):
    (tmp_path / "hearing.py").write_text(DEAF)
    process = spawned("run", "hearing:own", "--value", "1", "--log-level", "error", stderr=subprocess.PIPE)
    for said in (b"hears\n", b"deaf\n"):
        assert process.stderr.readline() == said
        process.send_signal(number)
    assert process.stderr.read().endswith(b"atrio: interrupted twice, so it quits at once.\n")
    assert process.wait() == CODES[number]


def test_one_that_is_ignored_stays_so(spawned, tmp_path):
    """As under nohup."""
    (tmp_path / "atrio.toml").write_text(PATIENT.replace("exec sleep 600", "while [ ! -e go ]; do sleep 0.01; done"))
    program = (
        "import signal, sys; from atrio.__main__ import main; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "sys.exit(main())"
    )
    process = spawned(
        *("run", "patient", "--value", "1", "--log-level", "error"),
        command=(sys.executable, "-c", program),
        stdout=subprocess.PIPE,
    )
    wait_for(process, tmp_path / "pid")
    process.send_signal(signal.SIGHUP)
    (tmp_path / "go").touch()
    assert process.stdout.read() == b"null\n"
    assert process.wait() == 0
