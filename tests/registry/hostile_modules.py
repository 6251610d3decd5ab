"""The modules that hostile definitions find: one that is allowed, and others that are not. Written out, and imported in
a process of its own, by the tests of loading."""

ALLOWED = '''
import builtins, functools, os, subprocess, sys
from os import system
from subprocess import Popen

import outside
from outside import (
    Confirmed, ByMeta, Foreign, ForeignNothing, Liar, LyingMetaclass, LyingGetattribute, ModuleIsNone, ModuleIsSly,
    ModuleIsProperty, NamesAnother, Pretender, make_class,
)

MadeElsewhere = make_class()
evaluate = eval
execute = exec
partial = functools.partial(os.system, "true")
popen_of_nothing = functools.partial(Popen, ["true"])
Listed = list[int]


class Good:
    """The one that may be made."""
    Shell = Popen
    Foreign = Foreign
    module = os

    @property
    def trap(self):
        outside.RAN.append("a property")

    class Inner:
        async def process(self, data):
            return data

    class Trap:
        def __get__(self, instance, owner):
            outside.RAN.append("a descriptor")
            return Popen

    described = Trap()

    def __init__(self, mark=""):
        self.mark = mark

    async def process(self, data):
        return data + self.mark


class Runner(Popen):
    """No agent, though it is defined here: making it would run what its options say."""


class Sync:
    def __init__(self, command):
        outside.RAN.append("the constructor of a class that makes no agents")

    def process(self, data):
        return data


class Nothing(Sync):
    process = None


class Number(Sync):
    process = 3


class Meta(type):
    def __getattr__(cls, name):
        outside.RAN.append("the __getattr__ of a metaclass")
        return Popen

    def __getattribute__(cls, name):
        outside.RAN.append(f"the __getattribute__ of a metaclass")
        return type.__getattribute__(cls, name)


class Made(metaclass=Meta):
    """Nothing is asked of its metaclass by looking for what it has not."""


async def process(data):
    return data


def factory(command="true"):
    outside.RAN.append("a factory")
    return Good()


sys.modules["allowed.alias"] = os
sys.modules["allowed.instance"] = Pretender
sys.modules["allowed.none"] = None
outside.RAN.clear()
'''

LAZY = """
import importlib, sys
import outside

__all__ = ["Broken", "Popen", "Late", ["no", "string"], "Leaves"]


def __getattr__(name):
    if name == "Late":
        from allowed import Good
        return Good
    if name == "Popen":
        from subprocess import Popen
        return Popen
    if name == "Broken":
        raise RuntimeError("as scripted")
    if name == "Leaves":
        raise AttributeError(name)
    outside.RAN.append(f"the __getattr__ of a module, for {name}")
    return importlib.import_module(name)
"""

OUTSIDE = '''
from subprocess import Popen

RAN = []


class Foreign:
    """An agent, but of a module that is not allowed."""

    def __init__(self, *arguments, **options):
        RAN.append(f"{type(self).__qualname__} was made")

    async def process(self, data):
        RAN.append(f"{type(self).__qualname__} was called")
        return data


class ForeignNothing:
    pass


class Liar(Foreign):
    """Says that it is of the allowed module, which knows it by another name."""
    __module__ = "allowed"
    __qualname__ = "Good"


class NamesAnother(Foreign):
    __module__ = "atrio.agents.text"
    __qualname__ = "TextCleaner"


class Confirmed:
    """Has the name and the module under which the allowed module has it."""
    __module__ = "allowed"

    def __init__(self, **options):
        RAN.append("Confirmed was made")

    async def process(self, data):
        return data


class LyingMeta(type):
    @property
    def __module__(cls):
        return "allowed"

    def __call__(cls, *arguments, **options):
        RAN.append("the __call__ of a metaclass")

    def __eq__(cls, other):
        return True

    __hash__ = type.__hash__


LyingMeta.__qualname__ = "Good"


class LyingMetaclass(Foreign, metaclass=LyingMeta):
    pass


class GetattributeMeta(type):
    def __getattribute__(cls, name):
        return {"__module__": "allowed", "__qualname__": "Good"}.get(name) or type.__getattribute__(cls, name)


class LyingGetattribute(Foreign, metaclass=GetattributeMeta):
    pass


ByMeta = LyingMeta("Good", (Foreign,), {})


class ModuleIsNone(Foreign):
    __module__ = None


class ModuleIsProperty(Foreign):
    __module__ = property(lambda self: "allowed")


class Sly(str):
    """Equal to everything, and begins with anything."""
    __hash__ = str.__hash__

    def __eq__(self, other):
        return True

    def startswith(self, *prefix):
        return True

    def split(self, *by):
        return ["allowed"]


class ModuleIsSly(Foreign):
    __module__ = Sly("outside")


class _Pretender:
    __class__ = type
    __module__ = "allowed"
    __qualname__ = "Pretender"
    Popen = Popen

    def __call__(self, *arguments, **options):
        RAN.append("an object that says it is a class was called")


Pretender = _Pretender()


def make_class():
    class Good(Foreign):
        pass
    return Good
'''

TRAP = """
import outside
outside.RAN.append(f"module {__name__} was imported")


class Good:
    async def process(self, data):
        return data
"""

MODULES = {
    "allowed/__init__.py": ALLOWED,
    "allowed/lazy.py": LAZY,
    "allowed/__main__.py": TRAP,
    "allowed/leaves.py": "raise SystemExit('as scripted')",
    "allowed/broken.py": "raise RuntimeError('as scripted')",
    "outside.py": OUTSIDE,
    "allowedmore.py": TRAP,
    "allowed_more.py": TRAP,
    "forbidden.py": TRAP,
    "\N{CYRILLIC SMALL LETTER A}llowed.py": TRAP,
    "Allowed.py": TRAP,
}
"""Sources by path."""
