"""The registry: what suggesting, planning, registering and looking up cost, and what measuring calls adds to them."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.agents import DATA
from benchmarks.harness.programs import Program, Tier, Work

AGENTS, FEWER_AGENTS = 10_000, 1_000
QUESTIONS, STAGES, WANTED, LOOKUPS = 20, 5, 10, 3

MILLISECONDS = {"scale": 1e3, "unit": " ms", "digits": 2}

# What the registries look like that are asked, in words.
SHAPES = {
    "drawn": "short chains, and many",
    "layered": "one capability after the other, 200 in a row",
    "islands": "no chain there is",
}


# --- Suggestions and plans ---

_LARGE = f"{AGENTS:,} agents, 200 capabilities, 500 schemas"
ASKED = (
    Work("registry.suggest", f"{_LARGE}: the first suggestion", "question", QUESTIONS,
         [["a", "b2", "c"], ["a", "b1", "c"]]),
    Work("registry.plan", f"{_LARGE}: a plan of five stages", "question", QUESTIONS, [["a", "b2", "c"], None]),
)  # fmt: skip


def _asked(work: str, build: str, shape: str) -> Program:
    return Program(f"registry.{work}.{shape}", f"atrio's `AgentRegistry`, {SHAPES[shape]}", f"registry.{work}",
                   f"benchmarks.registry.planning:{build}", {"shape": shape})  # fmt: skip


def _asked_row(work: str, what: str, shape: str) -> Row:
    return Row(f"{_LARGE}: {what}, {SHAPES[shape]}, CPU", f"registry.{work}.{shape}", per_unit=True, at_most=20,
               **MILLISECONDS)  # fmt: skip


# --- Registering and looking up ---


def _registering(agents: int) -> Work:
    return Work(
        f"registry.register.{agents}", f"{agents:,} agents are registered", "agent", agents, [2, [], ["a", "b"]]
    )


_IDS = [f"wanted-{each}" for each in range(WANTED)]


def _finding(agents: int) -> Work:
    return Work(f"registry.find.{agents}", f"A lookup among {agents:,} agents, by capability, by schema or by id",
                "lookup", LOOKUPS, [_IDS, _IDS, "wanted"])  # fmt: skip


def _kept(work: Work, build: str, agents: int) -> Program:
    return Program(f"{work.name}.atrio", f"atrio's `AgentRegistry`, {agents:,} agents", work.name,
                   f"benchmarks.registry.keeping:{build}", {"agents": agents})  # fmt: skip


# --- Calls ---

CALL = Work("registry.call", "A call of an agent that does nothing, by itself and from a registry", "call",
            answer=[f"{DATA} 1", 1])  # fmt: skip
BARE = "registry.call.bare"


def _call(name: str, label: str, subject: str = "atrio", made: str = "bare", **others: object) -> Program:
    return Program(f"registry.call.{name}", label, CALL.name, "benchmarks.registry.keeping:Calling", {"made": made},
                   subject=subject, **others)  # fmt: skip


_SIZES = (FEWER_AGENTS, AGENTS)
WORKS = (*ASKED, *map(_registering, _SIZES), *map(_finding, _SIZES), CALL)
PROGRAMS = (
    *(_asked("suggest", "Suggesting", shape) for shape in SHAPES),
    *(_asked("plan", "Planned", shape) for shape in SHAPES),
    *(_kept(_registering(size), "Registering", size) for size in _SIZES),
    *(_kept(_finding(size), "Finding", size) for size in _SIZES),
    _call("bare", "`await agent.process(data)`, under Trio", "hand"),
    _call("bare.again", "the same once more (control)", "hand", control=True, tier=Tier.RIGOROUS),
    _call("measured", "the same, with its calls measured as those of registered agents are", made="measured"),
    _call("registered", "the same of an agent that atrio's `AgentRegistry` made, with no capacity stated",
          made="registered"),
)  # fmt: skip
ROWS = (
    *(_asked_row("suggest", "first suggestion", shape) for shape in SHAPES),
    *(_asked_row("plan", "a plan of five stages", shape) for shape in SHAPES),
    Row(f"{AGENTS:,} registrations / {FEWER_AGENTS:,} registrations", f"registry.register.{AGENTS}.atrio",
        f"registry.register.{FEWER_AGENTS}.atrio", at_most=12, digits=2),
    Row("a registration among up to 1,000 agents", f"registry.register.{FEWER_AGENTS}.atrio", per_unit=True, scale=1e6,
        unit=" us", digits=1),
    Row("a registration among up to 10,000 agents", f"registry.register.{AGENTS}.atrio", per_unit=True, scale=1e6,
        unit=" us", digits=1),
    Row(f"a lookup of {WANTED} among {AGENTS:,} agents / among {FEWER_AGENTS:,}", f"registry.find.{AGENTS}.atrio",
        f"registry.find.{FEWER_AGENTS}.atrio", at_most=1.2, digits=2),
    Row(f"a lookup of {WANTED} among {AGENTS:,} agents", f"registry.find.{AGENTS}.atrio", per_unit=True, scale=1e6,
        unit=" us", digits=2),
    Row("measuring a call, for the ranking, above a bare call", "registry.call.measured", minus=BARE, at_most=1.5,
        scale=1e6, unit=" us", digits=2),
    Row("a registered agent's call, no capacity stated, above a bare call", "registry.call.registered", minus=BARE,
        scale=1e6, unit=" us", digits=2),
    Row("control: a bare call / itself", f"{BARE}.again", BARE, control=True),
)  # fmt: skip
