import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from atrio import Pipeline, Stage, StageConfig
from atrio.cli import main
from atrio.cli._pipelines import READY_MADE, ReadyMade

ATRIO = (sys.executable, "-m", "atrio")


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch) -> None:
    """What the terminal and the shell of whoever runs the tests have set must not matter."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONIOENCODING", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(autouse=True)
def no_module_stays() -> Iterator[None]:
    """Each test writes its own module of the configured agent."""
    yield
    sys.modules.pop("shouting", None)


@attrs.frozen
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def atrio(capfd, monkeypatch, tmp_path) -> Callable[..., Ended]:
    """Run the command line in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ended:
        capfd.readouterr()
        code = main(arguments)
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return run


@pytest.fixture
def atrio_process(tmp_path) -> Callable[..., Ended]:
    """Run the command line as its users do: in a process of its own, with bytes on its streams."""

    def run(*arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
        done = subprocess.run(
            [*ATRIO, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def ready_made(monkeypatch) -> Callable[..., None]:
    """Make a pipeline of agents known to the command line of this process."""

    def add(name: str, *agents: Any, takes: str = "numbers", **config: Any) -> None:
        def build() -> Pipeline[Any, Any]:
            pipeline: Pipeline[Any, Any] = Pipeline(name)
            for number, agent in enumerate(agents):
                pipeline.add_stage(Stage(f"stage_{number}", agent, config=StageConfig(**config)))
            return pipeline

        monkeypatch.setitem(READY_MADE, name, ReadyMade(takes, build))

    return add


@pytest.fixture
def spawned(tmp_path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the command line, and end it with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(*arguments: str, command: tuple[str, ...] = ATRIO, **streams: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*command, *arguments], cwd=tmp_path, **streams)
        started.append(process)
        return process

    yield spawn
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
