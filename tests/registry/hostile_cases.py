"""Definitions that try to run or import what is not allowed. Each must be refused."""

from types import SimpleNamespace


class Sly(str):
    """A string that says one thing when it is checked, and is another."""

    __slots__ = ()

    __hash__ = str.__hash__

    def __eq__(self, other):
        return True

    def split(self, *by):
        return ["allowed"]

    def isidentifier(self):
        return True

    def startswith(self, *prefix):
        return False

    def __str__(self):
        return "allowed"


def case(module_path, agent_class, options=None, /, **afterwards):
    return SimpleNamespace(
        module_path=module_path, agent_class=agent_class, options=options or {}, afterwards=afterwards
    )


def cases(*cases):
    named = {}
    for each in cases:
        details = [each.options or "", each.afterwards or ""]
        name = " ".join([f"{str.__str__(each.module_path)[:40]}:{str.__str__(each.agent_class)}", *map(str, details)])
        named[f"{len(named):03} {name.strip()!a}"] = each
    return named


CASES = cases(
    # Modules that are not allowed.
    case("os", "system", {"command": "true"}),
    case("subprocess", "Popen", {"args": ["true"]}),
    case("builtins", "eval"),
    case("builtins", "exec"),
    case("builtins", "type"),
    case("builtins", "__import__"),
    case("outside", "Foreign"),
    case("forbidden", "Good"),
    case("importlib", "import_module", {"name": "forbidden"}),
    case("__main__", "AgentRegistry"),
    # Names that look like an allowed one.
    case("allowedmore", "Good"),
    case("allowed_more", "Good"),
    case("allowe", "Good"),
    case("Allowed", "Good"),
    case("\N{CYRILLIC SMALL LETTER A}llowed", "Good"),
    case("\N{FULLWIDTH LATIN SMALL LETTER O}s", "system"),
    case("allowed\N{ZERO WIDTH SPACE}", "Good"),
    case("atrio", "CircuitBreaker"),
    case("atrio.agent", "Good"),
    case("atrio.agentsmore", "Good"),
    case("atrio.agents.text.more", "Good"),
    case("atrio.adapters", "in_thread", {"function": "os.system"}),
    # What an allowed module has imported.
    case("allowed", "system", {"command": "true"}),
    case("allowed", "Popen", {"args": ["true"]}),
    case("allowed", "evaluate"),
    case("allowed", "execute"),
    case("allowed", "partial"),
    case("allowed", "popen_of_nothing"),
    case("allowed", "os"),
    case("allowed", "Foreign"),
    case("allowed", "ForeignNothing"),
    case("allowed", "MadeElsewhere"),
    case("allowed", "Listed"),
    case("allowed", "process"),
    case("allowed", "factory"),
    case("atrio.agents.text", "trio"),
    case("atrio.agents", "TYPE_CHECKING"),
    case("atrio.agents", "import_module", {"name": "forbidden"}),
    # Paths through attributes.
    case("allowed", "os.system", {"command": "true"}),
    case("allowed", "os._wrap_close"),
    case("allowed", "subprocess.Popen", {"args": ["true"]}),
    case("allowed", "builtins.eval"),
    case("allowed", "outside.Foreign"),
    case("allowed", "Good.Shell", {"args": ["true"]}),
    case("allowed", "Good.Foreign"),
    case("allowed", "Good.module"),
    case("allowed", "Good.module.system", {"command": "true"}),
    case("allowed", "Good.process"),
    case("allowed", "Good.process.__globals__"),
    case("allowed", "Good.__init__.__globals__"),
    case("allowed", "Good.__init__.__builtins__"),
    case("allowed", "Good.__class__"),
    case("allowed", "Good.__base__.__subclasses__"),
    case("allowed", "Good.mro"),
    case("allowed", "Good.trap"),
    case("allowed", "Good.described"),
    case("allowed", "Made.anything"),
    case("allowed", "Made.mro"),
    case("allowed", "__builtins__.eval"),
    case("allowed", "__builtins__"),
    case("allowed", "__loader__"),
    case("allowed", "__spec__.loader"),
    case("allowed", "__class__"),
    case("atrio.agents.text", "trio.run_process"),
    case("atrio.agents.text", "trio.Event"),
    # Modules that are not what they seem.
    case("allowed.os", "system"),
    case("allowed.subprocess", "Popen"),
    case("allowed.os.path", "join"),
    case("allowed.alias", "system", {"command": "true"}),
    case("allowed.alias", "_wrap_close"),
    case("allowed.instance", "Popen", {"args": ["true"]}),
    case("allowed.none", "Good"),
    case("allowed.absent", "Good"),
    case("allowed.__main__", "Good"),
    case("allowed.__init__", "Good"),
    case("allowed.leaves", "Good"),
    case("allowed.broken", "Good"),
    # The __getattr__ of a module.
    case("allowed.lazy", "forbidden"),
    case("allowed.lazy", "Anything"),
    case("allowed.lazy", "os.system"),
    case("allowed.lazy", "__getattr__", {"name": "forbidden"}),
    case("allowed.lazy", "Popen", {"args": ["true"]}),
    case("allowed.lazy", "Broken"),
    case("allowed.lazy", "Leaves"),
    case("atrio.agents", "forbidden"),
    # Classes that lie about where they are from, or about being classes.
    case("allowed", "Liar"),
    case("allowed", "NamesAnother"),
    case("allowed", "Confirmed"),
    case("allowed", "LyingMetaclass"),
    case("allowed", "LyingGetattribute"),
    case("allowed", "ByMeta"),
    case("allowed", "ModuleIsNone"),
    case("allowed", "ModuleIsProperty"),
    case("allowed", "ModuleIsSly"),
    case("allowed", "Pretender"),
    # Classes that make no agents: making them would do something else.
    case("allowed", "Runner", {"args": ["true"]}),
    case("allowed", "Sync", {"command": "true"}),
    case("allowed", "Nothing", {"command": "true"}),
    case("allowed", "Number", {"command": "true"}),
    # Options.
    case("allowed", "Good", {"self": 1}),
    case("allowed", "Good", {"__class__": "Popen"}),
    case("allowed", "Good", {"mark.__class__": 1}),
    # Names that are none.
    case("", "Good"),
    case("allowed", ""),
    case(".allowed", "Good"),
    case("..os", "system"),
    case(".", "system"),
    case("allowed.", "Good"),
    case("allowed..lazy", "Late"),
    case("allowed.*", "Good"),
    case("*", "Good"),
    case(" allowed", "Good"),
    case("allowed ", "Good"),
    case("allowed\n", "Good"),
    case("allowed\nos", "system"),
    case("os\nallowed", "system"),
    case("allowed\0", "Good"),
    case("allowed\r", "Good"),
    case("allowed;import forbidden", "Good"),
    case("allowed:Good", "Good"),
    case("allowed/../forbidden", "Good"),
    case("../forbidden", "Good"),
    case("forbidden.py", "Good"),
    case("allowed", "Good\n"),
    case("allowed", "Good\nimport forbidden"),
    case("allowed", "Good()"),
    case("allowed", "Good.__class__('X', (), {})"),
    case("allowed", "Good[0]"),
    case("allowed", "__import__('forbidden')"),
    case("allowed", "lambda: 0"),
    case("allowed", ".Good"),
    case("allowed", "Good."),
    case("allowed", "Good..Inner"),
    case("allowed", "Good.Inner.Absent"),
    case("allowed", "allowed.Good"),
    case("allowed", "\ud800"),
    case("allowed." * 10_000 + "os", "system"),
    # Strings that are not what they say, and definitions that were changed behind their own back.
    case(Sly("forbidden"), "Good"),
    case("allowed", Sly("os.system"), {"command": "true"}),
    case("allowed", "Good", module_path="forbidden"),
    case("allowed", "Good", module_path=Sly("forbidden")),
    case("allowed", "Good", module_path=".os"),
    case("allowed", "Good", agent_class="os.system"),
    case("allowed", "Good", agent_class="__builtins__.eval"),
    case("allowed", "Good", agent_class=Sly("Popen")),
)
