"""What a test server of chat completions writes, in the form of OpenAI's API."""

from __future__ import annotations

import json
from typing import Any

from atrio.testing._chat_replies import HalfStream, Hang, Reply, Status
from atrio.testing._chat_requests import ChatRequest
from atrio.testing._schema_instances import smallest

DONE = b"data: [DONE]\n\n"
BROKEN = b'{"id": "chatcmpl-broken", "object": "chat.completion", "choi'

_KINDS = {401: ("invalid_request_error", "invalid_api_key"), 429: ("requests", "rate_limit_exceeded")}


def said(reply: Reply | HalfStream | Hang, request: ChatRequest) -> str:
    """Return the text of the model's message."""
    content = reply.content
    if content is None:
        if request.schema is not None:
            content = smallest(request.schema)
        elif request.wants_json:
            content = {}
        else:
            content = "OK"
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def completion(request: ChatRequest, text: str, reply: Reply) -> bytes:
    """Return the whole answer."""
    message = {"role": "assistant", "content": text, "refusal": None}
    if reply.refusal is not None:
        message |= {"content": None, "refusal": reply.refusal}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    body = _head(request, "chat.completion") | {"choices": [choice]}
    return _json(body | _usage(request, text, reply))


def chunks(request: ChatRequest, pieces: list[str], reply: Reply) -> list[bytes]:
    """Return the events of a stream before its end: the begin of the message, and one for each piece."""
    field = "content" if reply.refusal is None else "refusal"
    begin = _chunk(request, {"role": "assistant", "content": "", "refusal": None})
    return [begin, *(_chunk(request, {field: piece}) for piece in pieces)]


def last_chunks(request: ChatRequest, text: str, reply: Reply) -> list[bytes]:
    """Return the events at the end of a stream: why it ends, and what it used."""
    ended = _chunk(request, {}, reply.finish_reason)
    usage = _usage(request, text, reply)
    if not usage:
        return [ended, DONE]
    return [ended, event(_json(_head(request, "chat.completion.chunk") | {"choices": []} | usage)), DONE]


def event(data: bytes) -> bytes:
    """Return an event of a stream."""
    return b"data: " + data + b"\n\n"


def error_body(status: Status) -> bytes:
    """Return the body of an error."""
    if status.body is not None:
        return status.body.encode()
    fallback = ("invalid_request_error", None) if status.code < 500 else ("server_error", None)
    kind, code = _KINDS.get(status.code, fallback)
    message = f"scripted status {status.code}" if status.message is None else status.message
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}})


def model_list(models: tuple[str, ...]) -> bytes:
    """Return the list of the models."""
    data = [{"id": model, "object": "model", "created": 0, "owned_by": "atrio"} for model in models]
    return _json({"object": "list", "data": data})


def _head(request: ChatRequest, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{request.number}", "object": kind, "created": 0, "model": request.model}


def _chunk(request: ChatRequest, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return event(_json(_head(request, "chat.completion.chunk") | {"choices": [choice]}))


def _usage(request: ChatRequest, text: str, reply: Reply) -> dict[str, Any]:
    if reply.usage is None or not request.wants_usage:
        return {}
    given, made = (request.words(), len(text.split())) if reply.usage == "counted" else reply.usage
    return {"usage": {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
