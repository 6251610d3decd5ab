import json
import math
import re
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import attrs
import httpx2
import pytest
import trio
from scripted_model import LAST, Model, after, answers, breaks, broken_off, completion, delta, pieces, says

from atrio import Backoff, FanOut, Pipeline, Stage, StageConfig, StageTimeoutError, is_transient
from atrio.agents import (
    ChatAgent,
    EndpointError,
    EndpointRefusedError,
    InvalidAnswerError,
    InvalidDataError,
    _chat_endpoint,
    watch,
)
from atrio.events import ModelCalled
from atrio.testing import capture_events, fixed_stamps

KEY = "sk-0123456789abcdef"
BASE = "http://models.example/v1"


@attrs.frozen
class Verdict:
    label: str
    score: int


GOOD = {"label": "spam", "score": 3}
RIGHT = Verdict("spam", 3)


@pytest.fixture
def model_of(monkeypatch):
    """Make every agent of the test talk to a scripted model."""

    def use(*replies):
        model = Model(*replies)
        monkeypatch.setattr(_chat_endpoint, "new_transport", model.transport)
        return model

    monkeypatch.setenv("MODEL_KEY", KEY)
    return use


def agent(output=Verdict, **options):
    options = {"base_url": BASE, "model": "small", "api_key_env": "MODEL_KEY"} | options
    return ChatAgent(output=output, **options)


def with_variables(error):
    """Return a traceback with the variables of all frames, and those of what happened before."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


async def run(chat, data="a text", **config):
    config = {"attempts": 3, "timeout": None, "backoff": Backoff(initial=1, factor=2)} | config
    async with Pipeline("p").add_stage(Stage("ask", chat, config=StageConfig(**config))) as pipeline:
        return await pipeline.execute(data)


class TestRequest:
    async def test_says_model_schema_and_messages(self, model_of):
        model = model_of(says(GOOD))
        chat = agent(temperature=0.5, instructions="Judge.", parameters={"seed": 7})
        assert await chat.process({"subject": "Žofie", "n": [1, None]}) == RIGHT
        (asked,) = model.asked
        assert asked.url == f"{BASE}/chat/completions"
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.headers["content-type"] == "application/json"
        assert asked.messages == [("system", "Judge."), ("user", '{"subject": "Žofie", "n": [1, null]}')]
        assert asked.body.pop("messages")
        assert asked.body == {
            "model": "small",
            "temperature": 0.5,
            "seed": 7,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "Verdict",
                    "strict": True,
                    "schema": {
                        "type": "object",
                        "properties": {"label": {"type": "string"}, "score": {"type": "integer"}},
                        "required": ["label", "score"],
                        "additionalProperties": False,
                    },
                },
            },
        }

    async def test_for_text_says_nothing_of_formats(self, model_of):
        model = model_of(says("Hello."))
        assert await agent("text", api_key_env=None).process("Hi") == "Hello."
        assert model.asked[0].body == {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}
        assert "authorization" not in model.asked[0].headers

    async def test_for_json_asks_for_an_object(self, model_of):
        model = model_of(says('```json\n{"a": [1]}\n```'))
        assert await agent("json").process("Hi") == {"a": [1]}
        assert model.asked[0].body["response_format"] == {"type": "json_object"}

    @pytest.mark.parametrize(
        ("base_url", "url"),
        [
            ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1/chat/completions"),
            ("http://h", "http://h/chat/completions"),
            ("https://h/a%20b?api-version=2", "https://h/a%20b/chat/completions?api-version=2"),
        ],
    )
    async def test_goes_below_the_base_url(self, base_url, url, model_of):
        model = model_of(says(""), says("x"))
        with pytest.raises(EndpointError, match="gave an empty answer"):
            await agent("text", base_url=base_url).process("Hi")
        assert model.asked[0].url == url

    async def test_that_is_large_is_made_and_read_in_threads(self, model_of):
        text = "word " * 20_000
        model = model_of(lambda asked: httpx2.Response(200, json=completion(asked.messages[0][1])))
        assert await agent("text").process(text) == text
        assert len(model.asked) == 1

    async def test_is_not_made_of_what_json_cannot_hold(self, model_of):
        model = model_of(says(GOOD))
        with pytest.raises(InvalidDataError, match="/a: it is of type bytes"):
            await agent().process({"a": b"x"})
        assert model.asked == []


RETRIED = [
    pytest.param(answers(429), [0, 1], EndpointError, id="429"),
    pytest.param(answers(429, retry_after="7"), [0, 7], EndpointError, id="429 with Retry-After"),
    pytest.param(answers(503, retry_after="0"), [0, 1], EndpointError, id="503"),
    pytest.param(answers(500, b"<html>"), [0, 1], EndpointError, id="500"),
    pytest.param(says("{"), [0, 1], EndpointError, id="broken JSON of the model"),
    pytest.param(answers(200, b"{"), [0, 1], EndpointError, id="broken JSON of the endpoint"),
    pytest.param(answers(200, {"choices": []}), [0, 1], EndpointError, id="no choice"),
    pytest.param(answers(200, {"choices": [{}]}), [0, 1], EndpointError, id="no message"),
    pytest.param(answers(200, []), [0, 1], EndpointError, id="no object"),
    pytest.param(answers(200, {"error": {"message": "busy"}}), [0, 1], EndpointError, id="an error in disguise"),
    pytest.param(
        answers(200, {"error": {"message": "busy", "code": 503}}), [0, 1], EndpointError, id="a status in disguise"
    ),
    pytest.param(answers(429, retry_after="7.5"), [0, 7.5], EndpointError, id="429 with a fraction in Retry-After"),
    pytest.param(answers(200, {"error": {}, "choices": []}), [0, 1], EndpointError, id="an empty error and no choice"),
    pytest.param(says("", finish_reason="tool_calls"), [0, 1], EndpointError, id="an empty answer"),
    pytest.param(breaks(httpx2.ReadError("reset")), [0, 1], ConnectionError, id="a closed connection"),
    pytest.param(breaks(httpx2.ConnectError("no route")), [0, 1], ConnectionError, id="no connection"),
    pytest.param(after(100, says(GOOD)), [0, 6], TimeoutError, id="too slow"),
]


@pytest.mark.parametrize(("reply", "times", "kind"), RETRIED)
async def test_what_is_worth_another_attempt(reply, times, kind, model_of, autojump_clock):
    model = model_of(reply, says(GOOD))
    result = await run(agent(timeout=5))
    assert result.output == RIGHT
    assert model.times == pytest.approx(times)
    assert result.stages[0].attempts == 2
    assert "repairs" not in result.stages[0].metadata


@pytest.mark.parametrize(("reply", "times", "kind"), RETRIED)
async def test_it_ends_after_the_last_attempt(reply, times, kind, model_of, autojump_clock):
    model = model_of(reply)
    result = await run(agent(timeout=5))
    assert (len(model.asked), result.stages[0].attempts) == (3, 3)
    error = result.stages[0].error.exception
    assert isinstance(error, kind)
    assert is_transient(error)
    assert "http://models.example " in str(error)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answers(400, {"error": {"message": "no such thing"}}), "answered 400 Bad Request: no such thing"),
        (answers(401, {"error": "bad key"}), "answered 401 Unauthorized: bad key"),
        (answers(404, {"message": "no model\x1b[31m"}), r"answered 404 Not Found: no model\\x1b\[31m"),
        (answers(422, b"[1]"), r"answered 422 .*: \[1\]"),
        (answers(200, {"error": {"message": "who?", "code": 401}}), "failed while it answered: who\\?"),
        (answers(200, {"error": {"message": "pay", "code": "insufficient_quota"}}), "failed while it answered: pay"),
        (answers(429, retry_after="9" * 20), "asks to wait 1,000,000,000,000,000 s, more than"),
        (says('{"label": "sp', finish_reason="length"), "its limit of tokens; raise it by parameters = .*max_compl"),
        (says("", finish_reason="length"), "its limit of tokens"),
        (broken_off(401, b'{"err', httpx2.ReadError("reset")), r"answered 401 Unauthorized\n"),
        (broken_off(401, b'{"err', None), r"answered 401 Unauthorized\n"),
        (answers(307, location="http://elsewhere.example"), "answered 307 Temporary Redirect\\n"),
        (
            answers(429, {"error": {"message": "pay", "code": "insufficient_quota"}}, retry_after="1"),
            "answered 429 Too Many Requests: pay",
        ),
        (answers(429, retry_after="3600"), r"asks to wait 3,600 s, more than the 300 s of max_retry_after"),
        (says("x", refusal="I will not."), r"answered that the model refuses: I will not\."),
        (says("x", finish_reason="content_filter"), "a content filter stopped the model"),
        (answers(200, b"x", content_encoding="x"), "gave a compressed answer"),
        (says("x" * 2_000), "answered more than 1,000 bytes"),
    ],
)
async def test_what_is_refused_is_asked_once(reply, why, model_of, autojump_clock):
    model = model_of(reply)
    result = await run(agent(max_response=1_000))
    assert len(model.asked) == 1
    with pytest.raises(EndpointRefusedError, match=why):
        raise result.stages[0].error.exception


async def test_a_status_is_told_when_its_body_hangs(model_of, autojump_clock):
    model = model_of(broken_off(503, b"", None), broken_off(400, b"", None))
    result = await run(agent(timeout=3))
    assert model.times == [0, 4]
    assert [failure.error_type for failure in result.stages[0].failures] == ["EndpointError", "EndpointRefusedError"]
    assert result.stages[0].error.exception.status == 400


async def test_half_a_text_is_an_answer_and_noted(model_of, autojump_clock):
    model = model_of(says("It was", finish_reason="length"))
    result = await run(agent("text"))
    assert (result.output, len(model.asked)) == ("It was", 1)
    assert result.stages[0].metadata["finish_reason"] == "length"


@pytest.mark.parametrize(
    "text",
    [
        '<think>Is {"a": 0} right?</think>\n{"a": 1}',
        'Here you go:\n```json\n{"a": 1}\n```\nAnything else?',
        '```{"a": 1}```',
        '```json {"a": 1} ```',
        '<think>\n\n</think>Sure: ```JSON\n{"a": 1}```',
        'Not\n```python\nx\n```\nbut\n```json\n{"a": 1}\n```',
    ],
)
async def test_what_is_written_around_json_is_left_out(text, model_of):
    model_of(says(text))
    assert await agent("json").process("x") == {"a": 1}


@pytest.mark.parametrize(
    "text", ['```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```', "```\n```", "<think>{}", "```", "``````"]
)
async def test_what_may_be_meant_in_two_ways_is_no_json(text, model_of):
    model_of(says(text))
    with pytest.raises(EndpointError, match="the model wrote no JSON"):
        await agent("json").process("x")


async def test_fences_within_strings_are_left_alone(model_of):
    model_of(says('```json\n{"a": "```json\\n[]```"}\n```'))
    assert await agent("json").process("x") == {"a": "```json\n[]```"}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {}, "choices": [{"message": {"content": "hi"}}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "h"}, {"type": "image"}, "i", 5]}}]},
        b'{"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 1e400, "completion_tokens": 3}}',
        b'{"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": %s}}' % (b"9" * 5_000),
    ],
)
async def test_answers_of_servers_that_take_liberties(body, model_of, autojump_clock):
    model_of(answers(200, body))
    result = await run(agent("text"), attempts=1)
    assert result.output == "hi"
    assert result.stages[0].metadata["usage"]["input_tokens"] == 0


class TestWithoutSchemas:
    """Of endpoints that refuse them."""

    REFUSAL = staticmethod(answers(400, {"error": {"message": "This response_format type is unavailable now"}}))

    async def test_the_schema_is_put_into_the_prompt(self, model_of):
        model = model_of(self.REFUSAL, says(GOOD))
        chat = agent(instructions="Judge.")
        assert await chat.process("x") == RIGHT
        assert await chat.process("x") == RIGHT
        first, *others = model.asked
        assert first.body["response_format"]["type"] == "json_schema"
        assert len(others) == 2
        for other in others:
            assert other.body["response_format"] == {"type": "json_object"}
            (_, system), user = other.messages
            assert system.startswith("Judge.\n\nAnswer with JSON alone")
            assert json.loads(system.splitlines()[-1]) == first.body["response_format"]["json_schema"]["schema"]
            assert user == ("user", "x")

    async def test_the_schema_makes_a_message_of_its_own_where_there_is_none_of_the_system(self, model_of):
        model = model_of(self.REFUSAL, says(GOOD))
        async with agent().stream("x") as stream:
            assert "".join([piece async for piece in stream]) == json.dumps(GOOD)
        assert stream.output == RIGHT
        assert [role for role, _ in model.asked[1].messages] == ["system", "user"]

    async def test_another_refusal_is_told(self, model_of):
        model = model_of(self.REFUSAL)
        with pytest.raises(EndpointRefusedError, match="answered 400") as caught:
            await agent().process("x")
        assert len(model.asked) == 2
        assert caught.value.__context__ is None

    @pytest.mark.parametrize(
        ("reply", "output"),
        [
            (answers(400, {"error": "too long"}), Verdict),
            (answers(401, {"error": "response_format"}), Verdict),
            (REFUSAL, "json"),
            (REFUSAL, "text"),
        ],
    )
    async def test_what_has_other_reasons_is_not_asked_again(self, reply, output, model_of):
        model = model_of(reply)
        with pytest.raises(EndpointRefusedError):
            await agent(output).process("x")
        assert len(model.asked) == 1


async def test_retry_after_may_be_a_date(model_of, autojump_clock):
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    model = model_of(answers(429, retry_after=format_datetime(now + timedelta(seconds=30), usegmt=True)), says(GOOD))
    with fixed_stamps(now - timedelta(seconds=trio.current_time())):
        result = await run(agent())
    assert result.output == RIGHT
    assert model.times == [0, 30]
    assert result.stages[0].failures[0].backoff_s == 30


async def test_a_stage_may_be_less_patient_than_the_agent(model_of, autojump_clock):
    model = model_of(after(100, says(GOOD)))
    result = await run(agent(timeout=50), timeout=2, attempts=2)
    assert model.times == [0, 3]
    assert isinstance(result.stages[0].error.exception, StageTimeoutError)


class TestRepair:
    async def test_shows_the_model_what_was_wrong(self, model_of, autojump_clock):
        model = model_of(says({"label": 5, "score": 3, "more": 1}), says(GOOD))
        result = await run(agent(instructions="Judge."))
        assert result.output == RIGHT
        first, second = model.asked
        assert second.messages[:2] == first.messages
        assert second.messages[2] == ("assistant", '{"label": 5, "score": 3, "more": 1}')
        role, wrong = second.messages[3]
        assert role == "user"
        assert wrong.splitlines()[1:] == [
            '{"label": string, "score": integer}',
            "What is wrong, each with its place as a JSON Pointer:",
            "- /label: must be a text, not a number",
            "- has members that it must not have: 'more'",
        ]
        assert second.body["response_format"] == first.body["response_format"]

    @pytest.mark.parametrize(
        ("text", "what"), [("[1]", "a list"), ("42", "a number"), ("null", "null"), ('"x"', "a text")]
    )
    async def test_is_of_json_that_is_no_object(self, text, what, model_of):
        model = model_of(says(text), says({"a": 1}))
        assert await agent("json").process("x") == {"a": 1}
        _, wrong = model.asked[1].messages[-1]
        assert wrong.endswith(f"- must be an object, not {what}")

    async def test_is_told_in_the_record(self, model_of, autojump_clock):
        model = model_of(says({"label": "spam"}), says(GOOD))
        record = (await run(agent())).stages[0]
        assert (record.attempts, record.metadata["repairs"]) == (1, 1)
        assert len(model.asked) == 2
        assert model.times == [0, 0]

    async def test_is_tried_once_in_each_attempt(self, model_of, autojump_clock):
        model = model_of(says([]))
        record = (await run(agent())).stages[0]
        assert (record.attempts, record.metadata["repairs"], len(model.asked)) == (3, 3, 6)
        error = record.error.exception
        assert isinstance(error, InvalidAnswerError)
        assert [str(each) for each in error.problems] == ["must be an object, not a list"]
        assert str(error) == (
            "small at http://models.example answered twice with JSON that is not as the schema asks: must be an "
            "object, not a list"
        )

    async def test_that_fails_is_a_failure_of_the_attempt(self, model_of, autojump_clock):
        model = model_of(says([]), answers(500), says(GOOD))
        record = (await run(agent())).stages[0]
        assert (record.attempts, record.metadata["repairs"], len(model.asked)) == (2, 1, 3)

    async def test_that_is_no_json_is_one_too(self, model_of):
        model_of(says([]), says("sorry"))
        with pytest.raises(EndpointError, match="gave an answer that cannot be read: the model wrote no JSON: line 1"):
            await agent().process("x")

    async def test_of_agents_side_by_side_is_added_up(self, model_of, autojump_clock):
        def reply(asked):
            return says(GOOD if len(asked.messages) > 1 else [])(asked)

        model_of(reply)
        record = (await run(FanOut({"a": agent(), "b": agent()}))).stages[0]
        assert record.output_size == 2
        assert record.metadata["repairs"] == 2


class TestUsage:
    async def test_is_in_the_record(self, model_of, autojump_clock):
        model_of(says({}), says("{"), says(GOOD))
        usage = (await run(agent())).stages[0].metadata["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (33, 21)

    @pytest.mark.parametrize("usage", [None, {"prompt_tokens": -1, "completion_tokens": "7"}, [1]])
    async def test_that_is_not_said_counts_as_none(self, usage, model_of):
        model_of(says(GOOD, usage=usage))
        assert (await run(agent())).output == RIGHT


class TestEvents:
    @pytest.mark.parametrize(
        ("reply", "told"),
        [
            (says(GOOD), (11, 7, "stop", None, None)),
            (says("{", finish_reason="length"), (11, 7, "length", "EndpointRefusedError", "gave half an answer")),
            (answers(429), (None, None, None, "EndpointError", "answered 429")),
            (answers(400), (None, None, None, "EndpointRefusedError", "answered 400")),
            (breaks(httpx2.ReadError("reset")), (None, None, None, "ConnectionError", "reset")),
            (breaks(ZeroDivisionError(f"by {KEY}")), (None, None, None, "ZeroDivisionError", r"^by \*\*\*$")),
            (after(9, says(GOOD)), (None, None, None, "timeout", "within 5 s")),
        ],
    )
    async def test_one_for_each_call(self, reply, told, model_of, autojump_clock):
        model_of(reply)
        with capture_events() as events:
            result = await run(agent(timeout=5, provider="shop"), attempts=1)
        (event,) = events.of(ModelCalled)
        assert (event.agent_id, event.provider, event.model) == ("chat", "shop", "small")
        assert (event.run_id, event.stage_id) == (result.run_id, "ask")
        assert (event.input_tokens, event.output_tokens, event.finish_reason, event.error_type) == told[:-1]
        assert event.error_message is None if told[-1] is None else re.search(told[-1], event.error_message)
        assert event.duration_s == (5 if event.error_type == "timeout" else 0)

    async def test_one_for_a_call_that_is_cancelled(self, model_of, autojump_clock):
        model_of(after(9, says(GOOD)))
        with capture_events() as events, trio.move_on_after(3):
            await agent().process("x")
        (event,) = events.of(ModelCalled)
        assert (event.error_type, event.duration_s, event.provider) == ("cancelled", 3, "models.example")

    async def test_one_for_a_repair(self, model_of):
        model_of(says([]), says(GOOD))
        with capture_events() as events:
            await agent().process("x")
        assert len(events.of(ModelCalled)) == 2


class TestKey:
    async def test_that_is_missing_is_told_before_anything_is_sent(self, model_of, monkeypatch):
        monkeypatch.delenv("MODEL_KEY")
        model = model_of(says(GOOD))
        with capture_events() as events:
            result = await run(agent(provider="openai"))
        assert model.asked == events.of(ModelCalled) == []
        assert "usage" not in result.stages[0].metadata
        with pytest.raises(
            EndpointRefusedError, match="variable MODEL_KEY is not set; it is to hold the key of openai"
        ):
            raise result.stages[0].error.exception

    async def test_that_cannot_be_sent_is_not_shown(self, model_of, monkeypatch):
        monkeypatch.setenv("MODEL_KEY", f"{KEY}\n{KEY}")
        model_of(says(GOOD))
        with pytest.raises(EndpointRefusedError, match="MODEL_KEY has what no key can hold") as caught:
            await agent().process("x")
        assert KEY not in str(caught.value)

    async def test_is_read_at_each_call(self, model_of, monkeypatch):
        model = model_of(says(GOOD))
        async with agent() as chat:
            await chat.process("x")
            monkeypatch.setenv("MODEL_KEY", "another")
            await chat.process("x")
        assert [each.headers["authorization"] for each in model.asked] == [f"Bearer {KEY}", "Bearer another"]

    @pytest.mark.parametrize(
        "reply",
        [
            answers(401, {"error": {"message": f"wrong key {KEY}"}}),
            answers(500, (f"{'x' * 190}{KEY}").encode()),
            answers(500, (f"{' ' * 19_990}{KEY}").encode()),
            breaks(httpx2.RemoteProtocolError(f"{'x' * 190}{KEY}")),
            answers(200, {"error": KEY}),
            breaks(httpx2.RemoteProtocolError(KEY)),
            says("", refusal=KEY),
            pieces(KEY.encode()),
        ],
    )
    async def test_is_in_no_error(self, reply, model_of):
        model_of(reply)
        chat = agent()
        with pytest.raises((EndpointError, EndpointRefusedError, ConnectionError)) as caught:
            await chat.process("x")
        assert KEY not in str(caught.value)
        assert KEY[:8] not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        own = [frame for frame in told.stack if "/atrio/" in frame.filename]
        assert own
        assert all(KEY not in value for frame in own for value in (frame.locals or {}).values())
        assert KEY not in repr(chat)

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, trio.Cancelled, ZeroDivisionError])
    async def test_is_in_no_traceback(self, kind, model_of):
        """With the variables of all frames."""

        async def reply(asked):
            sent = asked.headers
            try:
                await trio.sleep(5 if kind is trio.Cancelled else 0)
                raise kind
            finally:
                assert KEY in sent["authorization"]

        model_of(reply)
        with trio.move_on_after(0.01 if kind is trio.Cancelled else math.inf), pytest.raises(kind) as caught:
            await agent().process("x")
        assert KEY not in with_variables(caught.value)

    @pytest.mark.parametrize("size", [1, 3, 7, 19, 50])
    async def test_that_the_model_writes_in_pieces_is_in_none_of_them(self, size, model_of):
        text = f"ask skis {KEY[:9]} {KEY}{KEY} end {KEY[:5]}"
        scrubbed = f"ask skis {KEY[:9]} ****** end {KEY[:5]}"
        model_of(pieces(*[delta(text[at : at + size]) for at in range(0, len(text), size)], *LAST))
        heard = []
        with watch(heard.append):
            assert await agent("text").process("x") == scrubbed
        assert "".join(each.text for each in heard) == scrubbed
        async with agent("text").stream("x") as stream:
            assert "".join([piece async for piece in stream]) == stream.output == scrubbed

    async def test_that_the_model_repeats_is_in_no_output(self, model_of):
        model_of(says({"label": f"it is {KEY}", "score": 1}))
        assert await agent().process("x") == Verdict("it is ***", 1)

    async def test_that_is_a_word_is_left_in_outputs(self, model_of, monkeypatch):
        monkeypatch.setenv("MODEL_KEY", "ollama")
        model_of(says("ollama runs models"))
        assert await agent("text").process("x") == "ollama runs models"


class TestConnections:
    async def test_are_kept_within_async_with(self, model_of):
        model = model_of(says(GOOD))
        chat = agent()
        async with chat, chat:
            await chat.process("x")
            await chat.process("x")
            assert (model.opened, model.closed) == (1, 0)
        assert (model.opened, model.closed) == (1, 1)

    async def test_are_each_calls_own_without(self, model_of):
        model = model_of(says(GOOD), answers(500))
        chat = agent()
        await chat.process("x")
        with pytest.raises(EndpointError):
            await chat.process("x")
        assert (model.opened, model.closed) == (2, 2)

    async def test_are_opened_once_by_those_who_enter_at_once(self, model_of):
        model = model_of(says(GOOD))
        chat = agent(base_url="https://models.example")

        async def enter():
            async with chat:
                await chat.process("x")

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(enter)
        assert model.opened == model.closed
        assert len(model.asked) == 3


@pytest.mark.parametrize(
    ("options", "kind", "why"),
    [
        ({"base_url": "models.example"}, ValueError, "base_url must be an http or https URL"),
        ({"base_url": f"{BASE}/chat/completions"}, ValueError, "base_url must be without '/chat/completions'"),
        ({"model": " "}, ValueError, "model must not be blank"),
        ({"api_key_env": 5}, TypeError, "api_key_env must be the name of an environment variable"),
        ({"api_key_env": KEY}, ValueError, "and never the key itself"),
        ({"api_key_env": "gsk_0123456789abcdef"}, ValueError, "and never the key itself"),
        ({"api_key_env": "q7Wm2vT9xKd4LpZ8sB3n"}, ValueError, "and never the key itself"),
        ({"provider": ""}, ValueError, "provider must not be blank"),
        ({"temperature": 2.1}, ValueError, "temperature must be a number from 0 to 2, not 2.1"),
        ({"temperature": "hot"}, TypeError, "temperature must be"),
        ({"output": "xml"}, ValueError, "output must be 'text', 'json' or a class, not 'xml'"),
        ({"output": dict}, TypeError, "dict is of type dict, which no answer can be asked for"),
        ({"instructions": 1}, TypeError, "instructions must be a str"),
        ({"prompt": "x", "prompt_file": "y"}, ValueError, "give either prompt or prompt_file"),
        ({"parameters": [1]}, TypeError, "parameters must be a mapping"),
        ({"parameters": {"model": "x"}}, ValueError, "parameters must not have 'model'"),
        ({"parameters": {"x": {1, b"x"}}}, TypeError, "parameters: the data is not JSON"),
        ({"timeout": 0}, ValueError, "timeout must be"),
        ({"max_response": 0}, ValueError, "max_response must be"),
        ({"max_retry_after": -1}, ValueError, "max_retry_after must be"),
    ],
)
def test_mistakes_are_told_when_it_is_built(options, kind, why):
    with pytest.raises(kind, match=why) as caught:
        agent(**options)
    assert KEY not in str(caught.value)


def test_it_says_what_it_is():
    assert repr(agent()) == "<ChatAgent, small at http://models.example>"
