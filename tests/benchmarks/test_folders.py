"""Where a run is kept: nothing that was measured is lost, and an interrupted run goes on."""

import json

import pytest

from benchmarks.harness.folders import NothingToResumeError, RunFolder


def sample(program, turn):
    return {"program": program, "round": turn, "values": {"cpu_s": [0.5]}}


def test_samples_come_back_as_they_were_added(tmp_path):
    folder = RunFolder(tmp_path / "run")
    for turn in range(3):
        folder.add(sample("a", turn))
    assert folder.samples() == [sample("a", turn) for turn in range(3)]


def test_a_torn_last_line_is_cut_off_and_the_next_sample_stands_by_itself(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.add(sample("a", 0))
    path = folder.path / "samples.jsonl"
    path.write_bytes(path.read_bytes() + b'{"program": "a", "rou')
    assert folder.samples() == [sample("a", 0)]
    folder.add(sample("a", 1))
    assert folder.samples() == [sample("a", 0), sample("a", 1)]


def test_the_latest_run_without_an_end_is_resumed(tmp_path):
    for name in ("20260101-000000-quick", "20260102-000000-quick", "20260103-000000-quick"):
        RunFolder(tmp_path / name).write_plan({"id": name})
    RunFolder(tmp_path / "20260103-000000-quick").write_whole({"id": "ended"})
    assert RunFolder.to_resume(tmp_path).plan() == {"id": "20260102-000000-quick"}


def test_without_an_interrupted_run_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(NothingToResumeError, match="leave --resume out"):
        RunFolder.to_resume(tmp_path)


def test_a_whole_file_is_never_half_written(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.write_whole({"first": 1})
    with pytest.raises(TypeError):
        folder.write_whole({"second": object()})
    assert json.loads((folder.path / "run.json").read_text()) == {"first": 1}
