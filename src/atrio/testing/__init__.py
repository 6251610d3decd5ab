"""For tests of what is built on atrio: scripted agents, captured events, virtual time, a server of chat completions.

Nothing here needs a test framework. With pytest-trio the fixture ``autojump_clock`` gives an async test virtual time;
without it, or under Hypothesis, :func:`run_in_virtual_time` does. Only :class:`ChatServer` needs the extra ``testing``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from atrio.testing._cancelling import cancel_at_checkpoint
from atrio.testing._captured import CapturedEvents, capture_events
from atrio.testing._scripted import ECHO, Call, ScriptedAgent, Step, answer, fail
from atrio.testing._time import fixed_stamps, run_in_virtual_time

if TYPE_CHECKING:
    from atrio.testing._chat_replies import (
        BrokenJson,
        ChatReply,
        CloseConnection,
        HalfStream,
        Hang,
        Reply,
        Status,
    )
    from atrio.testing._chat_requests import ChatRequest
    from atrio.testing._chat_server import ChatServer

__all__ = [
    "ECHO",
    "BrokenJson",
    "Call",
    "CapturedEvents",
    "ChatReply",
    "ChatRequest",
    "ChatServer",
    "CloseConnection",
    "HalfStream",
    "Hang",
    "Reply",
    "ScriptedAgent",
    "Status",
    "Step",
    "answer",
    "cancel_at_checkpoint",
    "capture_events",
    "fail",
    "fixed_stamps",
    "run_in_virtual_time",
]

_HOMES = {
    "BrokenJson": "atrio.testing._chat_replies",
    "ChatReply": "atrio.testing._chat_replies",
    "ChatRequest": "atrio.testing._chat_requests",
    "ChatServer": "atrio.testing._chat_server",
    "CloseConnection": "atrio.testing._chat_replies",
    "HalfStream": "atrio.testing._chat_replies",
    "Hang": "atrio.testing._chat_replies",
    "Reply": "atrio.testing._chat_replies",
    "Status": "atrio.testing._chat_replies",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name != "h11":
            raise
        raise ModuleNotFoundError(
            f"{name} needs the extra \"testing\": pip install 'atrio[testing]' (there is no module 'h11')", name="h11"
        ) from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
