"""All that can be measured: the works, programs and rows of every suite, and how some of them are picked."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

SUITES = ("micro", "batch", "latency", "cancel", "memory", "startup", "scale", "registry", "history", "rivals")


class UnknownSelectionError(Exception):
    """Something was asked for that no program is called by."""


def _by_name(named: Iterable[Program] | Iterable[Work]) -> Mapping[str, Program] | Mapping[str, Work]:
    found = {}
    for each in named:
        if each.name in found:
            raise ValueError(f"two are called {each.name}")
        found[each.name] = each
    return MappingProxyType(found)


_MODULES = {suite: import_module(f"benchmarks.{suite}") for suite in SUITES}

WORKS: Mapping[str, Work] = _by_name(work for module in _MODULES.values() for work in module.WORKS)
PROGRAMS: Mapping[str, Program] = _by_name(program for module in _MODULES.values() for program in module.PROGRAMS)
ROWS: Sequence[Row] = tuple(row for module in _MODULES.values() for row in module.ROWS)
SUITE_OF: Mapping[str, str] = MappingProxyType(
    {program.name: suite for suite, module in _MODULES.items() for program in module.PROGRAMS}
)

_AIMED = {name for row in ROWS if row.target for name in row.programs}


def tier_of(program: Program) -> Tier:
    """Return the least tier that measures a program: every target is measured by the quick one."""
    return min(program.tier, Tier.QUICK) if program.name in _AIMED else program.tier


def words_of(program: Program) -> set[str]:
    """Return what a program is picked by: its suite, its names and each part of them, whose it is, and its unit."""
    work = WORKS[program.work]
    return {SUITE_OF[program.name], program.name, work.name, *program.name.split("."), program.subject, work.unit}


def picked(only: Sequence[str], tier: Tier) -> list[Program]:
    """Return the programs of a tier that any of the words picks; all of the tier without words.

    A program that is asked for by its full name, or by a word that picks none of the tier, is there in any tier. A row
    needs both of its sides, so a picked program brings those that a row compares it with.

    Raises:
        UnknownSelectionError: no program is picked by one of the words; the nearest are named.
    """
    known = {word for program in PROGRAMS.values() for word in words_of(program)}
    for word in only:
        if word not in known:
            near = get_close_matches(word, known, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise UnknownSelectionError(
                f"nothing is called {word!r}.{hint} There are {', '.join(sorted(SUITES))}; `list` shows all programs."
            )
    # A word that picks nothing in this tier asks for what it picks in others.
    there = [program for program in PROGRAMS.values() if tier_of(program) <= tier]
    late = {word for word in only if not any(word in words_of(program) for program in there)}
    wanted = {program.name for program in there if not only or not words_of(program).isdisjoint(only)} | {
        program.name for program in PROGRAMS.values() if program.name in only or words_of(program) & late
    }
    partners = {name for row in ROWS if row.above in wanted for name in row.programs}
    return [
        program
        for program in PROGRAMS.values()
        if program.name in wanted or (only and program.name in partners and tier_of(program) <= tier)
    ]
