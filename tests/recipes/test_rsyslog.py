"""rsyslog: its own module for JSON parses every line, with the sizes that it has by default."""

import json
import re
import shutil
import subprocess
import time

import pytest
from recipe_logs import RECIPES

PATIENCE_S = 30
LINE = re.compile(
    r"(?P<timestamp>\S+Z) (?P<level>\w+) (?P<event>[a-z._]+) run=(?P<run>\w*) seq=(?P<seq>\d+) parsesuccess=OK"
)


@pytest.fixture
def rsyslogd(needs, tmp_path):
    """Return the daemon's path, beside a configuration like the page's, but for its folders."""
    program = needs("rsyslogd")
    (tmp_path / "spool").mkdir()
    config = (RECIPES / "rsyslog.conf").read_text()
    assert config.count("/var/log/shop") == 2
    config = config.replace("/var/log/shop", str(tmp_path)).replace("/var/spool/rsyslog", str(tmp_path / "spool"))
    (tmp_path / "rsyslog.conf").write_text(config)
    return program


def parsed_lines(program, folder, lines):
    """Run a daemon of our own until it has written so many lines, and return them."""
    output = folder / "events.log"
    command = [program, "-n", "-f", folder / "rsyslog.conf", "-i", folder / "rsyslogd.pid"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as daemon:
        try:
            give_up_at = time.monotonic() + PATIENCE_S
            while time.monotonic() < give_up_at and daemon.poll() is None:
                if output.exists() and output.read_bytes().count(b"\n") >= lines:
                    break
                time.sleep(0.05)
        finally:
            daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 0
    return output.read_text().splitlines()


def test_it_parses_every_line(any_log, rsyslogd, tmp_path):
    path, lines = any_log
    shutil.copy(path, tmp_path / "app.jsonl")
    found = parsed_lines(rsyslogd, tmp_path, lines)
    assert [line for line in found if not LINE.fullmatch(line)] == []
    expected = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [(match["event"], match["run"], int(match["seq"])) for match in map(LINE.fullmatch, found)] == [
        (line["event"], line["run_id"] or "", line["seq"]) for line in expected
    ]


def test_the_configuration_is_valid(rsyslogd, tmp_path):
    checked = subprocess.run(
        [rsyslogd, "-N1", "-f", tmp_path / "rsyslog.conf"], capture_output=True, check=False, text=True
    )
    assert checked.returncode == 0, checked.stderr
