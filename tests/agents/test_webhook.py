import gzip
import json
import pickle
import shutil
import socket
import subprocess
import traceback
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count

import attrs
import httpx2
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from scripted_endpoint import Answer, endpoint, raw_endpoint

from atrio import Backoff, Pipeline, Stage, StageConfig, is_transient
from atrio.agents import EndpointError, EndpointRefusedError, InvalidDataError, Webhook
from atrio.agents._answers import meant, seconds_of
from atrio.agents._http import reason_of
from atrio.agents._offload import no_poll
from atrio.testing import cancel_at_checkpoint, fixed_stamps

SECRET = "sk-0123456789abcdef"  # noqa: S105 - of nothing
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def echo(asked):
    return Answer(body=asked.body)


def always(*args, **options):
    return lambda asked: Answer(*args, **options)


async def test_sends_json_and_gives_the_json_that_is_answered():
    async with endpoint(echo) as server, Webhook(f"{server.url}/in?x=1", headers={"X-Shop": "7"}) as webhook:
        assert await webhook.process({"name": "Žofie", "n": [1, 2.5, None]}) == {"name": "Žofie", "n": [1, 2.5, None]}
        (asked,) = server.asked
    assert (asked.method, asked.path, asked.headers["x-shop"]) == ("POST", "/in", "7")
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"name": "Žofie", "n": [1, 2.5, None]}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_sends_by_the_method_that_it_is_told(method):
    async with endpoint(echo) as server:
        await Webhook(server.url, method=method).process(1)
    assert server.asked[0].method == method


@attrs.frozen
class Order:
    total: float
    on: datetime


async def test_objects_are_sent_as_their_fields():
    async with endpoint(echo) as server:
        got = await Webhook(server.url).process([Order(2.5, NOW), {"a", "b"}])
    assert got == [{"total": 2.5, "on": "2026-01-02T03:04:05+00:00"}, ["a", "b"]]


async def test_large_data_goes_there_and_back():
    data = [{"text": "é" * 100, "number": number} for number in range(3_000)]
    async with endpoint(echo) as server, Webhook(server.url) as webhook:
        assert await webhook.process(data) == data


async def test_what_cannot_be_json_is_not_sent():
    async with endpoint(echo) as server:
        with pytest.raises(InvalidDataError, match=r"^the data is not JSON: /a: it is of type bytes"):
            await Webhook(server.url).process({"a": b"x"})
        assert server.asked == []


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "application/json", None),
        (b"[1]", "", [1]),
        (b"\xef\xbb\xbf[1]", "application/problem+json; charset=utf-8", [1]),
        ("né".encode(), "text/plain", "né"),
        ("né".encode("latin-1"), "text/plain; charset=ISO-8859-1", "né"),
        (b"n\xff", "text/html; charset=unicode_escape", "n\ufffd"),
    ],
)
def test_what_answers_mean(body, content_type, expected):
    assert meant(body, content_type, no_poll) == expected


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"{", "application/json", "line 1, column 2: Expecting property name"),
        (b"NaN", "", "NaN is no JSON"),
        (b"1e999", "", "a number is too large"),
        (b"9" * 5_000, "", "Exceeds the limit"),
        (b"\xff", "", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "", "nested more than 100 levels deep"),
        (b"[" * 101 + b"]" * 101, "", "nested more than 100 levels deep"),
        (b"x", "image/png", "it is image/png, which is neither JSON nor text"),
    ],
)
def test_answers_that_mean_nothing(body, content_type, why):
    with pytest.raises(ValueError, match=why):
        meant(body, content_type, no_poll)


async def test_an_answer_that_cannot_be_read_is_worth_another_attempt():
    async with endpoint(always(body=b"{")) as server:
        with pytest.raises(EndpointError, match=rf"^{server.url} gave an answer that cannot be read: line 1") as caught:
            await Webhook(server.url).process(1)
    assert is_transient(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503, 599, 408, 425, 429])
async def test_failures_of_the_endpoint_are_transient(status):
    async with endpoint(always(status, b"no luck")) as server:
        with pytest.raises(EndpointError, match=rf"answered {status}.*: no luck$") as caught:
            await Webhook(server.url).process(1)
    assert caught.value.status == status
    assert is_transient(caught.value)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 409, 418, 422])
async def test_refusals_are_not(status):
    async with endpoint(always(status, headers={"location": "/"})) as server:
        with pytest.raises(EndpointRefusedError, match=rf"answered {status}") as caught:
            await Webhook(server.url).process(1)
        assert len(server.asked) == 1
    assert not is_transient(caught.value)


async def test_a_stage_waits_as_long_as_the_endpoint_asks():
    answers = [
        Answer(429, headers={"retry-after": "0.2"}),  # no standard has fractions, and some endpoints do
        Answer(503, headers={"retry-after": "1"}),
        Answer(body=b"3"),
    ]
    async with endpoint(lambda asked: answers.pop(0)) as server:
        config = StageConfig(attempts=3, backoff=Backoff(initial=0.001))
        result = await Pipeline("p").add_stage(Stage("send", Webhook(server.url), config=config)).execute(1)
    assert result.output == 3
    assert [each.backoff_s for each in result.stages[0].failures] == [0.2, 1.0]


async def test_the_endpoint_may_ask_by_a_date():
    with fixed_stamps():
        there = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=trio.current_time() + 100)
        headers = {"retry-after": format_datetime(there, usegmt=True)}
        async with endpoint(always(503, headers=headers)) as server:
            with pytest.raises(EndpointError) as caught:
                await Webhook(server.url).process(1)
    assert 90 < caught.value.retry_after <= 100


async def test_who_asks_for_too_long_a_wait_is_not_asked_again():
    async with endpoint(always(503, headers={"retry-after": "86400"})) as server:
        with pytest.raises(EndpointRefusedError, match=r"and asks to wait 86,400 s, more than the 300 s") as caught:
            await Webhook(server.url).process(1)
    assert caught.value.retry_after == 86_400


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_secret_is_in_no_traceback_of_a_call_cancelled_anywhere(is_kept, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    cancelled = []

    async def call():
        try:
            await webhook.process(1)
        except BaseException as error:
            cancelled.append(error)
            raise

    async with endpoint(echo) as server:
        webhook = Webhook(server.url, headers_env={"Authorization": "Bearer SHOP_TOKEN"})
        async with webhook if is_kept else nullcontext():
            for number in count(1):
                if not await cancel_at_checkpoint(number, call):
                    break
    assert len(cancelled) > 5
    for error in cancelled:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert SECRET not in "".join(told.format())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("9" * 20, 1e15),
        ("9" * 300, 1e15),
        ("1.", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Fri, 02 Jan 2026 03:05:05 -0000", 60),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
        ("inf", None),
        ("٣", None),
        ("Fri, 99 Jan 99999999999999 03:05:05 GMT", None),
    ],
)
def test_retry_after(header, seconds):
    assert seconds_of(header, NOW) == seconds


@given(st.text() | st.from_regex(r"\w+, \d+ Jan -?\d+ \d+:\d+:\d+ \S+"))
def test_no_retry_after_is_an_error(header):
    seconds = seconds_of(header, NOW)
    assert seconds is None or seconds >= 0


async def test_an_endpoint_that_is_not_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=rf"^{url} cannot be reached: ") as caught:
            await Webhook(f"{url}/secret/path").process(1)
    assert is_transient(caught.value)


@pytest.mark.parametrize(
    "pieces",
    [
        [b""],
        [b"nonsense\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
        [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n"],
    ],
)
async def test_what_is_no_http_is_a_connection_error(pieces):
    async with raw_endpoint(*pieces) as url:
        with pytest.raises(ConnectionError, match=r"^http://127\.0\.0\.1:\d+ cannot be reached: "):
            await Webhook(url).process(1)


HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "pieces", [[None], [b"HTTP/1.1 200 OK\r\n", None], [HEAD, None], [HEAD, *[b"1\r\n1\r\n"] * 1_000]]
)
async def test_a_slow_endpoint_ends_with_the_time(pieces):
    """However it is slow: by saying nothing, or a little every now and then."""
    async with raw_endpoint(*pieces, pause=0.01) as url:
        with pytest.raises(TimeoutError, match=r"^http://127\.0\.0\.1:\d+ did not answer within 0\.1 s$"):
            await Webhook(url, timeout=0.1).process(1)


async def test_a_call_can_be_cancelled():
    async with raw_endpoint(None) as url, Webhook(url) as webhook:
        with trio.move_on_after(0.05) as scope:
            await webhook.process(1)
    assert scope.cancelled_caught


@pytest.mark.parametrize("length", [b"content-length: 99999999999\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"])
async def test_an_answer_without_end_is_cut_short(length):
    endless = [b"HTTP/1.1 200 OK\r\n" + length, *[b"1000\r\n" + b"1" * 4_096 + b"\r\n"] * 1_000, None]
    async with raw_endpoint(*endless) as url:
        with pytest.raises(EndpointRefusedError, match=r"answered more than 100,000 bytes$"):
            await Webhook(url, max_response=100_000).process(1)


async def test_an_answer_may_be_as_long_as_was_said():
    async with endpoint(always(body=b"1" * 1_000)) as server:
        assert await Webhook(server.url, max_response=1_000).process(1) == int("1" * 1_000)
        with pytest.raises(EndpointRefusedError, match="more than 999 bytes"):
            await Webhook(server.url, max_response=999).process(1)


async def test_nothing_is_unpacked():
    bomb = gzip.compress(b"0" * 10_000_000)
    answer = always(body=bomb, headers={"content-type": "text/plain", "content-encoding": "gzip"})
    async with endpoint(answer) as server:
        with pytest.raises(EndpointRefusedError, match="compressed answer"):
            await Webhook(server.url).process(1)
    assert server.asked[0].headers["accept-encoding"] == "identity"


class TestRedirects:
    @staticmethod
    def moved(asked):
        if asked.path == "/":
            return Answer(307, headers={"location": "/there"})
        return echo(asked)

    async def test_are_followed_where_that_is_allowed(self):
        async with endpoint(self.moved) as server:
            assert await Webhook(server.url, max_redirects=1).process([1]) == [1]
        assert [(each.method, each.path) for each in server.asked] == [("POST", "/"), ("POST", "/there")]

    async def test_are_else_refused(self):
        async with endpoint(self.moved) as server:
            with pytest.raises(EndpointRefusedError, match="followed if max_redirects is above 0"):
                await Webhook(server.url).process([1])
        assert len(server.asked) == 1

    async def test_are_counted(self):
        async with endpoint(always(308, headers={"location": "/"})) as server:
            with pytest.raises(EndpointRefusedError, match="redirects more than 3 times"):
                await Webhook(server.url, max_redirects=3).process(1)
        assert len(server.asked) == 4

    async def test_lead_nowhere_else(self, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", SECRET)
        async with (
            endpoint(echo) as other,
            endpoint(always(307, headers={"location": f"{other.url}/steal"})) as server,
        ):
            webhook = Webhook(server.url, max_redirects=5, headers_env={"X-Key": "SHOP_TOKEN"})
            with pytest.raises(EndpointRefusedError, match=rf"redirects to {other.url}, which is not among") as caught:
                await webhook.process(1)
            assert other.asked == []
        assert "steal" not in str(caught.value)

    async def test_lead_where_it_is_allowed_without_the_headers(self, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", SECRET)
        async with (
            endpoint(echo) as other,
            endpoint(always(307, headers={"location": f"{other.url}/there"})) as server,
        ):
            webhook = Webhook(
                server.url,
                max_redirects=1,
                redirect_origins=[other.url],
                headers={"X-Shop": "7"},
                headers_env={"X-Key": "SHOP_TOKEN"},
            )
            assert await webhook.process(1) == 1
        assert server.asked[0].headers["x-key"] == SECRET
        assert {"x-key", "x-shop"} & other.asked[0].headers.keys() == set()

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "http://a:b/", "http://u:p@127.0.0.1/", "ftp://x/"])
    async def test_lead_to_urls(self, location):
        async with endpoint(always(307, headers={"location": location})) as server:
            with pytest.raises(EndpointRefusedError, match="redirects to what is no URL"):
                await Webhook(server.url, max_redirects=1).process(1)

    @given(
        st.text()
        | st.builds(
            "".join,
            st.lists(
                st.sampled_from(
                    ["http", "s", "://", "127.0.0.1", ":9", "@", "/", "[", "]", "\\", "..", "\n", "?", "#", "é", " "]
                )
            ),
        )
    )
    def test_never_leave_the_origin(self, location):
        webhook = Webhook("http://127.0.0.1:9/in", max_redirects=1)
        try:
            answer = httpx2.Response(307, headers={b"location": location.encode("latin-1", "replace")})
            target = webhook._next(answer, webhook._url)
        except EndpointRefusedError:
            return
        assert (target.scheme, target.host, target.port, target.userinfo) == ("http", "127.0.0.1", 9, b"")


async def test_cookies_are_not_kept():
    async with endpoint(always(body=b"1", headers={"set-cookie": "a=b"})) as server, Webhook(server.url) as webhook:
        for _ in range(2):
            await webhook.process(1)
    assert all("cookie" not in asked.headers for asked in server.asked)


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with endpoint(echo) as server:
        assert await Webhook(server.url).process(1) == 1


class TestSecrets:
    @pytest.fixture(autouse=True)
    def _secret(self, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", SECRET)

    async def test_are_sent(self):
        headers = {"Authorization": "Bearer SHOP_TOKEN", "X-Key": "SHOP_TOKEN"}
        async with endpoint(echo) as server:
            await Webhook(server.url, headers_env=headers).process(1)
        asked = server.asked[0].headers
        assert (asked["authorization"], asked["x-key"]) == (f"Bearer {SECRET}", SECRET)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(401, f"bad key {SECRET}, {SECRET}".encode()),
            Answer(500, f"{SECRET}\x1b[31m".encode()),
            Answer(307, headers={"location": f"/{SECRET}"}),
            Answer(307, headers={"location": f"http://{SECRET}.invalid/{SECRET}"}),
        ],
    )
    async def test_are_in_no_error(self, answer):
        async with endpoint(lambda asked: answer) as server:
            webhook = Webhook(f"{server.url}/{SECRET}?key={SECRET}", headers_env={"Authorization": "Bearer SHOP_TOKEN"})
            with pytest.raises((EndpointError, EndpointRefusedError)) as caught:
                await webhook.process(1)
        assert_nowhere(caught.value)
        assert SECRET not in repr(webhook)
        assert "\x1b" not in str(caught.value)

    @pytest.mark.parametrize("around", ["{}\n", "\t {} "])
    async def test_with_white_space_around_them_are_in_no_error(self, around, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", around.format(SECRET))
        async with endpoint(always(401, f"no such key: {SECRET}.".encode())) as server:
            with pytest.raises(EndpointRefusedError, match=r"no such key: \*\*\*\.$"):
                await Webhook(server.url, headers_env={"X-Key": "SHOP_TOKEN"}).process(1)

    @pytest.mark.parametrize("before", [150, 190, 195, 1_990, 19_990])
    async def test_leave_no_part_where_an_error_is_cut(self, before):
        # Blanks at the begin are taken off, so that the end of what is read is near the begin of what is shown.
        body = b" " * (before - 5) + b"key: " + SECRET.encode() + b"!" * 10
        async with endpoint(always(401, body)) as server:
            with pytest.raises(EndpointRefusedError, match=r"Unauthorized: key: (\*\*\*|$)") as caught:
                await Webhook(server.url, headers_env={"X-Key": "SHOP_TOKEN"}).process(1)
        assert SECRET[:4] not in str(caught.value)

    async def test_are_in_no_error_about_the_kind_of_answer(self):
        async with endpoint(always(200, b"x", {"content-type": f"application/{SECRET}"})) as server:
            with pytest.raises(EndpointError, match=r"it is application/\*\*\*, which is neither"):
                await Webhook(server.url, headers_env={"X-Key": "SHOP_TOKEN"}).process(1)

    async def test_are_in_no_error_where_json_writes_them_otherwise(self, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", 'to"ken/with\\signs')
        for told in (r"to\"ken/with\\signs", r"to\"ken\/with\\signs"):
            async with endpoint(always(401, f'{{"bad key": "{told}"}}'.encode())) as server:
                with pytest.raises(EndpointRefusedError) as caught:
                    await Webhook(server.url, headers_env={"X-Key": "SHOP_TOKEN"}).process(1)
            assert str(caught.value).endswith('{"bad key": "***"}')

    async def test_are_in_no_connection_error(self):
        async with raw_endpoint(f"HTTP/1.1 {SECRET}".encode()) as url:
            with pytest.raises(ConnectionError) as caught:
                await Webhook(f"{url}/{SECRET}", headers_env={"Authorization": "Bearer SHOP_TOKEN"}).process(1)
        assert_nowhere(caught.value)

    @pytest.mark.parametrize("value", ["", "  ", "line\nbreak", "né", "nul\0".replace("\0", "\x01")])
    async def test_that_cannot_be_sent_are_not_shown(self, value, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", value)
        async with endpoint(echo) as server:
            with pytest.raises(EndpointRefusedError, match="environment variable SHOP_TOKEN") as caught:
                await Webhook(server.url, headers_env={"X-Key": "SHOP_TOKEN"}).process(1)
            assert server.asked == []
        assert not value.strip() or value not in str(caught.value)

    async def test_of_which_there_are_none(self, monkeypatch):
        monkeypatch.delenv("SHOP_TOKEN")
        with pytest.raises(EndpointRefusedError, match="environment variable SHOP_TOKEN is not set"):
            await Webhook("http://127.0.0.1:9", headers_env={"X-Key": "SHOP_TOKEN"}).process(1)


def assert_nowhere(error):
    """The secret is in no text of the error, not even where the variables of its functions are written too."""
    assert error.__cause__ is None
    assert error.__context__ is None
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    own = [frame for frame in told.stack if "/atrio/" in frame.filename]
    assert own
    assert all(SECRET not in value for frame in own for value in (frame.locals or {}).values())
    assert SECRET not in str(error)


@pytest.mark.parametrize("kind", [EndpointError, EndpointRefusedError])
def test_errors_cross_the_border_of_a_process(kind):
    error = pickle.loads(pickle.dumps(kind("no luck", 503, 2.5)))
    assert (str(error), error.status, error.retry_after) == ("no luck", 503, 2.5)


def test_who_retries_failures_does_not_mean_refusals():
    assert not issubclass(EndpointRefusedError, EndpointError)


def test_an_error_without_words_is_told_by_its_name():
    assert reason_of(httpx2.ReadError("")) == "ReadError"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody but who is told so trusts, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    return files


async def test_https_is_for_those_whose_certificate_is_trusted(certificate, monkeypatch):
    async with endpoint(echo, certificate) as server:
        assert server.url.startswith("https://")
        with pytest.raises(ConnectionError, match=r"cannot be reached: .*certificate verify failed"):
            await Webhook(server.url).process(1)
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        async with Webhook(server.url) as webhook:
            assert [await webhook.process(1), await webhook.process(2)] == [1, 2]


async def test_connections_are_kept_within_async_with():
    async with endpoint(echo) as server:
        webhook = Webhook(server.url)
        async with webhook:
            first = webhook._transport
            async with webhook:
                await webhook.process(1)
            assert webhook._transport is first
            await webhook.process(1)
        assert webhook._transport is None
        assert await webhook.process(1) == 1
        assert len(server.asked) == 3


async def test_a_pipeline_enters_it():
    async with endpoint(echo) as server:
        webhook = Webhook(server.url)
        async with Pipeline("p").add_stage(Stage("send", webhook)) as pipeline:
            assert webhook._transport is not None
            assert await pipeline.process(1) == 1
        assert webhook._transport is None


async def test_entering_it_twice_at_once_opens_it_once():
    webhook = Webhook("http://127.0.0.1:9")

    async def enter():
        async with webhook:
            seen.append(webhook._transport)
            if len(seen) == 3:
                all_in.set()
            await all_in.wait()

    seen, all_in = [], trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(enter)
    assert len(set(seen)) == 1
    assert webhook._transport is None


async def test_calls_run_side_by_side():
    async with endpoint(lambda asked: Answer(body=asked.body, after=0.1)) as server, Webhook(server.url) as webhook:
        got = {}

        async def send(number):
            got[number] = await webhook.process(number)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(send, number)
    assert got == {number: number for number in range(20)}


@pytest.mark.parametrize(
    ("options", "kind", "why"),
    [
        ({"url": 5}, TypeError, "url must be an http or https URL"),
        ({"url": "ftp://x/"}, ValueError, "not one that begins with 'ftp'"),
        ({"url": "shop.example"}, ValueError, "not one that begins with 'shop.exa'"),
        ({"url": "http://"}, ValueError, "url must be"),
        ({"url": "http://a/\x01"}, ValueError, "url must be an http or https URL.*: "),
        ({"url": "http://a:0/"}, ValueError, "with a port from 1 to 65535, not 0"),
        ({"url": "http://a:99999/"}, ValueError, "url must be"),
        ({"url": "http://me:secret@a/"}, ValueError, "url must have no user name and no password"),
        ({"method": "GET"}, ValueError, "method must be one of POST, PUT, PATCH, not 'GET'"),
        ({"headers": ["a"]}, TypeError, "headers must be a mapping"),
        ({"headers": {"a": 1}}, TypeError, "both strings"),
        ({"headers": {"a b": "c"}}, ValueError, "'a b' is no name of a header"),
        ({"headers": {"a": "b\r\nc: d"}}, ValueError, "the value of a must be visible ASCII"),
        ({"headers": {"Content-Length": "3"}}, ValueError, "says how the message is sent"),
        ({"headers_env": {"X-Key": "hf_secretsecret"}}, ValueError, "must be the name of an environment variable"),
        ({"headers_env": {"Host": "a b c"}}, ValueError, "must be the name of an environment variable"),
        ({"timeout": 0}, ValueError, "timeout must be"),
        ({"timeout": True}, TypeError, "timeout must be"),
        ({"max_response": 0}, ValueError, "max_response must be"),
        ({"max_retry_after": -1}, ValueError, "max_retry_after must be"),
        ({"max_redirects": 11}, ValueError, "max_redirects must be a whole number from 0 to 10"),
        ({"max_redirects": True}, TypeError, "max_redirects must be"),
        ({"redirect_origins": "http://a"}, TypeError, "redirect_origins must be a list"),
        ({"redirect_origins": ["a"]}, ValueError, "each of redirect_origins must be"),
    ],
)
def test_mistakes_are_told_when_it_is_built(options, kind, why):
    with pytest.raises(kind, match=why) as caught:
        Webhook(**{"url": "http://127.0.0.1", **options})
    assert "secret" not in str(caught.value)


def test_it_says_what_it_is():
    assert Webhook("https://Shop.example:443/orders?key=1").agent_id == "webhook"
    assert repr(Webhook("https://Shop.example:443/orders?key=1")) == "<Webhook, POST to https://shop.example>"
    assert repr(Webhook("http://[::1]:8080/")) == "<Webhook, POST to http://[::1]:8080>"
