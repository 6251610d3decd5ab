"""The server's end of a connection: HTTP/1.1, by h11, with every way to break it.

A server that runs applications hides the connection from them; here, to misbehave is the purpose.
"""

from __future__ import annotations

import socket
import struct

import attrs
import h11
import trio

_READ = 65_536


@attrs.frozen
class HttpRequest:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpConnection:
    """A connection that a client opened.

    Attributes:
        is_gone: whether the client was found to have left while it was sent something.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._wire = h11.Connection(h11.SERVER)
        self.is_gone: bool = False

    @property
    def is_at_end(self) -> bool:
        """Whether the last of a response is on its way: who has got it may leave before we are told that it went."""
        return self._wire.our_state in {h11.DONE, h11.MUST_CLOSE}

    async def request(self) -> HttpRequest | None:
        """Return the next request, None when the client has left, or sends what is no HTTP."""
        try:
            if self._wire.our_state is h11.DONE:
                self._wire.start_next_cycle()
            begin = await self._event()
            if not isinstance(begin, h11.Request):
                return None
            body = bytearray()
            while isinstance(event := await self._event(), h11.Data):
                body += event.data
        except (h11.RemoteProtocolError, h11.LocalProtocolError, trio.BrokenResourceError):
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in begin.headers}
        return HttpRequest(begin.method.decode(), begin.target.decode(), headers, bytes(body))

    async def _event(self) -> h11.Event:
        while True:
            event = self._wire.next_event()
            if event is h11.NEED_DATA:
                self._wire.receive_data(await self._stream.receive_some(_READ))
            else:
                assert isinstance(event, h11.Event)  # noqa: S101 - paused it is only before the next cycle
                return event

    async def until_gone(self) -> None:
        """Return when the client leaves while it is being answered."""
        try:
            while data := await self._stream.receive_some(_READ):
                self._wire.receive_data(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):  # gone without a word, or closed by us
            return

    async def send_whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a response."""
        await self._send(
            self._begin(status, headers | {"content-length": str(len(body))}) + self._data(body) + self._end()
        )

    async def send_begin(self, status: int, headers: dict[str, str], data: bytes = b"") -> None:
        """Send the begin of a response: in chunks, unless the headers have its length."""
        await self._send(self._begin(status, headers) + self._data(data))

    async def send_data(self, data: bytes) -> None:
        """Send more of its body."""
        await self._send(self._data(data))

    async def send_end(self, data: bytes = b"") -> None:
        """Send the last of its body."""
        await self._send(self._data(data) + self._end())

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            self.is_gone = True

    def _begin(self, status: int, headers: dict[str, str]) -> bytes:
        return self._wire.send(h11.Response(status_code=status, headers=list(headers.items()))) or b""

    def _data(self, data: bytes) -> bytes:
        return self._wire.send(h11.Data(data)) or b""

    def _end(self) -> bytes:
        return self._wire.send(h11.EndOfMessage()) or b""

    def close(self, *, reset: bool = False) -> None:
        """Close it at once, whoever reads or writes."""
        if reset:
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._stream.socket.close()
