"""What the shape of batches does not probe by itself: a time limit a task."""

from time import perf_counter
from typing import Any

from benchmarks.harness.agents import Sleep, Sleeping
from benchmarks.harness.shapes import DEADLINE_S, HANG_S


class DeadlineProbed:
    """Put before `harness.shapes.Batches`.

    Attributes:
        timeout_s: seconds for each item, or None.
    """

    timeout_s: float | None
    sleep: Sleep
    once: Any
    outcomes_of: Any

    def probe_timeout(self) -> str:
        """Return ``timeout`` if an item that hangs was cut off by its deadline, and the others were not."""
        if self.timeout_s is None:
            return "there is no time limit"
        timed_s, self.timeout_s = self.timeout_s, DEADLINE_S
        began = perf_counter()
        try:
            outcomes = self.outcomes_of(self.once(Sleeping(self.sleep), [0.0, HANG_S, 0.0], 3))
        finally:
            self.timeout_s = timed_s
        took_s = perf_counter() - began
        late = [isinstance(outcome, TimeoutError) for outcome in outcomes]
        return "timeout" if late == [False, True, False] and took_s < HANG_S else f"after {took_s:.1f} s: {outcomes}"
