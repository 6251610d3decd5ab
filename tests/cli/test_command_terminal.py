import os
import re
import sys

import pexpect
import pytest

COLOR = re.compile(r"\x1b\[[0-9;]*m")
RUN = ("run", "text-report", "a.txt")


@pytest.fixture
def terminal(tmp_path):
    """Run the command line in a terminal, and return its exit code and all that was shown."""
    (tmp_path / "a.txt").write_text("Tides rise, and tides fall.")

    def show(*arguments: str, columns: int = 80, typed: str | None = None, **environment: str) -> tuple[int, str]:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "atrio", *arguments],
            cwd=str(tmp_path),
            env={**os.environ, **environment},
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=30,
        )
        with child:
            if typed is not None:
                child.send(typed)
                child.sendeof()
            child.expect(pexpect.EOF)
        return child.exitstatus, child.before.replace("\r\n", "\n")

    return show


def test_people_see_colours(terminal):
    code, shown = terminal(*RUN)
    assert code == 0
    assert COLOR.search(shown)
    plain = COLOR.sub("", shown)
    assert re.search(r"\[info +\] pipeline\.end +pipeline_id=text-report status=success", plain)
    assert "{" not in plain
    assert plain.endswith("| rise | 1 |\n")


def test_no_color_means_json_lines(terminal):
    code, shown = terminal(*RUN, NO_COLOR="1")
    assert code == 0
    assert "\x1b" not in shown
    assert '"event":"pipeline.end"' in shown


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_console_without_colours(terminal, environment):
    _, shown = terminal(*RUN, "--log-format", "console", **environment)
    assert "\x1b" not in shown
    assert "[info     ] pipeline.end " in shown


def test_json_lines_can_be_had_on_a_terminal(terminal):
    _, shown = terminal(*RUN, "--log-format", "json")
    assert "\x1b" not in shown
    assert '"event":"pipeline.end"' in shown


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_table_fits_and_has_colours(terminal, columns):
    code, shown = terminal(*RUN, "--format", "table", "--log-level", "error", columns=columns)
    assert code == 0
    assert COLOR.search(shown)
    assert max(len(COLOR.sub("", line)) for line in shown.splitlines()) <= columns
    assert "success" in shown


def test_no_input_is_not_waited_for(terminal):
    code, shown = terminal("run", "text-report")
    assert (code, shown) == (2, "atrio: there is no input: name a file, give --value JSON, or pipe something in.\n")


def test_a_dash_waits_for_what_is_typed(terminal):
    code, shown = terminal("run", "text-report", "-", "--log-level", "error", typed="Tides rise.\n")
    assert code == 0
    assert "| Words | 2 |" in shown


def test_help_has_colours_only_where_wanted(terminal):
    assert COLOR.search(terminal("run", "--help")[1])
    assert "\x1b[3" not in terminal("run", "--help", NO_COLOR="1")[1]


def test_ctrl_c(terminal, tmp_path):
    (tmp_path / "a.txt").write_text("Tides rise, and tides fall; the sea is patient. " * 400_000)
    child = pexpect.spawn(
        sys.executable, ["-m", "atrio", *RUN], cwd=str(tmp_path), env=dict(os.environ), encoding="utf-8", timeout=30
    )
    with child:
        child.expect("pipeline.start")
        child.sendintr()
        child.expect(pexpect.EOF)
    assert child.exitstatus == 130
    assert "Traceback" not in child.before
    assert "was cancelled." in child.before
