"""What is wrong between the tables of a configuration, told without importing anything."""

import json
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from shop_files import TREES, agent

from atrio import ConfigError
from atrio.config import checked, parse, read
from atrio.config.references import DEEPEST, reference_problems

PATH = Path("atrio.toml")
JSON_PATH = Path("atrio.json")


def problems_of(text):
    """Return every problem as (path, message, severity), by line."""
    try:
        told = checked(parse(text, path=PATH)).warnings
    except ConfigError as error:
        told = error.problems
    return [(each.path, each.message, each.severity) for each in told]


def messages_of(text):
    return [f"{path}: {message}" for path, message, _ in problems_of(text)]


def pipeline(*stages, name="p"):
    return f"[pipelines.{name}]\nstages = [{', '.join(stages)}]\n"


def test_what_is_right_has_no_problems():
    assert problems_of("""
        [agents.text_cleaner]
        fallback = ["other"]
        breaker = "endpoint"
        [agents.other]
        extends = "text_cleaner"
        rate = { rate = 5 }
        capacity = 2
        [breakers.endpoint]
        [rate_limits.slow]
        rate = 1
        [pools.both]
        members = ["text_cleaner", { agent = "other", capacity = 2 }]
        rate = "slow"
        fallback = ["other"]
        [fan_outs.twice]
        agents = { one = "both", two = "text_analyzer" }
        [routers.way]
        choose = "kind"
        agents = { a = "twice", b = "report_writer" }
        [pipelines.inner]
        stages = ["both", "text_analyzer"]
        [pipelines.p]
        stages = ["both", "inner", { agent = "way", stage_id = "last" }]
    """) == []  # fmt: skip


class TestNames:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                pipeline('"text_cleanr"'),
                (
                    "pipelines.p.stages[0].agent: there is no agent, pool, fan-out, router or pipeline "
                    "'text_cleanr'; did you mean 'text_cleaner'?"
                ),
            ),
            (
                "[pools.p]\nmembers = ['text_cleaner', { agent = 'text_analyser', capacity = 2 }]",
                (
                    "pools.p.members[1].agent: there is no agent, pool, fan-out, router or pipeline 'text_analyser'; "
                    "did you mean 'text_analyzer'?"
                ),
            ),
            (
                "[pools.p]\nmembers = ['text_cleaner']\nfallback = ['P']",
                "pools.p.fallback[0]: there is no agent, pool, fan-out, router or pipeline 'P'; did you mean 'p'?",
            ),
            (
                "[fan_outs.f]\nagents = { one = 'report_writter' }",
                (
                    "fan_outs.f.agents.one: there is no agent, pool, fan-out, router or pipeline 'report_writter'; "
                    "did you mean 'report_writer'?"
                ),
            ),
            (
                "[routers.r]\nchoose = 'a'\nagents = { one = 'report_writter' }",
                (
                    "routers.r.agents.one: there is no agent, pool, fan-out, router or pipeline 'report_writter'; "
                    "did you mean 'report_writer'?"
                ),
            ),
            (
                "[agents.text_cleaner]\nfallback = ['text_cleanr']",
                "agents.text_cleaner.fallback[0]: there is no agent 'text_cleanr'; did you mean 'text_cleaner'?",
            ),
            (
                "[agents.text_cleaner]\nbreaker = 'endpiont'\n[breakers.endpoint]",
                "agents.text_cleaner.breaker: there is no 'endpiont' in [breakers]; did you mean 'endpoint'?",
            ),
            (
                "[agents.text_cleaner]\nbreaker = 'endpoint'",
                "agents.text_cleaner.breaker: there is no 'endpoint' in [breakers]; add a table [breakers.endpoint]",
            ),
            (
                "[pools.p]\nmembers = ['text_cleaner']\nrate = 'x'\n[rate_limits.slow]\nrate = 1",
                "pools.p.rate: there is no 'x' in [rate_limits]; there are slow",
            ),
        ],
    )
    def test_one_that_nobody_has(self, text, expected):
        assert messages_of(text) == [expected]

    def test_one_that_two_have(self):
        assert messages_of("""
            [agents.own]
            extends = "text_cleaner"
            [pools.own]
            members = ["text_cleaner"]
            [routers.text_cleaner]
            choose = "a"
            agents = { a = "own" }
            [pipelines.own]
            stages = ["text_cleaner"]
        """) == [
            "pools.own: the name 'own' is taken: it is among [agents] too, and a stage could not tell them apart",
            (
                "routers.text_cleaner: the name 'text_cleaner' is taken: it is among the ready-made agents too, and "
                "a stage could not tell them apart"
            ),
            "pipelines.own: the name 'own' is taken: it is among [agents] too, and a stage could not tell them apart",
        ]

    def test_a_table_of_a_ready_made_agent_changes_that(self):
        assert problems_of("[agents.text_cleaner]\ncapacity = 3\n" + pipeline("'text_cleaner'")) == []

    def test_all_are_told_at_once_in_the_order_of_the_lines(self):
        text = pipeline("'one'", "'two'") + "[pools.three]\nmembers = ['four']\nbreaker = 'five'"
        with pytest.raises(ConfigError) as caught:
            checked(parse(text, path=PATH))
        assert [problem.line for problem in caught.value.problems] == [2, 2, 4, 5]
        assert str(caught.value).count("atrio.toml:2: pipelines.p.stages") == 2

    def test_nothing_is_said_about_what_could_not_be_read(self):
        text = "[agents.cleaner]\nextends = 5\n[pools.q]\nmembers = 7\n" + pipeline("'cleaner'", "'q'", "'typo'")
        assert [path for path, *_ in problems_of(text)] == ["agents.cleaner.extends", "pools.q.members"]
        with pytest.raises(ConfigError) as caught:
            read(text.encode(), path=PATH)
        assert [each.path for each in caught.value.problems] == [
            "agents.cleaner.extends",
            "pools.q.members",
            "pipelines.p.stages[2].agent",
        ]

    def test_nothing_is_imported(self):
        text = agent("a") + pipeline("'a'")
        assert problems_of(text.replace('"shop"', '"antigravity"')) == []
        assert "antigravity" not in sys.modules


class TestFallbacks:
    @pytest.mark.parametrize(
        ("fallback", "expected"),
        [
            ("['a']", "agents.a.fallback[0]: 'a' cannot fall back to itself: name another one"),
            ("['b', 'b']", "agents.a.fallback[1]: 'b' is there twice, and is tried once"),
            (
                "['pool']",
                ("agents.a.fallback[0]: 'pool' is a pool, and an agent can fall back to agents only; make a pool of "
                "'a' with this fallback"),
            ),
            ("['table']", "agents.a.fallback[0]: 'table' cannot stand in for 'a': it takes 'table', and not 'text'"),
            ("['b', 'sum']", "agents.a.fallback[1]: 'sum' cannot stand in for 'a': it gives 'number', and not 'text'"),
        ],
    )  # fmt: skip
    def test_of_an_agent(self, fallback, expected):
        text = (
            agent("a", fallback=fallback)
            + agent("b", takes="any")
            + agent("table", takes="table")
            + agent("sum", gives="number")
            + "[pools.pool]\nmembers = ['b']\n"
        )
        assert messages_of(text) == [expected]

    def test_one_that_takes_anything_needs_one_that_does_so_too(self):
        assert messages_of(agent("a", takes="any", fallback="['b']") + agent("b")) == [
            "agents.a.fallback[0]: 'b' cannot stand in for 'a': it takes 'text', and not anything"
        ]

    def test_agents_may_stand_in_for_each_other(self):
        assert problems_of(agent("a", fallback="['b']") + agent("b", fallback="['a']")) == []

    def test_so_may_pools(self):
        assert problems_of("""
            [pools.p]
            members = ["text_cleaner"]
            fallback = ["q"]
            [pools.q]
            members = ["text_cleaner"]
            fallback = ["p"]
        """) == []  # fmt: skip

    def test_of_a_pool(self):
        text = agent("a") + agent("table", takes="table") + agent("number", gives="number")
        text += "[pools.p]\nmembers = ['a']\nfallback = ['p', 'a', 'a', 'table', 'number']"
        assert problems_of(text) == [
            ("pools.p.fallback[0]", "'p' cannot fall back to itself: name another one", "error"),
            ("pools.p.fallback[2]", "'a' is there twice, and is tried once", "error"),
            ("pools.p.fallback[3]", "'table' cannot stand in for 'p': it takes 'table', and not 'text'", "error"),
            (
                "pools.p.fallback[4]",
                "'number' gives 'number', and 'p' gives 'text': what follows gets the one or the other",
                "warning",
            ),
        ]


class TestCircles:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (pipeline("'p'"), "pipelines.p.stages[0].agent: 'p' would be made of itself: p -> p"),
            (
                pipeline("'q'") + "[pools.q]\nmembers = ['r']\n[routers.r]\nchoose = 'a'\nagents = { a = 'p' }",
                "pipelines.p.stages[0].agent: 'q' would be made of itself: q -> r -> p -> q",
            ),
            (
                "[pools.q]\nmembers = ['text_cleaner']\nfallback = ['p']\n" + pipeline("'q'"),
                "pipelines.p.stages[0].agent: 'q' would be made of itself: q -> p -> q",
            ),
            (
                "[fan_outs.f]\nagents = { one = 'text_cleaner', two = 'f' }",
                "fan_outs.f.agents.two: 'f' would be made of itself: f -> f",
            ),
        ],
    )
    def test_each_is_told_where_it_closes(self, text, expected):
        assert messages_of(text) == [expected]

    def test_all_of_them(self):
        text = "".join(pipeline(f"'p{number}'", name=f"p{number}") for number in range(5))
        assert len(messages_of(text)) == 5

    def test_not_too_many_of_them(self):
        text = "".join(pipeline(f"'p{number}'", name=f"p{number}") for number in range(200))
        assert len(messages_of(text)) == 100

    def test_a_long_way_is_shortened(self):
        text = "".join(pipeline(f"'p{(number + 1) % 30}'", name=f"p{number}") for number in range(30))
        (message,) = messages_of(text)
        assert message.endswith("would be made of itself: p0 -> p1 -> p2 -> p3 -> p4 -> ... -> p0")

    def test_they_have_no_schemas(self):
        text = pipeline("'p'", "'text_analyzer'", "'text_cleaner'") + pipeline("'text_analyzer'", "'p'", name="q")
        assert [message for message in messages_of(text) if "itself" not in message] == []

    def test_a_diamond_is_no_circle(self):
        text = pipeline("'text_cleaner'", name="end") + pipeline("'end'", name="left") + pipeline("'end'", name="right")
        assert problems_of(text + pipeline("'left'", "'right'")) == []

    def test_nesting_ends_somewhere(self):
        levels = 3000
        text = pipeline("'text_cleaner'", name="p0")
        text += "".join(pipeline(f"'p{number - 1}'", name=f"p{number}") for number in range(1, levels))
        assert messages_of(text) == [
            f"pipelines.p{DEEPEST}: it is nested more than {DEEPEST} deep, each a part of the next"
        ]


class TestStages:
    def test_an_id_that_is_there_already(self):
        text = pipeline("'text_cleaner'", "'text_cleaner'", "{ agent = 'text_cleaner', stage_id = 'x' }")
        text += pipeline(
            "{ agent = 'text_cleaner', stage_id = 'x' }", "{ agent = 'text_analyzer', stage_id = 'x' }", name="q"
        )
        assert messages_of(text) == [
            (
                "pipelines.p.stages[1].agent: the pipeline has a stage with the id 'text_cleaner' already; give this "
                "one a stage_id of its own"
            ),
            "pipelines.q.stages[1].stage_id: the pipeline has a stage with the id 'x' already; name this one otherwise",
        ]

    def test_schemas_that_do_not_meet(self):
        text = agent("a", gives="number") + agent("b", takes="text") + agent("writes", takes="number")
        assert messages_of(text + pipeline("'a'", "'b'", "'report_writer'")) == [
            (
                "pipelines.p.stages[1].agent: 'b' takes 'text', and 'a' before it gives 'number'; 'writes' between "
                "them would fit"
            )
        ]

    def test_nobody_between_them_fits(self):
        assert messages_of(pipeline("'text_analyzer'", "'text_cleaner'")) == [
            (
                "pipelines.p.stages[1].agent: 'text_cleaner' takes 'text', and 'text_analyzer' before it gives "
                "'text_analysis'"
            )
        ]

    def test_whoever_gives_anything_promises_nothing(self):
        assert problems_of(agent("a", gives="any") + pipeline("'a'", "'text_cleaner'")) == []

    def test_one_may_be_skipped(self):
        text = pipeline("{ agent = 'a', error_policy = 'skip' }", "'b'") + agent("a", gives="number")
        assert problems_of(text + agent("b", takes="number")) == [
            (
                "pipelines.p.stages[1].agent",
                "where 'a' is skipped, 'b' is given 'text', and it takes 'number'",
                "warning",
            )
        ]

    def test_several_may_be_skipped(self):
        text = agent("a") + agent("b", gives="number") + agent("c", takes="number", gives="sum")
        text += agent("d", takes="sum")
        skipped = ["{ agent = 'b', error_policy = 'skip' }", "{ agent = 'c', error_policy = 'skip' }"]
        assert problems_of(text + pipeline("'a'", *skipped, "'d'")) == [
            (
                "pipelines.p.stages[2].agent",
                "where 'b' is skipped, 'c' is given 'text', and it takes 'number'",
                "warning",
            ),
            (
                "pipelines.p.stages[3].agent",
                "where 'c' is skipped, 'd' is given 'number', and it takes 'sum'",
                "warning",
            ),
        ]

    def test_what_pools_routers_and_pipelines_take_and_give(self):
        text = (
            agent("a", takes="number") + agent("b", takes="number", gives="number") + pipeline("'b'", "'a'", name="q")
        )
        text += "[pools.pool]\nmembers = ['a']\n[routers.r]\nchoose = 'x'\nagents = { a = 'pool', b = 'q' }\n"
        text += "[fan_outs.f]\nagents = { one = 'r', two = 'text_cleaner' }\n"
        stages = ["'text_cleaner'", "'q'", "'pool'", "'r'", "'f'", "{ agent = 'text_cleaner', stage_id = 'last' }"]
        assert messages_of(text + pipeline(*stages)) == [
            (
                "fan_outs.f.agents.two: 'text_cleaner' takes 'text', and 'r' takes 'number'; a fan-out gives the "
                "same to all"
            ),
            "pipelines.p.stages[1].agent: 'q' takes 'number', and 'text_cleaner' before it gives 'text'",
            "pipelines.p.stages[2].agent: 'pool' takes 'number', and 'q' before it gives 'text'",
            "pipelines.p.stages[3].agent: 'r' takes 'number', and 'pool' before it gives 'text'",
        ]

    def test_what_one_of_several_may_give(self):
        text = agent("a", gives="number") + "[pools.pool]\nmembers = ['text_cleaner', 'a']\n"
        assert problems_of(text + pipeline("'pool'", "'text_analyzer'")) == [
            (
                "pools.pool.members[1].agent",
                "'a' gives 'number', and 'text_cleaner' gives 'text': what follows gets the one or the other",
                "warning",
            ),
            (
                "pipelines.p.stages[1].agent",
                "'text_analyzer' takes 'text', and 'pool' before it gives 'number' or 'text'",
                "error",
            ),
        ]

    def test_a_pool_whose_members_take_different_things(self):
        text = agent("a", takes="number") + "[pools.pool]\nmembers = ['report_writer', 'text_cleaner', 'a']\n"
        assert [each for each in messages_of(text) if "takes" in each] == [
            (
                "pools.pool.members[2].agent: 'a' takes 'number', and 'text_cleaner' takes 'text'; pool 'pool' gives "
                "any call to any member"
            )
        ]

    def test_a_pool_that_stands_in_is_told_of_once(self):
        text = agent("a", takes="number") + "[pools.p]\nmembers = ['text_cleaner']\nfallback = ['q']\n"
        text += "[pools.q]\nmembers = ['a', 'text_cleaner']\nfallback = ['p']\n"
        assert messages_of(text) == [
            (
                "pools.q.members[1].agent: 'text_cleaner' takes 'text', and 'a' takes 'number'; pool 'q' gives any "
                "call to any member"
            )
        ]

    def test_what_an_agent_extends_counts(self):
        text = "[agents.a]\nextends = 'text_analyzer'\noutput_schema = 'text'\n"
        assert problems_of(text + pipeline("'a'", "'text_cleaner'")) == []


def test_a_member_that_is_given_more_than_it_takes_at_once():
    text = agent("a", capacity=2)
    text += "[pools.p]\nmembers = [{ agent = 'a', capacity = 3 }, { agent = 'text_cleaner', capacity = 2 }, 'a']"
    assert problems_of(text) == [
        (
            f"pools.p.members[{at}].capacity",
            (
                f"the pool gives '{name}' {given} calls at once, and the agent's own capacity is {own}: the others "
                f"would wait for it, and not for whoever is free"
            ),
            "warning",
        )
        for at, name, given, own in [(0, "a", 3, 2)]
    ] + [
        ("pools.p.members[2]", "'a' is there twice; its capacity says how many calls it takes at once", "warning"),
    ]


def test_a_stage_that_only_the_command_line_knows():
    ((path, message, severity),) = problems_of("[pipelines.p]\nstages = ['text-report']")
    assert (path, severity) == ("pipelines.p.stages[0].agent", "error")
    assert "can be run by its name, and be no stage: name its agents, 'text_cleaner'" in message


@settings(deadline=None)
@given(TREES)
def test_every_tangle_of_names_comes_to_an_end(tree):
    content = json.dumps(tree).encode()
    errors = [each for each in reference_problems(parse(content, path=JSON_PATH)) if each[2] == "error"]
    if not errors:
        read(content, path=JSON_PATH)
        return
    with pytest.raises(ConfigError) as caught:
        read(content, path=JSON_PATH)
    assert all(problem.path for problem in caught.value.problems)


def test_large_files_are_quick():
    text = "".join(agent(f"a{number}") for number in range(1000))
    text += "".join(pipeline(*(f"'a{number + at}'" for at in range(10)), name=f"p{number}") for number in range(900))
    configuration = parse(text, path=PATH)
    begun = time.process_time()
    assert reference_problems(configuration) == []
    assert time.process_time() - begun < 2


INSIDE = {
    "a member": 'members = ["one"]',
    "a member of a pool in it": 'members = ["inner"]\n[pools.inner]\nmembers = ["one"]',
    "a pool in it": 'members = ["inner"]\n[pools.inner]\nmembers = ["text_cleaner"]\nGUARD',
    "the fallback of a member": 'members = ["two"]\n[agents.two]\nextends = "text_cleaner"\nfallback = ["one"]',
    "the fallback of a pool in it": (
        'members = ["inner"]\n[pools.inner]\nmembers = ["text_cleaner"]\nfallback = ["one"]'
    ),
    "a fan-out": 'members = ["f"]\n[fan_outs.f]\nagents = { a = "text_cleaner", b = "one" }',
    "a router": 'members = ["r"]\n[routers.r]\nchoose = "@"\nagents = { a = "one" }',
    "a pipeline": 'members = ["p"]\n[pipelines.p]\nstages = ["text_cleaner", "one"]',
}
SHARED = '[agents.one]\nextends = "text_cleaner"\nGUARD\n[breakers.shared]\n[rate_limits.shared]\nrate = 1\n'


@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("breaker", "a failure would count twice, and once open it would never close again"),
        ("rate", "a call would take its tokens twice"),
    ],
)
def test_a_guard_that_a_call_would_meet_twice(inside, key, why):
    text = f"{SHARED}[pools.outer]\nGUARD\n{inside}\n".replace("GUARD", f'{key} = "shared"')
    errors = [(path, message) for path, message, severity in problems_of(text) if severity == "error"]
    ((path, message),) = errors
    assert path == f"pools.outer.{key}"
    assert message.startswith("'shared' guards '")
    assert message.endswith(f" too, which is in 'outer': {why}; leave it out here, or there")


def test_guards_may_be_shared_side_by_side_and_as_far_as_they_are_not_the_same():
    text = (
        SHARED.replace("GUARD", 'breaker = "shared"\nrate = "shared"')
        + """
        [agents.other]
        extends = "text_cleaner"
        breaker = "shared"
        fallback = ["one"]
        [pools.members]
        members = ["one", "other"]
        [pools.fallbacks]
        members = ["text_cleaner"]
        breaker = "shared"
        rate = "shared"
        fallback = ["one"]
        [pools.own]
        members = ["one"]
        breaker = { failure_threshold = 2 }
        rate = { rate = 2 }
        """
    )
    assert [each for each in problems_of(text) if each[2] == "error"] == []
