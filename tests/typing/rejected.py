"""What both type checkers must reject.

Each line has two comments: mypy obeys only the first, pyright only the second, and each of them calls a comment that
hides no error an error. So a mistake that one of the two no longer sees fails the check. It is checked, never run.
"""

from __future__ import annotations

from typing import Any

from atrio import Agent, ErrorPolicy, Event, Pipeline, PipelineContext, Stage, StageConfig, observe
from atrio.adapters import in_thread


async def length(text: str) -> int:
    return len(text)


async def half(number: int) -> float:
    return number / 2


async def exclaim(text: str) -> str:
    return text + "!"


async def perhaps(text: str) -> int | None:
    return len(text) or None


def blocking_half(number: int) -> float:
    return number / 2


class Halver:
    async def process(self, data: int, /) -> float:
        return data / 2


class Blocking:
    def process(self, data: int, /) -> float:
        return data / 2


# A stage that cannot take what the stage before it gives, whatever kind of agent it has.

start = Pipeline("start").add_stage(Stage("length", length))
good = Pipeline("good").add_stage(Stage("half", half))

exclaim_stage = Stage("exclaim", exclaim)
start.add_stage(exclaim_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
