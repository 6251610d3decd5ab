"""``--output``: one batch alone writes a file, and nothing else does."""

import errno
import fcntl
import io
import json
import os

import pytest


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "a.jsonl").write_text('"a"\n"b"\n')


@pytest.mark.usefixtures("texts")
class TestOutput:
    def test_that_another_batch_writes_to_is_refused(self, atrio, tmp_path):
        with (tmp_path / "out").open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            ended = atrio("batch", "text-report", "a.jsonl", "--output", "out", "--log-level", "error")
            assert (ended.code, ended.out) == (2, "")
            assert ended.err == "atrio: another batch writes to the output file 'out' now: name another.\n"
            assert (tmp_path / "out").read_bytes() == b""
        assert atrio("batch", "text-report", "a.jsonl", "--output", "out", "--log-level", "error").code == 0
        assert len([json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]) == 2

    def test_is_written_where_files_cannot_be_locked(self, atrio, tmp_path, monkeypatch):
        def flock(descriptor, operation):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr("atrio.cli._result_lines.fcntl.flock", flock)
        assert atrio("batch", "text-report", "a.jsonl", "--output", "out").code == 0
        assert len((tmp_path / "out").read_text().splitlines()) == 2

    @pytest.mark.parametrize("log_file", ["out", "./out", "../{}/out"])
    def test_that_is_the_log_file_is_refused(self, atrio, tmp_path, log_file):
        ended = atrio(
            "batch", "text-report", "a.jsonl", "--output", "out", "--log-file", log_file.format(tmp_path.name)
        )
        assert (ended.code, ended.err) == (
            2,
            "atrio: --output and --log-file are the same file, 'out': give each its own.\n",
        )
        assert not (tmp_path / "out").exists()

    def test_two_batches_may_share_what_is_no_file(self, atrio):
        assert atrio("batch", "text-report", "a.jsonl", "--output", "/dev/null", "--log-level", "error").code == 0


@pytest.mark.usefixtures("texts")
def test_a_stdout_that_a_host_has_put_in_its_place_gets_the_lines(atrio, monkeypatch):
    monkeypatch.setattr("sys.stdout", shown := io.StringIO())
    assert atrio("batch", "text-report", "a.jsonl").code == 0
    assert sorted(json.loads(line)["index"] for line in shown.getvalue().splitlines()) == [0, 1]
