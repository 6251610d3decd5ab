"""What a run's figures hold for: the command, the time, the machine, the environments."""

import re
from collections.abc import Mapping
from typing import Any

from benchmarks.analysis.runs import Run
from benchmarks.report.tables import Line, Table

OWN = "the suite's own"
MEASURED_PACKAGES = ("atrio", "trio", "attrs", "cattrs", "structlog", "orjson", "uvloop", "pyperf")


def conditions(run: Run) -> list[tuple[str, str]]:
    """Return what holds for the whole run, each with its name."""
    data = run.data
    load = data.get("load") or {}
    loads = [f"{load[when]:.2f} {when}" for when in ("before", "after") if load.get(when) is not None]
    machine = data.get("machine") or {}
    found = [
        ("command", f"`{data['command']}`" if data.get("command") else ""),
        ("rounds", f"{data.get('rounds', 'an unknown number of')}, tier {str(data.get('tier', 'unknown')).lower()}"),
        ("seed of the order", _said(data.get("seed"))),
        ("began", _said(data.get("began"))),
        ("ended", _said(data.get("ended"))),
        ("commit", _said(data.get("commit"))),
        ("load", " and ".join(loads)),
        ("python", ", ".join(_pythons(run)) or _said(machine.get("python"))),
        ("packages", ", ".join(map(" ".join, own_packages(run).items())) or _said(machine.get("packages"))),
        *((name, _said(said)) for name, said in machine.items() if name not in {"python", "packages"}),
    ]
    return [(name, said) for name, said in found if said]


def _said(value: Any) -> str:
    """Return a value of JSON in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(_said, value))
    return "" if value is None else str(value)


def _pythons(run: Run) -> list[str]:
    """Return the interpreters that the suite's own programs ran under."""
    return sorted({
        program["python"]
        for program in run.programs.values()
        if program.get("environment") is None and program.get("python")
    })  # fmt: skip


def environments(run: Run) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the Python and the packages of each environment of which the run knows them."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for program in run.programs.values():
        if program.get("packages"):
            name = program.get("environment") or OWN
            python, packages = found.get(name, (program.get("python") or "", {}))
            found[name] = (python, {**packages, **program["packages"]})
    return {name: found[name] for name in sorted(found, key=lambda each: (each != OWN, each))}


def own_packages(run: Run) -> dict[str, str]:
    """Return the versions of those packages of the suite's own environment that are measured."""
    _, packages = environments(run).get(OWN, ("", {}))
    return {name: packages[name] for name in MEASURED_PACKAGES if name in packages}


def environment_table(run: Run) -> Table:
    """Return the environments, with those of their packages that the rivals are."""
    lines = []
    for name, (python, packages) in environments(run).items():
        shown = own_packages(run) if name == OWN else _telling(run, name, packages)
        lines.append(Line((name, python, ", ".join(f"{each} {version}" for each, version in shown.items()))))
    return Table(("environment", "python", "packages"), tuple(lines), words=3)


def _telling(run: Run, environment: str, packages: Mapping[str, str]) -> dict[str, str]:
    """Return the packages that bear the environment's name or that of a subject in it; all if none does."""
    names = {environment, *(p["subject"] for p in run.programs.values() if p.get("environment") == environment)}
    plain = {_plain(name) for name in names} - {""}
    ordered = dict(sorted(packages.items(), key=lambda item: item[0].lower()))
    telling = {
        package: version
        for package, version in ordered.items()
        if any(_plain(package).startswith(name) or name.startswith(_plain(package)) for name in plain)
    }
    return telling or ordered


def _plain(name: str) -> str:
    """Return a name without what packages and environments part words by."""
    return re.sub(r"[-_. ]", "", name).lower()
