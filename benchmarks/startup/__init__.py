"""Startup: what importing atrio and asking its command for help cost, beside what they stand on."""

from dataclasses import replace
from typing import Any

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

# They do not do the same: an import is what it is. All are processes that start, and end at once.
WORKS = (Work("startup", "A process that starts, and ends at once", "start", answer=True),)


def _program(name: str, label: str, subject: str, tier: Tier, build: str, **options: Any) -> Program:
    return Program(f"startup.{name}", label, "startup", f"benchmarks.startup.processes:{build}", options, tier=tier,
                   kind="figures", subject=subject)  # fmt: skip


def _import(module: str, subject: str, tier: Tier, environment: str | None = None) -> Program:
    program = _program(f"import-{module}", f"`import {module}`", subject, tier, "Importing", module=module)
    return replace(program, environment=environment)


PROGRAMS = (
    _program("python", "`python -c pass`", "python", Tier.QUICK, "Started", arguments=["-c", "pass"]),
    _import("trio", "hand", Tier.CORE),
    _import("atrio", "atrio", Tier.CORE),
    _import("asyncio", "twin", Tier.QUICK),
    _import("anyio", "anyio", Tier.QUICK, "anyio"),
    _program("help", "`atrio --help`", "atrio", Tier.CORE, "Helping"),
)

TRIO, ATRIO, HELP = "startup.import-trio", "startup.import-atrio", "startup.help"
ROWS = (
    Row("`import atrio` / `import trio`, CPU", ATRIO, TRIO, at_most=1.4, gate=True),
    Row("`atrio --help` / `import trio`, CPU", HELP, TRIO, at_most=2.5, gate=True),
    Row("`import atrio` / `import trio`, wall", ATRIO, TRIO, figure="wall_s"),
    Row("`atrio --help` / `import trio`, wall", HELP, TRIO, figure="wall_s"),
    Row("`import atrio` / `import trio`, CPU above a bare interpreter's", ATRIO, TRIO, figure="net_cpu_s"),
    Row("`import anyio` / `import trio`, CPU", "startup.import-anyio", TRIO),
    Row("`import asyncio` / `import trio`, CPU", "startup.import-asyncio", TRIO),
)
