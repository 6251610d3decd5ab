"""A language model without a network: it answers by a script, on Trio's clock, and keeps what it was asked."""

import json
from functools import partial

import httpx2
import trio

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


class Asked:
    """A request as the model got it."""

    def __init__(self, request):
        self.at = trio.current_time()
        self.url = str(request.url)
        self.headers = dict(request.headers)
        self.body = json.loads(request.content)

    @property
    def messages(self):
        return [(each["role"], each["content"]) for each in self.body["messages"]]


class Body(httpx2.AsyncByteStream):
    """Pieces of a body, with pauses; a piece that is an exception is raised, None hangs."""

    def __init__(self, pieces, pause=0.0):
        self.pieces = pieces
        self.pause = pause
        self.ended = ""

    async def __aiter__(self):
        self.ended = "cut"
        for piece in self.pieces:
            await trio.sleep(self.pause)
            if piece is None:
                await trio.sleep_forever()
            if isinstance(piece, Exception):
                raise piece
            yield piece
        self.ended = "read"

    async def aclose(self):
        self.ended = self.ended or "closed"


class Model:
    """Answers by its replies, one after the other, the last one for ever; or by a function of what is asked."""

    def __init__(self, *replies):
        self.replies = replies
        self.asked = []
        self.bodies = []
        self.opened = self.closed = 0

    def transport(self, tls):
        self.opened += 1
        model = self

        class Transport(httpx2.MockTransport):
            async def aclose(self):
                model.closed += 1

        return Transport(self.handle)

    async def handle(self, request):
        asked = Asked(request)
        self.asked.append(asked)
        reply = self.replies[min(len(self.asked), len(self.replies)) - 1]
        response = reply(asked)
        if not isinstance(response, httpx2.Response):
            response = await response
        if isinstance(response.stream, Body):
            self.bodies.append(response.stream)
        return response

    @property
    def times(self):
        return [each.at - self.asked[0].at for each in self.asked]


def completion(text, *, finish_reason="stop", usage=USAGE, **message):
    said = {"role": "assistant", "content": text, **message}
    return {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": finish_reason, "message": said}]} | (
        {"usage": usage} if usage else {}
    )


def event(data):
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def delta(text=None, finish_reason=None, **more):
    said = {} if text is None else {"content": text}
    return event({"choices": [{"index": 0, "finish_reason": finish_reason, "delta": said | more}]})


LAST = [delta(finish_reason="stop"), event({"choices": [], "usage": USAGE}), event("[DONE]")]


def streamed(pieces, pause=0.0):
    return httpx2.Response(
        200, headers={"content-type": "text/event-stream; charset=utf-8"}, stream=Body(pieces, pause)
    )


def in_pieces(text, size=5):
    return [delta(text[at : at + size]) for at in range(0, len(text), size)]


def says(text, **how):
    """Answer with a text, in pieces if a stream is asked for."""
    text = text if isinstance(text, str) else json.dumps(text)

    def reply(asked):
        if asked.body.get("stream"):
            return streamed([*in_pieces(text), *LAST])
        return httpx2.Response(200, json=completion(text, **how))

    return reply


def answers(status, body=b"", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda asked: httpx2.Response(status, headers=headers, content=content)


def pieces(*given, pause=0.0):
    return lambda asked: streamed(list(given), pause)


def broken_off(status, begin, error):
    """Answer with a status, and with the begin of a body; the rest is an exception, or does not come."""
    return lambda asked: httpx2.Response(status, stream=Body([begin, error]))


def breaks(error):
    def reply(asked):
        raise error

    return reply


async def _late(seconds, reply, asked):
    await trio.sleep(seconds)
    return reply(asked)


def after(seconds, reply):
    return partial(_late, seconds, reply)
