"""Everything that is wrong with a configuration, where it is going to run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from atrio.config.building import Inspection, places_of
from atrio.config.environment import environment_problems
from atrio.config.imports import importable_from
from atrio.config.naming import Finding, Kind, Names
from atrio.config.reading import problems_at
from atrio.config.references import reference_problems
from atrio.config.settings import Configuration, KeyPath
from atrio.errors import ConfigProblem

__all__ = ["check_configuration", "newly_wrong"]


def check_configuration(configuration: Configuration) -> list[ConfigProblem]:
    """Return all that is wrong with a configuration, and what is probably not meant, in the order of its lines.

    That is what shows without an import (names, circles, schemas that do not meet), and besides: modules that do not
    import, classes and exceptions that are not there, options that a class does not take or needs, expressions that are
    none, variables that the environment lacks, and what a call takes that the machine has not. The last two are errors
    where a pipeline uses the agent, and else warnings.

    The modules that the file names are imported, which runs their code, those in its directory first. Classes are not
    called, but for those of the ready-made agents, which do nothing then.

    Args:
        configuration: what was read, with or without its references checked; what is in its warnings is told again, and
            of its unread tables no more than that.
    """
    wrong, absent = _found(configuration)
    # What was told when it was read comes first where a line has several.
    told = dict.fromkeys([*configuration.warnings, *problems_at(configuration, [*wrong, *absent])])
    return sorted(told, key=lambda problem: problem.line or 0)


def newly_wrong(former: Configuration, configuration: Configuration) -> list[ConfigProblem]:
    """Return what is wrong with a configuration that was not wrong before it was changed.

    What only its surroundings lack, where this runs, is a warning: they may be others where it is used.

    Args:
        former: as it was.
        configuration: as it is now.
    """
    known = {finding for findings in _found(former) for finding in findings}
    wrong, absent = _found(configuration)
    told: list[Finding] = [finding for finding in wrong if finding not in known]
    told.extend((path, message, "warning") for path, message, bad in absent if (path, message, bad) not in known)
    return problems_at(configuration, told)


def _found(configuration: Configuration) -> tuple[list[Finding], list[Finding]]:
    """Return what is wrong with a configuration itself, and what its surroundings lack."""
    names = Names(configuration)
    directory = None if configuration.path is None else configuration.path.parent
    used, places = names.below(configuration.pipelines), places_of(names)
    # Ready-made agents that nothing names are as they should be.
    which = {name for name, kind in names.kinds.items() if kind is not Kind.AGENT}
    which |= {*configuration.agents, *used, *places}
    found = reference_problems(configuration)
    with importable_from(directory):
        inspection = Inspection(names, directory)
        found += inspection.of(which)
        found += inspection.of_shared_guards()
    found += _unused_guards(configuration, {path[:2] for path, _, _ in found})
    return found, list(environment_problems(names, used, places))


def _unused_guards(configuration: Configuration, told: Collection[KeyPath]) -> Iterator[Finding]:
    # What could not be read may name one.
    if {section for section, _ in configuration.unread} & {"agents", "pools"}:
        return
    tables = [*configuration.agents.values(), *configuration.pools.values()]
    for section, key in (("breakers", "breaker"), ("rate_limits", "rate")):
        used = {getattr(table, key) for table in tables if isinstance(getattr(table, key), str)}
        for name in getattr(configuration, section):
            if name not in used and (section, name) not in {*told, *configuration.unread}:
                yield (section, name), f"guards nothing: name it as the {key} of an agent or a pool", "warning"
