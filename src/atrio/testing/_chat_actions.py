"""Doing what a test server of chat completions is told: well, badly, or not at all."""

from __future__ import annotations

from typing import Final

import trio

from atrio.testing._chat_bodies import BROKEN, chunks, completion, error_body, event, last_chunks
from atrio.testing._chat_replies import BrokenJson, ChatReply, HalfStream, Hang, Reply, Status, cut
from atrio.testing._chat_requests import ChatRequest
from atrio.testing._http_connection import HttpConnection

JSON: Final = {"content-type": "application/json"}
_EVENTS: Final = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


async def perform(connection: HttpConnection, request: ChatRequest, reply: ChatReply, text: str) -> None:
    """Do it; where the connection is to be broken, say so of the request."""
    await trio.sleep(reply.delay)
    match reply:
        case Reply():
            await _reply(connection, request, reply, text)
        case Status():
            await send_status(connection, reply)
        case BrokenJson():
            kind, body = (_EVENTS, event(BROKEN)) if request.streams else (JSON, BROKEN)
            await connection.send_whole(200, kind, body)
        case HalfStream():
            await _part(connection, request, reply, text)
            if reply.breaks:
                request.outcome = "closed"
                connection.close()
            else:
                await connection.send_end()
        case Hang():
            if reply.sent:
                await _part(connection, request, reply, text)
            await trio.sleep_forever()
        case _:
            request.outcome = "closed"
            connection.close(reset=reply.reset)


async def send_status(connection: HttpConnection, status: Status) -> None:
    """Send an error."""
    headers = {**JSON, **{name.lower(): value for name, value in status.headers.items()}}
    if status.retry_after is not None:
        after = status.retry_after
        headers["retry-after"] = after if isinstance(after, str) else f"{after:.15g}"
    await connection.send_whole(status.code, headers, error_body(status))


async def _reply(connection: HttpConnection, request: ChatRequest, reply: Reply, text: str) -> None:
    if not request.streams:
        await connection.send_whole(200, JSON, completion(request, text, reply))
        return
    begin, *rest = chunks(request, cut(text if reply.refusal is None else reply.refusal, reply.pieces), reply)
    await connection.send_begin(200, _EVENTS, begin)
    await _send_pieces(connection, rest, reply.piece_delay)
    await connection.send_end(b"".join(last_chunks(request, text, reply)))


async def _part(connection: HttpConnection, request: ChatRequest, reply: HalfStream | Hang, text: str) -> None:
    whole = Reply()
    if request.streams:
        begin, *rest = chunks(request, cut(text, reply.pieces), whole)
        await connection.send_begin(200, _EVENTS, begin)
        await _send_pieces(connection, rest[: reply.sent], reply.piece_delay)
        return
    body = completion(request, text, whole)
    part = body[: len(body) * reply.sent // reply.pieces]
    is_all = isinstance(reply, HalfStream) and not reply.breaks
    await connection.send_begin(200, JSON | {"content-length": str(len(part if is_all else body))}, part)


async def _send_pieces(connection: HttpConnection, pieces: list[bytes], delay: float) -> None:
    for number, piece in enumerate(pieces):
        if number:
            await trio.sleep(delay)
        await connection.send_data(piece)
