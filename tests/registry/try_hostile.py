"""Tries hostile definitions, and prints what came of each. A program: it runs in a process of its own.

PYTHONPATH leads to the modules. What is hooked here sees whatever Python itself does: imports, programs that
are started, text that is compiled.
"""

import importlib
import json
import os
import sys
from functools import partial
from types import SimpleNamespace

import outside
from hostile_cases import CASES

from atrio import AgentDefinition, AgentRegistry, RegistryError

DANGEROUS = ("os.", "subprocess.", "exec", "compile", "ctypes.", "socket.", "shutil.", "pty.")
WARM = [("allowed", "Good"), ("allowed", "Absent"), ("nowhere", "Good"), ("atrio.agents", "ReportWriter"),
        ("atrio.agents", "TextAnalyzer")]  # fmt: skip
FINE = {"os.listdir", "os.scandir"}  # looking for modules

seen = []


def watch(event, arguments):
    if event.startswith(DANGEROUS) and event not in FINE:
        # Code of an allowed module is compiled and run as it is imported; atrio's own have been, unless the extra that
        # they need is not installed: then they are tried anew each time.
        where = getattr(arguments[0], "co_filename", "") or (arguments[1] if event == "compile" else "")
        if not any(allowed in str(where) for allowed in ("/allowed/", "/atrio/agents/")):
            seen.append(f"{event}{arguments!r}"[:200])


def definition(case):
    made = AgentDefinition(case.agent_class, case.module_path, ["work"], "any", "any", configuration=case.options)
    for name, value in case.afterwards.items():
        object.__setattr__(made, name, value)
    return made


def outcome(case):
    registry = AgentRegistry(allowed_modules=["allowed"])
    try:
        registry.register("hostile", definition(case))
        made = registry.instantiate("hostile")
    except RegistryError as error:
        return {"refused": str(error)}
    except Exception as error:  # noqa: BLE001 - it is shown
        return {"raised": repr(error)}
    return {"made": repr(made)}


def controls():
    """Yield what the hook must see, by name."""
    yield "control: os.system", lambda: os.system("true")  # noqa: S605, S607 - it does nothing
    yield "control: import", lambda: importlib.import_module("forbidden")


def tried(name, try_it):
    before, outside.RAN[:], seen[:] = set(sys.modules), [], []
    result = try_it()
    details = result if isinstance(result, dict) else {}
    ran = {"ran": outside.RAN, "seen": seen, "imported": sorted(set(sys.modules) - before)}
    print(json.dumps({"name": name, **details, **ran}))  # noqa: T201 - read by the test


def main():
    # What the registry itself imports late is there before anything is tried.
    for module, name in WARM:
        outcome(SimpleNamespace(agent_class=name, module_path=module, options={}, afterwards={}))
    sys.addaudithook(watch)
    for name, case in CASES.items():
        tried(name, partial(outcome, case))
    for name, control in controls():
        tried(name, control)


main()
