"""The server of chat completions, asked by a real client over loopback."""

import json
import logging
import socket
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import pytest
import trio

import atrio.testing
from atrio.testing import (
    BrokenJson,
    ChatServer,
    CloseConnection,
    HalfStream,
    Hang,
    Reply,
    Status,
    cancel_at_checkpoint,
)

HELLO = ({"role": "system", "content": "Be short."}, {"role": "user", "content": "Say hello"})
COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "share": {"type": "number"}},
    "required": ["colour", "share"],
    "additionalProperties": False,
}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}


@asynccontextmanager
async def client_of(server):
    async with httpx2.AsyncClient(base_url=server.base_url, trust_env=False, timeout=None) as client:
        yield client


def body(messages=HELLO, **options):
    return {"model": "m", "messages": list(messages), **options}


async def ask(client, **options):
    return await client.post("chat/completions", json=body(**options))


async def asked(server, **options):
    async with client_of(server) as client:
        return await ask(client, **options)


def content_of(answer):
    return answer.json()["choices"][0]["message"]["content"]


def events_of(text):
    """Return the data of the events of a stream."""
    assert text.endswith("\n\n")
    return [event.removeprefix("data: ") for event in text.split("\n\n")[:-1]]


def pieces_of(text):
    chunks = [json.loads(data) for data in events_of(text) if data != "[DONE]"]
    return [
        chunk["choices"][0]["delta"]["content"] for chunk in chunks if chunk["choices"] and chunk["choices"][0]["delta"]
    ]


async def left_at_once(server, **options):
    """Ask, and leave when the server has the request."""
    async with client_of(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(partial(ask, client, **options))
        await server.until(lambda: server.running == 1)
        nursery.cancel_scope.cancel()
    await server.until(lambda: server.open_connections == 0)


async def test_answers_as_openai_does():
    async with ChatServer([Reply("Hello there!")]) as server:
        answer = await asked(server)
    assert answer.json() == {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there!", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
    }


async def test_without_replies_it_says_the_least_that_is_right():
    schema = {"name": "colour", "strict": True, "schema": COLOUR}
    async with ChatServer() as server, client_of(server) as client:
        assert content_of(await ask(client)) == "OK"
        assert content_of(await ask(client, response_format={"type": "text"})) == "OK"
        assert content_of(await ask(client, response_format={"type": "json_object"})) == "{}"
        answer = await ask(client, response_format={"type": "json_schema", "json_schema": schema})
    assert json.loads(content_of(answer)) == {"colour": "red", "share": 0}
    assert [request.schema for request in server.requests] == [None, None, None, COLOUR]


async def test_replies_come_in_order_and_the_last_goes_on():
    async with ChatServer([Reply("a"), Reply({"b": ["ü"]}), Reply("c")]) as server, client_of(server) as client:
        said = [content_of(await ask(client)) for _ in range(4)]
    assert said == ["a", '{"b": ["ü"]}', "c", "c"]


async def test_a_function_sees_the_request():
    parts = [{"type": "text", "text": "part "}, {"type": "image_url", "image_url": {"url": "x"}}, "?"]
    async with ChatServer(lambda request: Reply(request.text.upper())) as server, client_of(server) as client:
        assert content_of(await ask(client)) == "SAY HELLO"
        assert content_of(await ask(client, messages=[{"role": "user", "content": parts}])) == "PART "
        assert content_of(await ask(client, messages=[{"role": "assistant", "content": None}])) == ""


async def test_a_request_is_kept_and_its_key_apart():
    async with ChatServer() as server, client_of(server) as client:
        await client.post("chat/completions", json=body(), headers={"Authorization": "Bearer sk-1", "X-Shop": "7"})
        (request,) = server.requests
    assert (request.number, request.model, request.streams, request.outcome) == (0, "m", False, "answered")
    assert (request.messages, request.headers["x-shop"]) == (list(HELLO), "7")
    assert (request.authorization, "authorization" in request.headers) == ("Bearer sk-1", False)
    assert "sk-1" not in repr(request)
    assert request.started_at <= request.ended_at


async def test_a_stream_comes_in_pieces_with_its_usage_at_the_end():
    async with ChatServer([Reply("one two three", pieces=3, usage=(7, 3))]) as server:
        answer = await asked(server, **STREAM)
    *chunks, end = events_of(answer.text)
    first, *_, last, usage = map(json.loads, chunks)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert pieces_of(answer.text) == ["", "one ", "two ", "three"]
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "stop")
    assert (usage["choices"], usage["usage"]) == (
        [],
        {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    )
    assert end == "[DONE]"
    assert server.requests[0].streams


async def test_a_stream_says_its_usage_only_if_asked_and_an_answer_if_told():
    replies = [Reply("a", usage=None), Reply("a", usage=None), Reply("a")]
    async with ChatServer(replies) as server, client_of(server) as client:
        answers = [await ask(client), await ask(client, **STREAM), await ask(client, stream=True)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.text for answer in answers if "usage" in answer.text] == []


async def test_other_ways_to_end():
    async with (
        ChatServer(
            [Reply("cut o", finish_reason="length"), Reply(refusal="I will not."), Reply(refusal="No.")]
        ) as server,
        client_of(server) as client,
    ):
        cut, refused, streamed = await ask(client), await ask(client), await ask(client, stream=True)
    assert cut.json()["choices"][0]["finish_reason"] == "length"
    message = refused.json()["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I will not.")
    deltas = [json.loads(data)["choices"][0]["delta"] for data in events_of(streamed.text)[1:-2]]
    assert deltas == [{"refusal": "N"}, {"refusal": "o"}, {"refusal": "."}]


async def test_it_waits_as_told_on_the_clock_of_the_test(autojump_clock):
    autojump_clock.autojump_threshold = 0.02
    replies = [Reply("abc", pieces=3, delay=60, piece_delay=10), Reply(delay=3600)]
    async with ChatServer(replies) as server, client_of(server) as client:
        await ask(client, stream=True)
        await ask(client)
    assert [round(request.ended_at - request.started_at) for request in server.requests] == [80, 3600]


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (Status(429, retry_after=2), {"retry-after": "2"}, {"code": "rate_limit_exceeded", "type": "requests"}),
        (Status(429, retry_after=0.5), {"retry-after": "0.5"}, {"message": "scripted status 429"}),
        (
            Status(503, retry_after="Fri, 02 Jan 2026 03:04:05 GMT"),
            {"retry-after": "Fri, 02 Jan 2026 03:04:05 GMT"},
            {"type": "server_error"},
        ),
        (Status(401, message="no such key"), {}, {"code": "invalid_api_key", "message": "no such key"}),
        (Status(400, headers={"X-Request-Id": "r1"}), {"x-request-id": "r1"}, {"type": "invalid_request_error"}),
    ],
)
async def test_statuses_with_openais_errors(status, headers, error):
    async with ChatServer([status]) as server:
        answer = await asked(server, **STREAM)
    assert answer.status_code == status.code
    assert {name: answer.headers[name] for name in headers} == headers
    assert "retry-after" in headers or "retry-after" not in answer.headers
    assert answer.json()["error"].items() >= error.items()


async def test_statuses_with_a_body_of_ones_own():
    page = Status(502, body="<h1>Bad gateway</h1>", headers={"Content-Type": "text/html"})
    async with ChatServer([page]) as server:
        answer = await asked(server)
    assert (answer.status_code, answer.text) == (502, "<h1>Bad gateway</h1>")
    assert answer.headers.get_list("content-type") == ["text/html"]


async def test_broken_json():
    async with ChatServer([BrokenJson()]) as server, client_of(server) as client:
        whole, streamed = await ask(client), await ask(client, stream=True)
    for text in whole.text, events_of(streamed.text)[0]:
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


async def test_half_a_stream_breaks_the_connection():
    async with ChatServer([HalfStream("one two three four", sent=2)]) as server, client_of(server) as client:
        got = []

        async def collect():
            async with client.stream("POST", "chat/completions", json=body(stream=True)) as answer:
                async for text in answer.aiter_text():
                    got.append(text)  # noqa: PERF401 - what came before the break counts

        with pytest.raises(httpx2.RemoteProtocolError):
            await collect()
        with pytest.raises(httpx2.RemoteProtocolError):
            await ask(client)
    assert pieces_of("".join(got)) == ["", "one ", "two t"]
    assert [request.outcome for request in server.requests] == ["closed", "closed"]


async def test_half_a_stream_can_end_as_http_wants_it():
    async with (
        ChatServer([HalfStream("one two three four", sent=2, breaks=False)]) as server,
        client_of(server) as client,
    ):
        streamed, whole = await ask(client, stream=True), await ask(client)
    assert pieces_of(streamed.text) == ["", "one ", "two t"]
    assert "[DONE]" not in streamed.text
    with pytest.raises(json.JSONDecodeError):
        whole.json()
    assert server.connections == 1


@pytest.mark.parametrize("reset", [False, True])
async def test_no_answer(reset):
    async with ChatServer([CloseConnection(reset=reset), Reply("back")]) as server, client_of(server) as client:
        with pytest.raises(httpx2.TransportError) as caught:
            await ask(client)
        assert content_of(await ask(client)) == "back"
    assert isinstance(caught.value, httpx2.ReadError) == reset
    assert server.requests[0].outcome == "closed"


@pytest.mark.parametrize("hang", [Hang(), Hang("one two", sent=1)])
@pytest.mark.parametrize("stream", [False, True])
async def test_it_sees_a_client_leave(hang, stream):
    async with ChatServer([hang, Reply("next")]) as server:
        await left_at_once(server, stream=stream)
        assert (server.running, server.open_connections) == (0, 0)
        (left,) = server.disconnects
        assert content_of(await asked(server)) == "next"
    assert (left.outcome, left.number) == ("disconnected", 0)
    assert server.disconnects == [left]


async def test_what_hangs_in_the_middle_was_sent_until_there():
    async with ChatServer([Hang("one two three four", sent=3)]) as server, client_of(server) as client:
        got = ""
        with trio.CancelScope() as scope:
            async with client.stream("POST", "chat/completions", json=body(stream=True)) as answer:
                async for text in answer.aiter_text():
                    got += text
                    if len(pieces_of(got)) == 4:
                        scope.cancel()
        await server.until(lambda: bool(server.disconnects))
    assert pieces_of(got) == ["", "one ", "two t", "hree"]


async def test_a_client_that_leaves_while_much_is_sent():
    async with ChatServer([Reply("x" * 20_000_000)]) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", httpx2.URL(server.base_url).port)
        await stream.send_all(raw(body()))
        await stream.receive_some(1_000)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.socket.close()
        await server.until(lambda: bool(server.disconnects))


def raw(asked):
    encoded = json.dumps(asked).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(encoded)}\r\n\r\n"
    return head.encode() + encoded


@pytest.mark.parametrize("meanwhile", [False, True])
async def test_requests_that_are_sent_ahead_are_answered_in_order(meanwhile, autojump_clock):
    autojump_clock.autojump_threshold = 0.02
    said = [raw(body([{"role": "user", "content": text}])) for text in ("first", "second")]
    async with ChatServer(lambda request: Reply(request.text, delay=5)) as server:
        async with await trio.open_tcp_stream("127.0.0.1", httpx2.URL(server.base_url).port) as stream:
            await stream.send_all(said[0] if meanwhile else b"".join(said))
            await server.until(lambda: server.running == 1)
            if meanwhile:
                await stream.send_all(said[1])
            got = b""
            while got.count(b'"finish_reason"') < 2:
                got += await stream.receive_some(65_536)
            await stream.send_all(said[0][:-1])
        await server.until(lambda: server.open_connections == 0)
        assert len(server.requests) == 2
    assert got.index(b'"first"') < got.index(b'"second"')


@pytest.mark.parametrize("sent", [b"\x16\x03\x01 no http\r\n\r\n", b"GET /v1/models HTTP/1.1\r\nhost:", b""])
async def test_what_is_no_http_is_hung_up_on(sent):
    async with ChatServer() as server:
        stream = await trio.open_tcp_stream("127.0.0.1", httpx2.URL(server.base_url).port)
        async with stream:
            await stream.send_all(sent)
            await stream.send_eof()
            assert await stream.receive_some(100) == b""
        await server.until(lambda: server.open_connections == 0)
    assert (server.connections, server.requests) == (1, [])


async def test_a_client_that_resets_before_it_asks():
    async with ChatServer() as server:
        stream = await trio.open_tcp_stream("127.0.0.1", httpx2.URL(server.base_url).port)
        await server.until(lambda: server.open_connections == 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.socket.close()
        await server.until(lambda: server.open_connections == 0)


async def test_it_lists_its_models_and_says_what_else_is_wrong():
    async with ChatServer(models=["small", "large"]) as server, client_of(server) as client:
        listed = await client.get("models", params={"limit": 1})
        unknown, wrong = await client.get("embeddings"), await client.get("chat/completions")
    assert [model["id"] for model in listed.json()["data"]] == ["small", "large"]
    assert (unknown.status_code, wrong.status_code) == (404, 405)
    assert "/v1/chat/completions and /v1/models" in unknown.json()["error"]["message"]
    assert "takes POST, not GET" in wrong.json()["error"]["message"]
    assert server.requests == []


async def test_it_can_ask_for_a_key():
    async with ChatServer(api_key="sk-right") as server, client_of(server) as client:
        client.headers["authorization"] = "Bearer sk-wrong"
        refused = await ask(client)
        client.headers["authorization"] = "Bearer sk-right"
        assert content_of(await ask(client)) == "OK"
    assert refused.status_code == 401
    assert "sk-wrong" not in refused.text
    assert len(server.requests) == 1


async def test_it_counts_what_runs_at_once():
    async with ChatServer([Hang()]) as server, client_of(server) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask, client)
            await server.until(lambda: server.running == 20)
            assert (server.open_connections, server.most_running) == (20, 20)
            nursery.cancel_scope.cancel()
        await server.until(lambda: server.open_connections == 0)
        assert (server.running, server.most_running, server.connections) == (0, 20, 20)


async def test_connections_are_kept_from_request_to_request():
    async with ChatServer() as server, client_of(server) as client:
        for _ in range(5):
            await ask(client)
            await ask(client, stream=True)
        assert (server.connections, server.open_connections) == (1, 1)


async def test_the_end_closes_everything_at_once(caplog):
    caplog.set_level(logging.DEBUG, "atrio")
    answers = []

    async def hold(client, **options):
        with pytest.raises(httpx2.TransportError) as caught:
            await ask(client, **options)
        answers.append(caught.value)

    async with httpx2.AsyncClient(trust_env=False, timeout=None) as client, trio.open_nursery() as nursery:
        async with ChatServer([Hang(), Hang(sent=1), Reply(delay=3600), Reply("x" * 20_000_000)]) as server:
            client.base_url = server.base_url
            for number in range(1, 4):
                nursery.start_soon(partial(hold, client, stream=True))
                await server.until(lambda number=number: server.running == number)
            unread = await trio.open_tcp_stream("127.0.0.1", httpx2.URL(server.base_url).port)
            await unread.send_all(raw(body()))
            await server.until(lambda: server.running == 4)
            before_the_end = trio.current_time()
        assert trio.current_time() - before_the_end < 1
        await unread.aclose()
        while len(answers) < 3:
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert {request.outcome for request in server.requests} == {"cancelled"}
    assert (server.running, server.open_connections) == (0, 0)
    assert [record for record in caplog.records if not record.name.startswith(("httpcore", "httpx"))] == []


async def test_a_cancellation_gets_through_it():
    for reply in Hang(), Reply(delay=3600):
        with trio.move_on_after(3600) as scope:
            async with ChatServer([reply]) as server, client_of(server) as client, trio.open_nursery() as nursery:
                nursery.start_soon(ask, client)
                await server.until(lambda server=server: server.running == 1)
                scope.cancel()
        assert scope.cancelled_caught
        assert (server.running, server.open_connections) == (0, 0)


async def test_it_can_be_cancelled_everywhere():
    async def use():
        async with ChatServer() as server:
            await asked(server)

    number = 1
    while await cancel_at_checkpoint(number, use):
        number += 1
    assert number > 3


async def test_an_error_in_the_block_leaves_as_itself():
    async def use():
        async with ChatServer() as server:
            await asked(server)
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        await use()


@pytest.mark.parametrize(
    ("replies", "kind", "message"),
    [
        (lambda request: 1 / 0, ZeroDivisionError, "division by zero"),
        (lambda request: "hello", TypeError, "a reply is one of Reply, Status, BrokenJson, .*, not 'hello'"),
        ([Reply({1, 2})], TypeError, "not JSON serializable"),
    ],
)
async def test_a_mistake_in_what_it_is_told_ends_the_block(replies, kind, message):
    with pytest.raises(kind, match=message):
        async with ChatServer(replies) as server:
            await asked(server)


async def test_it_serves_once_and_has_an_address_then():
    server = ChatServer()
    assert repr(server) == "<ChatServer not serving, 0 requests>"
    with pytest.raises(RuntimeError, match="an address only inside `async with`"):
        _ = server.base_url
    async with server:
        assert repr(server) == f"<ChatServer at {server.base_url}, 0 requests>"
    with pytest.raises(RuntimeError, match="serves once"):
        async with server:
            pass


@pytest.fixture
async def chat_server():
    async with ChatServer([Reply("from a fixture")]) as server:
        yield server


async def test_it_serves_as_a_fixture(chat_server):
    assert content_of(await asked(chat_server)) == "from a fixture"


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ChatServer(["hi"]), TypeError, "a reply is one of Reply, .*, not 'hi'"),
        (lambda: ChatServer(Reply("hi")), TypeError, r"a list of replies, not one: write \[Reply\("),
        (lambda: Reply(delay=-1), ValueError, "Reply.delay must be a finite number, at least 0, not -1"),
        (lambda: Reply(pieces=0), ValueError, "Reply.pieces must be a whole number, at least 1"),
        (lambda: Reply(usage=3), TypeError, 'Reply.usage must be "counted", None, or two whole numbers'),
        (lambda: Reply(usage=(1, -1)), ValueError, r"from 0, .* as in \(12, 3\), not \(1, -1\)"),
        (lambda: Status(200), ValueError, "from 300 to 599: what is no failure is a Reply, not 200"),
        (lambda: Status("500"), TypeError, "Status.code must be a whole number"),
        (lambda: Status(429, retry_after=-1), ValueError, "Status.retry_after must be a finite number, at least 0"),
        (lambda: Status(429, retry_after=[2]), TypeError, "seconds, the text of the header, or None"),
        (lambda: HalfStream(sent=4), ValueError, "HalfStream.sent must be from 0 to 3, below pieces, not 4"),
        (lambda: Hang(sent=1.5), TypeError, "Hang.sent must be a whole number, not 1.5"),
    ],
)
def test_mistakes_are_refused_when_they_are_made(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


OPEN = COLOUR | {"additionalProperties": True}
OPTIONAL = COLOUR | {"required": ["colour"]}


def formatted(schema, name="n"):
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ([], "must be a JSON object"),
        ({"messages": [{}]}, "you must provide a model parameter"),
        ({"model": "m", "messages": []}, "messages must be a list of at least one message"),
        ({"model": "m", "messages": [{"content": "x"}]}, "messages[0] must be an object with a role"),
        (body([{"role": "user", "content": 3}]), "messages[0].content must be a string, a list of parts, or null"),
        (body(stream="yes"), "stream must be true or false"),
        (body(stream_options={}), "stream_options is only allowed when stream is true"),
        (body(response_format={"type": "xml"}), "response_format.type must be one of text, json_object, json_schema"),
        (body(response_format={"type": "json_schema"}), "response_format.json_schema must be an object with a schema"),
        (body(response_format=formatted(COLOUR, "a b")), "name must be 1 to 64 letters, digits, _ or -"),
        (body(response_format=formatted({"type": "string"})), "must be an object at its root"),
        (body(response_format=formatted(OPEN)), "schema: additionalProperties must be false in a strict schema"),
        (body(response_format=formatted(OPTIONAL)), "schema: required must name every property in a strict schema"),
        (
            body(
                response_format=formatted(
                    {
                        "type": "object",
                        "properties": {"c": {"anyOf": [{"type": "null"}, {"items": {"$ref": "#/$defs/C"}}]}},
                        "required": ["c"],
                        "additionalProperties": False,
                        "$defs": {"C": {"type": "array", "prefixItems": [OPEN]}},
                    }
                )
            ),
            "schema.$defs.C.prefixItems[0]: additionalProperties must be false in a strict schema",
        ),
    ],
)
async def test_what_openai_refuses_is_refused(asked, why):
    async with ChatServer() as server, client_of(server) as client:
        answer = await client.post("chat/completions", json=asked)
        after = await ask(client)
    assert (answer.status_code, after.status_code) == (400, 200)
    assert why in answer.json()["error"]["message"]
    assert len(server.requests) == 1


async def test_a_body_that_is_no_json_is_refused():
    async with ChatServer() as server, client_of(server) as client:
        answer = await client.post("chat/completions", content=b"{")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("the body of the request is no JSON: ")


async def test_a_schema_that_is_not_strict_may_be_open():
    named = {"name": "n", "schema": OPTIONAL | {"additionalProperties": True}}
    async with ChatServer() as server:
        answer = await asked(server, response_format={"type": "json_schema", "json_schema": named})
    assert json.loads(content_of(answer)) == {"colour": "red"}


def test_its_names_are_there_when_they_are_asked_for():
    assert {"ChatServer", "Reply", "answer"} <= set(dir(atrio.testing))
    with pytest.raises(AttributeError, match=r"module 'atrio\.testing' has no attribute 'ChatServe'"):
        _ = atrio.testing.ChatServe


@pytest.mark.parametrize(
    ("headers", "kind", "why"),
    [
        ([("a", "b")], TypeError, "must be a mapping of names to texts"),
        ({"x-count": 5}, TypeError, "must be a mapping of names to texts"),
        ({"a b": "x"}, ValueError, "'a b' is no name of a header"),
        ({"Content-Length": "5"}, ValueError, "'Content-Length' is no name of a header that can be set"),
        ({"x": "a\r\nb: c"}, ValueError, "that of 'x' must be visible ASCII"),
    ],
)
def test_headers_that_cannot_be_sent_are_told_when_they_are_given(headers, kind, why):
    with pytest.raises(kind, match=why):
        Status(429, headers=headers)
