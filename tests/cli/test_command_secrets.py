"""What the environment keeps secret is on no line of the command: neither events nor sentences."""

import json

import pytest
import trio

from atrio import Backoff, ErrorPolicy, current_context

KEY = "sk-0123456789"


@pytest.fixture
def leaky(ready_made):
    async def leak(data):
        raise ValueError(f"401 for key={KEY}")

    ready_made("leaky", leak, error_policy=ErrorPolicy.STOP)


NAMES = [
    *("OPENAI_API_KEY", "GITHUB_TOKEN", "CLIENT_SECRET", "DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "api_key", "KEY"),
    *("GOOGLE_CREDENTIALS", "SSH_PASSPHRASE"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_neither_stderr_nor_the_log_file_shows_it(atrio, leaky, monkeypatch, tmp_path, name, log_format):
    monkeypatch.setenv(name, KEY)
    ended = atrio("run", "leaky", "--value", "1", "--log-format", log_format, "--log-level", "debug", "--log-file", "l")
    assert ended.code == 1
    assert KEY not in ended.err + (tmp_path / "l").read_text()
    assert "401 for key=***" in ended.err.splitlines()[-1]
    assert "401 for key=***" in (tmp_path / "l").read_text()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_line_of_a_key_is_shown_by_the_stack_of_a_group(atrio, ready_made, monkeypatch, tmp_path, log_format):
    lines = [f"{number}Tm/pQ+x" * 8 for number in range(5)]
    key = "\n".join(("-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"))

    async def refuse():
        raise ValueError(f"401 for {key}")

    async def leak(data):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)

    ready_made("leaky", leak, error_policy=ErrorPolicy.STOP)
    monkeypatch.setenv("SIGNING_KEY", key)
    ended = atrio("run", "leaky", "--value", "1", "--log-format", log_format, "--log-level", "debug", "--log-file", "l")
    shown = ended.err + (tmp_path / "l").read_text()
    assert "ExceptionGroup" in shown
    assert not [line for line in lines if line in shown]


def test_results_show_it_neither_in_the_class_of_an_error_nor_in_notes(atrio, ready_made, monkeypatch, tmp_path):
    async def leak(data):
        current_context().note(sent={"to": [f"key={KEY}"], "digits": 1234567890})
        current_context().note(**{KEY: 1})
        if data:
            raise type(f"Denied_{KEY}", (Exception,), {})
        return KEY

    ready_made("leaky", leak, error_policy=ErrorPolicy.STOP, attempts=2, backoff=Backoff(initial=0))
    monkeypatch.setenv("SHOP_TOKEN", KEY)
    monkeypatch.setenv("DIGITS_KEY", "1234567890")
    (tmp_path / "a.jsonl").write_text("1\n")
    for arguments in (
        *(("run", "leaky", "--value", "1", "--format", form) for form in ("json", "table")),
        ("batch", "leaky", "a.jsonl"),
        ("batch", "leaky", "a.jsonl", "--format", "table"),
    ):
        ended = atrio(*arguments)
        assert ended.code == 1
        assert "Denied_***" in ended.out
        assert KEY not in ended.out + ended.err
    ended = atrio("run", "leaky", "--value", "0", "--format", "json")
    result = json.loads(ended.out)
    # What it gave is the caller's own.
    assert result["output"] == KEY
    assert result["stages"][0]["metadata"] == {"sent": {"to": ["key=***"], "digits": "***"}, "***": 1}


@pytest.mark.parametrize("name", ["PWD", "MONKEY", "KEYBOARD", "AWS_ACCESS_KEY_ID"])
def test_other_values_are_no_secrets(atrio, leaky, monkeypatch, name):
    monkeypatch.setenv(name, KEY)
    assert KEY in atrio("run", "leaky", "--value", "1").err


def test_a_short_value_is_none(atrio, leaky, monkeypatch):
    monkeypatch.setenv("API_KEY", KEY[:7])
    assert KEY in atrio("run", "leaky", "--value", "1").err
