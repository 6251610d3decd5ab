"""A directory with a configuration and a module of agents beside it, for one test."""

import sys
from itertools import count
from textwrap import dedent

from hypothesis import strategies as st

from atrio.config import load, parse, survey

_numbers = count()

AGENTS = """
import trio

calls = []

class Works:
    def __init__(self, name="works", takes=0.0):
        self.name = name
        self.takes = takes

    async def process(self, data):
        calls.append((self.name, trio.current_time()))
        await trio.sleep(self.takes)
        return f"{self.name}: {data}"

class Fails(Works):
    async def process(self, data):
        await super().process(data)
        raise ConnectionError(f"{self.name} is down")

class Odd(Exception):
    pass

class Nothing:
    pass

class Blocks(Works):
    def process(self, data):
        return data

class OddlyFails(Works):
    async def process(self, data):
        await super().process(data)
        raise Odd(self.name)

def function():
    pass
"""
"""The module `shop`."""


class Shop:
    """A directory. In what is written, `shop` stands for a module's name of its own, as modules are imported once."""

    def __init__(self, directory):
        self.directory = directory
        self.module = f"shop_of_a_test_{next(_numbers)}"
        self.write("shop.py", AGENTS)

    def write(self, name, text):
        path = self.directory / name.replace("shop", self.module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.own(text), encoding="utf-8")
        return path

    def own(self, text):
        text = dedent(text).replace("shop.", f"{self.module}.").replace('"shop"', f'"{self.module}"')
        return text.replace("import shop", f"import {self.module}")

    def load(self, text):
        return load(self._written(text))

    def survey(self, text):
        return survey(self._written(text))

    def _written(self, text):
        path = self.directory / "atrio.toml"
        path.write_text(self.own(text), encoding="utf-8")
        return path

    def parse(self, text):
        return parse(self.own(text), path=self.directory / "atrio.toml")

    @property
    def calls(self):
        """Of each call of an agent the name of that and when it was made."""
        return sys.modules[self.module].calls

    def forget(self):
        for name in [name for name in sys.modules if name.partition(".")[0] == self.module]:
            del sys.modules[name]


def agent(name, kind="Works", takes="text", gives="text", **others):
    """Return the table of an agent of the shop."""
    lines = [
        f"[agents.{name}]",
        f'agent_class = "{kind}"',
        'module_path = "shop"',
        f'capabilities = ["{others.pop("capability", "work")}"]',
        f'input_schema = "{takes}"',
        f'output_schema = "{gives}"',
        f'configuration = {{ name = "{name}" }}',
        *(f"{key} = {value}" for key, value in others.items()),
    ]
    return "\n".join(lines) + "\n"


READY_MADE = st.sampled_from(["text_cleaner", "text_analyzer", "report_writer"])
NAMES = st.sampled_from(["a", "b", "c"]) | READY_MADE
_FALLBACK = st.lists(NAMES, max_size=3)
_ONE_OR_MORE = st.lists(NAMES, min_size=1, max_size=4)
_BY_NAME = st.dictionaries(NAMES, NAMES, min_size=1, max_size=3)
_GUARDS = {
    "breaker": st.sampled_from([{}, {"trips_on": ["OSError"]}, "shared"]),
    "rate": st.sampled_from([{"rate": 1}, {"rate": 1, "cost": "length(@)"}, "shared"]),
}


def _tables(optional=None, **required):
    return st.dictionaries(NAMES, st.fixed_dictionaries(required, optional=optional or {}), max_size=4)


TREES = st.fixed_dictionaries(
    {
        "agents": _tables(_GUARDS | {"fallback": _FALLBACK}, extends=READY_MADE),
        "pools": _tables(_GUARDS | {"fallback": _FALLBACK}, members=_ONE_OR_MORE),
        "fan_outs": _tables(agents=_BY_NAME),
        "routers": _tables(agents=_BY_NAME, choose=st.just("x")),
        "pipelines": _tables(stages=_ONE_OR_MORE),
        "breakers": st.just({"shared": {}}),
        "rate_limits": st.sampled_from([{}, {"shared": {"rate": 1}}]),
    }
)
"""Trees of tables that name each other, many of them wrongly."""


def _some(names, *, least=0):
    return st.lists(st.sampled_from(names), min_size=least, max_size=3, unique=True)


def _named(names):
    return st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(names), min_size=1)


_CLEANERS = st.sampled_from(["text_cleaner"] * 9 + ["text_analyzer"])
_AGENTS = ["a", "b", "c", "text_cleaner"]
_POOLS = [*_AGENTS, "p", "q"]

SOUND_TREES = st.fixed_dictionaries(
    {
        "agents": st.fixed_dictionaries(
            {
                "a": st.fixed_dictionaries({"extends": _CLEANERS, "fallback": _some(["b", "c"])}, optional=_GUARDS),
                "b": st.fixed_dictionaries({"extends": _CLEANERS, "fallback": _some(["a", "c"])}, optional=_GUARDS),
                "c": st.fixed_dictionaries({"extends": _CLEANERS}, optional={"capacity": st.integers(1, 3)}),
            }
        ),
        "pools": st.fixed_dictionaries(
            {
                "p": st.fixed_dictionaries(
                    {"members": _some(_AGENTS, least=1), "fallback": _some(["a", "q"])}, optional=_GUARDS
                ),
                "q": st.fixed_dictionaries(
                    {"members": _some(_AGENTS, least=1), "fallback": _some(["b", "p"])}, optional=_GUARDS
                ),
            }
        ),
        "fan_outs": st.fixed_dictionaries({"f": st.fixed_dictionaries({"agents": _named(_POOLS)})}),
        "routers": st.fixed_dictionaries(
            {"r": st.fixed_dictionaries({"agents": _named(_POOLS), "choose": st.just("x")})}
        ),
        "pipelines": st.fixed_dictionaries(
            {
                "inner": st.fixed_dictionaries({"stages": _some(_POOLS, least=1)}),
                "outer": st.fixed_dictionaries({"stages": _some([*_POOLS, "f", "r", "inner"], least=1)}),
            }
        ),
        "breakers": st.just({"shared": {}}),
        "rate_limits": st.just({"shared": {"rate": 1}}),
    }
)
"""Trees of which most have no errors."""
