"""Where a history is: whose its files are, what stands in the way, and what SQLite says of the system."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from history_cases import double, kept, pipeline_of, run_of

from atrio import observe_only
from atrio.events import PipelineEnd, PipelineStart
from atrio.history import History, HistoryError, schema
from atrio.history.schema import connect, sentence_of
from atrio.testing import capture_events, run_in_virtual_time

OWN_FILE_LIMIT = """\
import resource, sys
from atrio.history.schema import HistoryError, connect
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
try:
    connect(sys.argv[1], read_only=False)
except HistoryError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
"""


@pytest.fixture
def open_to_all():
    former = os.umask(0o022)
    yield
    os.umask(former)


def modes(folder):
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}


class TestItsOwners:
    @pytest.mark.usefixtures("open_to_all")
    def test_what_is_made_is_its_owners_alone(self, tmp_path):
        path = tmp_path / "shop" / ".atrio" / "history.db"
        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
            assert history.flush()
            private = dict.fromkeys(("history.db", "history.db-wal", "history.db-shm"), 0o600)
            assert modes(path.parent) == {".atrio": 0o700, ".gitignore": 0o644, **private}
        assert path.parent.parent.stat().st_mode & 0o777 == 0o755

    @pytest.mark.usefixtures("open_to_all")
    def test_what_is_there_stays_as_it_is(self, tmp_path):
        folder = tmp_path / ".atrio"
        folder.mkdir()
        path = folder / "history.db"
        path.touch()
        with kept(path):
            pass
        assert modes(folder) == {".atrio": 0o755, "history.db": 0o644}

    @pytest.mark.usefixtures("open_to_all")
    def test_a_folder_of_another_name_is_not_ours(self, tmp_path):
        with kept(tmp_path / "kept" / "history.db"):
            pass
        assert modes(tmp_path / "kept") == {"kept": 0o755, "history.db": 0o600}

    def test_a_link_that_leads_nowhere_yet_is_followed(self, tmp_path):
        (tmp_path / "history.db").symlink_to(tmp_path / "elsewhere.db")
        with kept(tmp_path / "history.db"):
            pass
        assert (tmp_path / "elsewhere.db").is_file()


class TestVersionControl:
    def test_a_history_stays_out_of_it_and_the_schema_does_not(self, tmp_path):
        git = shutil.which("git")
        if git is None:
            pytest.skip("there is no git")
        subprocess.run([git, "init", "-q", tmp_path], check=True)
        (tmp_path / ".atrio").mkdir()
        (tmp_path / ".atrio" / "atrio.schema.json").touch()
        with kept(tmp_path / ".atrio" / "history.db"):
            pass
        listed = [git, "-C", tmp_path, "ls-files", "--others", "--exclude-standard"]
        seen = subprocess.run(listed, check=True, capture_output=True, text=True)
        assert seen.stdout.split() == [".atrio/atrio.schema.json"]

    def test_what_is_said_there_already_stays(self, tmp_path):
        ignored = tmp_path / ".atrio" / ".gitignore"
        ignored.parent.mkdir()
        ignored.write_text("mine\n")
        with kept(ignored.with_name("history.db")):
            pass
        assert ignored.read_text() == "mine\n"

    def test_a_history_that_is_there_adds_none(self, tmp_path):
        path = tmp_path / ".atrio" / "history.db"
        with kept(path):
            pass
        path.with_name(".gitignore").unlink()
        with kept(path):
            pass
        assert not path.with_name(".gitignore").exists()


class TestInTheWay:
    @pytest.mark.parametrize("read_only", [True, False])
    @pytest.mark.parametrize("below", ["history.db", "deeper/still/history.db"])
    def test_a_file(self, tmp_path, below, read_only):
        (tmp_path / ".atrio").write_text("mine")
        with pytest.raises(HistoryError) as caught:
            connect(tmp_path / ".atrio" / below, read_only=read_only)
        assert str(caught.value).endswith(
            f"{tmp_path / '.atrio'} is a file and would have to be a folder: move it away, or name another place"
        )
        assert (tmp_path / ".atrio").read_text() == "mine"

    def test_a_link_that_leads_nowhere(self, tmp_path):
        (tmp_path / ".atrio").symlink_to("gone")
        with pytest.raises(HistoryError, match="is a link that leads nowhere and would have to be a folder"):
            connect(tmp_path / ".atrio" / "history.db", read_only=False)

    def test_a_connection_that_is_refused_is_closed(self, tmp_path):
        path = tmp_path / "other.db"
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE t (x)")
        for read_only in (True, False):
            with pytest.raises(HistoryError, match="a database of something else"):
                connect(path, read_only=read_only)
        assert path not in [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]


class TestTheSystemsRefusals:
    def test_a_limit_of_the_size_of_files(self, tmp_path):
        program = [sys.executable, "-c", OWN_FILE_LIMIT, tmp_path / "history.db"]
        told = subprocess.run(program, check=True, capture_output=True, text=True)
        assert re.fullmatch(
            r"the history \S+ cannot be used: it cannot be read or written \(disk I/O error, SQLITE_IOERR_WRITE\): the "
            r"disk may fail, or a limit be reached \(ulimit -f\)\n",
            told.stdout,
        )
        assert told.stderr == ""

    def test_what_cannot_be_opened(self, tmp_path):
        with pytest.raises(sqlite3.OperationalError) as caught:
            sqlite3.connect(tmp_path)  # which is a folder
        assert sentence_of(caught.value, "h.db") == (
            "the history h.db cannot be used: it cannot be opened (unable to open database file, SQLITE_CANTOPEN): "
            "this user may have no right to it, or to the folder it is in"
        )


class TestWhereNothingCanBeWritten:
    """SQLite then cannot make what readers and writers share; whoever runs the tests may be allowed to write all."""

    @pytest.fixture
    def path(self, tmp_path, monkeypatch):
        path = tmp_path / "history.db"
        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        opened = schema._open

        def refused(file, mode, busy_s):
            if mode == "ro":
                error = sqlite3.OperationalError("unable to open database file")
                error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
                return _Refusing(error)
            return opened(file, mode, busy_s)

        monkeypatch.setattr(schema, "_open", refused)
        return path

    def test_a_file_that_is_whole_is_read(self, path):
        Path(f"{path}-wal").touch()
        assert run_of(path).run.state == "success"

    def test_one_of_which_a_part_waits_beside_it_is_not(self, path):
        Path(f"{path}-wal").write_bytes(b"what a writer has left")
        with pytest.raises(HistoryError, match="it cannot be opened"):
            History(path)


class _Refusing:
    def __init__(self, error):
        self._error = error

    def execute(self, *_):
        raise self._error

    def close(self):
        pass


def test_an_end_in_a_later_burst_does_not_forget_how_many_stages_there_are(tmp_path):
    """An end does not say it."""
    with capture_events() as events:
        run_in_virtual_time(lambda: pipeline_of(double, double, double).execute(1))
    with kept(tmp_path / "history.db") as history:
        for kind in (PipelineStart, PipelineEnd):
            for event in events:
                if isinstance(event, kind):
                    history(event)
            assert history.flush()
    assert (run_of(tmp_path / "history.db").run.state, run_of(tmp_path / "history.db").run.total) == ("success", 3)
