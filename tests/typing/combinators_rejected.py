"""What both type checkers must reject of agents that wrap and combine agents; see `rejected.py` for the comments."""

from __future__ import annotations

from atrio import Agent, AgentPool, CircuitBreaker, Fallback, FanOut, Pipeline, PoolMember, RateLimiter, Router, Stage


async def length(text: str) -> int:
    return len(text)


async def half(number: int) -> float:
    return number / 2


async def exclaim(text: str) -> str:
    return text + "!"


def blocking_half(number: int) -> float:
    return number / 2


class Halver:
    async def process(self, data: int, /) -> float:
        return data / 2


class Counter:
    async def process(self, data: str, /) -> int:
        return len(data)


class Exclaimer:
    async def process(self, data: str, /) -> str:
        return data + "!"


class Blocking:
    def process(self, data: int, /) -> float:
        return data / 2


# A guard takes and gives what its agent does, and nothing else.


def guards(breaker: CircuitBreaker, limiter: RateLimiter) -> None:
    guarded, limited = breaker.guard(half), limiter.guard(Halver())
    guarded_stage, limited_stage = Stage("guarded", guarded), Stage("limited", limited)
    text = Pipeline("text").add_stage(Stage("exclaim", exclaim))
    text.add_stage(guarded_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.add_stage(limited_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    other_input: Agent[str, float] = guarded  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    other_output: Agent[int, str] = limited  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(other_input, other_output)


async def calls(breaker: CircuitBreaker, limiter: RateLimiter) -> None:
    await breaker.guard(half).process("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await limiter.guard(half).process("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await Fallback(half, Halver()).process("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await FanOut({"a": half}).process("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Members that do not agree. Without a declared type mypy finds one that nothing fits, and rejects its use.


async def what_they_take() -> None:
    functions: Fallback[int, float] = Fallback(half, exclaim)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    objects: Fallback[int, float] = Fallback(Halver(), Counter())  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await Fallback(Halver(), Counter()).process(3)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    AgentPool([half, exclaim], pool_id="p")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentPool([Halver(), Counter()], pool_id="p")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentPool([PoolMember(half), PoolMember(Counter())], pool_id="p")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(functions, objects)


def what_they_give() -> None:
    fallback: Fallback[str, int] = Fallback(length, exclaim)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    pool: AgentPool[str, int] = AgentPool([Counter(), Exclaimer()], pool_id="p")  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
    half_stage = Stage("half", half)
    text_or_number = Pipeline("p").add_stage(Stage("s", Fallback(length, exclaim)))
    text_or_number.add_stage(half_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(fallback, pool)


# What is no agent, no name, no setting. Each of it is refused at run time as well.


def what_is_no_agent(breaker: CircuitBreaker, limiter: RateLimiter) -> None:
    breaker.guard(blocking_half)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    breaker.guard(Blocking())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    limiter.guard(blocking_half)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    PoolMember(Halver)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Router(str, {"a": blocking_half})  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]


def what_is_no_setting() -> None:
    CircuitBreaker("b", 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    CircuitBreaker("b", trips_on=BaseException)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    CircuitBreaker("b", failure_threshold="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RateLimiter("l", "5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RateLimiter("l", 5, cost=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PoolMember(half, capacity="2")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    AgentPool([half])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Fallback(half, half, on="OSError")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def a_choice_that_is_no_name() -> None:
    Router(len, {"a": exclaim})  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]


def statistics_are_frozen(breaker: CircuitBreaker) -> None:
    breaker.statistics().calls = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
