"""``atrio report``, as it is called."""

import json
import os
import re
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from runs_made_up import HOSTILE

RUN = ("run", "text-report", "--value", '"Tides rise, and tides fall."', "--log-level", "error")


@pytest.fixture
def after_a_run(atrio):
    assert atrio(*RUN).code == 0
    return atrio


def ids(atrio):
    return [run["run_id"] for run in json.loads(atrio("status", "--format", "json").out)["runs"]]


def test_the_latest_run_gets_a_page_named_for_it(after_a_run, tmp_path):
    ended = after_a_run("report")
    (run_id,) = ids(after_a_run)
    assert (ended.code, ended.out, ended.err) == (0, f"report-{run_id}.html\n", "")
    page = (tmp_path / f"report-{run_id}.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert all(stage in page for stage in ("text_cleaner", "text_analyzer", "report_writer"))


def test_the_first_digits_of_an_id_are_enough(after_a_run, tmp_path):
    assert after_a_run(*RUN).code == 0
    later, earlier = ids(after_a_run)
    digits = next(earlier[:count] for count in range(1, 33) if not later.startswith(earlier[:count]))
    ended = after_a_run("report", digits, "-o", "page.html")
    assert (ended.code, ended.out) == (0, "page.html\n")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert earlier in page
    # The other run is there to be compared with.
    assert "Beside other runs of it" in page


def test_a_page_goes_to_stdout_if_that_is_asked_for(after_a_run, tmp_path):
    ended = after_a_run("report", "--output", "-")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("</html>\n") or ended.out.endswith("</html>")
    assert list(tmp_path.glob("*.html")) == []


def test_a_batch_has_its_failed_tasks_on_its_page(atrio_process, tmp_path):
    lines = b'"Sun."\n7\n"Rain."\n"Fog."\n"Snow."\n"Hail."\n'
    assert atrio_process("batch", "text-report", "-", "--log-level", "error", stdin=lines).code == 0
    assert atrio_process("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Of 6 tasks 1 failed." in page
    assert "text_cleaner takes text, a str, but got int" in page
    assert "How long tasks took" in page
    assert "Stage by stage: task" in page


def test_an_earlier_page_is_replaced_and_nothing_else_is(after_a_run, tmp_path):
    page = tmp_path / "page.html"
    page.touch()
    assert after_a_run("report", "-o", "page.html").code == 0
    page.chmod(0o640)
    first = page.read_bytes()
    assert after_a_run(*RUN).code == 0
    assert after_a_run("report", "-o", "page.html").code == 0
    assert page.read_bytes() != first
    assert page.stat().st_mode & 0o777 == 0o640
    (tmp_path / "notes.html").write_text("<p>mine</p>")
    ended = after_a_run("report", "-o", "notes.html")
    assert (ended.code, ended.out) == (2, "")
    assert "'notes.html' holds something that is no page of atrio report: name another" in ended.err
    assert (tmp_path / "notes.html").read_text() == "<p>mine</p>"
    assert {each.name for each in tmp_path.iterdir()} == {".atrio", "page.html", "notes.html"}


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (".", "atrio: '.' is a directory: name a file in it, such as 'report.html'.\n"),
        ("no/page.html", "atrio: there is no directory 'no' for the page: make it first, or name another.\n"),
    ],
)
def test_where_no_page_can_be_is_refused(after_a_run, output, sentence):
    ended = after_a_run("report", "-o", output)
    assert (ended.code, ended.out, ended.err) == (2, "", sentence)


def test_a_device_is_not_replaced(after_a_run):
    ended = after_a_run("report", "-o", os.devnull)
    assert (ended.code, ended.out) == (1, "")
    assert "the page cannot be written to '/dev/null': it is no file" in ended.err


def test_a_link_that_leads_nowhere_is_said(after_a_run, tmp_path):
    (tmp_path / "page.html").symlink_to("gone.html")
    ended = after_a_run("report", "-o", "page.html")
    assert ended.code == 1
    assert "the page cannot be written to 'page.html': File exists." in ended.err
    assert not (tmp_path / "gone.html").exists()


@pytest.mark.parametrize("arguments", [(), ("019c",)])
def test_without_a_history_there_is_nothing_to_show(atrio, tmp_path, arguments):
    ended = atrio("report", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert (
        "nothing was kept so far in '.atrio/history.db', where atrio run and atrio batch keep what they run."
        in ended.err
    )
    assert list(tmp_path.iterdir()) == []


def test_a_history_without_runs_is_told_as_such(after_a_run, tmp_path):
    with sqlite3.connect(tmp_path / ".atrio" / "history.db") as database:
        database.execute("DELETE FROM runs")
    database.close()
    assert "there is no run: nothing was kept so far" in after_a_run("report").err


@pytest.mark.parametrize("run", ["ffff", "text-reprot", ""])
def test_an_unknown_run_is_refused(after_a_run, tmp_path, run):
    ended = after_a_run("report", run)
    assert (ended.code, ended.out) == (2, "")
    assert f"there is no run whose id begins with {run!r}" in ended.err
    assert list(tmp_path.glob("*.html")) == []


def test_a_history_can_be_named(after_a_run, tmp_path):
    (tmp_path / ".atrio" / "history.db").rename(tmp_path / "old.db")
    assert after_a_run("report", "--history", "old.db", "-o", "page.html").code == 0
    ended = after_a_run("report", "--history", "README.md")
    assert ended.code == 2
    assert "README.md" in ended.err


def test_secrets_are_not_on_the_page(atrio_process, tmp_path):
    (tmp_path / "shop.py").write_text(
        "import os\nfrom atrio import Pipeline, Stage\n"
        "async def ask(data):\n    raise ConnectionError(f'refused: {os.environ[\"SHOP_TOKEN\"]}')\n"
        "triage = Pipeline('triage').add_stage(Stage('ask', ask))\n"
    )
    secret = {"SHOP_TOKEN": "correct-horse-battery"}
    assert atrio_process("run", "shop:triage", "--value", "1", **secret).code == 1
    assert atrio_process("report", "-o", "page.html", **secret).code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "refused: ***" in page
    assert "correct-horse" not in page


def test_what_a_real_run_said_is_text_on_its_page(atrio_process, tmp_path):
    (tmp_path / "said.txt").write_bytes((HOSTILE + "x" * 2**20).encode("utf-8", "surrogatepass"))
    (tmp_path / "shop.py").write_text(
        "from pathlib import Path\nfrom atrio import Pipeline, Stage\n"
        "async def ask(data):\n"
        "    raise ValueError(Path('said.txt').read_bytes().decode('utf-8', 'surrogatepass'))\n"
        "triage = Pipeline('<b>triage').add_stage(Stage('</td><script>1</script>', ask))\n"
    )
    assert atrio_process("run", "shop:triage", "--value", "1", "--log-level", "error").code == 1
    assert atrio_process("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;document.title" in page
    assert '<span class="escape">\\u202e</span>olleh' in page
    assert "&lt;b&gt;triage" in page
    assert not re.search(r"<(?:script|img|b>triage)", page)
    assert len(page) < 200_000


class Failing(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_error(503)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def failing_endpoint():
    server = HTTPServer(("127.0.0.1", 0), Failing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_attempts_and_waits_are_on_the_page_of_a_real_failure(atrio_process, tmp_path, failing_endpoint):
    (tmp_path / "atrio.toml").write_text(
        f'[agents.near]\nextends = "webhook"\nconfiguration = {{ url = "{failing_endpoint}" }}\n'
        "breaker = { failure_threshold = 3 }\n"
        '[pipelines.call]\nstages = [{ agent = "near", attempts = 3, backoff = { initial = 0.05, jitter = 0.0 } }]\n'
    )
    assert atrio_process("run", "call", "--value", "1", "--log-level", "error").code == 1
    assert atrio_process("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    (said,) = re.findall(r'<svg role="img" aria-label="(near: [^"]*)"', page)
    assert re.fullmatch(
        r"near: attempt 1 of 3 failed after .*; waited 50\.0 ms; attempt 2 of 3 failed .*; waited 100 ms; attempt 3 "
        r"failed after .*",
        said,
    )
    assert page.count('class="waiting"') == 2 + 1  # and one in the legend
    assert "near failed after 3 attempts" in page
    # The third failure opened the circuit breaker, which is an alert.
    assert "breaker_opened" in page
