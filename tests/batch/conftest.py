"""What the batch tests share as fixtures."""

import pytest
import trio


@pytest.fixture
def endless_turn(monkeypatch):
    """A processor clock that stands still: nobody's turn ends, so that a worker rests only where something waits."""
    for module in ("_turn", "_run", "_batch_run"):
        monkeypatch.setattr(f"atrio.{module}.perf_counter", lambda: 0.0)


@pytest.fixture
async def nothing_left():
    """Whatever a test does, no task of it is left in Trio."""
    living = trio.lowlevel.current_statistics().tasks_living
    yield
    assert trio.lowlevel.current_statistics().tasks_living == living
