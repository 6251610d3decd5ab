"""What a pipeline gives is what is printed: whole numbers with all their digits, lone surrogates as escapes."""

import json

import pytest

NUMBERS = [2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**40]
PIPELINE = """
from atrio import Fallback, Pipeline, Stage

async def echo(data):
    return data

async def broken(data):
    raise OSError("down")

echoes = Pipeline("echoes").add_stage(Stage("echo", echo))
answers = Pipeline("answers").add_stage(Stage("answer", Fallback(broken, echo)))
"""


@pytest.fixture(autouse=True)
def shop(tmp_path):
    (tmp_path / "shop.py").write_text(PIPELINE)


def test_a_run_prints_whole_numbers_as_they_are(atrio_process):
    ended = atrio_process("run", "shop:echoes", "--value", json.dumps(NUMBERS))
    assert (ended.code, json.loads(ended.out)) == (0, NUMBERS)
    whole = atrio_process("run", "shop:echoes", "--value", json.dumps(NUMBERS), "--format", "json")
    assert json.loads(whole.out)["output"] == json.loads(whole.out)["stages"][0]["output"] == NUMBERS


def test_result_lines_of_a_batch_have_them_too(atrio_process, tmp_path):
    lines = "".join(f"{number}\n" for number in NUMBERS)
    ended = atrio_process("batch", "shop:echoes", "-", stdin=lines.encode())
    found = {line["index"]: line["result"] for line in map(json.loads, ended.out.splitlines())}
    assert (ended.code, found) == (0, dict(enumerate(NUMBERS)))
    atrio_process("batch", "shop:echoes", "-", "--output", "results", stdin=lines.encode())
    written = [json.loads(line) for line in (tmp_path / "results").read_text().splitlines()]
    assert sorted(line["result"] for line in written) == sorted(NUMBERS)


def test_half_a_surrogate_pair_is_printed_as_the_characters_of_its_escape(atrio_process):
    ended = atrio_process("run", "shop:echoes", "--value", r'["a\ud800", "\ud83d\ude00"]')
    assert (ended.code, json.loads(ended.out)) == (0, [r"a\ud800", "\U0001f600"])


def test_a_fallback_is_seen_in_the_log_the_result_and_the_summary(atrio_process):
    ended = atrio_process("run", "shop:answers", "--value", "7", "--format", "json", "--log-file", "run.log")
    assert json.loads(ended.out)["stages"][0]["metadata"] == {"fallbacks": 1}
    (said,) = [line for line in map(json.loads, ended.err.splitlines()) if line["event"] == "fallback.used"]
    assert (said["level"], said["agent_id"], said["next_agent_id"]) == ("warning", "broken", "echo")
    assert atrio_process("events", "check", "run.log").code == 0
    summary = atrio_process("events", "summary", "run.log")
    assert ["broken|echo", "1"] in [row.strip("│").replace(" ", "").split("│") for row in summary.out.splitlines()]
    as_json = atrio_process("events", "summary", "run.log", "--format", "json")
    assert json.loads(as_json.out)["fallbacks"] == {"broken|echo": 1}
