"""Reading of what a run wrote down: the file is checked once, and every figure then asked by program and round."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.analysis.rows import Row

SCHEMA = 1
FILE = "run.json"
NEEDED: Mapping[str, type] = {"programs": dict, "works": dict, "samples": list}

Figures = Mapping[str, float]


class RunFileError(Exception):
    """A file that cannot be read as a run: the message names it and says why; the command line exits with 2."""


@dataclass(frozen=True)
class Run:
    """What one run measured.

    Args:
        data: the content of its ``run.json``.
        name: how messages call it; by default its id.
    """

    data: Mapping[str, Any]
    name: str = ""

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Read a run's folder, or its file.

        Raises:
            RunFileError: it is missing, is no run of this suite, or was written by a newer one.
        """
        file = path / FILE if path.is_dir() else path
        try:
            data = json.loads(file.read_bytes())
        except OSError as error:
            raise RunFileError(f"{file}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise RunFileError(f"{file}: is no JSON, or was cut off: {error}") from error
        _check(file, data)
        return cls(data, str(path))

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", str(self.data.get("id", "a run")))

    @property
    def programs(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of each program, those that were not measured included."""
        programs: Mapping[str, Mapping[str, Any]] = self.data["programs"]
        return programs

    @property
    def works(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of each work."""
        works: Mapping[str, Mapping[str, Any]] = self.data["works"]
        return works

    @cached_property
    def _medians(self) -> Mapping[str, Mapping[int, Figures]]:
        """The figures of each program in each round: the medians of its process's values.

        Where one was measured twice in a round, as by a run that was broken off and resumed, the last time counts.
        """
        found: dict[str, dict[int, Figures]] = {}
        for sample in self.data["samples"]:
            medians = {
                figure: values[0] if len(values) == 1 else statistics.median(values)
                for figure, values in sample["values"].items()
                if values and all(map(math.isfinite, values))
            }
            found.setdefault(sample["program"], {})[sample["round"]] = medians
        return {program: dict(sorted(rounds.items())) for program, rounds in found.items()}

    def value(self, program: str, round_: int, figure: str) -> float | None:
        """Return a program's figure in one round; None where it was not measured."""
        return self._medians.get(program, {}).get(round_, {}).get(figure)

    def by_round(self, program: str, figure: str) -> dict[int, float]:
        """Return a program's figure in each round that has it, in their order."""
        rounds = self._medians.get(program, {})
        return {round_: figures[figure] for round_, figures in rounds.items() if figure in figures}

    def figures_of(self, program: str) -> Sequence[str]:
        """Return the names of the figures that a program has."""
        return sorted({figure for figures in self._medians.get(program, {}).values() for figure in figures})

    def main_figure(self, program: str) -> str:
        """Return the figure that is told first of a program: its work's."""
        return str(self._work_of(program).get("figure", "cpu_s"))

    def is_time(self, program: str) -> bool:
        """Return whether that figure is seconds, so that a slower machine has more of them."""
        return bool(self._work_of(program).get("clock", "s") == "s")

    def _work_of(self, program: str) -> Mapping[str, Any]:
        return self.works.get(self.programs.get(program, {}).get("work", ""), {})

    def size_of(self, program: str) -> int:
        """Return how many units one loop of a program does."""
        return int(self._work_of(program).get("size", 1))

    def rounds(self, row: Row) -> list[float]:
        """Return a row's figure in each round in which all its programs have one."""
        sides = [(row.above, row.figure)]
        sides += [(name, row.below_figure or row.figure) for name in (row.below, row.minus) if name is not None]
        measured = [self.by_round(*side) for side in sides]
        sizes = [self.size_of(program) if row.per_unit else 1 for program, _ in sides]
        found = []
        for round_ in measured[0]:
            if not all(round_ in each for each in measured):
                continue
            above, *others = (each[round_] / size for each, size in zip(measured, sizes, strict=True))
            if row.below is not None:
                divisor, *others = others
                if divisor == 0:
                    continue
                above /= divisor
            found.append((above - sum(others)) * row.scale)
        return found

    def absence(self, program: str) -> str | None:
        """Return why a program was not measured, in words; None where it was, to the end.

        One that failed in a later round has samples, and was not.
        """
        known = self.programs.get(program)
        if known is None:
            return f"{program}: not in this run"
        status = known.get("status", "measured")
        if status == "measured":
            return None if self._medians.get(program) else f"{program}: no samples"
        reason = known.get("reason")
        return f"{program}: {status}{f' ({reason})' if reason else ''}"


def _check(file: Path, data: Any) -> None:
    """Refuse what is no run.

    Raises:
        RunFileError: it is not, or it is newer than this code.
    """
    if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
        raise RunFileError(f'{file}: is no run of this suite: it has no "schema"')
    if data["schema"] > SCHEMA:
        raise RunFileError(
            f"{file}: was written by a newer suite: schema {data['schema']}, and this one reads {SCHEMA}"
        )
    for key, kind in NEEDED.items():
        if not isinstance(data.get(key), kind):
            raise RunFileError(f'{file}: is no run of this suite: "{key}" is missing or no {kind.__name__}')
    for index, sample in enumerate(data["samples"]):
        if not _is_sample(sample):
            raise RunFileError(
                f'{file}: samples[{index}] is no sample: it needs "program", "round" and "values", lists of numbers'
            )


def _is_sample(sample: Any) -> bool:
    if not isinstance(sample, dict) or not isinstance(sample.get("values"), dict):
        return False
    if not isinstance(sample.get("program"), str) or not isinstance(sample.get("round"), int):
        return False
    return all(
        isinstance(values, list) and all(isinstance(value, int | float) for value in values)
        for values in sample["values"].values()
    )
