"""Files that are no history, or that nobody may use: it is told once, and nothing more is kept."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from history_cases import kept, pipeline_of, run_once, run_with, states

from atrio import AtrioError, SinkWarning, observe_only
from atrio.history import History, HistoryError, HistorySink, alerts_in
from atrio.history import _writer as module
from atrio.history.schema import VERSION
from atrio.testing import run_in_virtual_time


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".atrio" / "history.db"


def newer(path):
    with kept(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def damaged(path):
    run_with(kept(path), runs=3)
    content = bytearray(path.read_bytes())
    content[150 : len(content) // 2] = b"\xff" * (len(content) // 2 - 150)
    path.write_bytes(content)


def other(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE shop (name TEXT)")


BAD_FILES = {
    "is damaged": damaged,
    "not a database": lambda path: path.write_bytes(b"This is a letter, and no database. " * 40),
    "made by a newer atrio": newer,
    "is not a history, but a database of something else": other,
    "which is a folder": Path.mkdir,
}


class TestForGood:
    @pytest.mark.parametrize("said", BAD_FILES)
    def test_a_file_that_is_none_is_told_once_and_left_alone(self, tmp_path, said):
        path = tmp_path / "history.db"
        BAD_FILES[said](path)
        before = path.read_bytes() if path.is_file() else None
        sentences = []
        run_with(HistorySink(path, on_problem=sentences.append), runs=2)
        [sentence] = sentences
        assert said in sentence
        assert str(path) in sentence
        assert sentence.endswith("; nothing more is kept")
        assert "\n" not in sentence
        assert before == (path.read_bytes() if path.is_file() else None)
        with pytest.raises(HistoryError, match=said) as caught:
            states(path)
        assert isinstance(caught.value, AtrioError)

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").touch()
        sentences = []
        run_with(HistorySink(tmp_path / "file" / "history.db", on_problem=sentences.append))
        [sentence] = sentences
        assert sentence.endswith("; nothing more is kept")

    @pytest.mark.parametrize("name", ["x" * 300, "pipe"])
    def test_names_that_no_file_has(self, tmp_path, name):
        path = tmp_path / name
        if name == "pipe":
            os.mkfifo(path)
        sentences = []
        run_with(HistorySink(path, on_problem=sentences.append))
        [sentence] = sentences
        assert sentence.endswith("; nothing more is kept")
        for reading in (History, alerts_in):
            with pytest.raises(HistoryError, match=r"too long|no regular file"):
                reading(path)

    def test_by_default_a_warning_says_it(self, tmp_path):
        with pytest.warns(SinkWarning, match="which is a folder"):
            run_with(HistorySink(tmp_path))

    def test_who_cannot_be_told_is_told_of(self, tmp_path):
        def refuse(sentence):
            raise LookupError(sentence)

        with pytest.warns(SinkWarning, match="on_problem raised LookupError") as warned:
            run_with(HistorySink(tmp_path, on_problem=refuse))
        assert len(warned) == 1

    def test_warnings_that_are_errors_do_not_change_a_run(self, tmp_path, monkeypatch):
        shown = []
        monkeypatch.setattr(warnings, "showwarning", lambda warning, *_: shown.append(str(warning)))
        run_with(HistorySink(tmp_path))  # the suite makes them errors
        assert len(shown) == 1
        assert "which is a folder" in shown[0]

    def test_one_that_becomes_another_database_while_it_is_kept(self, path):
        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_once()
            path.unlink()
            other(path)
            before = path.read_bytes()
            assert run_once().output == 2
            assert not history.flush()
            run_once()
        moved, for_good = sentences
        assert "was moved or removed" in moved
        assert for_good.endswith("but a database of something else: name another file; nothing more is kept")
        assert path.read_bytes() == before

    def test_what_nobody_thought_of_is_told_too(self, path, monkeypatch):
        def fail(*_):
            raise RuntimeError("no such luck")

        async def break_it(value):
            assert history.flush()
            monkeypatch.setattr(module.Burst, "write", fail)
            return value

        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            assert run_in_virtual_time(lambda: pipeline_of(break_it).execute(2)).output == 2
        assert states(path) == ["interrupted"]  # its end is not there
        assert sentences == [f"the history {path} cannot be used: RuntimeError: no such luck; nothing more is kept"]

    def test_one_that_is_damaged_while_it_is_kept(self, path, monkeypatch):
        def fail(*_):
            raise failure

        failure = sqlite3.DatabaseError("database disk image is malformed")
        failure.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            monkeypatch.setattr(module.Burst, "write", fail)
            assert run_once().output == 2
            assert not history.flush()
        [sentence] = sentences
        assert "it is damaged" in sentence
        assert sentence.endswith("; nothing more is kept")

    def test_a_file_that_may_only_be_read(self):
        program = """
            import os, sys
            import trio
            from atrio import Pipeline, Stage, observe_only
            from atrio.history import History, HistorySink

            async def echo(value):
                return value

            pipeline = Pipeline("echo").add_stage(Stage("echo", echo))
            with HistorySink(sys.argv[1]) as history, observe_only(history):
                trio.run(pipeline.execute, 1)
            os.chmod(sys.argv[1], 0o444)
            os.chmod(os.path.dirname(sys.argv[1]), 0o555)
            if os.geteuid() == 0:
                os.seteuid(65534)
            with HistorySink(sys.argv[1], on_problem=print) as history, observe_only(history):
                assert trio.run(pipeline.execute, 2).output == 2
            with History(sys.argv[1]) as history:
                print([run.state for run in history.runs()])
            os.seteuid(os.getuid())  # for what is written at the end, as by coverage
        """
        # Not in pytest's own folder, which another user cannot enter.
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "kept")
            folder.parent.chmod(0o755)
            command = [sys.executable, "-c", textwrap.dedent(program), folder / "history.db"]
            said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            folder.chmod(0o755)
        assert said.stderr == ""
        sentence, shown = said.stdout.splitlines()
        assert "it may only be read; nothing more is kept" in sentence
        assert shown == "['success']"

    def test_a_folder_that_may_not_be_entered(self):
        """From the begin, and from the middle on, when what is open already is still written."""
        program = """
            import encodings.ascii  # who may not enter Python's own folders cannot import later
            import os, sys
            import trio
            from atrio import Pipeline, Stage, observe_only
            from atrio.history import AlertSink, History, HistoryError, HistorySink

            async def echo(value):
                return value

            folder = os.path.dirname(sys.argv[1])
            pipeline = Pipeline("echo").add_stage(Stage("echo", echo))
            user = os.geteuid()
            if user == 0:
                os.seteuid(65534)
            os.mkdir(folder)
            for _ in range(2):
                with HistorySink(sys.argv[1], on_problem=print) as history, AlertSink(history) as alerts:
                    with observe_only(history, alerts):
                        trio.run(pipeline.execute, 1)
                        os.chmod(folder, 0)
                        assert trio.run(pipeline.execute, 2).output == 2
            try:
                History(sys.argv[1])
            except HistoryError as error:
                print(error)
            os.chmod(folder, 0o700)
            with History(sys.argv[1]) as history:
                print([run.state for run in history.runs()])
            os.seteuid(user)
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "kept")
            folder.parent.chmod(0o777)
            command = [sys.executable, "-c", textwrap.dedent(program), folder / "history.db"]
            said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert said.stderr == "", said.stderr
        sentence, reading, shown = said.stdout.splitlines()
        assert sentence.endswith("Permission denied; nothing more is kept")
        assert reading.endswith("Permission denied")
        assert shown == "['success', 'success']"
