"""One input to all at once, and one input to the right one."""

import pytest
import trio
from combinator_cases import Broken, Harmless, broken, echo, outcome_of

from atrio import FanOut, Pipeline, RouteError, Router, Stage, StageConfig, is_transient
from atrio.testing import ScriptedAgent, answer, cancel_at_checkpoint, fail

# Fan-out.


async def test_all_get_the_input_at_once_and_the_outputs_come_by_name(autojump_clock):
    agents = {name: ScriptedAgent(answer(name.upper(), after=3 - at)) for at, name in enumerate("abc")}
    outputs = await FanOut(agents).process("data")
    assert outputs == {"a": "A", "b": "B", "c": "C"}
    assert list(outputs) == ["a", "b", "c"]
    assert trio.current_time() == 3
    assert {(call.data, call.started_at) for agent in agents.values() for call in agent.calls} == {("data", 0)}


async def test_a_fan_out_of_one(autojump_clock):
    assert await FanOut({"only": echo}).process(3) == {"only": 3}


async def test_one_failure_cancels_the_rest_and_leaves_as_itself(autojump_clock):
    error, others = Broken(), [ScriptedAgent(answer(after=9)), ScriptedAgent(answer(after=1))]
    agents = {"slow": others[0], "broken": ScriptedAgent(fail(error, after=2)), "quick": others[1]}
    with pytest.raises(Broken) as caught:
        await FanOut(agents).process(None)
    assert caught.value is error
    assert [agent.calls[0].outcome for agent in others] == ["cancelled", "returned"]
    assert trio.current_time() == 2


@pytest.mark.parametrize("waits", [False, True])
async def test_several_at_once_leave_as_one_group(waits, autojump_clock):
    go, errors = trio.Event(), [Broken(1), Harmless(2)]

    def failing(error):
        async def agent(data):
            if waits:
                await go.wait()
            raise error

        return agent

    async def set_later():
        await trio.sleep(1)
        go.set()

    slow = ScriptedAgent(answer(after=9))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(set_later)
        group = await outcome_of(FanOut({str(error): failing(error) for error in errors} | {"slow": slow}))
    assert isinstance(group, ExceptionGroup)
    assert len(group.exceptions) == 2
    assert set(group.exceptions) == set(errors)
    assert slow.running == 0


async def test_an_agents_own_group_is_kept_whole(autojump_clock):
    group = ExceptionGroup("own", [Broken()])
    with pytest.raises(ExceptionGroup) as caught:
        await FanOut({"a": ScriptedAgent(fail(group)), "b": ScriptedAgent(answer(after=1))}).process(None)
    assert caught.value is group


async def test_what_one_raises_as_it_is_cancelled_leaves_beside_the_first(autojump_clock):
    async def deaf(data):
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            raise Harmless from None

    with pytest.RaisesGroup(Broken, Harmless):
        await FanOut({"deaf": deaf, "broken": broken}).process(None)


async def test_a_cancellation_from_outside_stops_all(autojump_clock):
    agents = {name: ScriptedAgent(answer(after=9)) for name in "ab"}
    with trio.move_on_after(1) as scope:
        await FanOut(agents).process(None)
    assert scope.cancelled_caught
    assert [agent.calls[0].outcome for agent in agents.values()] == ["cancelled", "cancelled"]


async def test_cancelled_at_any_checkpoint_no_task_is_left(autojump_clock):
    agents = {name: ScriptedAgent(answer(after=1)) for name in "ab"}
    number = 1
    while await cancel_at_checkpoint(number, FanOut(agents).process, None):
        assert [agent.running for agent in agents.values()] == [0, 0]
        number += 1
    assert number > 1


async def test_it_is_a_checkpoint_even_if_its_agents_are_none(autojump_clock):
    with trio.testing.assert_checkpoints():
        await FanOut({"a": echo}).process(None)


async def test_later_changes_of_the_mapping_change_nothing(autojump_clock):
    agents = {"a": echo}
    fan_out, router = FanOut(agents), Router(lambda data: "b", agents, echo)
    agents["b"] = broken
    assert await fan_out.process(1) == {"a": 1}
    assert await router.process(1) == 1


# Router.


def by_name(data):
    return data["to"]


async def test_the_one_that_choose_names_runs_and_no_other(autojump_clock):
    agents = {name: ScriptedAgent(answer(name)) for name in "abc"}
    router = Router(by_name, agents)
    assert [await router.process({"to": name}) for name in "cab"] == ["c", "a", "b"]
    assert [len(agent.calls) for agent in agents.values()] == [1, 1, 1]


async def test_an_unknown_name_lists_the_known_ones(autojump_clock):
    router = Router(by_name, {"question": echo, "complaint": echo, "praise": echo})
    with pytest.raises(LookupError) as caught:
        await router.process({"to": "complain"})
    for name in ("'complain'", "question", "complaint", "praise"):
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ["complain", "", None, 3, ("a",), ["a"], {}])
async def test_whatever_the_unknown_name_is_they_are_listed(name, autojump_clock):
    router = Router(by_name, {"question": echo, "praise": echo})
    with pytest.raises(LookupError, match=r"question.*praise") as caught:
        await router.process({"to": name})
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "bil",
            "choose named 'bil', and router 'b/c' knows 'bill', 'praise', and has no default; did you mean 'bill'?",
        ),
        (None, "choose named None (null), and router 'b/c' knows 'bill', 'praise', and has no default"),
        (7, "choose named 7, and router 'b/c' knows 'bill', 'praise', and has no default"),
    ],
)
async def test_what_the_router_says_of_an_unknown_name(name, said, autojump_clock):
    agents = {"bill": ScriptedAgent(agent_id="b"), "praise": ScriptedAgent(agent_id="c")}
    error = await outcome_of(Router(by_name, agents), {"to": name})
    assert (type(error), str(error)) == (RouteError, said)


@pytest.mark.parametrize("retry_on", [is_transient, LookupError, lambda error: True])
async def test_an_unknown_name_ends_the_attempts(retry_on, autojump_clock):
    config = StageConfig(attempts=5, retry_on=retry_on)
    stage = Stage("s", Router(by_name, {"a": echo}), config=config)
    result = await Pipeline("p").add_stage(stage).execute({"to": "b"})
    (record,) = result.stages
    assert (record.attempts, record.error.error_type, trio.current_time()) == (1, "RouteError", 0)


async def test_a_lookup_error_of_the_users_own_choose_is_retried(autojump_clock):
    stage = Stage("s", Router(by_name, {"a": echo}), config=StageConfig(attempts=3))
    result = await Pipeline("p").add_stage(stage).execute({})
    assert (result.stages[0].attempts, result.stages[0].error.error_type) == (3, "KeyError")


async def test_the_default_takes_what_is_unknown(autojump_clock):
    router = Router(by_name, {"a": broken}, default=ScriptedAgent(answer("default")))
    assert await router.process({"to": "b"}) == "default"
    assert type(await outcome_of(router, {"to": "a"})) is Broken


async def test_an_agents_own_lookup_error_is_not_taken_for_an_unknown_name(autojump_clock):
    error = KeyError("own")
    router = Router(by_name, {"a": ScriptedAgent(fail(error))}, echo)
    with pytest.raises(KeyError) as caught:
        await router.process({"to": "a"})
    assert caught.value is error


async def test_what_choose_raises_is_the_calls_own_failure(autojump_clock):
    with pytest.raises(KeyError):
        await Router(by_name, {"a": echo}, echo).process({})


async def test_unknown_names_are_checkpoints_so_that_nobody_starves(autojump_clock):
    with trio.testing.assert_checkpoints():
        await outcome_of(Router(by_name, {"a": echo}), {"to": "b"})
