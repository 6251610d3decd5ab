"""Startup: what importing atrio, its command's help and a check of a file cost, beside what they stand on."""

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


CHECKED = (2, 200)
PROGRAMS = (
    _program("python", "`python -c pass`", "python", Tier.QUICK, "Started", arguments=["-c", "pass"]),
    _import("trio", "hand", Tier.CORE),
    _import("atrio", "atrio", Tier.CORE),
    _import("asyncio", "twin", Tier.QUICK),
    _import("anyio", "anyio", Tier.QUICK, "anyio"),
    _program("help", "`atrio --help`", "atrio", Tier.CORE, "Helping"),
    *(
        _program(
            f"check.{agents}",
            f"`atrio check` of a file of {agents} agents",
            "atrio",
            Tier.QUICK,
            "Checking",
            agents=agents,
        )
        for agents in CHECKED
    ),
)

TRIO, ATRIO, HELP = "startup.import-trio", "startup.import-atrio", "startup.help"
ROWS = (
    Row("`import atrio` / `import trio`, CPU", ATRIO, TRIO, at_most=1.4, gate=True),
    Row("`atrio --help` / `import trio`, CPU", HELP, TRIO, at_most=2.5, gate=True),
    Row("`atrio check`, a file of 200 agents less one of 2, CPU", "startup.check.200", minus="startup.check.2",
        at_most=100, scale=1e3, unit=" ms", digits=0),
    Row("`import atrio` / `import trio`, wall", ATRIO, TRIO, figure="wall_s"),
    Row("`atrio --help` / `import trio`, wall", HELP, TRIO, figure="wall_s"),
    Row("`import atrio` / `import trio`, CPU above a bare interpreter's", ATRIO, TRIO, figure="net_cpu_s"),
    Row("`atrio check`, a file of 200 agents less one of 2, wall", "startup.check.200", minus="startup.check.2",
        figure="wall_s", scale=1e3, unit=" ms", digits=0),
    Row("`import anyio` / `import trio`, CPU", "startup.import-anyio", TRIO),
    Row("`import asyncio` / `import trio`, CPU", "startup.import-asyncio", TRIO),
)  # fmt: skip
