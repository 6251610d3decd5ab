import os
import signal
import sys
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import Pipeline, Stage, StageConfig, is_transient
from atrio.agents import CommandError, CommandNotStartedError, CommandRunner, InvalidDataError, _processes
from atrio.agents._processes import run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None, exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
# Writes its number, and then lives on.
LONG_LIVED = "import os,sys,time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"


def python(code, *arguments, **options):
    return CommandRunner([sys.executable, "-c", code, *arguments], **options)


def lives(pid):
    """A dead process that nobody has asked about yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def pids_in(path, count):
    with trio.fail_after(20):
        while not path.exists() or path.read_text().count("\n") < count:  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.01)
    return [int(line) for line in path.read_text().split()]


async def all_dead(pids):
    with trio.fail_after(20):
        while any(map(lives, pids)):  # noqa: ASYNC110 - the system buries them in its own time
            await trio.sleep(0.01)


async def test_gives_json_and_takes_json():
    runner = python("import json,sys; data = json.load(sys.stdin); json.dump([data, sys.argv[1:]], sys.stdout)", "-x")
    assert await runner.process({"name": "Žofie"}) == [{"name": "Žofie"}, ["-x"]]


@settings(max_examples=30, deadline=None)
@given(JSON)
def test_whatever_json_holds_comes_through(data):
    assert trio.run(CommandRunner(["cat"]).process, data) == data


async def test_more_than_a_pipe_holds_goes_there_and_back():
    data = ["x" * 100] * 50_000
    assert await CommandRunner(["cat"]).process(data) == data


async def test_what_it_is_given_is_a_line():
    assert await CommandRunner(["wc", "-l"]).process({"text": "two\nlines"}) == 1


async def test_nothing_written_is_none():
    assert await CommandRunner(["true"]).process({"a": "b" * 1_000_000}) is None


async def test_data_is_never_more_than_input(tmp_path):
    """Neither a shell nor the program sees it as anything else."""
    for data in ("$(touch {0}/x); `touch {0}/x`", "; touch {0}/x #", "--help", "\0", "../../etc/passwd", "%s{0}"):
        text = data.format(tmp_path)
        assert await CommandRunner(["cat"], cwd=str(tmp_path)).process(text) == text
    assert list(tmp_path.iterdir()) == []


async def test_arguments_are_what_they_are(tmp_path):
    runner = python("import json,sys; json.dump(sys.argv[1:], sys.stdout)", "$HOME", "*", "a b", "; true", "'")
    assert await runner.process(None) == ["$HOME", "*", "a b", "; true", "'"]


async def test_where_it_runs_and_with_what(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("REPLACED", "1")
    code = (
        "import json,os,sys; e = os.environ; json.dump([os.getcwd(), e['KEPT'], e['REPLACED'], e['NEW']], sys.stdout)"
    )
    runner = python(code, cwd=str(tmp_path), environment={"REPLACED": "2", "NEW": "é=3"})
    assert await runner.process(None) == [str(tmp_path.resolve()), "1", "2", "é=3"]


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("exit 3", 3, "sh ended with exit code 3"),
        ("echo 1; echo oh  >&2; exit 1", 1, "sh ended with exit code 1; its stderr ends with: oh"),
        ("printf 'a\\nb\\033[31m' >&2; exit 1", 1, "...exit code 1; its stderr ends with: a\\nb\\x1b[31m"),
        ("kill -9 $$", -9, "sh was ended by SIGKILL"),
        ("kill -40 $$", -40, "sh was ended by signal 40"),
        ("echo {", 0, "sh wrote what is no JSON: line 2, column 1: Expecting property name enclosed in double quotes"),
        ("echo 1 2", 0, "sh wrote what is no JSON: line 1, column 3: Extra data"),
        ("printf '\\377'", 0, "sh wrote what is no JSON: byte 0 is not UTF-8"),
        ("echo why >&2; echo NaN", 0, "sh wrote what is no JSON: NaN is no JSON; its stderr ends with: why"),
    ],
)
async def test_failures(script, code, message):
    with pytest.raises(CommandError) as caught:
        await CommandRunner(["sh", "-c", script]).process(None)
    assert str(caught.value).endswith(message.removeprefix("..."))
    assert caught.value.exit_code == code
    assert is_transient(caught.value)


async def test_of_stderr_the_end_is_kept():
    with pytest.raises(CommandError) as caught:
        await python("import sys; sys.stderr.write('x' * 1_000_000 + 'the end'); sys.exit(1)").process(None)
    assert caught.value.stderr.endswith("xthe end")
    assert len(caught.value.stderr) == 4_096
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("command", "options"),
    [(["/no/such/program"], {}), (["no-such-program"], {}), (["true"], {"cwd": "/no/such"}), (["/"], {})],
)
async def test_what_cannot_be_run(command, options):
    with pytest.raises(CommandNotStartedError, match=r" cannot be run: .*: (No such file|Permission denied)") as caught:
        await CommandRunner(command, **options).process(None)
    assert not is_transient(caught.value)


async def test_what_is_no_program(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\0\1\2\3")
    program.chmod(0o755)
    with pytest.raises(CommandError, match="cannot be run: Exec format error"):
        await CommandRunner([str(program)]).process(None)


async def test_who_writes_too_much_is_stopped():
    with pytest.raises(CommandError, match=r"^yes wrote more than 100,000 bytes, and was stopped$"):
        await CommandRunner(["yes"], max_output=100_000).process(None)


async def test_it_may_write_as_much_as_was_said():
    code = "print(end='1' * 1000)"
    assert await python(code, max_output=1_000).process(None) == int("1" * 1_000)
    with pytest.raises(CommandError, match="more than 999 bytes"):
        await python(code, max_output=999).process(None)


async def test_what_it_leaves_behind_ends_with_it(tmp_path):
    pids = tmp_path / "pids"
    script = f'{sys.executable} -c "$1" $2 & until test -s $2; do sleep 0.01; done; echo 1'
    with trio.fail_after(20):
        assert await CommandRunner(["sh", "-c", script, "sh", LONG_LIVED, str(pids)]).process(None) == 1
        await all_dead(await pids_in(pids, 1))


async def test_who_leaves_the_group_holds_nothing_up(tmp_path):
    pids = tmp_path / "pids"
    code = f"import os,sys\nif os.fork() == 0:\n    os.setsid()\n    {LONG_LIVED}\nprint(7)"
    with trio.fail_after(20):
        assert await python(code, str(pids)).process(None) == 7
    (pid,) = await pids_in(pids, 1)
    os.kill(pid, signal.SIGKILL)


TREE = """
import subprocess, sys, signal
ignored = sys.argv[3:]
if ignored: signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(2): subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
exec(sys.argv[2])
"""


@pytest.mark.parametrize("ignoring", [[], ["SIGTERM"]])
async def test_cancelling_it_kills_its_children_too(tmp_path, ignoring):
    path = tmp_path / "pids"
    runner = python(TREE, str(path), LONG_LIVED, *ignoring, grace=0.1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.process, None)
        pids = await pids_in(path, 3)
        assert all(map(lives, pids))
        nursery.cancel_scope.cancel()
    await all_dead(pids)


async def test_a_stages_timeout_kills_it(tmp_path):
    path = tmp_path / "pids"
    config = StageConfig(attempts=1, timeout=1.0)
    stage = Stage("run", python(TREE, str(path), LONG_LIVED, grace=0.1), config=config)
    result = await Pipeline("p").add_stage(stage).execute(None)
    assert result.stages[0].failures[0].error_type == "timeout"
    # All that there are by now, and each that was still to begin.
    await all_dead([int(line) for line in path.read_text().split()] if path.exists() else [])


async def test_it_may_end_in_its_own_way_within_the_grace(tmp_path):
    code = (
        "import signal,sys,time\n"
        "def end(*_): open(sys.argv[2], 'w').write('tidy'); sys.exit()\n"
        f"signal.signal(signal.SIGTERM, end)\n{LONG_LIVED}"
    )
    runner = python(code, str(tmp_path / "pids"), str(tmp_path / "end"), grace=20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.process, None)
        await pids_in(tmp_path / "pids", 1)
        nursery.cancel_scope.cancel()
    assert (tmp_path / "end").read_text() == "tidy"


async def test_a_stopped_program_is_killed_too(tmp_path):
    runner = python(LONG_LIVED, str(tmp_path / "pids"), grace=0.05)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.process, None)
        (pid,) = await pids_in(tmp_path / "pids", 1)
        os.kill(pid, signal.SIGSTOP)
        nursery.cancel_scope.cancel()
    assert not lives(pid)


async def test_without_pidfd_it_works_as_well(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert await CommandRunner(["cat"]).process([1]) == [1]
    with trio.move_on_after(0.1) as scope:
        await CommandRunner(["sleep", "600"]).process(None)
    assert scope.cancelled_caught


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_no_file_stays_open():
    async def use():
        await CommandRunner(["cat"]).process("x" * 200_000)
        with trio.move_on_after(0.05):
            await CommandRunner(["sleep", "600"]).process(None)
        with pytest.raises(CommandError):
            await CommandRunner(["false"]).process(None)

    await use()
    before = open_files()
    for _ in range(3):
        await use()
    assert open_files() == before


@pytest.mark.parametrize("command", [["cat"], ["sleep", "600"]])
async def test_its_pipes_are_closed_and_not_left_to_the_garbage_collector(command, monkeypatch):
    processes, open_process = [], trio.lowlevel.open_process

    async def noted(*args, **options):
        processes.append(await open_process(*args, **options))
        return processes[-1]

    monkeypatch.setattr(trio.lowlevel, "open_process", noted)
    with trio.move_on_after(0.2 if command[0] == "sleep" else 20):
        await run(command, b"given" * 100_000, max_output=1_000_000, grace=0)
    (process,) = processes
    assert [stream.fileno() for stream in (process.stdin, process.stdout, process.stderr)] == [-1] * 3


async def test_what_nobody_has_read_when_it_ends_is_read_then(monkeypatch):
    async def deaf(_):
        await trio.sleep_forever()

    monkeypatch.setattr(_processes._Program, "_listen", deaf)
    monkeypatch.setattr(_processes._Program, "_keep_tail", deaf)
    ended = await run(["sh", "-c", "echo out; echo err >&2; exit 3"], b"", max_output=100, grace=0)
    assert ended == (3, b"out\n", b"err\n", False)
    assert await run(["echo", "out"], b"", max_output=2, grace=0) == (0, b"ou", b"", True)


async def test_many_at_once():
    got = []

    async def ask(number):
        got.append(await CommandRunner(["cat"]).process(number))

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(ask, number)
    assert sorted(got) == list(range(20))


async def test_what_cannot_be_json_is_not_given():
    with pytest.raises(InvalidDataError, match="it is nan, which JSON does not have"):
        await CommandRunner(["cat"]).process(float("nan"))


@pytest.mark.parametrize(
    ("command", "options", "kind", "why"),
    [
        ("jq .", {}, TypeError, r"there is no shell to take a string apart"),
        ({"jq"}, {}, TypeError, "command must be a list"),
        ([], {}, ValueError, "it is empty"),
        ([" "], {}, ValueError, "it is empty"),
        (["a", 1], {}, TypeError, "each of command must be a str, not int"),
        (["a\0"], {}, ValueError, "each of command must not have a NUL"),
        (["a"], {"cwd": 1}, TypeError, "cwd must be a str"),
        (["a"], {"environment": ["A=b"]}, TypeError, "environment must be a mapping"),
        (["a"], {"environment": {"A=": "b"}}, ValueError, "each name in environment must be that of a variable"),
        (["a"], {"environment": {"A": 1}}, TypeError, r"environment\['A'\] must be a str"),
        (["a"], {"max_output": 0}, ValueError, "max_output must be"),
        (["a"], {"grace": -1}, ValueError, "grace must be"),
    ],
)
def test_mistakes_are_told_when_it_is_built(command, options, kind, why):
    with pytest.raises(kind, match=why):
        CommandRunner(command, **options)


def test_it_says_what_it_is():
    runner = CommandRunner(["curl", "-H", "key: secret"], environment={"KEY": "secret"})
    assert (runner.agent_id, repr(runner)) == ("command_runner", "<CommandRunner of curl>")
