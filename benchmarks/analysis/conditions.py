"""What makes two runs hard to compare: other machines, other versions, other options, a busy machine."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.analysis.estimates import load_warnings
from benchmarks.analysis.runs import Run


def warnings_of(old: Run, new: Run, programs: Sequence[str]) -> list[str]:
    """Return a warning for each thing that differs between two runs, or was not as it should be in one of them.

    Args:
        old: the run that is compared with.
        new: the run that is looked at.
        programs: those that are compared.
    """
    return [
        *_of_runs(old.data, new.data),
        *_of_machines(old.data.get("machine") or {}, new.data.get("machine") or {}),
        *_of_pythons(old, new, programs),
        *_of_packages(old, new, programs),
        *_of_programs(old, new, programs),
        *(f"{which}: {said}" for which, run in (("old", old), ("new", new)) for said in _of_one(run)),
    ]


def _of_runs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{what} differs: {old.get(key)}, then {new.get(key)}"
        for key, what in (("tier", "the tier"), ("rounds", "the number of rounds"))
        if old.get(key) != new.get(key)
    ]


def _of_machines(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Versions are told below, one by one; the rest as it is."""
    keys = [key for key in {**old, **new} if key not in {"packages", "python"}]
    return [
        f"the machine differs ({key}): {old.get(key, 'unknown')}, then {new.get(key, 'unknown')}"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _of_pythons(old: Run, new: Run, programs: Iterable[str]) -> list[str]:
    pairs = {(_python(old, name), _python(new, name)) for name in programs}
    return [f"Python differs: {before}, then {after}" for before, after in sorted(pairs) if before != after]


def _python(run: Run, program: str) -> str:
    return str(run.programs[program].get("python") or "unknown")


def _of_packages(old: Run, new: Run, programs: Iterable[str]) -> list[str]:
    """Return the packages that were of another version, each change once."""
    changes: dict[str, None] = {}
    for environment in dict.fromkeys(new.programs[program].get("environment") for program in programs):
        before, after = (_packages_in(run, environment) for run in (old, new))
        if not before or not after:
            continue
        for package in sorted({*before, *after}, key=_plain):
            versions = before.get(package, "none"), after.get(package, "none")
            if versions[0] != versions[1]:
                changes[f"{package} {versions[0]}, then {versions[1]}"] = None
    return [f"packages differ: {'; '.join(changes)}"] if changes else []


def _packages_in(run: Run, environment: str | None) -> Mapping[str, str]:
    """Return the packages of an environment; a run tells them with one of its programs."""
    told = (each.get("packages") for each in run.programs.values() if each.get("environment") == environment)
    return next(filter(None, told), {})


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _of_programs(old: Run, new: Run, programs: Iterable[str]) -> list[str]:
    """Return what changed of programs that are still the same: features make a fair comparison, or not."""
    warnings = []
    for name in programs:
        before, after = (set(run.programs[name].get("features") or ()) for run in (old, new))
        if before != after:
            gone, come = sorted(before - after), sorted(after - before)
            said = [*(f"no longer has {each}" for each in gone), *(f"now has {each}" for each in come)]
            warnings.append(f"{name} {' and '.join(said)}")
    return warnings


def _of_one(run: Run) -> list[str]:
    warnings = load_warnings(run)
    if not run.data.get("ended"):
        warnings.append("the run was broken off")
    return warnings
