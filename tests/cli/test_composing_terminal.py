"""The commands that compose, as their users meet them: in terminals, pipes and locales of every kind."""

import json
import os
import re
import subprocess
import sys

import pexpect
import pytest
from configured import FILE, configure

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TABLES = [
    ["agents", "list"],
    ["agents", "show", "shouter"],
    ["pipelines", "list"],
    ["pipelines", "show", "all"],
    ["suggest", "data_transformation", "reporting"],
    ["assemble", "data_transformation", "reporting"],
    ["check", "--format", "table"],
]

SHOWING_TABLES = f"""
from atrio.__main__ import main
for arguments in {TABLES!r}:
    print(end=chr(0x1e), flush=True)
    assert main(arguments) == 0, arguments
"""


@pytest.fixture
def terminal(tmp_path):
    """Run the command line in a terminal, and return its exit code and all that was shown."""
    configure(tmp_path)

    def show(
        *arguments: str, command: tuple[str, ...] = ("-m", "atrio"), columns: int = 80, **environment: str
    ) -> tuple[int, str]:
        child = pexpect.spawn(
            sys.executable,
            [*command, *arguments],
            cwd=str(tmp_path),
            env={**os.environ, **environment},
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=30,
        )
        with child:
            child.expect(pexpect.EOF)
        return child.exitstatus, child.before.replace("\r\n", "\n")

    return show


@pytest.mark.parametrize("columns", [80, 200])
def test_tables_fit_and_have_colours(terminal, columns):
    # In one process, as each would begin with the same imports.
    code, shown = terminal(command=("-c", SHOWING_TABLES), columns=columns)
    assert code == 0, shown
    parts = shown.split("\x1e")[1:]
    for arguments, part in zip(TABLES, parts, strict=True):
        plain = ESCAPES.sub("", part)
        assert plain != part, arguments
        assert max(map(len, plain.splitlines())) <= columns, arguments
        assert "┏━" in plain, arguments


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(terminal, environment):
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal("agents", "list", **environment)[1])


def test_what_is_wrong_is_a_line_each_for_editors(terminal, tmp_path):
    configure(tmp_path, FILE.replace("text_cleaner", "text_claener"))
    code, shown = terminal("check", columns=400)
    assert code == 2
    lines = ESCAPES.sub("", shown).splitlines()
    assert all(re.match(r"atrio\.toml:\d+: ", line) for line in lines[:-1])
    assert lines[-1].startswith("atrio: atrio.toml has ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["agents", "list", "--format", "json"],
        ["pipelines", "show", "all", "--format", "mermaid"],
        ["init", "--config", "n.toml"],
    ],
    ids=" ".join,
)
def test_a_reader_that_goes(tmp_path, arguments):
    configure(tmp_path)
    command = f'"{sys.executable}" -m atrio {" ".join(arguments)}'
    done = subprocess.run(
        ["/bin/bash", "-c", f'{command} | head -c 1 > /dev/null; exit "${{PIPESTATUS[0]}}"'],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        text=True,
    )
    assert done.returncode in {0, 141}  # 0 if the pipe took all of it before the reader went
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stdout", [">&-", "> /dev/full"])
def test_a_stdout_that_takes_nothing(tmp_path, stdout):
    configure(tmp_path)
    command = f'exec "{sys.executable}" -m atrio agents list {stdout}'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, cwd=tmp_path, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("atrio: the results ")
    assert done.stderr.count("\n") == 1


NAMED = '[pipelines."überprüfen"]\ndescription = "Grüße, 日本"\nstages = ["text_cleaner"]\n'


class TestLocales:
    @pytest.mark.parametrize(
        "locale", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"LC_ALL": "C"}]
    )
    def test_c(self, atrio_process, tmp_path, locale):
        configure(tmp_path, NAMED)
        for form in ("table", "json"):
            ended = atrio_process("pipelines", "list", "--format", form, **locale)
            assert (ended.code, ended.err) == (0, "")
        assert [each["name"] for each in json.loads(ended.out)] == ["überprüfen", "text-report"]

    def test_c_with_words_that_are_none_of_it(self, atrio_process, tmp_path):
        configure(tmp_path, NAMED)
        ended = atrio_process("run", "überprüfen", "--value", '"a"', "--log-level", "error", LC_ALL="C")
        assert (ended.code, ended.out) == (0, "a\n")
        # Python takes its words for UTF-8 even there, unless it is told not to: then they are bytes to it.
        ended = atrio_process("run", "überprüfen", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: there is no pipeline ")

    def test_c_with_a_mistake(self, atrio_process, tmp_path):
        configure(tmp_path, NAMED.replace("text_cleaner", "größe"))
        ended = atrio_process("check", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
        assert ended.code == 2
        assert "gr\\xf6\\xdfe" in ended.out
        assert ended.out.isascii()

    def test_utf_8(self, atrio_process, tmp_path):
        configure(tmp_path, NAMED)
        assert "Grüße, 日本" in atrio_process("pipelines", "list").out

    def test_what_is_saved_is_utf_8_wherever_it_is_saved(self, atrio_process, tmp_path):
        path = configure(tmp_path, NAMED)
        words = ("pipelines", "add", "größer", "--stage", "überprüfen")
        ended = atrio_process(*words, LC_ALL="C")
        assert ended.code == 0
        text = path.read_text("utf-8")
        assert NAMED.rstrip() in text
        assert "größer" in text


class TestSurroundings:
    def test_no_home(self, tmp_path):
        configure(tmp_path)
        environment = {name: value for name, value in os.environ.items() if name not in {"HOME", "USER", "LOGNAME"}}
        for arguments in (
            ["check"],
            ["agents", "list"],
            ["init", "--config", "new.toml"],
            ["run", "shout", "--value", '"a"'],
        ):
            done = subprocess.run(
                [sys.executable, "-m", "atrio", *arguments],
                capture_output=True,
                check=False,
                cwd=tmp_path,
                env={**environment, "HOME": "/none/such"},
                text=True,
            )
            assert (arguments, done.returncode) == (arguments, 0)

    def test_a_current_directory_that_is_gone(self, tmp_path):
        gone = tmp_path / "gone"
        gone.mkdir()
        command = f'cd "{gone}" && rmdir "{gone}" && exec "{sys.executable}" -m atrio "$@"'
        for arguments in (["agents", "list"], ["check"], ["init"]):
            done = subprocess.run(
                ["/bin/sh", "-c", command, "sh", *arguments], capture_output=True, check=False, cwd=tmp_path, text=True
            )
            assert done.returncode == (0 if arguments == ["agents", "list"] else 2)
            assert "Traceback" not in done.stderr
            gone.mkdir()

    def test_two_that_change_the_file_at_once_lose_nothing(self, tmp_path, spawned):
        path = configure(tmp_path)
        added = [f"new{number}" for number in range(4)]
        processes = [
            spawned("pipelines", "add", name, "--stage", "shout", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for name in added
        ]
        assert [(process.wait(), process.stderr.read()) for process in processes] == [
            (0, f"atrio: pipeline {name!r} is in atrio.toml now.\n".encode()) for name in added
        ]
        assert all(f"[pipelines.{name}]" in path.read_text() for name in added)

    def test_a_file_that_is_none(self, atrio_process, tmp_path):
        (tmp_path / "atrio.toml").mkdir()
        ended = atrio_process("check")
        assert ended.code == 2
        assert "atrio.toml" in ended.out
        assert "Traceback" not in ended.err
