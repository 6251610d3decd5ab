"""A measurement in a process of its own: interrupted, watched in a terminal, with a reader that goes."""

import json
import os
import re
import signal
import subprocess
import sys

import pexpect
import pytest

# One that waits for as many seconds as it is told and then says so, and one that does not hear its cancellation.
PIPELINES = """
import sys, trio
from atrio import Pipeline, Stage, StageConfig

async def wait(data):
    await trio.sleep(data)

async def deaf(data):
    try:
        print("hears", file=sys.stderr, flush=True)
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            print("deaf", file=sys.stderr, flush=True)
            await trio.sleep_forever()

config = StageConfig(timeout=None)
waiting = Pipeline("waiting").add_stage(Stage("only", wait, config=config))
deafened = Pipeline("deafened").add_stage(Stage("only", deaf, config=config))
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def pipelines(tmp_path):
    (tmp_path / "waits.py").write_text(PIPELINES)
    (tmp_path / "a.jsonl").write_text("0.01\n0.02\n")


class TestInterrupt:
    @pytest.mark.parametrize("at_once", ["1", "2"])
    def test_shows_what_was_measured(self, spawned, tmp_path, at_once):
        process = spawned(
            *("bench", "waits:waiting", "waits:waiting", "--input", "a.jsonl", "--rounds", "100000"),
            *("--timeout", "none", "--format", "json", "--log-file", "run.log", "--max-concurrent", at_once),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        log = tmp_path / "run.log"
        while not log.exists() or log.read_text().count('"pipeline.end"') < 30:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 130
        found = json.loads(out)
        assert (found["status"], found["interrupted"]) == ("cancelled", True)
        assert found["measured_runs"] == len(found["samples"]) >= 20
        assert found["comparisons"][0]["verdict"] in {"faster", "slower", "no_difference", "too_few_runs"}
        assert err.decode() == f"atrio: interrupted: {found['measured_runs']:,} of 400,000 runs were measured.\n"

    def test_before_anything_was_measured(self, spawned, tmp_path):
        (tmp_path / "a.jsonl").write_text("60\n")
        process = spawned(
            *("bench", "waits:waiting", "--input", "a.jsonl", "--log-file", "run.log"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        log = tmp_path / "run.log"
        while not log.exists() or "stage.start" not in log.read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 130
        assert out.startswith(b"1 input, 20 rounds after 1 to warm up")
        assert err == b"atrio: interrupted: 0 of 20 runs were measured.\n"

    def test_twice_quits_at_once(self, spawned):
        process = spawned("bench", "waits:deafened", "--input", "a.jsonl", stderr=subprocess.PIPE)
        for said in (b"hears\n", b"deaf\n"):
            assert process.stderr.readline() == said
            process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"\natrio: interrupted twice, so it quits at once.\n"
        assert process.wait() == 130


def test_a_reader_that_goes(tmp_path):
    command = f'"{sys.executable}" -m atrio bench waits:waiting --input a.jsonl --rounds 20 --format json'
    done = subprocess.run(
        ["/bin/bash", "-c", f'{command} | head -c 1; exit "${{PIPESTATUS[0]}}"'],
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == (b"{", b"")
    assert done.returncode in {0, 141}  # 0 if the pipe took all of it before the reader went


class TestTerminal:
    @pytest.fixture
    def terminal(self, tmp_path):
        """Run the command line in a terminal, and return its exit code and all that was shown."""

        def show(*arguments: str, columns: int = 80) -> tuple[int, str]:
            with pexpect.spawn(
                sys.executable,
                ["-m", "atrio", "bench", *arguments],
                cwd=str(tmp_path),
                env=dict(os.environ),
                dimensions=(24, columns),
                encoding="utf-8",
                timeout=30,
            ) as child:
                child.expect(pexpect.EOF)
            return child.exitstatus, child.before.replace("\r\n", "\n")

        return show

    @pytest.mark.parametrize("columns", [60, 80, 200])
    def test_has_a_bar_while_it_runs_and_tables_at_the_end(self, terminal, columns):
        arguments = ("waits:waiting", "waits:waiting", "--input", "a.jsonl", "--rounds", "6")
        code, shown = terminal(*arguments, columns=columns)
        assert code == 0
        assert re.search(r"0/28 done, 0 failed", shown)
        assert re.search(r"[1-9]\d?/28 done, 0 failed", shown)
        plain = ESCAPES.sub("", shown.rpartition("\x1b[2K")[2])
        assert plain.startswith("success: 24 runs in ")
        assert max(map(len, plain.splitlines())) <= columns
        assert "█" in plain

    def test_has_a_bar_for_blocks_too(self, terminal):
        code, shown = terminal("waits:waiting", "--input", "a.jsonl", "--rounds", "3", "--max-concurrent", "2")
        assert code == 0
        assert "0/8 done, 0 failed" in shown

    def test_has_no_bar_where_inputs_are_typed(self, tmp_path):
        with pexpect.spawn(
            sys.executable,
            ["-m", "atrio", "bench", "waits:waiting", "--input", "-", "--rounds", "1"],
            cwd=str(tmp_path),
            env=dict(os.environ),
            encoding="utf-8",
            timeout=30,
        ) as child:
            child.send("0.01\n")
            child.sendeof()
            child.expect(pexpect.EOF)
        assert child.exitstatus == 0
        assert "done" not in child.before
        assert "success: 1 run in " in child.before
