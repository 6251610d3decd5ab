"""What the registry offers over the ready-made agents can be built, and works on real data."""

from contextlib import asynccontextmanager
from itertools import product

import attrs
import pytest
import trio

from atrio import (
    BUILT_IN_AGENTS,
    AgentRegistry,
    Capability,
    Pipeline,
    PlanningError,
    RegistryError,
    RunStatus,
    Stage,
    StageConfig,
    testing,
)

for package in ("h11", "httpx2", "jinja2", "jmespath", "jsonschema_rs", "regex", "stop_words"):
    pytest.importorskip(package)
hypercorn_config = pytest.importorskip("hypercorn.config")
hypercorn_trio = pytest.importorskip("hypercorn.trio")

TEXT = "The quick  brown fox jumps over the lazy dog.\r\nIt was a dark and stormy night."
REAL = {"text": TEXT, "json": {"orders": [{"id": 1, "sum": 2.5}]}, "any": [TEXT, {"a": None}]}
PAIRS = list(product(Capability, Capability))
ASKING = {"task_processor", "content_analyzer", "data_transformer"}


def options(url):
    """What the agents that must be told what to do are told."""
    return {
        "json_transformer": {"expression": "{seen: @, kind: type(@)}"},
        "json_validator": {"schema": {"type": ["object", "array", "string"]}},
        "webhook": {"url": url},
        "command_runner": {"command": ["cat"]},
    }


@asynccontextmanager
async def echo():
    """An HTTP server on loopback that answers with what it is sent."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for event in "startup", "shutdown":
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    config = hypercorn_config.Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(hypercorn_trio.serve, app, config)
        yield url
        nursery.cancel_scope.cancel()


def ready_made(url="http://127.0.0.1:9", models=None):
    """A registry of the ready-made agents, each told what to do; those that ask a model, if there is one."""
    registry = AgentRegistry()
    told = options(url)
    for agent_id, definition in BUILT_IN_AGENTS.items():
        if agent_id in ASKING and models is not None:
            with_model = {"configuration": {"base_url": models}, "unavailable": None}
            registry.register(agent_id, attrs.evolve(definition, **with_model))
        else:
            registry.register(agent_id, attrs.evolve(definition, configuration=told.get(agent_id, {})))
    return registry


def chains(models=None):
    registry = ready_made(models=models)
    found = {chain for start, end in PAIRS for chain in registry.suggest_pipelines(start, end, limit=10)}
    return sorted(found, key=lambda chain: (len(chain), chain))


def test_every_capability_leads_to_reporting():
    registry = ready_made()
    for start in Capability:
        assert next(registry.suggest_pipelines(start, Capability.REPORTING))[-1] == "report_writer"


def test_every_agent_is_in_a_chain():
    assert {agent_id for chain in chains() for agent_id in chain} == set(BUILT_IN_AGENTS) - ASKING
    assert {agent_id for chain in chains("http://127.0.0.1:9") for agent_id in chain} == set(BUILT_IN_AGENTS)


async def test_those_that_ask_a_model_lead_to_reporting():
    async with echo() as url, testing.ChatServer() as server:
        registry = ready_made(url, server.base_url)
        for start in (Capability.TASK_PROCESSING, Capability.CONTENT_ANALYSIS, Capability.DATA_TRANSFORMATION):
            assert registry.rank(start)[0].agent_id in ASKING
            pipeline = registry.assemble([start, Capability.REPORTING])
            async with pipeline:
                result = await pipeline.execute(TEXT)
            assert result.status is RunStatus.SUCCESS, result.errors
            assert result.usage.calls == 1
        assert len(server.requests) == 3


def test_without_a_model_they_come_last_and_say_why():
    registry = ready_made()
    for start in (Capability.TASK_PROCESSING, Capability.CONTENT_ANALYSIS, Capability.DATA_TRANSFORMATION):
        *able, last = registry.rank(start)
        assert last.agent_id in ASKING
        assert last.availability == last.score == 0
        assert last.refusal.startswith("no provider of language models is configured: ")
        assert last.refusal in str(last)
        assert all(each.refusal is None for each in able)
        assert registry.assemble([start]).pipeline_id == able[0].agent_id
        with pytest.raises(RegistryError, match=r"needs 'base_url'.* give\. No provider of language models is"):
            registry.instantiate(last.agent_id)


def test_where_there_is_nobody_else_the_reason_is_told():
    registry = AgentRegistry()
    registry.register("task_processor", BUILT_IN_AGENTS["task_processor"])
    for attempt in (registry.plan, registry.assemble):
        with pytest.raises(PlanningError, match=r"task_processor \(no provider of language models"):
            attempt(["task_processing"])
    assert list(registry.suggest_pipelines("task_processing", "task_processing")) == []


async def test_every_suggested_chain_runs_on_real_data():
    async with echo() as url:
        registry = ready_made(url)
        for chain in chains():
            pipeline = Pipeline("+".join(chain))
            for place, agent_id in enumerate(chain):
                config = StageConfig(attempts=1)
                pipeline.add_stage(Stage(f"{place}", registry.instantiate(agent_id), config=config))
            async with pipeline:
                result = await pipeline.execute(REAL[BUILT_IN_AGENTS[chain[0]].input_schema])
            assert result.status is RunStatus.SUCCESS, (chain, result.errors)
            assert result.output is not None, chain


@pytest.mark.parametrize(("start", "end"), PAIRS)
async def test_every_pair_that_leads_somewhere_is_assembled_and_runs(start, end):
    """Neighbours that are planned are built, checked and run by the registry itself."""
    wanted = [start] if start is end else [start, end]
    async with echo() as url:
        registry = ready_made(url)
        try:
            chain = registry.plan(wanted)
        except PlanningError:
            # Only what takes nothing but text, or nothing but JSON, cannot follow.
            assert end in {Capability.CONTENT_ANALYSIS, Capability.DATA_TRANSFORMATION, Capability.VALIDATION}
            return
        pipeline = registry.assemble(wanted)
        assert pipeline.pipeline_id == "+".join(chain)
        async with pipeline:
            result = await pipeline.execute(REAL[BUILT_IN_AGENTS[chain[0]].input_schema])
    assert result.status is RunStatus.SUCCESS, result.errors


@pytest.mark.parametrize(
    ("capabilities", "chain"),
    [
        # Without options: what needs none is preferred where it does as well.
        (["data_transformation"], ("text_cleaner",)),
        (["data_transformation", "reporting"], ("text_cleaner", "report_writer")),
        (["data_transformation", "content_analysis", "reporting"], ("text_cleaner", "text_analyzer", "report_writer")),
        (["communication", "data_transformation"], ("webhook", "json_transformer")),
        (
            ["content_analysis", "communication", "validation", "task_processing", "reporting"],
            ("text_analyzer", "webhook", "json_validator", "command_runner", "report_writer"),
        ),
    ],
)
def test_which_of_them_are_planned(capabilities, chain):
    assert ready_made().plan(capabilities) == chain


@pytest.mark.parametrize(("agent_id", "option"), [(each, next(iter(told))) for each, told in options("").items()])
def test_who_is_not_told_what_to_do_says_so(agent_id, option):
    registry = AgentRegistry()
    registry.register(agent_id, BUILT_IN_AGENTS[agent_id])
    with pytest.raises(RegistryError, match=rf"{agent_id}.*{option}"):
        registry.instantiate(agent_id)
    assert registry.instantiate(agent_id, options("http://127.0.0.1:9")[agent_id]).agent_id == agent_id
