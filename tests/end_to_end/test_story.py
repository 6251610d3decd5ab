"""From a file to a report: what the log, the history and the results say of a batch of a thousand is the same."""

import json
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import duckdb
import pytest

from history_agreement import check_agreement

TICKETS = 1_000
CONFIGURATION = """
[agents.ticket_checker]
extends = "json_validator"
configuration = {{ schema = {{ type = "object", required = ["id", "text"] }} }}

[agents.near]
extends = "webhook"
breaker = {{ failure_threshold = 5, recovery_timeout = 0.05 }}
configuration = {{ url = "{near}" }}

[agents.far]
extends = "webhook"
breaker = {{ failure_threshold = 5, recovery_timeout = 0.05 }}
configuration = {{ url = "{far}" }}

[pools.endpoints]
members = [{{ agent = "near", capacity = 8 }}, {{ agent = "far", capacity = 8 }}]

[pipelines.deliver]
stages = [
    "ticket_checker",
    {{ agent = "endpoints", attempts = 4, timeout = 30, backoff = {{ initial = 0.001, maximum = 0.01 }} }},
]
"""


class Endpoint(BaseHTTPRequestHandler):
    """Fails now and then, and refuses some tickets for good."""

    protocol_version = "HTTP/1.1"
    calls: ClassVar[Counter[int]] = Counter()
    lock = threading.Lock()

    def do_POST(self):
        ticket = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            self.calls[ticket["id"]] += 1
            is_first = self.calls[ticket["id"]] == 1
        if ticket["id"] % 97 == 0:
            self.answer(422, {"refused": ticket["id"]})
        elif ticket["id"] % 7 == 0 and is_first:
            self.answer(503, {"busy": True})
        else:
            self.answer(200, {"delivered": ticket["id"]})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def endpoint():
    Endpoint.calls.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def atrio(directory, *arguments):
    command = [sys.executable, "-m", "atrio", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_results_log_and_history_agree(tmp_path, endpoint):
    (tmp_path / "atrio.toml").write_text(CONFIGURATION.format(near=f"{endpoint}/near", far=f"{endpoint}/far"))
    tickets = [{"id": number, "text": f"Ticket {number}."} for number in range(TICKETS)]
    del tickets[13]["text"]  # fails before it is sent
    (tmp_path / "tickets.jsonl").write_text("".join(json.dumps(each) + "\n" for each in tickets))
    checked = atrio(tmp_path, "check")
    assert checked.returncode == 0, checked.stdout

    # Assembled, from what is to be done.
    assembled = atrio(
        tmp_path, "assemble", "validation", "communication", "--value", json.dumps(tickets[1]),
        "--set", 'json_validator.schema={"required":["id"]}',
    )  # fmt: skip
    assert assembled.returncode == 0, assembled.stderr
    assert json.loads(assembled.stdout) == {"delivered": 1}

    ended = atrio(tmp_path, "batch", "deliver", "tickets.jsonl", "--max-concurrent", "16", "--log-file", "run.jsonl")
    assert ended.returncode == 0, ended.stderr

    results = [json.loads(line) for line in ended.stdout.splitlines()]
    of_results = Counter(each["status"] for each in results)
    assert sorted(each["index"] for each in results) == list(range(TICKETS))
    refused = {number for number in range(TICKETS) if number % 97 == 0} | {13}
    assert {each["index"] for each in results if each["status"] == "error"} == refused

    with duckdb.connect() as database:
        counted = database.execute(
            "SELECT status, count(*) FROM read_json(?) WHERE event = 'task.end' GROUP BY status",
            [str(tmp_path / "run.jsonl")],
        ).fetchall()
    assert dict(counted) == of_results

    agreed = check_agreement(tmp_path / ".atrio" / "history.db", tmp_path / "run.jsonl")
    assert agreed["task.end"] == agreed["pipeline.end"] == TICKETS

    listed = json.loads(atrio(tmp_path, "status", "--format", "json").stdout)
    batch = next(run for run in listed["runs"] if run["kind"] == "batch")
    told = json.loads(atrio(tmp_path, "status", batch["run_id"][:20], "--format", "json").stdout)
    assert (told["run"]["successful"], told["run"]["failed"]) == (of_results["success"], of_results["error"])
    assert (told["tasks"]["successful"], told["tasks"]["failed"]) == (of_results["success"], of_results["error"])

    assert atrio(tmp_path, "events", "check", "run.jsonl").returncode == 0
    written = atrio(tmp_path, "report", batch["run_id"], "-o", "report.html")
    assert written.returncode == 0, written.stderr
    assert "deliver" in (tmp_path / "report.html").read_text(encoding="utf-8")
