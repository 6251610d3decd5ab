"""What the machine has, and how many calls of an agent it holds at once."""

from __future__ import annotations

import os
from functools import cache

from atrio.registry.definitions import ResourceRequirements

__all__ = ["beyond", "held_by", "places_on", "this_machine"]

_MEGABYTE = 1 << 20


@cache
def this_machine() -> ResourceRequirements:
    """Return the memory of this machine and the cores that this program may use, None of each that is not known."""
    memory_mb: int | None
    cores: int | None
    try:
        memory_mb = max(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MEGABYTE, 1)
    except (AttributeError, OSError, ValueError):  # pragma: no cover - not on this system
        memory_mb = None
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # pragma: no cover - not on this system
        cores = os.cpu_count()
    return ResourceRequirements(memory_mb, cores)


def held_by(machine: ResourceRequirements, needed: ResourceRequirements) -> int | None:
    """Return how many calls the machine holds at once, one at least; None if nothing is said that bounds them.

    Args:
        machine: what the machine has.
        needed: what a call takes.
    """
    held: list[int] = []
    if machine.memory_mb is not None and needed.memory_mb is not None:
        held.append(machine.memory_mb // needed.memory_mb)
    if machine.cpu_cores is not None and needed.cpu_cores is not None:
        held.append(int(machine.cpu_cores / needed.cpu_cores))
    return max(min(held), 1) if held else None


def places_on(machine: ResourceRequirements, needed: ResourceRequirements, capacity: int) -> int:
    """Return how many calls may run at once: `capacity`, or fewer where the machine holds no more, but one at least.

    Args:
        machine: what the machine has.
        needed: what a call takes.
        capacity: calls at once, as far as the agent itself is concerned.
    """
    return min(capacity, held_by(machine, needed) or capacity)


def beyond(machine: ResourceRequirements, needed: ResourceRequirements) -> str | None:
    """Return what a single call takes and the machine has not, in words; None if it holds one.

    Args:
        machine: what the machine has.
        needed: what a call takes.
    """
    if machine.memory_mb is not None and needed.memory_mb is not None and needed.memory_mb > machine.memory_mb:
        return f"a call takes {needed.memory_mb} MB of memory, and the machine has {machine.memory_mb}"
    if machine.cpu_cores is not None and needed.cpu_cores is not None and needed.cpu_cores > machine.cpu_cores:
        return f"a call takes {needed.cpu_cores:g} processor cores, and the machine has {machine.cpu_cores:g}"
    return None
