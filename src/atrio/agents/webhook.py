"""An agent that hands data to an HTTP endpoint: `Webhook`."""

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Literal, NoReturn, Self, get_args

import httpx2
import trio

from atrio._stamps import utc_now
from atrio._validation import check_above_zero, check_at_least, check_count, may_be_secret
from atrio.agents._answers import TRANSIENT, meant, seconds_of
from atrio.agents._failures import EndpointError, EndpointRefusedError, shown
from atrio.agents._http import checked_url, origin_of, phrase_of, read_up_to, reason_of
from atrio.agents._jsonable import Json, encoded, weight_of
from atrio.agents._offload import INLINE_BELOW, Poll, compute
from atrio.agents._scrubbing import without_secrets

Method = Literal["POST", "PUT", "PATCH"]

_THREADS: Final = 2
_LONGEST_FAILURE: Final = 20_000
_MOST_REDIRECTS: Final = 10
_RESENT: Final = frozenset({307, 308})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", flags=re.ASCII)
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?", flags=re.ASCII)
_VARIABLE: Final = re.compile(r"(?:([!-~]+) )?([^\s=\0]+)")
# How a message is framed is for the HTTP library to say. What is compressed could be small, and unpack to anything.
_OURS: Final = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "expect", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


class _Outcome:
    """What came of a request: an answer, or a failure. A failure is raised where no secret is within sight.

    Tracebacks of exceptions may be written with the variables of each function in them. So what knows the headers
    gives back one of these, and `Webhook.process`, which does not know them, raises.
    """

    __slots__ = ("body", "content_type", "failure")

    def __init__(self, *, body: bytes = b"", content_type: str = "", failure: Exception | None = None) -> None:
        self.body = body
        self.content_type = content_type
        self.failure = failure


class Webhook:
    """An agent that sends data to an HTTP endpoint, as JSON, and gives what that answers.

    An answer is JSON, or text if its media type is ``text/...``; an empty one is None. Anything but a 2xx status is a
    failure. It is worth another attempt if the endpoint cannot be reached or takes too long, for statuses from 500 and
    for 408, 425 and 429; then a Retry-After header lengthens the wait before it. All else is refused at once.

    Use it with ``async with``, as pipelines and the command line do: connections are kept open from call to call.
    Without it each call makes its own.

    Neither the data nor the endpoint is trusted. The data is nothing but the body of the request. Answers are read up
    to a limit, and not decompressed; cookies are not kept; redirects lead nowhere that was not allowed. Proxies named
    by the environment are not used. No error shows more of the URL than scheme, host and port, and none shows a header;
    an answer is shown without the secrets that it repeats.

    Args:
        url: where to send the data, an http or https URL. It has no user name and no password in it.
        method: "POST", "PUT" or "PATCH".
        headers: further headers. Secrets do not belong here.
        headers_env: headers whose values are in environment variables: the name of a variable, as in
            ``{"X-Api-Key": "SHOP_KEY"}``, or a scheme and a name, as in ``{"Authorization": "Bearer SHOP_TOKEN"}``.
            They are looked up at each call.
        timeout: seconds that a call may take in all, above 0.
        max_response: bytes that an answer may have. A hostile megabyte of JSON may hold up everything for some tenths
            of a second while it is parsed.
        max_retry_after: seconds. An endpoint that wants to be left alone for longer is not asked again.
        max_redirects: how many redirects to follow, 0 to 10. Only those with status 307 and 308 are, which send the
            data again.
        redirect_origins: where redirects may lead besides the origin of ``url``, as in ``["https://eu.shop.example"]``.
            There, the headers of this configuration are not sent.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If an argument is out of its range, a URL is none, or a header cannot be sent.
    """

    agent_id: str = "webhook"

    def __init__(
        self,
        url: str,
        *,
        method: Method = "POST",
        headers: Mapping[str, str] | None = None,
        headers_env: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        max_response: int = 1_000_000,
        max_retry_after: float = 300.0,
        max_redirects: int = 0,
        redirect_origins: Sequence[str] = (),
    ) -> None:
        self._url = checked_url(url, "url")
        if method not in get_args(Method):
            raise ValueError(f"method must be one of {', '.join(get_args(Method))}, not {method!r}")
        self._method = method
        self._headers = _checked_headers(headers, "headers")
        self._variables = _checked_variables(headers_env)
        self._timeout = check_above_zero(timeout, "timeout")
        check_count(max_response, "max_response")
        self._max_response = max_response
        self._max_retry_after = check_at_least(max_retry_after, "max_retry_after", 0)
        self._max_redirects = _checked_redirects(max_redirects)
        self._origins = {origin_of(self._url), *_checked_origins(redirect_origins)}
        self._limiter = trio.CapacityLimiter(_THREADS)
        self._tls: ssl.SSLContext | None = None
        self._transport: httpx2.AsyncHTTPTransport | None = None
        self._entered = 0

    def __repr__(self) -> str:
        return f"<Webhook, {self._method} to {origin_of(self._url)}>"

    async def __aenter__(self) -> Self:
        if self._transport is None:
            transport = await self._opened()
            # Somebody else may have entered meanwhile. Nothing is connected before the first request.
            self._transport = self._transport or transport
        self._entered += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered -= 1
        if not self._entered and self._transport is not None:
            transport, self._transport = self._transport, None
            await transport.aclose()

    async def process(self, data: object, /) -> Json:
        """Send ``data``, and return what the endpoint answers.

        Raises:
            InvalidDataError: If ``data`` cannot be written as JSON.
            EndpointError: If the endpoint failed, or is overloaded, or its answer is no JSON.
            EndpointRefusedError: If it refused the data, or its answer is not accepted: a redirect, or too much.
            ConnectionError: If it cannot be reached, or the connection breaks.
            TimeoutError: If it takes longer than ``timeout``.
        """
        size = weight_of(data, INLINE_BELOW)
        body = await compute(lambda poll: encoded(data, poll), size, self._limiter)
        outcome = await self._sent(body)
        if outcome.failure is not None:
            raise outcome.failure
        return await self._read(outcome.body, outcome.content_type)

    async def _read(self, body: bytes, content_type: str) -> Json:
        def work(poll: Poll) -> Json:
            return meant(body, content_type, poll)

        try:
            return await compute(work, len(body), self._limiter)
        except ValueError as error:
            why = self._shown(str(error))
        raise EndpointError(f"{origin_of(self._url)} gave an answer that cannot be read: {why}")

    async def _opened(self) -> httpx2.AsyncHTTPTransport:
        if self._tls is None:
            # Reading the certificates takes tens of milliseconds. Where no https is, a context without any will do.
            is_needed = any(origin.startswith("https:") for origin in self._origins)
            make = httpx2.create_ssl_context if is_needed else partial(ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT)
            self._tls = await trio.to_thread.run_sync(make, limiter=self._limiter)
        return httpx2.AsyncHTTPTransport(verify=self._tls)

    async def _sent(self, body: bytes) -> _Outcome:
        try:
            with trio.move_on_after(self._timeout):
                if self._transport is not None:
                    return await self._exchanged(self._transport, body)
                async with await self._opened() as transport:
                    return await self._exchanged(transport, body)
        except BaseException as error:  # noqa: BLE001 - it is raised again
            # A cancellation, say: the frames below, and those of what happened before, have the headers in them.
            error.__context__ = None
            raise error.with_traceback(None) from None  # noqa: ASYNC104 - it is, without its frames
        origin = origin_of(self._url)
        return _Outcome(failure=TimeoutError(f"{origin} did not answer within {self._timeout:g} s"))

    async def _exchanged(self, transport: httpx2.AsyncHTTPTransport, body: bytes) -> _Outcome:
        url = self._url
        try:
            for _ in range(self._max_redirects + 1):
                answer = await transport.handle_async_request(self._request(url, body))
                try:
                    if answer.status_code not in _RESENT or not self._max_redirects:
                        return await self._outcome(answer, url)
                    url = self._next(answer, url)
                finally:
                    await answer.aclose()
            _refuse(url, f"redirects more than {self._max_redirects} times")
        except (EndpointError, EndpointRefusedError) as failure:
            return _Outcome(failure=failure.with_traceback(None))
        except httpx2.TransportError as error:
            # Not as the cause: it keeps the request, and with it the headers.
            why = self._shown(reason_of(error))
        return _Outcome(failure=ConnectionError(f"{origin_of(url)} cannot be reached: {why}"))

    def _request(self, url: httpx2.URL, body: bytes) -> httpx2.Request:
        fixed = {"accept": "application/json, text/*;q=0.5", "accept-encoding": "identity", "user-agent": "atrio"}
        headers = httpx2.Headers({**fixed, "content-type": "application/json"})
        if origin_of(url) == origin_of(self._url):
            headers.update(self._headers)
            headers.update({name: f"{scheme}{_secret(key)}" for name, (scheme, key) in self._variables.items()})
        return httpx2.Request(self._method, url, headers=headers, content=body)

    def _next(self, answer: httpx2.Response, url: httpx2.URL) -> httpx2.URL:
        try:
            target = checked_url(str(url.join(answer.headers.get("location", ""))), "location")
        except (ValueError, httpx2.InvalidURL):
            _refuse(url, "redirects to what is no URL")
        if origin_of(target) not in self._origins:
            _refuse(url, f"redirects to {origin_of(target)}, which is not among redirect_origins", answer.status_code)
        return target

    async def _outcome(self, answer: httpx2.Response, url: httpx2.URL) -> _Outcome:
        status = answer.status_code
        if not 200 <= status < 300:
            await self._fail(answer, url)
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            _refuse(url, "gave a compressed answer, though asked not to")
        body, is_whole = await read_up_to(answer, self._max_response)
        if not is_whole:
            _refuse(url, f"answered more than {self._max_response:,} bytes")
        return _Outcome(body=body, content_type=answer.headers.get("content-type", ""))

    async def _fail(self, answer: httpx2.Response, url: httpx2.URL) -> NoReturn:
        status = answer.status_code
        excerpt = await self._excerpt(answer)
        says = f"answered {status}{phrase_of(status)}{excerpt}"
        if status < 500 and status not in TRANSIENT:
            hint = "; redirects are followed if max_redirects is above 0" if status in _RESENT else ""
            _refuse(url, f"{says}{hint}", status)
        wait = seconds_of(answer.headers.get("retry-after", ""), utc_now())
        if wait is not None and wait > self._max_retry_after:
            limit = f"more than the {self._max_retry_after:g} s of max_retry_after"
            raise EndpointRefusedError(
                f"{origin_of(url)} {says}, and asks to wait {wait:,.0f} s, {limit}", status, wait
            )
        raise EndpointError(f"{origin_of(url)} {says}", status, wait)

    async def _excerpt(self, answer: httpx2.Response) -> str:
        """Return the begin of what a failure says, made harmless."""
        body, is_whole = await read_up_to(answer, _LONGEST_FAILURE)
        text = self._shown(body.decode(errors="replace").strip(), is_cut=not is_whole)
        return f": {text}" if text else ""

    def _shown(self, text: str, *, is_cut: bool = False) -> str:
        secrets = [os.environ.get(key, "").strip() for _, key in self._variables.values()]
        return shown(without_secrets(text, secrets, is_cut=is_cut))


def _refuse(url: httpx2.URL, why: str, status: int | None = None) -> NoReturn:
    raise EndpointRefusedError(f"{origin_of(url)} {why}", status)


def _secret(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise EndpointRefusedError(f"the environment variable {variable} is not set; a header of the webhook needs it")
    if not _VALUE.fullmatch(value):
        raise EndpointRefusedError(f"the environment variable {variable} has what no header can hold")
    return value


def _checked_headers(headers: object, what: str) -> dict[str, str]:
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"{what} must be a mapping of names to values, not {type(headers).__name__}")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"{what} must be a mapping of names to values, both strings; see {name!r}")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{what}: {shown(name)!r} is no name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"{what}: {name} says how the message is sent, which is not to be set")
        # Without the value: somebody may have put a secret there after all.
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{what}: the value of {name} must be visible ASCII characters, blanks between them")
        checked[name] = value
    return checked


def _checked_variables(headers: object) -> dict[str, tuple[str, str]]:
    checked: dict[str, tuple[str, str]] = {}
    for name, value in _checked_headers(headers, "headers_env").items():
        found = _VARIABLE.fullmatch(value)
        if found is None or may_be_secret(found[2]):
            raise ValueError(
                f"headers_env: {name} must be the name of an environment variable, as in 'SHOP_KEY', or a scheme and a "
                "name, as in 'Bearer SHOP_TOKEN'"
            )
        checked[name] = (f"{found[1]} " if found[1] else "", found[2])
    return checked


def _checked_redirects(value: object) -> int:
    right = f"a whole number from 0 to {_MOST_REDIRECTS}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"max_redirects must be {right}, not {value!r}")
    if not 0 <= value <= _MOST_REDIRECTS:
        raise ValueError(f"max_redirects must be {right}, not {value}")
    return value


def _checked_origins(origins: object) -> set[str]:
    if isinstance(origins, str) or not isinstance(origins, Sequence):
        raise TypeError(f"redirect_origins must be a list, as in ['https://eu.shop.example'], not {origins!r}")
    return {origin_of(checked_url(origin, "each of redirect_origins")) for origin in origins}
