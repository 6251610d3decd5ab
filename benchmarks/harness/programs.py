"""What can be measured: pieces of work, and the programs that do them.

A program is described by plain values, so that it can be listed, and be written to a file, where the library that it
measures is not installed. What it runs is named by its import path, and imported by the worker process alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Literal, NamedTuple, Protocol


class Cost(NamedTuple):
    """Seconds that something took."""

    cpu_s: float
    wall_s: float


class Timed(Protocol):
    """What the worker measures through pyperf: made by a program's ``build``.

    A feature that the program claims is shown by a method ``probe_<feature>``, see ``harness.features``.
    """

    def answer(self) -> Any:
        """Do the work once, small, with agents that leave their mark; return what came out, as JSON has it."""

    def time(self, loops: int) -> Cost:
        """Do the work so many times and return what that took."""


class Figured(Protocol):
    """What the worker asks once a process: figures that are no times of a loop, such as bytes and percentiles."""

    def answer(self) -> Any:
        """As `Timed.answer`."""

    def figures(self) -> Mapping[str, float]:
        """Do the work and return what was seen, by the name of each figure."""


class Tier(IntEnum):
    """How much of the suite is run: each tier has the ones below it."""

    CORE = 0
    QUICK = 1
    RIGOROUS = 2


@dataclass(frozen=True)
class Work:
    """A piece of work that several programs do, so that they can be compared.

    Args:
        name: dotted, its suite first: ``pipeline.20``.
        title: what it is, for headings.
        unit: what a figure is told for, such as ``stage`` or ``item``.
        size: how many units one loop does.
        answer: what every program must answer, as JSON has it.
        figure: the figure that is told first; ``cpu_s`` and ``wall_s`` are seconds a loop.
        clock: ``s`` where figures are seconds, else their unit (``MB``).
    """

    name: str
    title: str
    unit: str
    size: int = 1
    answer: Any = None
    figure: str = "cpu_s"
    clock: str = "s"


@dataclass(frozen=True)
class Program:
    """One way to do a piece of work.

    Args:
        name: dotted, its work's name first: ``pipeline.20.atrio``.
        label: what it is, for tables.
        work: the name of the work.
        build: the import path, ``module:callable``, of what makes the `Timed` or `Figured`, given ``options``.
        options: keyword arguments of ``build``, as JSON has them.
        features: what it does beside the work itself, of ``harness.features.FEATURES``; each is shown by a probe.
        hears: what is done with events: ``quiet`` if nobody listens.
        environment: the name of the rival's environment; None for the suite's own.
        tier: the least tier that measures it.
        rounds_at_most: how many rounds are enough for one that takes long.
        kind: ``timed`` or ``figures``.
        control: the same as another program of the work: how far the two differ tells the noise.
        subject: whose it is: ``atrio``, ``twin``, ``hand`` or the rival's name; plots colour by it.
    """

    name: str
    label: str
    work: str
    build: str
    options: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    hears: str = "quiet"
    environment: str | None = None
    tier: Tier = Tier.QUICK
    rounds_at_most: int | None = None
    kind: Literal["timed", "figures"] = "timed"
    control: bool = False
    subject: str = "atrio"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "features": list(self.features), "options": dict(self.options), "tier": self.tier.name}
