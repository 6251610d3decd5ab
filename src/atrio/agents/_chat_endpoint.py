"""An endpoint that speaks the protocol of chat completions: its address, its key, its connections, its failures."""

import os
import re
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx2
import trio

from atrio._stamps import utc_now
from atrio._validation import check_above_zero, check_at_least, check_count, check_id, may_be_secret
from atrio.agents._answers import TRANSIENT, seconds_of
from atrio.agents._chat_answers import failure_in
from atrio.agents._failures import EndpointError, EndpointRefusedError, shown
from atrio.agents._http import checked_url, origin_of, phrase_of, read_up_to, reason_of
from atrio.agents._jsonable import decoded
from atrio.agents._scrubbing import without_secrets

_STATUS: Final = re.compile(r"[45][0-9]{2}", flags=re.ASCII)
_PATH: Final = b"/chat/completions"
_VARIABLE: Final = re.compile(r"[^\s=\0]+")
_KEY: Final = re.compile(r"[\x21-\x7e]+", flags=re.ASCII)
_THREADS: Final = 1
_LONGEST_FAILURE: Final = 20_000
_SHORTEST_SECRET: Final = 4
_NO_MORE: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of failures that do not mean "later", whatever the status."""
_READING: Final = 5.0
"""Seconds that the body of a failure is waited for: its status has said enough."""


class ChatEndpoint:
    """An endpoint, and the connections to it.

    Nothing here raises where a key is within sight: failures are given back, to be raised elsewhere. See
    `atrio.agents.webhook`, which does the same.

    Args:
        base_url: where its API is.
        api_key_env: the environment variable with the key, or None.
        provider: what it is called; by default its host.
        timeout: seconds that a call may take.
        max_response: bytes that an answer may have.
        max_retry_after: seconds that it may ask to be left alone for.

    Attributes:
        provider: what it is called.
        origin: scheme, host and port.
        timeout: as it was given, and likewise `max_response`.

    Raises:
        TypeError: an argument is of another type.
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        base_url: object,
        api_key_env: object,
        provider: object,
        *,
        timeout: float,
        max_response: int,
        max_retry_after: float,
    ) -> None:
        self._url = _completions(checked_url(base_url, "base_url"))
        self._variable = _checked_variable(api_key_env)
        self.origin: str = origin_of(self._url)
        self.provider: str = self._url.host if provider is None else check_id(provider, "provider")
        self.timeout: float = check_above_zero(timeout, "timeout")
        check_count(max_response, "max_response")
        self.max_response: int = max_response
        self._max_retry_after = check_at_least(max_retry_after, "max_retry_after", 0)
        self._tls: ssl.SSLContext | None = None
        self._transport: httpx2.AsyncBaseTransport | None = None
        self._entered = 0

    async def enter(self) -> None:
        """Keep connections open until as many calls of `aclose`."""
        tls = await self._trusted()
        if self._transport is None:
            self._transport = new_transport(tls)
        self._entered += 1

    async def aclose(self) -> None:
        """Close the connections if nobody else keeps them open."""
        self._entered -= 1
        if not self._entered and self._transport is not None:
            transport, self._transport = self._transport, None
            await transport.aclose()

    @asynccontextmanager
    async def transport(self) -> AsyncGenerator[httpx2.AsyncBaseTransport]:
        """Give what requests are sent through: the connections that are kept, or else some for the block alone."""
        if self._transport is not None:
            yield self._transport
            return
        transport = new_transport(await self._trusted())
        try:
            yield transport
        finally:
            await transport.aclose()

    async def _trusted(self) -> ssl.SSLContext:
        """Return whose certificates are trusted."""
        if self._tls is None:
            # Reading the certificates takes tens of milliseconds. Without https, a context without any will do.
            self._tls = (
                await trio.to_thread.run_sync(httpx2.create_ssl_context, limiter=trio.CapacityLimiter(_THREADS))
                if self._url.scheme == "https"
                else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
        return self._tls

    def request(self, body: bytes, accept: str) -> httpx2.Request | EndpointRefusedError:
        """Return the request for a body; or the failure that there is no key for it."""
        headers = {"accept": accept, "accept-encoding": "identity", "user-agent": "atrio"}
        headers["content-type"] = "application/json"
        if self._variable is not None:
            key = self._key()
            if not _KEY.fullmatch(key):
                what = "has what no key can hold" if key else "is not set"
                why = f"the environment variable {self._variable} {what}; it is to hold the key of {self.provider}"
                return EndpointRefusedError(why)
            headers["authorization"] = f"Bearer {key}"
        return httpx2.Request("POST", self._url, headers=headers, content=body)

    def _key(self) -> str:
        return "" if self._variable is None else os.environ.get(self._variable, "").strip()

    def without_key(self, text: str, shortest: int = _SHORTEST_SECRET, *, is_cut: bool = False) -> str:
        """Return `text` without the key, as `without_secrets` does."""
        return without_secrets(text, [self._key()], shortest=shortest, is_cut=is_cut)

    def unreachable(self, error: Exception) -> ConnectionError:
        """Return the failure of a connection."""
        # Not as the cause: it keeps the request, and with it the key.
        return ConnectionError(f"{self.origin} cannot be reached: {shown(self.without_key(reason_of(error)))}")

    def too_late(self) -> TimeoutError:
        """Return the failure to answer in time."""
        return TimeoutError(f"{self.origin} did not answer within {self.timeout:g} s")

    def unreadable(self, why: str) -> EndpointError:
        """Return the failure to say what can be understood."""
        return EndpointError(f"{self.origin} gave an answer that cannot be read: {shown(self.without_key(why))}")

    def failed(self, why: str, status: int | None = None) -> EndpointError:
        """Return a failure that is worth another attempt."""
        return EndpointError(f"{self.origin} {self.without_key(why)}", status)

    def refused(self, why: str, status: int | None = None) -> EndpointRefusedError:
        """Return a failure that would be the same at the next attempt."""
        return EndpointRefusedError(f"{self.origin} {self.without_key(why)}", status)

    def failure_told(self, message: str, code: str) -> EndpointError | EndpointRefusedError:
        """Return what a failure means that an answer tells of, where the status was one of success.

        Args:
            message: what it says.
            code: its code: a word, or a status.
        """
        message = shown(self.without_key(message))
        says = "failed while it answered" + (f": {message}" if message else "")
        status = int(code) if _STATUS.fullmatch(code) else None
        is_final = status is not None and status < 500 and status not in TRANSIENT
        return self.refused(says, status) if is_final or code in _NO_MORE else self.failed(says, status)

    async def failure_of(self, answer: httpx2.Response, deadline: float) -> EndpointError | EndpointRefusedError:
        """Return what an answer means whose status is none of success.

        Args:
            answer: the answer.
            deadline: until when its body may be read, on Trio's clock. It is not needed to tell what is meant.
        """
        status = answer.status_code
        body, is_whole = b"", True
        with suppress(httpx2.TransportError), trio.move_on_at(min(deadline, trio.current_time() + _READING)):
            body, is_whole = await read_up_to(answer, _LONGEST_FAILURE)
        message, code = _told(body)
        message = shown(self.without_key(message, is_cut=not is_whole))
        says = f"answered {status}{phrase_of(status)}" + (f": {message}" if message else "")
        if (status < 500 and status not in TRANSIENT) or code in _NO_MORE:
            return self.refused(says, status)
        wait = seconds_of(answer.headers.get("retry-after", ""), utc_now())
        if wait is not None and wait > self._max_retry_after:
            limit = f"more than the {self._max_retry_after:g} s of max_retry_after"
            why = f"{self.origin} {says}, and asks to wait {wait:,.0f} s, {limit}"
            return EndpointRefusedError(why, status, wait)
        return EndpointError(f"{self.origin} {says}", status, wait)


def new_transport(tls: ssl.SSLContext) -> httpx2.AsyncBaseTransport:
    """Return what opens and keeps connections; proxies of the environment are not used."""
    return httpx2.AsyncHTTPTransport(verify=tls)


def _told(body: bytes) -> tuple[str, str]:
    """Return what a failure says, and its code."""
    text = body.decode(errors="replace").strip()
    try:
        told = failure_in(decoded(body))
    except ValueError:
        return text, ""
    return text if told is None or not told[0] else told[0], "" if told is None else told[1]


def _completions(url: httpx2.URL) -> httpx2.URL:
    path, mark, query = url.raw_path.partition(b"?")
    path = path.rstrip(b"/")
    if path.endswith(_PATH):
        raise ValueError(f"base_url must be without {_PATH.decode()!r}, which is added: it ends where the API begins")
    return url.copy_with(raw_path=path + _PATH + mark + query)


def _checked_variable(name: object) -> str | None:
    if name is None:
        return None
    right = "the name of an environment variable that holds the key, as in 'OPENAI_API_KEY'"
    if not isinstance(name, str):
        raise TypeError(f"api_key_env must be {right}, not {type(name).__name__}")
    if not _VARIABLE.fullmatch(name) or may_be_secret(name):
        # Without the value, which may be a key.
        raise ValueError(f"api_key_env must be {right}, and never the key itself")
    return name
