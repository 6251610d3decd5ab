"""The process in which one program is measured: started by the suite, in the program's environment.

``python -m benchmarks.harness.worker prepare|take BUILD OPTIONS ...`` prints one line of JSON. Nothing but pyperf and
what the program itself needs is imported, so that a rival's environment holds no more than the rival.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from importlib.metadata import distributions
from typing import Any

import pyperf

WARMUPS = 1
MIN_TIME_S = 0.03


def built(path: str, options: dict[str, Any]) -> Any:
    """Return what is measured."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)(**options)


def digest_of(answer: Any) -> str:
    """Return a short name for an answer, the same for the same JSON."""
    return sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()[:16]


def prepared(subject: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what is to be known before anything is measured: the answer, what probes give, how many loops."""
    answer = subject.answer()
    shown = {}
    for feature in filter(None, arguments.features.split(",")):
        probe = getattr(subject, f"probe_{feature}", None)
        shown[feature] = "there is no probe" if probe is None else probe()
    return {
        "answer": digest_of(answer),
        "answer_shown": repr(answer)[:200],
        "shown": shown,
        "loops": calibrated(subject) if arguments.kind == "timed" else 1,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {each.metadata["Name"]: each.version for each in distributions()},
    }


def pyperf_run(subject: Any, options: list[str]) -> tuple[pyperf.Run, list[tuple[float, float]]]:
    """Let pyperf time the program in this process; return its run, and CPU and wall seconds of each value."""
    costs: list[tuple[float, float]] = []

    def time(loops: int) -> float:
        cost = subject.time(loops)
        costs.append((cost.cpu_s / loops, cost.wall_s / loops))
        return cost.wall_s

    runner = pyperf.Runner()
    runner.parse_args(["--worker", "--quiet", *options])
    (run,) = runner.bench_time_func("program", time).get_runs()
    return run, costs


def calibrated(subject: Any) -> int:
    """Return how many loops take long enough to be measured, by pyperf's calibration."""
    options = ["--calibrate-loops", f"--min-time={MIN_TIME_S}", f"--warmups={WARMUPS}", "--values=1"]
    run, _ = pyperf_run(subject, options)
    return run.warmups[-1][0]


def taken(subject: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return one sample: some values of each figure, all from this process."""
    if arguments.kind == "figures":
        return {"values": {name: [value] for name, value in subject.figures().items()}}
    counts = [f"--loops={arguments.loops}", f"--warmups={WARMUPS}", f"--values={arguments.values}"]
    run, costs = pyperf_run(subject, counts)
    values = costs[-len(run.values) :]
    return {
        "values": {"cpu_s": [cpu_s for cpu_s, _ in values], "wall_s": [wall_s for _, wall_s in values]},
        "warmups": [wall_s for _, wall_s in run.warmups],
        "metadata": {name: run.get_metadata()[name] for name in ("cpu_freq", "load_avg_1min", "mem_max_rss")
                     if name in run.get_metadata()},
    }  # fmt: skip


def arguments_of() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Measure one program in this process.")
    parser.add_argument("what", choices=("prepare", "take"))
    parser.add_argument("build", help="module:callable")
    parser.add_argument("options", type=json.loads, help="its keyword arguments, as JSON")
    parser.add_argument("--kind", choices=("timed", "figures"), default="timed")
    parser.add_argument("--features", default="", help="what to probe, parted by commas")
    parser.add_argument("--loops", type=int, default=1)
    parser.add_argument("--values", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    """Do what the command line says, and print it as one line of JSON: all else that is printed goes to stderr."""
    arguments = arguments_of()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work: Callable[..., dict[str, Any]] = prepared if arguments.what == "prepare" else taken
    print(json.dumps(work(built(arguments.build, arguments.options), arguments)), file=answers, flush=True)


if __name__ == "__main__":
    sys.exit(main())
