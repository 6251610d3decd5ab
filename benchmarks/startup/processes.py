"""What starting costs: interpreters in processes of their own. Nothing but the standard library is imported here."""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.harness.programs import Cost

STARTS = 3
BARE = ("-c", "pass")

# What the console script `atrio` does, for a tree that is not installed.
CONSOLE_SCRIPT = "import sys; sys.argv[0] = 'atrio'; from atrio.__main__ import main; sys.exit(main())"


def started(command: Sequence[str]) -> tuple[Cost, str]:
    """Start a process, and return what it took, user and system time together, and what it printed.

    Raises:
        subprocess.CalledProcessError: it ended with another status than 0.
    """
    # Bytecode is written, as in life.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, text=True)
    wall_s, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(cpu_s, wall_s), ran.stdout


class Started:
    """A program that is started and ends at once.

    Args:
        arguments: of the interpreter.
        module: what it imports, so that the answer can tell that it did; None if nothing.
        starts: how often it is started; a figure is the median.
    """

    def __init__(self, arguments: Sequence[str], module: str | None = None, starts: int = STARTS) -> None:
        self.command = (sys.executable, *arguments)
        self.module = module
        self.starts = starts

    def answer(self) -> bool:
        """Return whether the program does what it is called by: the module is there after it."""
        code = f"{self.command[-1]}; import sys; print({self.module!r} in sys.modules)"
        _, printed = started((sys.executable, "-c", code))
        return self.module is None or printed.split() == ["True"]

    def figures(self) -> dict[str, float]:
        """Return the seconds of a start; ``net_cpu_s`` is what is above a bare interpreter's, started beside it."""
        bare = (sys.executable, *BARE)
        for command in (self.command, bare):
            started(command)  # bytecode is compiled beforehand, and files are read from the cache
        costs, bares = [], []
        for _ in range(self.starts):
            costs.append(started(self.command)[0])
            bares.append(started(bare)[0])
        cpu_s = statistics.median(cost.cpu_s for cost in costs)
        return {
            "cpu_s": cpu_s,
            "wall_s": statistics.median(cost.wall_s for cost in costs),
            "net_cpu_s": cpu_s - statistics.median(cost.cpu_s for cost in bares),
        }


class Importing(Started):
    """An interpreter that imports one module.

    Args:
        module: the module.
        starts: how often it is started.
    """

    def __init__(self, module: str, starts: int = STARTS) -> None:
        super().__init__(("-c", f"import {module}"), module, starts)


class Helping(Started):
    """The command ``atrio --help``, by its console script where it is installed.

    Args:
        starts: how often it is started.
    """

    def __init__(self, starts: int = STARTS) -> None:
        super().__init__(("-c", CONSOLE_SCRIPT, "--help"), starts=starts)
        script = Path(sys.executable).parent / "atrio"
        if script.exists():
            self.command = (str(script), "--help")

    def answer(self) -> bool:
        """Return whether it says how it is used."""
        return "usage" in started(self.command)[1].lower()


class Checking(Started):
    """The command ``atrio check`` of a file in which half of the agents are behind a circuit breaker, all in pipelines.

    Args:
        agents: how many, an even number.
        starts: how often it is started.
    """

    def __init__(self, agents: int, starts: int = STARTS) -> None:
        self._directory = TemporaryDirectory(prefix="atrio-check-")
        file = Path(self._directory.name, "atrio.toml")
        file.write_text("".join(map(_pair, range(agents // 2))))
        super().__init__(("-c", CONSOLE_SCRIPT, "check", "--config", str(file)), starts=starts)

    def answer(self) -> bool:
        """Return whether it finds that nothing is wrong."""
        return "nothing is wrong" in started(self.command)[1]


def _pair(number: int) -> str:
    return f"""
[agents.valid-{number}]
extends = "json_validator"
breaker = {{ failure_threshold = 3, recovery_timeout = 30.0 }}
configuration = {{ schema = {{ type = "object", required = ["id"] }} }}

[agents.short-{number}]
extends = "json_transformer"
configuration = {{ expression = "{{id: id, words: length(text)}}" }}

[pipelines.tickets-{number}]
stages = ["valid-{number}", {{ agent = "short-{number}", attempts = 2, timeout = 5 }}]
"""
