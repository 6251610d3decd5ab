"""What a configuration names, built and run under virtual time, its calls counted."""

import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio
from shop_files import Shop, agent

from atrio import (
    Backoff,
    BatchConfig,
    BatchProcessor,
    BreakerState,
    CircuitOpenError,
    ConfigError,
    ErrorPolicy,
    PlanningError,
    RunStatus,
)
from atrio.config import (
    AgentSettings,
    Configuration,
    PipelineSettings,
    StageSettings,
    Workspace,
    check_configuration,
    load,
)
from atrio.registry import BUILT_IN_AGENTS
from atrio.testing import capture_events, run_in_virtual_time


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.forget()


def messages(error):
    return [f"{problem.path}: {problem.message}" for problem in error.problems]


def pipeline(*stages, name="p"):
    return f"[pipelines.{name}]\nstages = [{', '.join(stages)}]\n"


def run(agent, *inputs):
    async def main():
        async with agent:
            return [await agent.process(each) for each in inputs]

    return run_in_virtual_time(main)


class TestAllThatGuards:
    """A pool of two agents with a breaker each, a rate limit and a fallback: all of it from the file."""

    FILE = (
        agent("first", "Fails", capacity=9, breaker="{ failure_threshold = 2, recovery_timeout = 60.0 }")
        + agent("second", capacity=9, breaker="{ failure_threshold = 2 }", rate="{ rate = 1, per = 10.0, burst = 2 }")
        + agent("spare", capacity=9)
        + """
        [pools.both]
        members = ["first", "second"]
        fallback = ["spare"]

        [pipelines.triage]
        description = "to try it"
        stages = [{ agent = "both", attempts = 1, timeout = 100.0 }]
        """
    )

    def test_a_batch_through_all_of_it(self, shop):
        triage = Workspace(shop.load(self.FILE)).pipeline("triage")

        async def main():
            async with triage:
                batch = await BatchProcessor(BatchConfig(max_concurrent=1)).map(triage, list(range(8)))
            return batch.unwrap()

        outputs = run_in_virtual_time(main)
        calls = Counter(name for name, _ in shop.calls)
        # Two failures open the breaker of the first, for longer than all takes. The spare answers for them.
        assert calls == {"first": 2, "second": 6, "spare": 2}
        assert Counter(output.partition(":")[0] for output in outputs) == {"second": 6, "spare": 2}
        assert [output.partition(": ")[2] for output in outputs] == list("01234567")
        # Two at once, and then one in ten seconds.
        assert [when for name, when in shop.calls if name == "second"] == [0, 0, 10, 20, 30, 40]

    def test_the_fallback_answers_while_all_breakers_are_open(self, shop):
        workspace = Workspace(shop.load(self.FILE.replace('"Works"', '"Fails"', 1)))

        async def main():
            with capture_events() as events:
                result = [await workspace.pipeline("triage").process(each) for each in range(8)]
            return result, events.names.count("breaker.opened")

        outputs, opened = run_in_virtual_time(main)
        assert outputs == [f"spare: {each}" for each in range(8)]
        assert Counter(name for name, _ in shop.calls) == {"first": 2, "second": 2, "spare": 8}
        assert opened == 2

    def test_what_is_shared_counts_all_calls(self, shop):
        text = """
            [breakers.endpoint]
            failure_threshold = 3
            [rate_limits.endpoint]
            rate = 1
            per = 5.0
        """
        text += "".join(agent(name, "Fails", breaker='"endpoint"', rate='"endpoint"') for name in ("a", "b"))
        workspace = Workspace(shop.load(text))

        async def main():
            for name in "abab":
                with pytest.raises((ConnectionError, CircuitOpenError)):
                    await workspace.agent(name).process("x")

        run_in_virtual_time(main)
        assert shop.calls == [("a", 0), ("b", 5), ("a", 10)]
        one, another = (workspace.agent(name).breaker for name in "ab")
        assert one is another
        assert (one.name, one.state) == ("endpoint", BreakerState.OPEN)

    def test_guards_around_a_whole_pool(self, shop):
        text = (
            agent("a", "Fails")
            + """
            [pools.pool]
            members = ["a"]
            breaker = { failure_threshold = 1, half_open_max_calls = 2, recovery_timeout = 7.0 }
            rate = { rate = 2, per = 4.0, burst = 5, cost = "length(text)" }
        """
        )
        pool = Workspace(shop.load(text)).agent("pool")
        assert (pool.agent_id, pool.breaker.name) == ("pool", "pool")
        assert (pool.breaker.half_open_max_calls, pool.breaker.recovery_timeout) == (2, 7)
        limiter = pool.agent.limiter
        assert (limiter.rate, limiter.per, limiter.burst) == (2, 4, 5)
        assert limiter.cost_of({"text": "four"}) == 4

        async def main():
            with pytest.raises(ConnectionError):
                await pool.process({"text": "abc"})
            with pytest.raises(CircuitOpenError):
                await pool.process({"text": "abc"})

        run_in_virtual_time(main)

    def test_a_breaker_trips_on_what_the_file_says(self, shop):
        text = agent("a", "OddlyFails", breaker='{ failure_threshold = 1, trips_on = ["shop.Odd", "OSError"] }')
        text += agent("b", "OddlyFails", breaker='{ failure_threshold = 1, trips_on = ["OSError"] }')
        workspace = Workspace(shop.load(text))

        async def main():
            for name in "ab":
                with pytest.raises(Exception, match=name):
                    await workspace.agent(name).process("x")
            return [workspace.agent(name).breaker.state for name in "ab"]

        assert run_in_virtual_time(main) == [BreakerState.OPEN, BreakerState.CLOSED]

    def test_capacity(self, shop):
        text = agent("a", capacity=2).replace('name = "a"', 'name = "a", takes = 10.0')
        text += "[pools.own]\nmembers = ['a', { agent = 'text_cleaner' }]\n"
        text += "[pools.said]\nmembers = [{ agent = 'a', capacity = 1 }]\n"
        text += "[pools.nested]\nmembers = ['own', 'said', 'p']\n" + pipeline("'a'")
        workspace = Workspace(shop.load(text))

        async def main():
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(workspace.agent("a").process, "x")
            return [
                [each.capacity for each in workspace.agent(name).statistics().members]
                for name in ("own", "said", "nested")
            ]

        assert run_in_virtual_time(main) == [[2, 1], [1], [3, 1, 1]]
        assert [when for _, when in shop.calls] == [0, 0, 10, 10]


class TestPipelines:
    def test_every_key_of_a_stage(self, shop):
        text = agent("a") + pipeline(
            """{
            agent = "a", stage_id = "one", name = "First", description = "does it", attempts = 4, timeout = "none",
            error_policy = "skip", backoff = { initial = 0.5, factor = 3.0, maximum = 7.0, jitter = 0.1 },
            retry_on = ["ConnectionError", "shop.Odd"], random = 7 }""".replace("\n", " "),
            "'a'",
        )
        first, second = Workspace(shop.load(text)).pipeline("p").stages
        assert (first.stage_id, first.name, first.description) == ("one", "First", "does it")
        config = first.config
        assert (config.attempts, config.timeout, config.error_policy) == (4, None, ErrorPolicy.SKIP)
        assert config.backoff == Backoff(0.5, 3.0, 7.0, 0.1)
        assert config.retry_on == (ConnectionError, sys.modules[shop.module].Odd)
        assert config.random.random() == random.Random(7).random()
        assert (second.stage_id, second.agent_id, second.name) == ("a", "a", "a")
        assert (second.config.attempts, second.config.timeout, second.config.error_policy) == (3, 60, ErrorPolicy.RETRY)
        assert second.agent is first.agent

    def test_retries_are_those_of_the_file(self, shop):
        text = agent("a", "Fails") + pipeline(
            "{ agent = 'a', backoff = { initial = 2.0, factor = 5.0, maximum = 9.0 }, error_policy = 'skip' }"
        )
        result = run_in_virtual_time(Workspace(shop.load(text)).pipeline("p").execute, "x")
        assert (result.status, result.output) == (RunStatus.DEGRADED, "x")
        assert [when for _, when in shop.calls] == [0, 2, 11]

    def test_pipelines_fan_outs_and_routers_in_a_pipeline(self, shop):
        text = (
            "".join(agent(name, takes="any") for name in "abc")
            + """
            [fan_outs.both]
            agents = { one = "a", two = "b" }
            [routers.way]
            choose = "one"
            agents = { "a: x" = "b", other = "c" }
            default = "other"
            [pipelines.inner]
            stages = ["both", "way"]
            [pipelines.outer]
            stages = ["inner", "c"]
        """
        )
        workspace = Workspace(shop.load(text))
        assert run(workspace.pipeline("outer"), "x", "y") == [
            "c: b: {'one': 'a: x', 'two': 'b: x'}",
            "c: c: {'one': 'a: y', 'two': 'b: y'}",
        ]
        assert [stage.agent_id for stage in workspace.pipeline("inner").stages] == ["both", "way"]
        assert workspace.pipeline("outer").stages[0].agent is workspace.pipeline("inner")

    def test_a_router_without_a_default_says_what_was_named(self, shop):
        text = agent("a") + "[routers.way]\nchoose = 'kind'\nagents = { bill = 'a' }\n"
        way = Workspace(shop.load(text)).agent("way")
        assert run(way, {"kind": "bill"}) == ["a: {'kind': 'bill'}"]
        for wrong, named in (({"kind": "bil"}, "'bil'"), ("text", "None"), ({"kind": 5}, "5")):
            with pytest.raises(LookupError, match=f"named {named}"):
                run(way, wrong)

    def test_expressions_see_the_results_of_ready_made_agents(self, shop):
        text = (
            agent("a", takes="any")
            + agent("b", takes="any")
            + """
            [fan_outs.both]
            agents = { analysis = "text_analyzer" }
            [routers.way]
            choose = "analysis.words > `3` && 'long' || 'short'"
            agents = { long = "a", short = "b" }
            [pipelines.p]
            stages = ["both", "way"]
        """
        )
        outputs = run(Workspace(shop.load(text)).pipeline("p"), "one two", "one two three four")
        assert [output[0] for output in outputs] == ["b", "a"]

    def test_all_is_made_once(self, shop):
        text = agent("a") + "[pools.p1]\nmembers = ['a']\n[pools.p2]\nmembers = ['p1', 'a']\nfallback = ['a']\n"
        workspace = Workspace(shop.load(text))
        one, two = workspace.agent("p1"), workspace.agent("p2")
        assert workspace.agent("p1") is one
        assert [member.agent for member in two.agents[0]._members] == [one, workspace.agent("a")]
        assert two.agents[1] is workspace.agent("a")
        assert two.agent_id == "p2"

    def test_an_agent_that_is_a_stage_and_stands_in_for_another_is_one(self, shop):
        shop.write(
            "shop_resources.py",
            """
            log = []

            class Works:
                def __init__(self, name):
                    self.name = name
                    log.append(("made", name))

                async def __aenter__(self):
                    log.append(("entered", self.name))
                    return self

                async def __aexit__(self, *_):
                    log.append(("closed", self.name))

                async def process(self, data):
                    log.append(("asked", self.name))
                    if self.name == "a":
                        raise ConnectionError
                    return data
            """,
        )
        text = agent("a", fallback='["b"]') + agent("b") + agent("c", fallback='["b", "a"]') + "[pools.q]\n"
        text += "members = ['c']\nfallback = ['a']\n" + pipeline(
            "'b'", "'a'", "'q'", "{ agent = 'b', stage_id = 'again' }"
        )
        text = text.replace('"shop"', f'"{shop.module}_resources"')
        workspace = Workspace(shop.load(text))
        assert run(workspace.pipeline("p"), "x") == ["x"]
        log = sys.modules[f"{shop.module}_resources"].log
        assert Counter(log) == Counter(
            [(what, name) for what in ("made", "entered", "closed") for name in "abc"]
            + [("asked", name) for name in "babcb"]
        )
        assert workspace.agent("a").agents[1] is workspace.agent("b")

    def test_who_stands_in_does_so_without_a_fallback_of_its_own(self, shop):
        text = agent("a", "Fails", fallback='["b"]') + agent("b", "Fails", fallback='["a"]')
        text += "[pools.p]\nmembers = ['a']\nfallback = ['q', 'b']\n[pools.q]\nmembers = ['b']\nfallback = ['p']\n"
        workspace = Workspace(shop.load(text))
        with pytest.raises(ExceptionGroup):
            run(workspace.agent("p"), "x")
        # Members have theirs, those of its fallback have not.
        assert [name for name, _ in shop.calls] == ["a", "b", "b", "a", "b"]


class TestModules:
    def test_they_are_found_beside_the_file_and_only_while_something_is_built(self, shop):
        before = list(sys.path)
        workspace = Workspace(shop.load(agent("a")))
        workspace.agent("a")
        assert sys.path == before
        with pytest.raises(ConfigError):
            workspace.agent("b")
        assert sys.path == before

    def test_the_file_may_be_named_from_where_one_is(self, shop, monkeypatch):
        shop.load(agent("a"))
        monkeypatch.chdir(shop.directory)
        assert run(Workspace(load(Path("atrio.toml"))).agent("a"), "x") == ["a: x"]

    def test_nothing_is_imported_before(self, shop):
        workspace = Workspace(shop.load(agent("a", breaker="{}")))
        assert [each.agent_id for each in workspace.registry.rank("work")] == ["a"]
        assert shop.module not in sys.modules

    def test_a_package_may_hand_on_what_is_written_in_it(self, shop):
        shop.write("shop_package/__init__.py", "from .inner import Works")
        shop.write("shop_package/inner.py", "class Works:\n    async def process(self, data):\n        return data")
        text = agent("a").replace('"shop"', f'"{shop.module}_package"').replace('{ name = "a" }', "{}")
        assert run(Workspace(shop.load(text)).agent("a"), "x") == ["x"]

    def test_a_module_may_hand_on_what_is_written_beside_it_in_its_package(self, shop):
        shop.write("shop_package/__init__.py", "")
        shop.write("shop_package/agents.py", "from .inner import Works")
        shop.write("shop_package/inner.py", "class Works:\n    async def process(self, data):\n        return data")
        text = agent("a").replace('"shop"', f'"{shop.module}_package.agents"').replace('{ name = "a" }', "{}")
        assert check_configuration(shop.parse(text)) == []
        assert run(Workspace(shop.load(text)).agent("a"), "x") == ["x"]

    def test_what_is_written_elsewhere_is_named_by_its_own_module(self, shop):
        shop.write("shop_other.py", "import shop\nWorks = shop.Works")
        with pytest.raises(ConfigError) as caught:
            Workspace(shop.load(agent("a").replace('"shop"', f'"{shop.module}_other"'))).agent("a")
        assert messages(caught.value) == [
            (
                f"agents.a.agent_class: 'Works' in module '{shop.module}_other' is defined elsewhere, and module "
                f"'{shop.module}' is not that of module_path; if it is meant, write it there"
            )
        ]

    def test_another_agent_that_cannot_be_imported_is_in_nobodys_way(self, shop):
        text = agent("a") + agent("b").replace('"shop"', '"nowhere"')
        assert run(Workspace(shop.load(text)).agent("a"), "x") == ["a: x"]

    def test_all_that_is_wrong_with_a_pipeline_is_told_at_once(self, shop):
        shop.write("shop_broken.py", "import shop\n\n1 / 0\n")
        text = (
            agent("a", "Wroks")
            + agent("b").replace('name = "b"', 'nmae = "b"')
            + agent("c").replace('"shop"', f'"{shop.module}_broken"')
            + agent("d", breaker='{ trips_on = ["shop.Od"] }')
            + agent("unused", "Wroks")
            + pipeline("'a'", "'b'", "{ agent = 'c', retry_on = ['json.JsonDecodeError'] }", "'d'")
        )
        with pytest.raises(ConfigError) as caught:
            Workspace(shop.load(text)).pipeline("p")
        assert messages(caught.value) == [
            f"agents.a.agent_class: there is no 'Wroks' in module '{shop.module}'; did you mean 'Works'?",
            "agents.b.configuration.nmae: Works has no option 'nmae'; did you mean 'name'?",
            (
                f"agents.c.module_path: module '{shop.module}_broken' cannot be imported: ZeroDivisionError: "
                f"division by zero ({shop.module}_broken.py, line 3)"
            ),
            f"agents.d.breaker.trips_on[0]: there is no exception 'Od' in '{shop.module}'; did you mean 'Odd'?",
            (
                "pipelines.p.stages[2].retry_on[0]: there is no exception 'JsonDecodeError' in 'json'; did you mean "
                "'JSONDecodeError'?"
            ),
        ]
        assert all(problem.line for problem in caught.value.problems)

    def test_a_class_that_refuses_its_options(self, shop):
        shop.write("shop_picky.py", """
            class Picky:
                def __init__(self, name):
                    raise ValueError(f"not {name}")
                async def process(self, data):
                    pass
        """)  # fmt: skip
        text = agent("a", "Picky", fallback='["b"]').replace('"shop"', f'"{shop.module}_picky"') + agent("b")
        for broken in (text, text.replace("agents.a]", "agents.c]") + agent("a", fallback='["c"]')):
            with pytest.raises(ConfigError) as caught:
                Workspace(shop.load(broken)).agent("a")
            (message,) = messages(caught.value)
            assert message.endswith(".configuration: Picky(name) raised ValueError: not a")
            assert caught.value.problems[0].line is not None

    def test_guards_of_all_agents_are_needed_for_the_registry(self, shop):
        text = agent("a", breaker='{ trips_on = ["nowhere.Error"] }') + agent(
            "b", rate='{ rate = 1, cost = "lenght(@)" }'
        )
        workspace = Workspace(shop.load(text))
        with pytest.raises(ConfigError) as caught:
            workspace.registry  # noqa: B018 - asking is what fails
        one, another = messages(caught.value)
        assert one.startswith("agents.a.breaker.trips_on[0]: there is no module 'nowhere' beside the file")
        assert another.startswith("agents.b.rate.cost: ")
        assert "did you mean length()?" in another


class TestNames:
    @pytest.mark.parametrize(
        ("ask", "message"),
        [
            (
                lambda workspace: workspace.agent("text_cleanr"),
                "there is no agent 'text_cleanr'; did you mean 'text_cleaner'?",
            ),
            (lambda workspace: workspace.pipeline("pp"), "there is no pipeline 'pp'; did you mean 'p'?"),
            (lambda workspace: workspace.pipeline("text_cleaner"), "'text_cleaner' is no pipeline but of the agents"),
        ],
    )
    def test_one_that_is_not_there(self, shop, ask, message):
        workspace = Workspace(shop.load(pipeline("'text_cleaner'")))
        with pytest.raises(ConfigError) as caught:
            ask(workspace)
        assert str(caught.value).endswith(f"atrio.toml: {message}")

    def test_references_are_checked_first(self, shop):
        with pytest.raises(ConfigError, match="there is no agent, pool, fan-out, router or pipeline 'nobody'"):
            Workspace(shop.parse(pipeline("'nobody'")))


class TestWithoutAFile:
    def test_there_are_the_ready_made_agents(self):
        workspace = Workspace(Configuration())
        assert set(workspace.registry.agent_ids) == set(BUILT_IN_AGENTS)
        assert run(workspace.agent("text_cleaner"), "a  b") == ["a b"]
        with pytest.raises(ConfigError, match="the configuration: there is no pipeline 'p'"):
            workspace.pipeline("p")
        assert repr(workspace) == "<workspace of no file>"

    def test_a_configuration_may_be_made_by_a_program(self):
        configuration = Configuration(
            agents={"tidy": AgentSettings(extends="text_cleaner")},
            pipelines={"p": PipelineSettings(stages=(StageSettings(agent="tidy"),))},
        )
        assert run(Workspace(configuration).pipeline("p"), "a  b") == ["a b"]
        with pytest.raises(ConfigError, match=r"the configuration: pipelines\.p\.stages\[0\]\.agent: there is no"):
            Workspace(Configuration(pipelines=configuration.pipelines))

    def test_half_a_definition(self):
        configuration = Configuration(agents={"half": AgentSettings(agent_class="Half")})
        half = r"the configuration: agents\.half: lacks module_path, capabilities, input_schema and output_schema"
        with pytest.raises(ConfigError, match=half):
            Workspace(configuration).registry  # noqa: B018 - asking is what fails
        with pytest.raises(ConfigError, match=half):
            Workspace(configuration).agent("half")
        assert [str(each).partition(",")[0] for each in check_configuration(configuration)] == [
            "the configuration: agents.half: lacks module_path"
        ]


class TestAssembling:
    def test_of_agents_beside_the_file(self, shop):
        text = agent("a", capability="sorting") + agent("b", "Fails", capability="counting", fallback='["a"]')
        assembled = Workspace(shop.load(text)).assemble(["sorting", "counting"], pipeline_id="mine")
        assert assembled.pipeline_id == "mine"
        assert run(assembled, "x") == ["a: a: x"]
        assert [name for name, _ in shop.calls] == ["a", "b", "a"]

    def test_no_chain(self, shop):
        with pytest.raises(PlanningError):
            Workspace(shop.load(agent("a"))).assemble(["nothing"])

    def test_what_webhooks_need_is_known_to_the_ranking(self, shop, monkeypatch):
        text = """
            [agents.webhook.configuration]
            url = "http://127.0.0.1/"
            headers_env = { Authorization = "Bearer SHOP_TOKEN" }
        """
        monkeypatch.delenv("SHOP_TOKEN", raising=False)
        (candidate,) = Workspace(shop.load(text)).registry.rank("communication")
        assert candidate.refusal == "it needs SHOP_TOKEN, which is not set"


def test_json_serves_as_well(shop):
    tree = {"pipelines": {"p": {"stages": ["text_cleaner"]}}}
    path = shop.write("atrio.json", json.dumps(tree))
    workspace = Workspace(load(path))
    assert repr(workspace) == f"<workspace of {path}>"
    assert run(workspace.pipeline("p"), "a  b") == ["a b"]
