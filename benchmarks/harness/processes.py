"""Worker processes: one program, prepared or measured, in an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.programs import Program

ROOT = Path(__file__).parents[2]
PREPARE_LIMIT_S, TAKE_LIMIT_S = 300, 300


class WorkerError(Exception):
    """A worker process did not answer; its message is the last that the process said."""


def asked(python: Path, what: str, program: Program, *options: str, limit_s: float) -> dict[str, Any]:
    """Run a worker process and return what it answers.

    Raises:
        WorkerError: the process failed, or took too long.
    """
    command = [
        str(python), "-m", "benchmarks.harness.worker", what, program.build, json.dumps(dict(program.options)),
        "--kind", program.kind, *options,
    ]  # fmt: skip
    # The hash seed is drawn anew by each process, and bytecode is written: as in life.
    dropped = ("PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    try:
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise WorkerError(f"no answer within {limit_s:g} s") from None
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {ran.returncode}"]
        raise WorkerError(said[-1])
    return json.loads(ran.stdout)


def prepared(python: Path, program: Program) -> dict[str, Any]:
    """Return the program's answer, what its probes give, and how many loops are long enough."""
    features = ",".join(program.features)
    return asked(python, "prepare", program, "--features", features, limit_s=PREPARE_LIMIT_S)


def taken(python: Path, program: Program, loops: int, values: int) -> dict[str, Any]:
    """Return one sample."""
    counts: Sequence[str] = ("--loops", str(loops), "--values", str(values))
    return asked(python, "take", program, *counts, limit_s=TAKE_LIMIT_S)


def own_python() -> Path:
    """Return the interpreter of the suite itself, in which atrio is installed."""
    return Path(sys.executable)
