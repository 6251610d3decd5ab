"""``atrio status`` as its users meet it: while a batch runs in another process, after it was killed, in terminals."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pexpect
import pytest

from atrio.history import History

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WAITING = """\
import trio
from pathlib import Path
from atrio import Pipeline, Stage, StageConfig

async def wait(name):
    while not Path(name).exists():
        await trio.sleep(0.01)
    return name

waiting = Pipeline("waiting").add_stage(Stage("wait", wait, config=StageConfig(timeout=None)))
"""


@pytest.fixture
def running(tmp_path, spawned, atrio_process):
    """Start a batch of which one task is done and one waits for the file ``go``."""
    (tmp_path / "shop.py").write_text(WAITING)
    (tmp_path / "begun").touch()
    (tmp_path / "a.jsonl").write_text('"begun"\n"go"\n')
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = spawned("batch", "shop:waiting", "a.jsonl", **streams)
    assert json.loads(process.stdout.readline())["input"] == "a.jsonl:1"
    # The history is written in bursts.
    while not json.loads(atrio_process("status", "--format", "json").out)["runs"]:
        assert process.poll() is None
    return process


@pytest.fixture
def terminal(tmp_path):
    """Run the command line in a terminal."""
    children = []

    def start(*arguments: str, columns: int = 80, **environment: str) -> pexpect.spawn:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "atrio", *arguments],
            cwd=str(tmp_path),
            env={**os.environ, **environment},
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=60,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def state_of_the_latest(ended):
    return json.loads(ended.out)["runs"][0]["state"]


def test_what_runs_and_what_was_killed(running, atrio_process):
    assert state_of_the_latest(atrio_process("status", "--format", "json")) == "running"
    assert re.search(r"│ waiting +│ running +│", atrio_process("status").out)
    running.send_signal(signal.SIGKILL)
    running.wait()
    ended = atrio_process("status", "--format", "json")
    assert state_of_the_latest(ended) == "interrupted"
    run_id = json.loads(ended.out)["runs"][0]["run_id"]
    assert re.search(r"│ were running +│ 1 ", atrio_process("status", run_id).out)
    one = json.loads(atrio_process("status", run_id, "--format", "json").out)
    assert (one["run"]["state"], one["run"]["duration_s"]) == ("interrupted", None)
    assert atrio_process("run", "text-report", "--value", '"a"').code == 0


def until_kept(atrio_process, process, condition):
    """Return the latest run with all that is kept of it, as soon as it is as wanted."""
    while True:
        assert process.poll() is None
        if runs := json.loads(atrio_process("status", "--format", "json").out)["runs"]:
            one = json.loads(atrio_process("status", runs[0]["run_id"], "--format", "json").out)
            if condition(one):
                return one


def test_tasks_of_a_killed_batch_that_had_not_begun_are_counted(tmp_path, spawned, atrio_process):
    (tmp_path / "shop.py").write_text(WAITING)
    (tmp_path / "begun").touch()
    (tmp_path / "a.jsonl").write_text('"begun"\n"go"\n"go"\n"go"\n')
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = spawned("batch", "shop:waiting", "a.jsonl", "--max-concurrent", "2", **streams)
    one = until_kept(atrio_process, process, lambda one: one["tasks"]["running"] == 2)
    assert (one["tasks"]["successful"], one["tasks"]["not_begun"]) == (1, 1)
    assert re.search(r"│ not begun +│ 1 ", atrio_process("status", one["run"]["run_id"]).out)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shown = atrio_process("status", one["run"]["run_id"]).out
    assert re.search(r"│ were running +│ 2 ", shown)
    assert re.search(r"│ not begun +│ 1 ", shown)
    assert re.search(r"│ last seen +│ [0-9.]+ (?:us|ms|s) after it began; when it ended is not known", shown)
    assert atrio_process("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Of 4 tasks 1 succeeded, 2 were running, 1 had not begun." in page


def test_the_stage_in_which_a_run_was_killed_is_on_its_page(tmp_path, spawned, atrio_process):
    two = 'waiting.add_stage(Stage("again", wait, config=StageConfig(timeout=None)))\n'
    (tmp_path / "shop.py").write_text(WAITING.replace("    return name\n", '    return "go"\n') + two)
    (tmp_path / "begun").touch()
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = spawned("run", "shop:waiting", "--value", '"begun"', **streams)
    running = until_kept(atrio_process, process, lambda one: len(one["stages"]) == 2)
    assert running["last_seen_at"] is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    one = json.loads(atrio_process("status", running["run"]["run_id"], "--format", "json").out)
    assert [stage["status"] for stage in one["stages"]] == ["success", "interrupted"]
    assert one["last_seen_at"] >= one["stages"][1]["started_at"]
    assert atrio_process("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.search('aria-label="again: [^"]*was going on when its process ended, at some time after', page)
    assert 'class="unknown"' in page


def test_an_interrupt_is_recorded(running, atrio_process):
    running.send_signal(signal.SIGINT)
    assert running.wait() == 130
    assert state_of_the_latest(atrio_process("status", "--format", "json")) == "cancelled"


class TestWatch:
    def test_json_comes_whenever_something_changed(self, running, spawned, tmp_path):
        watch = spawned("status", "--watch", "--format", "json", stdout=subprocess.PIPE)
        read = watch.stdout.readline
        assert b"".join(iter(read, b"}\n")).count(b'"state": "running"') == 1
        (tmp_path / "go").touch()
        assert running.wait() == 0
        assert b'"state": "success"' in watch.stdout.read()
        assert watch.wait() == 0

    def test_one_run_in_a_pipe(self, running, spawned, atrio_process, tmp_path):
        run_id = json.loads(atrio_process("status", "--format", "json").out)["runs"][0]["run_id"]
        watch = spawned("status", run_id, "--watch", stdout=subprocess.PIPE)
        assert watch.stdout.readline().startswith(b"waiting: running")
        (tmp_path / "go").touch()
        rest = watch.stdout.read().decode()
        assert watch.wait() == 0
        assert "waiting: success in " in rest
        assert "\x1b" not in rest

    def test_on_a_terminal(self, running, terminal, tmp_path):
        child = terminal("status", "--watch")
        child.expect("running")
        (tmp_path / "go").touch()
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
        plain = ESCAPES.sub("", child.before)
        assert "success" in plain
        assert "\x1b[?25h" in child.before  # the cursor is there again

    def test_an_interrupt_ends_it(self, running, terminal):
        child = terminal("status", "--watch")
        child.expect("running")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130
        assert "Traceback" not in child.before

    def test_where_nothing_runs_it_ends(self, atrio_process):
        atrio_process("run", "text-report", "--value", '"a"')
        assert atrio_process("status", "--watch").out.count("text-report") == 1


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A folder in which a batch and a run ended, and their ids, the later first."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "a.jsonl").write_text('"a"\n7\n"b"\n')
    for words, code in ((("batch", "text-report", "a.jsonl"), 0), (("run", "text-report", "--value", "7"), 1)):
        command = [sys.executable, "-m", "atrio", *words]
        assert subprocess.run(command, capture_output=True, check=False, cwd=folder).returncode == code
    with History(folder / ".atrio" / "history.db") as history:
        return folder, [each.run_id for each in history.runs()]


@pytest.fixture
def some_runs(made_once, tmp_path):
    folder, run_ids = made_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return run_ids


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_tables_fit_and_have_colours(some_runs, terminal, columns):
    for arguments in ((), *((run_id,) for run_id in some_runs)):
        child = terminal("status", *arguments, columns=columns)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
        shown = child.before.replace("\r\n", "\n")
        plain = ESCAPES.sub("", shown)
        assert plain != shown
        assert max(map(len, plain.splitlines())) <= columns
        assert "┏━" in plain


def test_columns_that_need_room(some_runs, terminal):
    shown = {}
    for columns in (80, 200):
        child = terminal("status", columns=columns)
        child.expect(pexpect.EOF)
        shown[columns] = ESCAPES.sub("", child.before)
    assert "age" in shown[80]
    assert "started" in shown[200]
    assert "batch" in shown[200]


def test_stdout_that_shows_only_ascii(some_runs, atrio_process):
    for arguments in ((), *((run_id,) for run_id in some_runs)):
        for form in ("table", "json"):
            ended = atrio_process("status", *arguments, "--format", form, PYTHONIOENCODING="ascii", LC_ALL="C")
            assert (ended.code, ended.err) == (0, "")
            assert ended.out.isascii()
            assert "\\u25" not in ended.out


@pytest.mark.parametrize(("stdout", "code"), [("| true", {0, 141}), ("> /dev/full", {1}), (">&-", {1})])
def test_a_stdout_that_takes_nothing(some_runs, tmp_path, stdout, code):
    command = f'"{sys.executable}" -m atrio status {stdout}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=False, cwd=tmp_path, text=True)
    assert done.returncode in code
    assert "Traceback" not in done.stderr


def test_a_history_that_may_only_be_read(some_runs, tmp_path, atrio_process):
    folder = tmp_path / ".atrio"
    folder.chmod(0o500)
    try:
        ended = atrio_process("status", "--format", "json")
    finally:
        folder.chmod(0o700)
    assert (ended.code, len(json.loads(ended.out)["runs"])) == (0, 2)
