"""Chat agents and a server that misbehaves, over real connections: what the server sees, and what nobody may."""

import json
import logging
import traceback
from contextlib import nullcontext
from itertools import count

import pytest
import trio

from atrio import Backoff, BatchConfig, BatchProcessor, Pipeline, Stage, StageConfig, observe
from atrio.agents import ChatAgent, watch
from atrio.sinks import JsonLinesSink
from atrio.testing import (
    BrokenJson,
    ChatServer,
    CloseConnection,
    HalfStream,
    Hang,
    Reply,
    Status,
    cancel_at_checkpoint,
    capture_events,
)

KEY = "sk-proj-0123456789abcdef0123456789abcdef"
POOL = 100  # connections that an agent opens at most
ONCE = StageConfig(attempts=1, timeout=None)
SILENT, IN_THE_MIDDLE = Hang(), Hang("one two three four", sent=2)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MODEL_KEY", KEY)


def agent_at(server, **options):
    return ChatAgent(base_url=server.base_url, model="m", **{"api_key_env": "MODEL_KEY", "timeout": 60} | options)


def pipeline_of(agent, config=ONCE):
    return Pipeline("p").add_stage(Stage("ask", agent, config=config))


class Watched:
    """Keeps the pieces, and lets one wait for the first."""

    def __init__(self):
        self.pieces = []
        self.begun = trio.Event()

    def __call__(self, piece):
        self.pieces.append(piece.text)
        self.begun.set()


class TestTheServerSees:
    @pytest.mark.parametrize("hang", [SILENT, IN_THE_MIDDLE])
    async def test_the_timeout_of_an_agent(self, hang, mock_clock):
        raised = []

        async def ask():
            with pytest.raises(TimeoutError) as caught:
                await agent.process("x")
            raised.append(caught.value)

        async with ChatServer([hang]) as server, agent_at(server, timeout=30) as agent, trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await server.until(lambda: server.running == 1)
            mock_clock.jump(29)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert (raised, server.disconnects) == ([], [])
            mock_clock.jump(1)
            await server.until(lambda: server.open_connections == 0)
            assert len(server.disconnects) == 1
        assert "did not answer within 30 s" in str(raised[0])

    @pytest.mark.parametrize("ends", ["stage", "scope"])
    async def test_a_timeout_or_a_cancellation_in_the_middle_of_a_stream(self, ends, mock_clock):
        watched, results = Watched(), []
        config = StageConfig(attempts=1, timeout=10 if ends == "stage" else None)

        async def run():
            with watch(watched), scope:
                results.append(await pipeline.execute("x"))

        scope = trio.CancelScope()
        async with ChatServer([IN_THE_MIDDLE]) as server, pipeline_of(agent_at(server), config) as pipeline:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await watched.begun.wait()
                assert server.disconnects == []
                if ends == "scope":
                    scope.cancel()
                else:
                    mock_clock.jump(10)
                await server.until(lambda: server.open_connections == 0)
            assert [request.outcome for request in server.requests] == ["disconnected"]
        assert "".join(watched.pieces) == "one two t"[: len("".join(watched.pieces))] != ""
        assert [result.status for result in results] == ([] if ends == "scope" else ["failed"])

    async def test_a_reader_who_has_had_enough(self):
        async with ChatServer([IN_THE_MIDDLE, Reply("again")]) as server, agent_at(server) as agent:
            async with agent.stream("x") as pieces:
                async for piece in pieces:
                    assert piece == "one "
                    break
            await server.until(lambda: bool(server.disconnects))
            assert await agent.process("x") == "again"

    async def test_an_error_of_the_reader(self):
        async with ChatServer([IN_THE_MIDDLE]) as server, agent_at(server) as agent:

            async def read():
                async with agent.stream("x") as pieces:
                    async for _ in pieces:
                        _ = 1 / 0

            with pytest.raises(ZeroDivisionError):
                await read()
            await server.until(lambda: bool(server.disconnects))
            await server.until(lambda: server.open_connections == 0)

    async def test_that_what_was_left_is_asked_again_by_the_stage(self, mock_clock):
        config = StageConfig(attempts=2, timeout=10, backoff=Backoff(initial=5, jitter=0))
        async with ChatServer([SILENT, Reply("late")]) as server, pipeline_of(agent_at(server), config) as pipeline:
            results = []

            async def run():
                results.append(await pipeline.execute("x"))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await server.until(lambda: server.running == 1)
                mock_clock.jump(10)
                await server.until(lambda: bool(server.disconnects))
                await trio.testing.wait_all_tasks_blocked(0.01)
                mock_clock.jump(5)
        (result,) = results
        assert (result.unwrap(), len(server.requests)) == ("late", 2)
        assert result.stages[0].failures[0].error_type == "timeout"


class TestThePool:
    async def test_it_is_healthy_after_a_thousand_cancellations(self):
        at_once, rounds = 50, 20
        replies = [SILENT if number % 2 else IN_THE_MIDDLE for number in range(at_once * rounds)]
        async with ChatServer([*replies, Reply("well")]) as server, agent_at(server) as agent:
            answers = []

            async def ask(is_streamed):
                if is_streamed:
                    with watch(lambda _: None):
                        answers.append(await agent.process("x"))
                else:
                    answers.append(await agent.process("x"))

            for _ in range(rounds):
                async with trio.open_nursery() as nursery:
                    for number in range(at_once):
                        nursery.start_soon(ask, number % 3 == 0)
                    await server.until(lambda: server.running == at_once)
                    nursery.cancel_scope.cancel()
                await server.until(lambda: server.running == 0)
            assert len(server.disconnects) == at_once * rounds
            assert (answers, server.open_connections) == ([], 0)

            opened = server.connections
            async with trio.open_nursery() as nursery:
                for number in range(at_once):
                    nursery.start_soon(ask, number % 3 == 0)
            assert answers == ["well"] * at_once
            for _ in range(3):
                await ask(is_streamed=True)
                await ask(is_streamed=False)
            assert server.connections - opened <= at_once
        assert server.open_connections == 0

    async def test_cancelled_while_they_wait_for_a_connection(self):
        async with ChatServer([SILENT] * POOL + [Reply("well")]) as server, agent_at(server) as agent:
            async with trio.open_nursery() as nursery:
                for _ in range(POOL * 3):
                    nursery.start_soon(agent.process, "x")
                await server.until(lambda: server.running == POOL)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            assert await agent.process("x") == "well"
            assert (len(server.requests), server.most_running) == (POOL + 1, POOL)

    async def test_five_hundred_at_once_stay_within_it(self, mock_clock):
        calls, answers = 500, []

        async def ask(number):
            answers.append((number, await agent.process(str(number))))

        async with (
            ChatServer(lambda request: Reply(request.text, delay=1)) as server,
            agent_at(server, timeout=10_000) as agent,
            trio.open_nursery() as nursery,
        ):
            for number in range(calls):
                nursery.start_soon(ask, number)
            while len(answers) < calls:
                left = calls - sum(request.outcome == "answered" for request in server.requests)
                await server.until(lambda left=left: server.running >= min(POOL, left))
                mock_clock.jump(1)
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert server.open_connections <= POOL
        assert sorted(answers) == [(number, str(number)) for number in range(calls)]
        assert (server.most_running, len(server.requests)) == (POOL, calls)

    async def test_a_batch_of_five_hundred_stays_within_its_own_limit(self):
        processor = BatchProcessor(BatchConfig(max_concurrent=7))
        async with ChatServer(lambda request: Reply(request.text)) as server, agent_at(server) as agent:
            result = await processor.process_batch((agent, str(number)) for number in range(500))
        assert [task.result for task in result.results] == [str(number) for number in range(500)]
        assert (len(server.requests), result.usage.calls) == (500, 500)
        assert server.most_running <= 7
        assert server.connections <= 7


def echoes():
    """Return replies that show the key in every place where a server can put it."""
    header = f"Bearer {KEY}"
    return [
        Status(401, message=f"Incorrect API key provided: {KEY}."),
        Status(400, body=f"<p>authorization: {header}</p>", headers={"content-type": "text/html"}),
        Status(403, headers={"x-echo": header, "www-authenticate": header}),
        Status(429, message=f"{KEY} is out of quota", retry_after=100_000),
        Status(500, message=f"{'x' * 180}{KEY}"),
        Status(503, body=f'{{"error": "{KEY}"}}', retry_after=1),
        Status(307, headers={"location": f"http://127.0.0.1:9/{KEY}"}),
        Status(500, body=f'["{KEY}"'),
        BrokenJson(),
        CloseConnection(),
        CloseConnection(reset=True),
        HalfStream(f"{KEY} {KEY}", pieces=2, sent=1),
        HalfStream(f"{KEY} {KEY}", pieces=9, sent=7),
        HalfStream(f"{KEY} {KEY}", pieces=2, sent=1, breaks=False),
        Reply(f"{{{KEY}"),
        Reply({"label": KEY, "more": KEY}),
        Reply({KEY: KEY}),
        Reply(refusal=f"I will not take {KEY}."),
        Reply("{}", finish_reason=KEY),
        Reply({"label": KEY[:8]}, finish_reason="length"),
    ]


def parts_of_the_key():
    """Return what of the key must not be seen: more than the begin that all keys have."""
    return [KEY[begin : begin + 12] for begin in range(8, len(KEY) - 12)]


async def everything_told_of_a_failure(agent):
    """Return it in a frame of its own: those of the test have the key among their variables, and all that is sent."""
    try:
        return [await agent.process({"text": "x"})]
    except Exception as error:  # noqa: BLE001 - whatever it is
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        return ["".join(told.format()), repr(error), error.args, vars(error)]


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_key_is_in_no_traceback_of_a_call_cancelled_anywhere(is_streamed, is_kept):
    cancelled = []

    async def call():
        try:
            with watch(lambda _: None) if is_streamed else nullcontext():
                await agent.process("x")
        except BaseException as error:
            cancelled.append(error)
            raise

    async with ChatServer([Reply("well and good", pieces=3)]) as server:
        agent = agent_at(server)
        async with agent if is_kept else nullcontext():
            for number in count(1):
                if not await cancel_at_checkpoint(number, call):
                    break
    assert len(cancelled) > 5
    for error in cancelled:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert [told[max(0, at - 99) : at + 40] for part in parts_of_the_key() if (at := told.find(part)) >= 0] == []


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("reply", echoes(), ids=lambda reply: type(reply).__name__)
async def test_a_key_is_shown_nowhere(reply, is_streamed, tmp_path, caplog, capsys, autojump_clock):
    autojump_clock.autojump_threshold = 0.02
    caplog.set_level(logging.DEBUG)
    seen = []
    config = StageConfig(attempts=2, timeout=None, backoff=Backoff(initial=1, jitter=0))
    async with ChatServer([reply]) as server:
        agent = agent_at(server, output=dict[str, str])
        log = JsonLinesSink(tmp_path / "log.jsonl", level="debug")
        with capture_events() as events, observe(log), watch(lambda _: None) if is_streamed else nullcontext():
            async with agent, pipeline_of(agent, config) as pipeline:
                result = await pipeline.execute({"text": "x"})
                seen += await everything_told_of_a_failure(agent)
        assert server.requests[0].authorization == f"Bearer {KEY}"
        seen += [
            result, result.to_dict(), json.dumps(result.to_dict(), default=repr), agent, vars(agent), pipeline, *events,
            *capsys.readouterr(), (tmp_path / "log.jsonl").read_text(encoding="utf-8"),
        ]  # fmt: skip
    # The HTTP library's log for debugging has the headers of answers, though none of requests.
    quiet = "httpcore2" if isinstance(reply, Status) and reply.headers else "none"
    seen += [f"{each.getMessage()} {each.args}" for each in caplog.records if not each.name.startswith(quiet)]
    seen += [repr(vars(part)) for part in vars(agent).values() if hasattr(part, "__dict__")]
    text = "\n".join(map(str, seen))
    assert len(text) > 1_000
    assert [text[max(0, at - 99) : at + 40] for part in parts_of_the_key() if (at := text.find(part)) >= 0] == []
