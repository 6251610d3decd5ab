"""The command over two hundred real texts, with a model behind it that fails in every way, some of the time."""

import importlib.metadata
import json
import os
import pydoc_data.topics
import re
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from functools import partial
from pathlib import Path

import trio

from atrio.history import History
from atrio.testing import BrokenJson, ChatServer, CloseConnection, HalfStream, Hang, Reply, Status
from history_agreement import check_agreement

TEXTS = 200
KEY = "sk-proj-0123456789abcdef0123456789abcdef"
REAL = re.compile(r"(licen[cs]e|copying|notice|authors|change|history|news)", flags=re.IGNORECASE)
LONGEST = 50_000
CONFIGURATION = """
[providers.local]
base_url = "{base_url}"
api_key_env = "MODEL_KEY"
model = "small"

[agents.content_analyzer]
resource_requirements = {{ cpu_cores = 0.05, memory_mb = 1 }}  # it waits for another machine

[pipelines.analyse]
stages = [{{ agent = "content_analyzer", attempts = 3, timeout = "none", backoff = {{ initial = 0.001 }} }}]
"""
ANALYSIS = {
    "summary": "It says what may be done with it.",
    "language": "en",
    "sentiment": "neutral",
    "topics": ["licences"],
    "key_points": [],
    "entities": [{"name": "Free Software Foundation", "kind": "organisation"}],
}
# What goes wrong at first with a text, by the last digit of its number, and how many calls it takes then.
AT_FIRST = {
    1: Status(500),
    2: Status(429, retry_after=0),
    3: BrokenJson(),
    4: Reply({"summary": "It misses all the rest."}, usage=(70, 7)),  # repaired at the second call
    5: CloseConnection(),
    6: Reply('{"summary": "It is cu', usage=(60, 6)),
    7: HalfStream(ANALYSIS, sent=3),
    8: Status(503, retry_after="Fri, 02 Jan 2026 03:04:05 GMT"),
}
REFUSED, HOPELESS = (50, 100), (150,)  # texts of which the endpoint wants nothing, and at which it always fails


def real_texts():
    """Return licences and changelogs of what is installed, and if those are too few, Python's help and its library."""
    found = {}
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            if REAL.search(file.name) and file.suffix in {"", ".txt", ".md", ".rst"}:
                found |= read(Path(distribution.locate_file(file)))
    found |= dict.fromkeys(pydoc_data.topics.topics.values())
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        found |= read(path)
    return list(found)[:TEXTS]


def read(path):
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return {}
    return {text[:LONGEST]: None} if text else {}


class Model:
    """Answers by the number of the text, and adds up what it says that was used."""

    def __init__(self, texts):
        self._number_of = {f"Text {number}.\n{text}": number for number, text in enumerate(texts)}
        self.calls = Counter()
        self.used = [0, 0]

    def __call__(self, request):
        # In a repair the last message of the user says what was wrong; the text is in the first.
        first = next(message for message in request.messages if message["role"] == "user")["content"]
        (number,) = [number for text, number in self._number_of.items() if text.strip() in first]
        self.calls[number] += 1
        reply = self._reply(number)
        if isinstance(reply, Reply):
            self.used = [had + more for had, more in zip(self.used, reply.usage, strict=True)]
        return reply

    def _reply(self, number):
        if number in REFUSED:
            return Status(400, message="This text is not welcome.")
        if number in HOPELESS:
            return Status(500, message=f"Something is wrong with {KEY}.")
        if self.calls[number] == 1 and number % 10 in AT_FIRST:
            return AT_FIRST[number % 10]
        return Reply(ANALYSIS | {"summary": f"Of text {number}."}, usage=(100 + number, 10))


def command(directory, *arguments):
    """Return what starts the command in the directory, as the arguments of a function that starts programs."""
    env = os.environ | {"MODEL_KEY": KEY, "NO_COLOR": "1", "COLUMNS": "200"}
    return partial(trio.run_process, [sys.executable, "-m", "atrio", *arguments], cwd=directory, env=env, check=False)


async def atrio(directory, *arguments):
    return await command(directory, *arguments)(stdin=b"", capture_stdout=True, capture_stderr=True)


async def test_all_outcomes_the_usage_and_the_log(tmp_path):
    texts = real_texts()
    assert len(texts) == TEXTS
    for number, text in enumerate(texts):
        (tmp_path / f"{number:03}.txt").write_text(f"Text {number}.\n{text}", encoding="utf-8")
    model = Model(texts)
    names = [f"{number:03}.txt" for number in range(TEXTS)]
    async with ChatServer(model, api_key=KEY) as server:
        (tmp_path / "atrio.toml").write_text(CONFIGURATION.format(base_url=server.base_url), encoding="utf-8")
        options = ["--max-concurrent", "20", "--log-file", "log.jsonl", "--output", "out.jsonl"]
        ended = await atrio(tmp_path, "batch", "analyse", *names, *options)
        assert ended.returncode == 0, ended.stderr.decode()
        assert server.most_running <= 20
        assert server.disconnects == []

    # Every text has one outcome.
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    outcomes = {line["index"]: line for line in lines}
    assert (len(lines), sorted(outcomes)) == (TEXTS, list(range(TEXTS)))
    failed = sorted(index for index, line in outcomes.items() if line["status"] != "success")
    assert failed == sorted([*REFUSED, *HOPELESS])
    assert all("This text is not welcome." in json.dumps(outcomes[index]) for index in REFUSED)

    # It was called no more than needed.
    expected = {number: 2 if number % 10 in AT_FIRST else 1 for number in range(TEXTS)}
    expected |= dict.fromkeys(HOPELESS, 3)
    assert model.calls == expected
    assert len(server.requests) == sum(expected.values())

    # What was used is summed up, in the log and for the user.
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    called = [line for line in log if line["event"] == "model.call"]
    assert len(called) == len(server.requests)
    assert sum(line["input_tokens"] or 0 for line in called) == model.used[0]
    assert sum(line["output_tokens"] or 0 for line in called) == model.used[1]

    used = f"{len(called)} calls of language models used {model.used[0]:,} input and {model.used[1]:,} output tokens."
    assert used in ended.stderr.decode()

    # The history says what the log says.
    agreed = check_agreement(tmp_path / ".atrio" / "history.db", tmp_path / "log.jsonl")
    assert (agreed["task.end"], agreed["pipeline.end"], agreed["batch.end"]) == (TEXTS, TEXTS, 1)
    with History(tmp_path / ".atrio" / "history.db") as history:
        [batch] = history.runs()
        runs = history.run(batch.run_id, inside=TEXTS).inside
        noted = [stage.metadata["usage"] for run in runs for stage in history.run(run.run_id).stages]
    assert [sum(each[name] for each in noted) for name in ("input_tokens", "output_tokens")] == model.used

    # The log is complete, and nothing shows the key.
    checked = await atrio(tmp_path, "events", "check", "log.jsonl")
    assert checked.returncode == 0, checked.stdout.decode()
    shown = ended.stdout + ended.stderr + checked.stdout + checked.stderr
    shown += b"".join(path.read_bytes() for path in (*tmp_path.glob("*.jsonl"), *tmp_path.glob(".atrio/*")))
    assert KEY.encode() not in shown


async def test_an_interrupt_ends_the_calls_and_what_was_answered_is_kept(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.txt").write_text(f"Text {number}.", encoding="utf-8")
    replies = [Reply(ANALYSIS, usage=(100, 10)), Reply(ANALYSIS, usage=(100, 10)), Hang()]
    async with ChatServer(replies) as server, trio.open_nursery() as nursery:
        (tmp_path / "atrio.toml").write_text(CONFIGURATION.format(base_url=server.base_url), encoding="utf-8")
        start = command(
            tmp_path, "batch", "analyse", *(f"{number}.txt" for number in range(8)), "--log-file", "log.jsonl"
        )
        with (tmp_path / "out.jsonl").open("wb") as out:
            streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.DEVNULL}
            process = await nursery.start(partial(start, **streams))
        await server.until(lambda: (len(server.requests), server.running) == (7, 5))
        process.send_signal(signal.SIGINT)
        await server.until(lambda: server.open_connections == 0)
        assert await process.wait() == 130
    assert [request.outcome for request in server.requests] == ["answered"] * 2 + ["disconnected"] * 5
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["status"] for line in lines if line["status"] == "success"] == ["success"] * 2
    agreed = check_agreement(tmp_path / ".atrio" / "history.db", tmp_path / "log.jsonl")
    assert (agreed["task.end"], agreed["batch.end"]) == (7, 1)
    checked = await atrio(tmp_path, "events", "check", "log.jsonl")
    assert checked.returncode == 0, checked.stdout.decode()
