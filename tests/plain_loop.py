"""The plain form of a run: a cancel scope for every attempt, nothing clever. What the fast form must equal."""

import math

import attrs
import trio

from atrio import ErrorPolicy


@attrs.define
class Trace:
    """What a run did, in figures that both forms have."""

    stages: list = attrs.Factory(list)
    status: str = "success"
    output: object = None
    ended_at: float = 0.0


async def plain_run(stages, middleware, data, trace):
    """Run `stages` on `data` the plain way, and write down in `trace` what happens."""
    value = data
    try:
        await trio.lowlevel.checkpoint()
        for stage in stages:
            value = await _plain_stage(stage, middleware, value, trace)
            if trace.status == "failed":
                break
    except trio.Cancelled:
        trace.status = "cancelled"
        raise
    finally:
        trace.ended_at = trio.current_time()
        if trace.status in {"success", "degraded"}:
            trace.output = value


async def _plain_stage(stage, middleware, given, trace):
    row = {"stage": stage.stage_id, "status": "cancelled", "attempts": 0, "failures": [], "begun": trio.current_time()}
    trace.stages.append(row)
    try:
        value = given
        for function in middleware:
            value = await function(value, stage, None)
        output, error = await _plain_attempts(stage, value, row)
    except Exception as raised:  # noqa: BLE001
        error = raised
    finally:
        row["took"] = trio.current_time() - row["begun"]
    if error is None:
        row["status"] = "success"
        return output
    skip = stage.config.error_policy is ErrorPolicy.SKIP
    row["status"] = "skipped" if skip else "error"
    trace.status = "degraded" if skip else "failed"
    return given


async def _plain_attempts(stage, value, row):
    config = stage.config
    calls = 1 if config.error_policy is ErrorPolicy.STOP else config.attempts
    for attempt in range(1, calls + 1):
        await trio.lowlevel.checkpoint_if_cancelled()
        row["attempts"] = attempt
        error = None
        begun = trio.current_time()
        deadline = math.inf if config.timeout is None else begun + config.timeout
        scope = trio.CancelScope(deadline=deadline)
        try:
            with scope:
                return await stage.agent.process(value), None
        except Exception as raised:  # noqa: BLE001
            error = raised
        timed_out = scope.cancelled_caught
        wait = min(config.backoff.initial * config.backoff.factor ** (attempt - 1), config.backoff.maximum)
        worth = timed_out or not isinstance(error, TypeError)
        outer = trio.current_effective_deadline()
        last = attempt == calls or not worth or -math.inf < outer <= trio.current_time() + wait
        name = "timeout" if timed_out else type(error).__name__
        row["failures"].append((attempt, name, trio.current_time() - begun, 0.0 if last else wait))
        if last:
            return None, error or TimeoutError()
        await trio.sleep(wait)
    raise AssertionError
