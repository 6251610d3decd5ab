"""Rate limiters: random callers, weights and cancellations against a plain model of a bucket and a line before it."""

from math import inf

import attrs
import trio
from combinator_cases import EXAMPLES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atrio import RateLimiter
from atrio.testing import run_in_virtual_time

TICK = 1 / 64
# Cancellations fall between the ticks, at which callers come and tokens are there.
BETWEEN = TICK / 16


@attrs.frozen
class Caller:
    """Comes at a tick, wants so many tokens, and leaves after so many ticks if it has not got them."""

    comes: int
    wants: int = 1
    patience: float = inf

    @property
    def leaves(self):
        return (self.comes + self.patience) * TICK + BETWEEN


def served_at(callers, rate, burst):
    """Return when each caller gets its tokens, None for those that left: one after the other, from a full bucket."""
    tokens, updated, front, times = burst, 0.0, 0.0, []
    for caller in callers:
        begins = max(caller.comes * TICK, front)
        level = min(burst, tokens + (begins - updated) * rate)
        time = begins + max(caller.wants - level, 0) / rate
        if caller.leaves <= time:
            front = max(front, caller.leaves)
            times.append(None)
            continue
        tokens = min(burst, tokens + (time - updated) * rate) - caller.wants
        updated = front = time
        times.append(time)
    return times


callers = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 8), st.just(inf) | st.just(inf) | st.integers(0, 200)), max_size=30
)


def in_order(drawn, most):
    """Make callers of what was drawn, each of which comes some ticks after the one before."""
    made, time = [], 0
    for gap, wants, patience in drawn:
        time += gap
        made.append(Caller(time, min(wants, most), patience))
    return made


async def ask(limiter, callers):
    """Let the callers come; return when each was served, and the order in which they were."""
    served, order = [None] * len(callers), []

    async def agent(number):
        served[number] = trio.current_time()
        order.append(number)

    guarded = limiter.guard(agent)

    async def call(number, caller):
        with trio.CancelScope(deadline=caller.leaves):
            await guarded.process(number)

    async with trio.open_nursery() as nursery:
        for number, caller in enumerate(callers):
            await trio.sleep_until(caller.comes * TICK)
            nursery.start_soon(call, number, caller)
            await trio.testing.wait_all_tasks_blocked()
    return served, order


@settings(max_examples=EXAMPLES, deadline=None)
@given(callers, st.sampled_from([(1, 4.0), (4, 1.0), (16, 2.0), (2, 0.5)]), st.integers(1, 8))
@example([(1, 8, inf), (1, 8, 3), (1, 1, inf), (1, 1, 0), (1, 0, inf)], (4, 1.0), 8)
def test_everybody_is_served_in_order_at_the_very_time(drawn, rate_per, burst):
    rate, per = rate_per
    asked = in_order(drawn, burst)
    limiter = RateLimiter("l", rate, per=per, burst=burst, cost=lambda number: asked[number].wants)
    served, order = run_in_virtual_time(ask, limiter, asked)
    assert served == served_at(asked, rate / per, burst)
    assert order == sorted(order)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    callers,
    st.floats(0.05, 500),
    st.floats(0.1, 100),
    st.floats(1, 50),
    st.floats(0, 1),
)
def test_never_more_than_the_burst_and_what_comes_in_meanwhile(drawn, rate, per, burst, share):
    asked = in_order(drawn, 8)
    costs = [caller.wants / 8 * share * burst for caller in asked]
    limiter = RateLimiter("l", rate, per, burst, cost=costs.__getitem__)
    served, order = run_in_virtual_time(ask, limiter, asked)
    assert order == sorted(order)
    taken = [(served[number], costs[number]) for number in order]
    for first in range(len(taken)):
        sum_of_costs = 0.0
        for time, cost in taken[first:]:
            sum_of_costs += cost
            most = burst + rate / per * (time - taken[first][0])
            assert sum_of_costs <= most * (1 + 1e-9) + 1e-9
    left = [number for number, time in enumerate(served) if time is None]
    assert all(asked[number].patience < inf for number in left)
