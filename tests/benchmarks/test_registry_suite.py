"""The registry's suite: its registries have the shapes that it speaks of, and whoever answers otherwise is noticed."""

import pytest

from benchmarks import registry
from benchmarks.harness.worker import built, digest_of
from benchmarks.registry.planning import Planned, Suggesting
from benchmarks.registry.world import CAPABILITIES, SCHEMAS, capability, drawn, layered, registered

WORKS = {work.name: work for work in registry.WORKS}
PROGRAMS = {program.name: program for program in registry.PROGRAMS}
SMALL = {"agents": 12 * CAPABILITIES}


@pytest.fixture(scope="module")
def islands():
    return registered(layered(SMALL["agents"], islands=2))


@pytest.mark.parametrize("program", registry.PROGRAMS, ids=lambda program: program.name)
def test_answers(program):
    options = {name: SMALL.get(name, value) for name, value in program.options.items()}
    if options.get("shape") in {"layered", "islands"}:  # of a few agents that are drawn, hardly any feeds another
        options |= SMALL
    subject = built(program.build, options)
    assert digest_of(subject.answer()) == digest_of(WORKS[program.work].answer)
    cost = subject.time(1)
    assert 0 <= cost.cpu_s < 10
    assert 0 < cost.wall_s < 20


def test_agents_are_the_same_each_time():
    assert drawn(50) == drawn(50)
    assert layered(50) == layered(50)


def test_shapes_have_the_size_that_they_are_called_by():
    agents = drawn(registry.AGENTS)
    assert len({name for each in agents.values() for name in each.capabilities}) == CAPABILITIES
    assert len({each.input_schema for each in agents.values()} - {"any"}) == SCHEMAS
    assert sum(each.input_schema == "any" for each in agents.values()) in range(50, 200)


def test_a_chain_through_layers_has_an_agent_of_each():
    chain = next(iter(registered(layered(SMALL["agents"])).suggest_pipelines(capability(0), capability(9))))
    assert len(chain) == 10


def test_islands_are_far_from_each_other(islands):
    assert not list(islands.suggest_pipelines(capability(0), capability(CAPABILITIES - 1)))
    assert list(islands.suggest_pipelines(capability(0), capability(CAPABILITIES // 2 - 1), limit=1))


@pytest.mark.parametrize("build", [Suggesting, Planned])
def test_a_wrong_answer_is_noticed(build):
    class Silent(build):
        def ask(self, registry, question):
            return None

    with pytest.raises(RuntimeError, match="not answered as it should be"):
        Silent("layered", **SMALL).time(1)


def test_names_and_rows():
    for program in PROGRAMS.values():
        assert program.name.startswith(f"{program.work}.")
        assert program.work in WORKS
    assert {name for row in registry.ROWS for name in row.programs} == set(PROGRAMS)
    assert len({row.label for row in registry.ROWS}) == len(registry.ROWS)


def test_the_targets():
    targets = {row.above: row.target for row in registry.ROWS if row.target}
    assert targets == {
        **{f"registry.{work}.{shape}": "<= 20 ms" for work in ("suggest", "plan") for shape in registry.SHAPES},
        "registry.register.10000.atrio": "<= 12",
        "registry.find.10000.atrio": "<= 1.2",
        "registry.call.measured": "<= 1.5 us",
    }
