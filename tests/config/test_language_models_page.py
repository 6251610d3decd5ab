"""The configuration of the page about language models, at work on two servers."""

import re
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import atrio
from atrio import BatchConfig, BatchProcessor, RunStatus, testing
from atrio.config import Workspace, check_configuration, load

pytest.importorskip("h11")
pytest.importorskip("httpx2")
pytest.importorskip("jinja2")
pytest.importorskip("regex")

PAGE = Path(atrio.__file__).parents[2] / "docs" / "how-to" / "language-models.md"
ANSWER = testing.Reply({"status": "done", "result": "Tides.", "remark": ""}, usage=(100, 5))

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are not beside an installed atrio")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Make the page's pipelines, with the addresses of two servers in place of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test")

    def make(far, near):
        text = re.search(r"```toml\n(# atrio.toml\n.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[1]
        text = text.replace("https://api.openai.com/v1", far.base_url).replace(
            "http://127.0.0.1:11434/v1", near.base_url
        )
        path = tmp_path / "atrio.toml"
        path.write_text(text, encoding="utf-8")
        assert check_configuration(load(path)) == []
        return Workspace(load(path))

    return make


async def test_while_the_first_is_down_the_second_is_asked_and_the_first_spared(workspace):
    async with (
        testing.ChatServer([testing.Status(503)], api_key="sk-of-the-test") as far,
        testing.ChatServer([ANSWER]) as near,
    ):
        pipeline = workspace(far, near).pipeline("digest")
        async with pipeline:
            batch = await BatchProcessor(BatchConfig(max_concurrent=1)).map(pipeline, ["Tides rise."] * 10)
    assert batch.status is RunStatus.SUCCESS
    assert (len(far.requests), len(near.requests)) == (3, 10)
    assert {each.model for each in far.requests} == {"gpt-4o-mini"}
    assert {each.model for each in near.requests} == {"llama3.2"}
    assert (batch.usage.calls, batch.usage.input_tokens, batch.usage.output_tokens) == (13, 1000, 50)


async def test_the_second_is_asked_again_though_the_breaker_of_the_first_is_open(workspace, autojump_clock):
    autojump_clock.autojump_threshold = 0.02
    async with (
        testing.ChatServer([testing.Status(503)], api_key="sk-of-the-test") as far,
        testing.ChatServer([ANSWER, ANSWER, ANSWER, testing.Status(503), testing.Status(429), ANSWER]) as near,
    ):
        pipeline = workspace(far, near).pipeline("digest")
        async with pipeline:
            batch = await BatchProcessor(BatchConfig(max_concurrent=1)).map(pipeline, ["Tides rise."] * 5)
    assert batch.status is RunStatus.SUCCESS
    assert (len(far.requests), len(near.requests)) == (3, 7)


async def test_a_wrong_key_is_no_outage(workspace):
    async with testing.ChatServer([testing.Status(401)]) as far, testing.ChatServer([ANSWER]) as near:
        pipeline = workspace(far, near).pipeline("digest")
        async with pipeline:
            batch = await BatchProcessor(BatchConfig(max_concurrent=1)).map(pipeline, ["Tides rise."] * 5)
    assert batch.status is RunStatus.SUCCESS
    assert (len(far.requests), len(near.requests)) == (5, 5)


def test_long_texts_wait_for_their_share(workspace):
    """Two texts of 100,000 characters spend the burst and then what 16 seconds bring."""

    async def main():
        async with testing.ChatServer([ANSWER], api_key="sk-of-the-test") as far, testing.ChatServer([ANSWER]) as near:
            pipeline = workspace(far, near).pipeline("digest")
            async with pipeline:
                await BatchProcessor().map(pipeline, ["x" * 99_999] * 2)
            begun = [each.started_at for each in far.requests]
            assert len(near.requests) == 0
            return begun[1] - begun[0]

    # Sockets are real, and need a moment of real time.
    waited = trio.run(main, clock=MockClock(autojump_threshold=0.02))
    assert waited == pytest.approx(99_998 / 6000, abs=0.5)
