"""A run, from its plan to its last sample: every program is prepared, checked, and then measured once a round."""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Protocol

from benchmarks.harness import processes
from benchmarks.harness.environments import NotInstallableError
from benchmarks.harness.features import FEATURES
from benchmarks.harness.folders import RunFolder
from benchmarks.harness.machine import load
from benchmarks.harness.programs import Program, Tier, Work
from benchmarks.harness.worker import digest_of

SCHEMA = 1
VALUES = 3
ROUNDS = {Tier.CORE: 5, Tier.QUICK: 7, Tier.RIGOROUS: 25}
# Of programs that take long; a run that is to be quick does not wait for more.
ROUNDS_OF_LONG = {Tier.CORE: 3, Tier.QUICK: 3, Tier.RIGOROUS: 25}


class Pythons(Protocol):
    """Where programs find their interpreter."""

    def python_of(self, name: str) -> Path:
        """Return the interpreter of an environment, which is made if need be."""


class Progress(Protocol):
    """Who is told how far it is."""

    def phase(self, what: str, total: int) -> None:
        """A phase begins, of so many steps."""

    def step(self, what: str) -> None:
        """A step of the phase is about to be done."""

    def note(self, what: str) -> None:
        """Something is to be known."""


@dataclass
class Measurement:
    """What a run is made of.

    Args:
        programs: what is measured.
        works: what they do, by name.
        folder: where it is kept.
        rounds: how often each is measured.
        rounds_of_long: how often those are that take long, if that is less.
        seed: of the orders within rounds.
        environments: where rivals find their interpreter.
        progress: who is told.
        now: the time of day.
    """

    programs: Sequence[Program]
    works: Mapping[str, Work]
    folder: RunFolder
    rounds: int
    rounds_of_long: int
    seed: int
    environments: Pythons
    progress: Progress
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def prepare(self, known: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Mapping[str, Any]]:
        """Make environments, check answers and claims, find how many loops are enough; return it by program.

        Args:
            known: what an interrupted run knows already; what it could not measure is tried again.
        """
        there = {name: described for name, described in (known or {}).items() if described["status"] == "measured"}
        programs = [program for program in self.programs if program.name not in there]
        needed = sorted({program.environment for program in programs if program.environment is not None})
        self.progress.phase("install", len(needed))
        for name in needed:
            self.progress.step(name)
            with contextlib.suppress(NotInstallableError):  # its programs say so
                self.environments.python_of(name)
        self.progress.phase("prepare", len(programs))
        # Nothing is timed yet, but for a count of loops that need not be exact.
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            found = workers.map(self._prepared, programs)
            there |= {program.name: described for program, described in zip(programs, found, strict=True)}
        return {program.name: there[program.name] for program in self.programs}

    def _prepared(self, program: Program) -> dict[str, Any]:
        self.progress.step(program.name)
        described = {**program.as_dict(), "status": "measured", "reason": None}
        try:
            found = processes.prepared(self._python_of(program), program)
        except NotInstallableError as error:
            described |= {"status": "not installed", "reason": str(error)}
        except processes.WorkerError as error:
            described |= {"status": "failed", "reason": str(error)}
        else:
            unfair = unfairness(program, self.works[program.work], found)
            described |= found if unfair is None else {**found, "status": "unfair", "reason": unfair}
        if described["status"] != "measured":
            self.progress.note(f"{program.name} is not measured, {described['status']}: {described['reason']}")
        return described

    def _python_of(self, program: Program) -> Path:
        if program.environment is None:
            return processes.own_python()
        return self.environments.python_of(program.environment)

    def take(self, prepared: Mapping[str, Mapping[str, Any]]) -> None:
        """Take the samples that are not there yet, round by round, each round in an order of its own."""
        there = {(sample["program"], sample["round"]) for sample in self.folder.samples()}
        failed: set[str] = set()
        steps = [(turn, program) for turn, program in self.order(prepared) if (program.name, turn) not in there]
        self.progress.phase("measure", len(steps))
        for turn, program in steps:
            self.progress.step(f"round {turn + 1} of {self.rounds}: {program.name}")
            if program.name in failed:
                continue
            try:
                sample = processes.taken(self._python_of(program), program, prepared[program.name]["loops"], VALUES)
            except processes.WorkerError as error:
                # Once is enough: it would fail, or take too long, in every round.
                failed.add(program.name)
                self.progress.note(f"{program.name} failed while it was measured: {error}")
                self.folder.add({"program": program.name, "round": turn, "at": self._stamp(), "error": str(error)})
            else:
                self.folder.add({"program": program.name, "round": turn, "at": self._stamp(), "load": load(), **sample})

    def order(self, prepared: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[int, Program]]:
        """Return each round's programs; a round's order depends on the seed and its number alone."""
        measured = [program for program in self.programs if prepared[program.name]["status"] == "measured"]
        for turn in range(self.rounds):
            # Those that take long are measured in the first rounds, beside all the others; and those that are compared,
            # one soon after the other: a machine is slower in some minutes than in others.
            there = [each for each in measured if turn < self.rounds_of(each)]
            rng = Random(f"{self.seed} {turn}")
            rng.shuffle(there)
            families = sorted({family_of(program) for program in there})
            rng.shuffle(families)
            for family in families:
                yield from ((turn, program) for program in there if family_of(program) == family)

    def rounds_of(self, program: Program) -> int:
        """Return how often a program is measured."""
        if program.rounds_at_most is None:
            return self.rounds
        return min(self.rounds, self.rounds_of_long, program.rounds_at_most)

    def _stamp(self) -> str:
        return f"{self.now():%Y-%m-%dT%H:%M:%SZ}"

    def whole(self, plan: Mapping[str, Any], prepared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the run as its file has it."""
        samples = self.folder.samples()
        programs = {name: dict(described) for name, described in prepared.items()}
        told: set[str | None] = set()
        for described in programs.values():
            # Those of one environment are the same for all of its programs, and many.
            if described.get("packages") and described["environment"] in told:
                del described["packages"]
            elif described.get("packages"):
                told.add(described["environment"])
        for sample in samples:
            if "error" in sample:
                programs[sample["program"]] |= {"status": "failed", "reason": sample["error"]}
        works = {program.work: asdict(self.works[program.work]) for program in self.programs}
        return {
            **plan,
            "ended": self._stamp(),
            "load": {"before": plan["load"]["before"], "after": load()},
            "works": works,
            "programs": programs,
            "samples": [sample for sample in samples if "error" not in sample],
        }


def family_of(program: Program) -> str:
    """Return what a program has in common with those that it is compared with: the first part of its name."""
    return program.name.partition(".")[0]


def unfairness(program: Program, work: Work, found: Mapping[str, Any]) -> str | None:
    """Say why a program must not be compared: another answer than the work's, or a claim that it does not show."""
    if found["answer"] != digest_of(work.answer):
        return f"it answered {found['answer_shown']}, not {work.answer!r:.200}"
    for feature in program.features:
        if found["shown"].get(feature) != FEATURES[feature].expected:
            shown = found["shown"].get(feature)
            return (
                f"it claims {FEATURES[feature].title}, and its probe gave {shown!r}, not {FEATURES[feature].expected!r}"
            )
    return None
