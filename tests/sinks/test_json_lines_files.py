"""Files that fill up, move, go away or never were: a run does not notice, and what is lost is told."""

import errno
import gzip
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from line_cases import lines_in, made, outcome, pipeline_start, stage_end

from atrio import events
from atrio.sinks import JsonLinesSink


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.jsonl"


@pytest.fixture
def expected():
    return outcome()


def counted(log, *, of=10):
    for _ in range(of):
        log(stage_end())


class FullDisk:
    """Stands in for os.write: it takes so many bytes more, and then none until there is room again."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, descriptor, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


class TestAFullDisk:
    def test_that_is_dev_full(self, expected):
        with JsonLinesSink("/dev/full") as log:
            assert outcome(log) == expected
            counted(log)
        assert log.dropped > 10

    def test_that_is_full_for_a_while(self, path, monkeypatch, expected):
        with JsonLinesSink(path) as log:
            log(pipeline_start())
            disk = FullDisk(monkeypatch, 0)
            assert outcome(log) == expected
            lost = log.dropped
            disk.room = 10**6
            log(stage_end())
        first, told, last = lines_in(path)
        assert (first["seq"], last["seq"]) == (0, 1)
        assert (told["event"], told["level"], told["seq"]) == ("log.dropped", "warning", 0)
        assert (told["count"], told["reason"]) == (lost, "No space left on device")
        assert [told[name] for name in told if name.endswith("_id")] == [None] * 4
        assert log.dropped == lost > 5

    def test_that_has_room_again_when_the_log_is_closed_goes_on_counting(self, path, monkeypatch):
        with JsonLinesSink(path) as log:
            log(made(events.AlertRaised, run_id=None))
            log(made(events.AlertResolved, run_id=None))
            disk = FullDisk(monkeypatch, 0)
            log(stage_end())
            disk.room = 10**6
        lines = [(line["event"], line["seq"]) for line in lines_in(path)]
        assert lines == [("alert.raised", 0), ("alert.resolved", 1), ("log.dropped", 2)]

    @pytest.mark.parametrize("room", range(1, 20))
    def test_in_the_middle_of_a_line(self, path, monkeypatch, room):
        with JsonLinesSink(path) as log:
            disk = FullDisk(monkeypatch, room)
            counted(log, of=3)
            for _ in range(3):
                disk.room = 1
                log(stage_end())
            disk.room = 10**6
            counted(log, of=2)
        lines = path.read_bytes().split(b"\n")[:-1]
        torn = [line for line in lines if not line.endswith(b"}")]
        assert 1 <= len(torn) <= 3
        assert all(line and b'{"schema":1,"event"'.startswith(line) for line in torn)
        path.write_bytes(b"".join(line + b"\n" for line in lines if line not in torn))
        whole = [line for line in lines_in(path) if line["event"] != "log.dropped"]
        assert log.dropped == 8 - len(whole)
        assert [line["seq"] for line in whole] == [6, 7]

    def test_is_told_when_the_sink_is_closed(self, path, monkeypatch):
        with JsonLinesSink(path) as log:
            disk = FullDisk(monkeypatch, 0)
            counted(log)
            disk.room = 10**6
        (told,) = lines_in(path)
        assert told["count"] == 10

    def test_is_told_of_anew_for_each_time(self, path, monkeypatch):
        with JsonLinesSink(path) as log:
            disk = FullDisk(monkeypatch, 0)
            for times in (1, 2, 3):
                disk.room = 0
                counted(log, of=times)
                disk.room = 10**6
                log(stage_end())
        told = [line for line in lines_in(path) if line["event"] == "log.dropped"]
        assert [(line["count"], line["seq"]) for line in told] == [(1, 0), (2, 1), (3, 2)]
        assert [line["seq"] for line in lines_in(path) if line["run_id"]] == [1, 4, 8]
        assert log.dropped == 6

    def test_is_told_whatever_the_level(self, path, monkeypatch):
        with JsonLinesSink(path, level="error") as log:
            disk = FullDisk(monkeypatch, 0)
            log(stage_end(status="error"))
            disk.room = 10**6
            log(stage_end(status="error"))
        assert [line["event"] for line in lines_in(path)] == ["log.dropped", "stage.end"]

    def test_a_short_write_is_made_up_for(self, path, monkeypatch):
        real = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
        with JsonLinesSink(path) as log:
            counted(log)
        assert [line["seq"] for line in lines_in(path)] == list(range(10))
        assert log.dropped == 0

    def test_a_limit_of_the_system(self, path):
        """A real short write, and then real refusals."""
        program = """
            import resource, signal, sys
            sys.path.insert(0, sys.argv[2])
            from line_cases import outcome, stage_end
            from atrio.sinks import JsonLinesSink

            expected = outcome()
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            with JsonLinesSink(sys.argv[1]) as log:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
                assert outcome(log) == expected
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
                log(stage_end())
            print(log.dropped)
        """
        lost = int(run_python(program, path))
        lines = path.read_bytes().split(b"\n")
        assert len(b"\n".join(lines[:3])) == 1000
        path.write_bytes(b"\n".join([*lines[:2], *lines[3:]]))
        *_, told, last = lines_in(path)
        assert (told["event"], told["count"], told["reason"]) == ("log.dropped", lost, "File too large")
        assert last["event"] == "stage.end"


def run_python(program, *arguments):
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, (*arguments, here))],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestWhatCannotBeOpened:
    def test_a_folder(self, tmp_path):
        with pytest.raises(IsADirectoryError):
            JsonLinesSink(tmp_path)

    def test_a_file_in_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            JsonLinesSink(tmp_path / "none" / "app.jsonl")

    def test_a_descriptor_of_nothing(self, path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.close(descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            JsonLinesSink(descriptor)


def test_a_descriptor_that_is_closed_meanwhile(path, expected):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with JsonLinesSink(descriptor) as log:
        log(pipeline_start())
        os.close(descriptor)
        assert outcome(log) == expected
    assert [line["event"] for line in lines_in(path)] == ["pipeline.start"]
    assert log.dropped > 5


class TestRotation:
    def test_a_write_right_after_a_rename_goes_to_the_new_file(self, path, tmp_path):
        with JsonLinesSink(path) as log:
            for number in range(5):
                counted(log)
                path.rename(tmp_path / f"app.jsonl.{number}")
            log(stage_end())
        rotated = [lines_in(tmp_path / f"app.jsonl.{number}") for number in range(5)]
        assert [len(lines) for lines in rotated] == [10] * 5
        seqs = [line["seq"] for lines in [*rotated, lines_in(path)] for line in lines]
        assert seqs == list(range(51))

    def test_by_one_that_makes_the_new_file_itself(self, path, tmp_path):
        with JsonLinesSink(path) as log:
            log(stage_end())
            path.rename(tmp_path / "old")
            path.write_bytes(b"")
            log(stage_end())
        assert [line["seq"] for line in lines_in(path)] == [1]

    def test_with_compression_of_what_was_renamed(self, path, tmp_path):
        with JsonLinesSink(path) as log:
            for number in range(3):
                counted(log)
                old = tmp_path / f"old.{number}"
                path.rename(old)
                (tmp_path / f"old.{number}.gz").write_bytes(gzip.compress(old.read_bytes()))
                old.unlink()
            counted(log)
        counts = [gzip.decompress((tmp_path / f"old.{number}.gz").read_bytes()).count(b"\n") for number in range(3)]
        assert sum(counts) + len(lines_in(path)) == 40

    def test_by_removing(self, path):
        with JsonLinesSink(path) as log:
            log(stage_end())
            path.unlink()
            log(stage_end())
        assert [line["seq"] for line in lines_in(path)] == [1]

    def test_in_another_working_directory(self, tmp_path, monkeypatch):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path)
        with JsonLinesSink("app.jsonl") as log:
            monkeypatch.chdir(tmp_path / "elsewhere")
            log(stage_end())
            (tmp_path / "app.jsonl").rename(tmp_path / "old")
            log(stage_end())
        assert len(lines_in(tmp_path / "app.jsonl")) == 1
        assert not list((tmp_path / "elsewhere").iterdir())

    def test_of_a_symbolic_link(self, path, tmp_path):
        (tmp_path / "first").touch()
        path.symlink_to("first")
        with JsonLinesSink(path) as log:
            log(stage_end())
            path.unlink()
            path.symlink_to("second")
            log(stage_end())
        assert [len(lines_in(tmp_path / name)) for name in ("first", "second")] == [1, 1]

    def test_by_truncating(self, path, tmp_path):
        """As logrotate's copytruncate: what comes afterwards is at the begin of the file, because it is appended."""
        with JsonLinesSink(path) as log:
            counted(log)
            (tmp_path / "copy").write_bytes(path.read_bytes())
            os.truncate(path, 0)
            log(stage_end())
        assert [line["seq"] for line in lines_in(path)] == [10]

    def test_leaves_nothing_open(self, path, tmp_path):
        with JsonLinesSink(path) as log:
            log(stage_end())
            before = len(list(Path("/dev/fd").iterdir()))
            for number in range(20):
                path.rename(tmp_path / str(number))
                log(stage_end())
            assert len(list(Path("/dev/fd").iterdir())) == before


class TestAFolderThat:
    def test_is_removed_and_made_again(self, tmp_path, expected):
        folder = tmp_path / "logs"
        folder.mkdir()
        path = folder / "app.jsonl"
        with JsonLinesSink(path) as log:
            log(pipeline_start())
            path.unlink()
            folder.rmdir()
            assert outcome(log) == expected
            lost = log.dropped
            folder.mkdir()
            log(stage_end())
        told, last = lines_in(path)
        assert (told["count"], told["reason"]) == (lost, "No such file or directory")
        assert last["event"] == "stage.end"

    def test_is_moved_loses_nothing(self, tmp_path):
        folder = tmp_path / "logs"
        folder.mkdir()
        with JsonLinesSink(folder / "app.jsonl") as log:
            counted(log)
            folder.rename(tmp_path / "moved")
            counted(log)
        assert len(lines_in(tmp_path / "moved" / "app.jsonl")) == 20
        assert log.dropped == 0

    def test_is_read_only_when_the_file_is_renamed_loses_nothing(self, path, tmp_path):
        program = """
            import os, pathlib, sys
            sys.path.insert(0, sys.argv[2])
            from line_cases import outcome, stage_end
            from atrio.sinks import JsonLinesSink

            path = pathlib.Path(sys.argv[1])
            path.parent.chmod(0o555)
            with JsonLinesSink(path) as log:
                log(stage_end())
                if os.geteuid() == 0:
                    path.rename(path.with_name("old"))
                    os.seteuid(65534)
                else:
                    path.parent.chmod(0o755)
                    path.rename(path.with_name("old"))
                    path.parent.chmod(0o555)
                expected = outcome()
                assert outcome(log) == expected
                log(stage_end())
            assert log.dropped == 0
        """
        folder = tmp_path / "logs"
        folder.mkdir()
        log = folder / "app.jsonl"
        log.touch()
        run_python(program, log)
        folder.chmod(0o755)
        assert not log.exists()
        lines = lines_in(folder / "old")
        assert (len(lines) > 8, lines[0]["event"], lines[-1]["event"]) == (True, "stage.end", "stage.end")
