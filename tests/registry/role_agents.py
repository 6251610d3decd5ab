"""Agents for registries of tests: they do next to nothing, and say what they were made for."""

import trio


class Role:
    """An agent that returns what it was given.

    Args:
        role: what it was made for.
    """

    def __init__(self, role="any"):
        self.role = role

    async def process(self, data):
        return data


class Stuck(Role):
    """An agent that works until it is cancelled."""

    async def process(self, data):
        await trio.sleep_forever()


class Slow(Role):
    """An agent that takes a second."""

    async def process(self, data):
        await trio.sleep(1)


class Failing(Role):
    """An agent that never works."""

    async def process(self, data):
        raise ConnectionError(data)
