"""The asyncio twin's pipeline of one stage whose first attempt fails."""

from benchmarks.micro import stage_twin
from benchmarks.micro.attempting import Attempted


class Twin(Attempted, stage_twin.Twin):
    """The twin's pipeline of one stage, with nobody listening.

    Args:
        call: as for `stage_twin.Twin`.
        loop: as for `stage_twin.Twin`.
    """

    def __init__(self, call: str = "wait_for", loop: str = "asyncio") -> None:
        super().__init__(1, call, loop)
