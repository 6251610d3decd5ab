"""What is kept of a stage, of a task and of a run, made and read: atrio's, the twin's, and the plainest there are."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from itertools import repeat
from operator import attrgetter
from typing import Any

import attrs
import trio

import atrio
from atrio._stamps import utc_now
from atrio._tasks import BatchIdentity
from benchmarks.harness.agents import DATA, NoOp
from benchmarks.harness.shapes import asyncio_run
from benchmarks.micro.repeated import Repeated
from benchmarks.micro.stage import Atrio
from benchmarks.micro.stage_twin import Twin

STAGES = 20
STAGE_FIELDS = tuple(field.name for field in attrs.fields(atrio.StageRecord))
TASK_FIELDS = tuple(field.name for field in attrs.fields(atrio.TaskResult))


def _frozen(names: Sequence[str]) -> type[Any]:
    return attrs.make_class("Frozen", list(names), frozen=True, slots=True)


def _dataclass(names: Sequence[str]) -> type[Any]:
    return dataclasses.make_dataclass("Slotted", names, slots=True)


def _stage_values() -> tuple[Any, ...]:
    status = atrio.StageStatus.SUCCESS
    return (0, "stage_0", "stage_0", "NoOp", status, utc_now(), 0.001, 1, 12, 12, "output", None, (), {})


def _task_values() -> tuple[Any, ...]:
    identity = BatchIdentity("batch", utc_now())
    return (identity, 7, "NoOp", None, 0.5, atrio.TaskStatus.SUCCESS, "output", None, 0.25)


KINDS: dict[str, tuple[Sequence[str], Callable[[], tuple[Any, ...]]]] = {
    "stage": (STAGE_FIELDS, _stage_values),
    "task": (TASK_FIELDS, _task_values),
}
CLASSES: dict[str, Callable[[str], type[Any]]] = {
    "atrio": lambda kind: {"stage": atrio.StageRecord, "task": atrio.TaskResult}[kind],
    "frozen": lambda kind: _frozen(KINDS[kind][0]),
    "dataclass": lambda kind: _dataclass(KINDS[kind][0]),
}


class Made(Repeated):
    """A record made, all of its fields given by their place.

    Args:
        kind: ``stage`` or ``task``.
        made_by: whose class, of `CLASSES`.
    """

    def __init__(self, kind: str, made_by: str) -> None:
        self._names, self._values = KINDS[kind]
        self._class = CLASSES[made_by](kind)

    def answer(self) -> list[Any]:
        """Return how many fields a record has, and some of what is in them."""
        record = self._class(*self._values())
        return [len(self._names), record.agent_id, record.status, record.duration_s]

    def repeat(self, times: int) -> None:
        """Make it."""
        make, values = self._class, self._values()
        for _ in repeat(None, times):
            make(*values)


# --- A run's result ---


@cache
def result_of(whose: str) -> Any:
    """Return the result of a run of twenty stages."""
    agents = [NoOp() for _ in range(STAGES)]

    async def main() -> Any:
        return await {"atrio": Atrio, "twin": Twin}[whose](STAGES).build(agents)(DATA)

    return {"atrio": trio.run, "twin": asyncio_run}[whose](main)


def _to_dict(result: Any) -> dict[str, Any]:
    return result.to_dict()


READ: dict[str, Callable[[Any], Any]] = {
    "summary": attrgetter("summary"),
    "performance": attrgetter("performance"),
    "to_dict": _to_dict,
    "asdict": dataclasses.asdict,
}


class Read(Repeated):
    """Something that is worked out of a run's result.

    Args:
        whose: ``atrio`` or ``twin``.
        what: of `READ`.
    """

    def __init__(self, whose: str, what: str) -> None:
        self._result = result_of(whose)
        self._read = READ[what]

    def answer(self) -> list[Any]:
        """Return what it says of the run that is not a time."""
        found = self._read(self._result)
        if isinstance(found, dict):
            return [found["pipeline_id"], found["status"], [stage["stage_id"] for stage in found["stages"]]]
        fields = ("total_stages", "successful_stages", "failed_stages", "failure_rate", "stage_efficiency")
        return [[name, getattr(found, name)] for name in fields if hasattr(found, name)]

    def repeat(self, times: int) -> None:
        """Read it."""
        read, result = self._read, self._result
        for _ in repeat(None, times):
            read(result)
