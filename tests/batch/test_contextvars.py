"""Each task sees the context variables of the caller, and no other task's changes to them."""

from contextvars import ContextVar

import pytest
import trio
from batch_cases import SOURCES, processor_of, statuses

from atrio.adapters import in_thread

variable = ContextVar("variable", default="the default")


class Incomparable:
    """Compares as an array does: with no truth in it."""

    __hash__ = None

    def __eq__(self, other):
        raise ValueError("the truth value of this is ambiguous")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize("pause", [0, 1])
async def test_tasks_see_the_callers_values_and_no_others(autojump_clock, source, places, pause):
    async def changes(number):
        seen = variable.get()
        variable.set(f"of task {number}")
        await trio.sleep(pause)
        assert variable.get() == f"of task {number}"
        return seen

    variable.set("the caller's")
    batch = await processor_of(places).map(changes, SOURCES[source](range(20)))
    assert set(batch.unwrap()) == {"the caller's"}
    assert variable.get() == "the caller's"


async def test_streams_too(autojump_clock):
    async def changes(number):
        seen = variable.get()
        variable.set(number)
        return seen

    variable.set("the caller's")
    async with processor_of(2).stream((changes, number) for number in range(20)) as outcomes:
        variable.set("set too late")
        assert {outcome.result async for outcome in outcomes} == {"the caller's"}


@pytest.mark.parametrize(
    ("callers", "tasks"), [(1, 1.0), (1, True), ([], []), (0.0, -0.0), (Incomparable(), Incomparable())]
)
async def test_a_change_to_an_equal_value_does_not_reach_the_next_task(autojump_clock, callers, tasks):
    async def changes(number):
        seen = variable.get()
        variable.set(tasks)
        return seen

    variable.set(callers)
    assert all(seen is callers for seen in (await processor_of().map(changes, range(5))).unwrap())


async def test_values_that_cannot_be_compared_harm_nothing(autojump_clock):
    async def changes(number):
        variable.set(Incomparable())

    assert set(statuses(await processor_of(2).map(changes, range(5)))) == {"success"}


async def test_a_new_variable_of_a_task_is_its_own(autojump_clock):
    own = ContextVar("own")

    async def sets(number):
        assert own.get(None) is None
        own.set(number)

    assert set(statuses(await processor_of(2).map(sets, range(9)))) == {"success"}


@pytest.mark.parametrize("how", ["fails", "times out"])
async def test_after_a_failure_or_a_timeout_too(autojump_clock, how):
    async def changes(number):
        assert variable.get() == "the caller's"
        variable.set(number)
        if how == "fails":
            raise OSError
        await trio.sleep_forever()

    variable.set("the caller's")
    batch = await processor_of(1, task_timeout=1).map(changes, range(5))
    assert {each.error.error_type for each in batch.results} == {"OSError" if how == "fails" else "timeout"}


async def test_a_task_that_resets_its_variable_changed_nothing(autojump_clock):
    async def resets(number):
        token = variable.set(number)
        await trio.lowlevel.checkpoint()
        variable.reset(token)
        return variable.get()

    variable.set("the caller's")
    assert set((await processor_of(2).map(resets, range(9))).unwrap()) == {"the caller's"}


async def test_in_threads():
    # No virtual time: it does not wait for threads.
    variable.set("the caller's")
    batch = await processor_of(2).map(in_thread(lambda number: variable.get()), range(4))
    assert set(batch.unwrap()) == {"the caller's"}
