"""What all agents that speak HTTP have in common: URLs that can be shown, and answers that are read with care."""

import http
from typing import Final

import httpx2
import trio

from atrio.agents._failures import shown

_PORTS: Final = {"http": 80, "https": 443}


def checked_url(value: object, what: str) -> httpx2.URL:
    """Return a URL that requests can be sent to.

    Args:
        value: the URL.
        what: the argument that it is, for the messages.

    Raises:
        TypeError: it is no str.
        ValueError: it is no http or https URL, or has a user name or a password in it.
    """
    right = "an http or https URL, as in 'https://shop.example/orders'"
    if not isinstance(value, str):
        raise TypeError(f"{what} must be {right}, not {type(value).__name__}")
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL as error:
        raise ValueError(f"{what} must be {right}: {shown(str(error))}") from None
    if url.scheme not in _PORTS or not url.host:
        raise ValueError(f"{what} must be {right}, not one that begins with {shown(url.scheme or value[:8])!r}")
    if not 0 < (_PORTS[url.scheme] if url.port is None else url.port) < 1 << 16:
        raise ValueError(f"{what} must be {right}, with a port from 1 to 65535, not {url.port}")
    if url.userinfo:
        hint = "they belong in environment variables, by headers_env or api_key_env"
        raise ValueError(f"{what} must have no user name and no password in it: {hint}")
    return url


def origin_of(url: httpx2.URL) -> str:
    """Return what a URL shows of itself, and what is compared where redirects lead: scheme, host and port."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = "" if url.port in {None, _PORTS.get(url.scheme)} else f":{url.port}"
    return f"{url.scheme}://{host}{port}"


def phrase_of(status: int) -> str:
    """Return what a status is called, after a blank; nothing if it has no name."""
    # Not the endpoint's own, which may be anything.
    return f" {http.HTTPStatus(status).phrase}" if status in {each.value for each in http.HTTPStatus} else ""


def reason_of(error: BaseException) -> str:
    """Return what an exception says, or else what is behind it does: of TLS the reason is at the bottom.

    That may be anything, in any length: it is not fit to be shown yet.
    """
    behind: BaseException | None = error
    while behind is not None:
        if text := str(behind).strip():
            return text
        behind = behind.__cause__ or behind.__context__
    return type(error).__name__


async def read_up_to(answer: httpx2.Response, most: int) -> tuple[bytes, bool]:
    """Return the body of an answer, `most` bytes of it, and whether that is all."""
    body = bytearray()
    with trio.CancelScope() as enough:
        # To the end, even if that is the cancellation: a generator left in the middle could not clean up.
        assert isinstance(answer.stream, httpx2.AsyncByteStream)  # noqa: S101 - of an asynchronous transport
        async for chunk in answer.stream:
            body += chunk[: most + 1 - len(body)]
            if len(body) > most:
                enough.cancel()
    return bytes(body[:most]), len(body) <= most
