"""Something small, done again and again in a loop of its own."""

import gc
from collections.abc import Awaitable
from time import perf_counter, process_time
from typing import Any

import trio

from benchmarks.harness.programs import Cost


class Repeated:
    """A program overrides `repeat`, which is async if what it does is, and `answer`."""

    def repeat(self, times: int) -> Awaitable[Any] | None:
        """Do it so many times; what has to be made once is made before the loop."""
        raise NotImplementedError

    def answer(self) -> Any:
        """Do it, and return what came of it."""
        raise NotImplementedError

    def time(self, loops: int) -> Cost:
        """Do it so many times inside Trio, whose clock some of it reads."""

        async def main() -> Cost:
            cpu_began, wall_began = process_time(), perf_counter()
            waiting = self.repeat(loops)
            if waiting is not None:
                await waiting
            return Cost(process_time() - cpu_began, perf_counter() - wall_began)

        gc.collect()
        return trio.run(main)
