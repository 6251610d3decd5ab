"""The agents themselves."""


class Shouter:
    """An agent that puts text into capitals.

    Args:
        mark: what it ends with.
    """

    def __init__(self, *, mark: str = "!") -> None:
        self._mark = mark

    async def process(self, data: str, /) -> str:
        """Return `data` in capitals, with the mark."""
        return data.upper() + self._mark
