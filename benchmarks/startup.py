"""What starting costs: interpreters in processes of their own, CPU time (user and system) and wall time of each."""

import importlib.util
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

# What the console script `atrio` does, for a tree that is on PYTHONPATH but not installed.
CONSOLE_SCRIPT = "import sys; sys.argv[0] = 'atrio'; from atrio.__main__ import main; sys.exit(main())"


class Cost(NamedTuple):
    """Seconds that one process took."""

    cpu_s: float
    wall_s: float


def programs() -> dict[str, Sequence[str]]:
    """Return the programs to start, by name; the command only where it exists."""
    python = sys.executable
    started = {
        "python -c pass": (python, "-c", "pass"),
        "import trio": (python, "-c", "import trio"),
        "import atrio": (python, "-c", "import atrio"),
    }
    script = Path(python).parent / "atrio"
    if script.exists():
        started["atrio --help"] = (str(script), "--help")
    elif importlib.util.find_spec("atrio.__main__"):
        started["atrio --help"] = (python, "-c", CONSOLE_SCRIPT, "--help")
    return started


def starter(command: Sequence[str]) -> Callable[[], Cost]:
    """Return a function that starts the command once and returns its cost; its bytecode is compiled beforehand."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def start() -> Cost:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        wall_s, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return Cost(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall_s)

    start()
    return start
