"""What language models used, as ``atrio run`` and ``atrio batch`` say it."""

import json

import pytest
from configured import rows

from atrio import ErrorPolicy, current_context

ONCE = {"error_policy": ErrorPolicy.STOP}


async def asks(data):
    """Use a thousand tokens for each that it is given, and fail at 0."""
    current_context().add_usage(input_tokens=1000 * data, output_tokens=10)
    return 1 // data


@pytest.fixture
def said(atrio, ready_made, tmp_path):
    """Run a command, and return its exit code, its stdout, and what it says in sentences."""
    ready_made("asking", asks, **ONCE)
    ready_made("silent", asks_nothing, **ONCE)
    (tmp_path / "a.jsonl").write_text("1\n2\n0\n")

    def run(*arguments):
        ended = atrio(*arguments)
        return ended.code, ended.out, [line for line in ended.err.splitlines() if line.startswith("atrio: ")]

    return run


async def asks_nothing(data):
    return data


class TestOfARun:
    def test_in_a_sentence_on_stderr(self, said):
        told = "atrio: 1 call of language models used 2,000 input and 10 output tokens."
        assert said("run", "asking", "--value", "2") == (0, "0\n", [told])

    def test_of_one_that_failed(self, said):
        code, _, told = said("run", "asking", "--value", "0")
        assert (code, told[0]) == (1, "atrio: 1 call of language models used 0 input and 10 output tokens.")

    def test_in_the_table(self, said):
        _, out, told = said("run", "asking", "--value", "2", "--format", "table")
        assert out.endswith("\n1 call of language models used 2,000 input and 10 output tokens.\n")
        assert told == []

    def test_in_json(self, said):
        _, out, told = said("run", "asking", "--value", "2", "--format", "json")
        assert json.loads(out)["usage"] == {"calls": 1, "input_tokens": 2000, "output_tokens": 10}
        assert told == []

    @pytest.mark.parametrize("arguments", [("silent",), ("asking", "--log-level", "warning")])
    def test_not_where_there_is_nothing_to_say_or_nobody_to_hear(self, said, arguments):
        name, *level = arguments
        assert said("run", name, "--value", "1", *level) == (0, "1\n", [])


class TestOfABatch:
    def test_in_a_sentence_and_in_each_line(self, said):
        _, out, told = said("batch", "asking", "a.jsonl")
        assert told[0] == "atrio: 3 calls of language models used 3,000 input and 30 output tokens."
        lines = sorted(map(json.loads, out.splitlines()), key=lambda line: line["index"])
        assert [line["usage"]["input_tokens"] for line in lines] == [1000, 2000, 0]
        assert lines[2]["status"] == "error"

    def test_in_the_table(self, said):
        _, out, told = said("batch", "asking", "a.jsonl", "--format", "table")
        assert [row for row in rows(out) if "tokens" in row[0] or "models" in row[0]] == [
            ["calls of models", "3"],
            ["input tokens", "3,000"],
            ["output tokens", "30"],
        ]
        assert not any("language models" in each for each in told)

    def test_not_where_there_is_nothing_to_say(self, said):
        _, out, told = said("batch", "silent", "a.jsonl")
        assert told == []
        assert "usage" not in out
