"""jq: figures of stages, and failures, from a log."""

import shutil

import pytest
from recipe_logs import microseconds

STAGES = "jq -nRr -f stages.jq app.jsonl"
FAILURES = """jq -r 'select(.level == "error") | [.timestamp, .event, .error_type, .error_message] | @tsv' app.jsonl"""
EVENTS = "jq -r .event app.jsonl"


@pytest.fixture
def jq(folder, shell, needs):
    needs("jq")

    def run(path, command):
        shutil.copy(path, folder / "app.jsonl")
        # What is escaped in a field of @tsv is a line's end for Python.
        return shell(command).removesuffix("\n").split("\n")

    return run


def test_it_reads_every_line(any_log, jq):
    path, lines = any_log
    assert len(jq(path, EVENTS)) == lines


def test_figures_of_stages(ran, jq):
    found = {name: figures for name, *figures in (line.split("\t") for line in jq(ran.path, STAGES))}
    ended = [line for line in ran.lines if line["event"] == "stage.end"]
    assert set(found) == {line["stage_id"] for line in ended}
    for name, (runs, failed, seconds) in found.items():
        stages = [line for line in ended if line["stage_id"] == name]
        assert (int(runs), int(failed)) == (len(stages), sum(line["status"] == "error" for line in stages))
        assert microseconds([float(seconds)]) == microseconds(line["duration_s"] for line in stages)


def test_failures(any_log, jq):
    path, _ = any_log
    assert len(jq(path, FAILURES)) == path.read_bytes().count(b'"level":"error"')


def test_a_line_that_is_being_written_is_passed_over(ran, folder, jq):
    torn = folder / "torn.jsonl"
    torn.write_bytes(ran.path.read_bytes()[:-20])
    assert len(jq(torn, STAGES)) == 6
