"""Every example of README.md and of these pages is run, in the order of its page.

- A ``python`` block is executed. What it prints must be in a ``text`` block that follows it.
- A block whose first line is a comment with a file's name (``# test_triage.py``) is saved under that name, and not
  executed. ``# added to atrio.toml`` puts it at the end of that file.
- Of a ``console`` block each line after ``$`` is run by a shell, in a directory of the page's own, and what follows it
  is what it must print. A command that fails must be followed by ``$ echo $?``.
- Of an ``sh`` block, the lines that call ``atrio`` are run, and must succeed.
- A page that imports ``flaky_server`` or ``ChatServer``, or begins with ``atrio init``, is skipped where what it takes
  is not installed.

In what is expected, ``...`` stands for any text. Whatever is in another language is shown, not run.
"""

import contextlib
import importlib.util
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from sybil import Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

import atrio

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
# What a page finds in its directory.
BROUGHT = (README, DOCS.parent / "CHANGELOG.md", DOCS.parent / "LICENSE", DOCS / "flaky_endpoint.py")
SECONDS_PER_COMMAND = 60

HAS_COMMAND = importlib.util.find_spec("cyclopts") is not None
NAMED_FILE = re.compile(r"# (?P<added>added to )?(?P<name>[\w.-]+\.(?:py|toml|ini|md|txt))\n")
NEEDS = {
    re.compile(r"^from flaky_server import", flags=re.MULTILINE): ("httpx2", "hypercorn"),
    re.compile(r"^from atrio.testing import .*ChatServer", flags=re.MULTILINE): ("httpx2", "h11", "jinja2", "cyclopts"),
    # Its other commands work with what atrio wrote, too.
    re.compile(r"^\$ atrio init$", flags=re.MULTILINE): ("cyclopts", "httpx2", "tomlkit"),
}
CALL_OF_ATRIO = re.compile(r"\.venv/bin/(atrio .*)")


class Fences:
    """A sybil parser: makes an example of each block that can be run."""

    def __init__(self) -> None:
        self._lexer = RawFencedCodeBlockLexer(re.compile(r"[ \t]*(?P<language>[^\s]*)[^\n]*\n"))

    def __call__(self, document):
        fences = sorted(self._lexer(document), key=lambda fence: fence.start)
        for fence, following in pairwise([*fences, None]):
            language, source = fence.lexemes["language"], str(fence.lexemes["source"])
            if NAMED_FILE.match(source):
                yield Region(fence.start, fence.end, source, save)
            elif language == "python":
                shown = following is not None and following.lexemes["language"] == "text"
                expected = str(following.lexemes["source"]) if shown else ""
                yield Region(fence.start, fence.end, (source, expected), run_python)
            elif language == "console":
                yield Region(fence.start, fence.end, source, run_console)
            elif language == "sh":
                yield Region(fence.start, fence.end, source, run_shell)


def run_python(example):
    source, expected = example.parsed
    # Blank lines before it, so that a traceback shows the line of the page.
    code = compile("\n" * example.line + source, example.path, "exec", dont_inherit=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, example.namespace)  # noqa: S102 - running the examples is the point
    return difference(expected, printed.getvalue())


def save(example):
    named = NAMED_FILE.match(example.parsed)
    path = example.namespace["DIRECTORY"] / named["name"]
    before = f"{path.read_text(encoding='utf-8')}\n" if named["added"] else ""
    path.write_text(before + example.parsed, encoding="utf-8")


def run_console(example):
    status = 0
    for command, expected in commands_of(example.parsed):
        if status and command != "echo $?":
            return f"exit status {status}, which the page does not show with: $ echo $?"
        status, printed = shell(example, f"(exit {status}); {command}")
        if wrong := difference(expected, printed):
            return f"$ {command}\n{wrong}"
    return f"exit status {status}, which the page does not show with: $ echo $?" if status else None


def commands_of(source):
    """Yield each command of a console block, with what it must print."""
    for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = f"{command[:-1].rstrip()} {more.strip()}"
        yield command, expected


def run_shell(example):
    for command in CALL_OF_ATRIO.findall(example.parsed):
        status, printed = shell(example, command)
        if status:
            return f"{command}\nexit status {status}\n{printed}"
    return None


def shell(example, command):
    if not HAS_COMMAND and re.search(r"\batrio ", command):
        pytest.skip("the command atrio needs the extra atrio[cli]")
    run = subprocess.run(  # noqa: S602 - the commands are ours
        command,
        shell=True,
        cwd=example.namespace["DIRECTORY"],
        env=environment(example.namespace["PROGRAMS"]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=SECONDS_PER_COMMAND,
        check=False,
    )
    return run.returncode, run.stdout


def environment(programs):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    source = str(Path(atrio.__file__).parents[1])
    return kept | {
        "PATH": f"{programs}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "PYTHONPATH": os.pathsep.join(filter(None, (source, kept.get("PYTHONPATH")))),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }


def difference(expected, printed):
    # Editors take blanks from the ends of lines.
    wanted, got = ("\n".join(map(str.rstrip, text.strip().splitlines())) for text in (expected, printed))
    pattern = ".*?".join(re.escape(piece) for piece in wanted.split("..."))
    if re.fullmatch(pattern, got, flags=re.DOTALL):
        return None
    return f"shown:\n{wanted}\n\nprinted:\n{got}"


def set_up(namespace):
    directory = Path(tempfile.mkdtemp(prefix="atrio-docs-"))
    programs = directory / ".programs"
    programs.mkdir()
    for name, command in (("python", ""), ("atrio", "-m atrio")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n', encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for file in BROUGHT:
        shutil.copy(file, directory)
    namespace.update(__name__="example", DIRECTORY=directory, PROGRAMS=programs)


def tear_down(namespace):
    shutil.rmtree(namespace["DIRECTORY"])
    # A page may configure structlog, as the host that it speaks of does.
    if structlog := sys.modules.get("structlog"):
        structlog.reset_defaults()


def examples_of(path, pattern):
    return Sybil([Fences()], pattern=pattern, path=str(path), setup=set_up, teardown=tear_down)


pytest_collect_file = examples_of(DOCS, "*.md").pytest()


class ReadmeExamples:
    """A plugin of its own, because pytest asks a conftest only about files beside and below it."""

    def __init__(self) -> None:
        self._collect = examples_of(DOCS.parent, "README.md").pytest()

    def pytest_collect_file(self, file_path, parent):
        return self._collect(file_path, parent) if file_path == README else None


def pytest_configure(config):
    config.pluginmanager.register(ReadmeExamples(), "readme-examples")
    # The examples' servers are on this computer, where no proxy of the environment should look for them.
    os.environ["no_proxy"] = "127.0.0.1"


def lacking_for(text):
    needed = [name for pattern, names in NEEDS.items() if pattern.search(text) for name in names]
    return [name for name in dict.fromkeys(needed) if importlib.util.find_spec(name) is None]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the examples of a page back in its order, side by side, however the tests were shuffled."""
    pages = {}
    for item in items:
        pages.setdefault(item.path if item.path.suffix == ".md" else item, []).append(item)
    for page, examples in pages.items():
        if isinstance(page, Path):
            examples.sort(key=lambda item: item.example.line)
            if lacking := lacking_for(page.read_text(encoding="utf-8")):
                for item in examples:
                    item.add_marker(pytest.mark.skip(reason=f"{' and '.join(lacking)} not installed"))
    items[:] = [item for examples in pages.values() for item in examples]
