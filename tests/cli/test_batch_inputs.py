import codecs
import json
import os
import stat
import sys
import threading

import pytest

from atrio.cli import _task_lines, _tasks_input
from atrio.cli._task_lines import Line, LineSplitter


@pytest.fixture
def batch(atrio, ready_made):
    """Run `atrio batch same`, which gives back what it gets, and return its exit code, its lines and what it says."""

    async def same(data):
        return data

    ready_made("same", same)

    def run(*arguments: str):
        ended = atrio("batch", "same", *arguments, "--log-level", "error")
        lines = sorted(map(json.loads, ended.out.split("\n")[:-1]), key=lambda line: line["index"])
        said = [line for line in ended.err.splitlines() if line.startswith("atrio: ")]
        return ended.code, {line["input"]: line.get("result", line.get("error")) for line in lines}, said

    return run


@pytest.fixture
def stdin(monkeypatch):
    """Put a pipe that holds some bytes, or a file, in place of standard input."""
    opened = []

    def put(data: bytes | None = None, path: str | None = None) -> None:
        if path is None:
            read, write = os.pipe()
            os.write(write, data)
            os.close(write)
        else:
            read = os.open(path, os.O_RDONLY)
        opened.append(os.fdopen(read))
        monkeypatch.setattr(sys, "stdin", opened[-1])

    yield put
    for file in opened:
        file.close()


class TestFiles:
    def test_are_told_apart_by_their_suffixes(self, batch, tmp_path):
        (tmp_path / "a.txt").write_text("text\n")
        (tmp_path / "b.json").write_text('{"a":\n1}')
        (tmp_path / "c.JSONL").write_text("1\r\n \n\n[2]\n3")
        code, results, said = batch("a.txt", "b.json", "c.JSONL", "a.txt")
        assert (code, said) == (0, [])
        assert results == {"a.txt": "text\n", "b.json": {"a": 1}, "c.JSONL:1": 1, "c.JSONL:4": [2], "c.JSONL:5": 3}

    def test_that_cannot_be_used_fail_alone(self, batch, tmp_path):
        (tmp_path / "a.txt").write_text("text")
        (tmp_path / "b.json").write_text("{")
        (tmp_path / "c.txt").write_bytes(bytes(range(256)))
        code, results, _ = batch("a.txt", "b.json", "c.txt")
        assert code == 1
        assert results["a.txt"] == "text"
        assert results["b.json"]["message"].startswith("'b.json' is not JSON: ")
        assert results["c.txt"]["message"].startswith("'c.txt' is binary data")

    def test_that_are_missing_are_all_named_before_anything_runs(self, batch, tmp_path):
        (tmp_path / "a.txt").touch()
        (tmp_path / "folder.jsonl").mkdir()
        code, results, (said,) = batch("a.txt", "none.txt", ".", "folder.jsonl")
        assert (code, results) == (2, {})
        assert said == (
            "atrio: 'none.txt' cannot be read: No such file or directory; '.' cannot be read: Is a directory; "
            "'folder.jsonl' cannot be read: Is a directory."
        )

    def test_that_may_not_be_read(self, batch, tmp_path, monkeypatch):
        (tmp_path / "a.txt").touch()

        def denied(path):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(_tasks_input, "_part", denied)
        assert batch("a.txt")[2] == ["atrio: 'a.txt' cannot be read: Permission denied."]

    def test_that_vanish_fail_alone(self, batch, tmp_path, monkeypatch):
        for name in ("a.txt", "b.jsonl", "c.jsonl"):
            (tmp_path / name).write_text("1\n")
        examined = _tasks_input._examined

        def examine(paths):
            parts = examined(paths)
            (tmp_path / "a.txt").unlink()
            (tmp_path / "b.jsonl").unlink()
            return parts

        monkeypatch.setattr(_tasks_input, "_examined", examine)
        code, results, _ = batch("a.txt", "b.jsonl", "c.jsonl")
        assert code == 1
        assert results["a.txt"]["message"] == "'a.txt' cannot be read: No such file or directory."
        assert results["b.jsonl"]["message"] == "'b.jsonl' cannot be read: No such file or directory."
        assert results["c.jsonl:1"] == 1

    def test_that_fail_while_they_are_read_keep_what_was_read(self, batch, tmp_path, monkeypatch):
        (tmp_path / "a.jsonl").write_text("1\n" + "2\n" * 40_000)
        (tmp_path / "b.txt").write_text("text")
        read = os.read
        calls = iter(range(9))

        def failing(descriptor, size):
            if stat.S_ISREG(os.fstat(descriptor).st_mode) and next(calls) == 1:
                raise OSError(5, "Input/output error")
            return read(descriptor, 10 if size == 1 << 16 else size)

        monkeypatch.setattr(_task_lines.os, "read", failing)
        _, results, _ = batch("a.jsonl", "b.txt")
        assert results["a.jsonl:1"] == 1
        assert results["a.jsonl"]["message"] == "'a.jsonl' cannot be read: Input/output error."
        assert results["b.txt"] == "text"

    def test_whose_names_are_no_text(self, batch, tmp_path):
        name = os.fsdecode(b"a\xff.txt")
        (tmp_path / name).write_text("text")
        assert batch(name)[1] == {name: "text"}

    def test_may_be_named_pipes(self, batch, tmp_path):
        for name, data in (("a.jsonl", "1\n2\n"), ("b.txt", "text")):
            os.mkfifo(tmp_path / name)
            threading.Thread(target=(tmp_path / name).write_text, args=(data,), daemon=True).start()
        assert batch("a.jsonl", "b.txt")[1] == {"a.jsonl:1": 1, "a.jsonl:2": 2, "b.txt": "text"}

    @pytest.mark.parametrize("content", ["", "\n \n\t\r\n"])
    def test_without_a_task_are_refused(self, batch, tmp_path, content):
        (tmp_path / "a.jsonl").write_text(content)
        assert batch("a.jsonl") == (
            2,
            {},
            ["atrio: there is no task in the input: it is empty, or every line of it is blank."],
        )


class TestLines:
    def test_that_are_not_utf_8(self, batch, tmp_path):
        (tmp_path / "a.jsonl").write_bytes(codecs.BOM_UTF8 + b'1\n"caf\xe9"\n"\xe2\x80\xa8"\n')
        _, results, _ = batch("a.jsonl")
        assert results["a.jsonl:1"] == 1
        assert results["a.jsonl:2"]["message"] == (
            "'a.jsonl' is not JSON: byte 5 of line 2 is 0xe9, and JSON is UTF-8."
        )
        assert results["a.jsonl:3"] == "\u2028"

    @pytest.mark.parametrize(("encoding", "name"), [("utf-16", "UTF-16"), ("utf-32", "UTF-32")])
    def test_of_wide_characters_are_refused(self, batch, tmp_path, encoding, name):
        (tmp_path / "a.jsonl").write_bytes("1\n".encode(encoding))
        assert batch("a.jsonl") == (
            2,
            {},
            [f"atrio: 'a.jsonl' is {name} text, and tasks are read line by line as UTF-8: convert it first."],
        )

    def test_that_are_long_are_read_in_a_thread(self, batch, tmp_path):
        (tmp_path / "a.jsonl").write_text(json.dumps("x" * 300_000) + "\n")
        assert batch("a.jsonl")[1] == {"a.jsonl:1": "x" * 300_000}

    def test_that_are_too_long_are_not_kept(self, batch, tmp_path, monkeypatch):
        monkeypatch.setattr(_task_lines, "_LONGEST", 10)
        (tmp_path / "a.jsonl").write_text("1\n" + "2" * 100_000 + "\n3\n")
        _, results, _ = batch("a.jsonl")
        assert results["a.jsonl:2"]["message"] == "'a.jsonl' is not JSON lines: line 2 is too long to be a task."
        assert (results["a.jsonl:1"], results["a.jsonl:3"]) == (1, 3)

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    def test_do_not_depend_on_chunks(self, size):
        data = b"\n1\n \r\n22\n\n333\n4"
        splitter = LineSplitter("it")
        chunks = [*(data[begin : begin + size] for begin in range(0, len(data), size)), b""]
        lines = [line for chunk in chunks for line in splitter.lines_of(chunk)]
        assert lines == [Line(2, b"1"), Line(4, b"22"), Line(6, b"333"), Line(7, b"4")]


class TestStandardInput:
    @pytest.mark.parametrize("arguments", [(), ("-",)])
    def test_holds_a_task_a_line(self, batch, stdin, arguments):
        stdin(b'1\n\ntext\n"a"')
        _, results, _ = batch(*arguments)
        assert (results["-:1"], results["-:4"]) == (1, "a")
        assert results["-:3"]["message"] == "standard input is not JSON: Expecting value, line 3, column 1."

    def test_may_be_a_file(self, batch, stdin, tmp_path):
        (tmp_path / "a").write_text("1\n2\n")
        stdin(path=tmp_path / "a")
        assert batch("-")[1] == {"-:1": 1, "-:2": 2}

    def test_goes_with_files(self, batch, stdin, tmp_path):
        (tmp_path / "a.txt").write_text("text")
        stdin(b"1\n")
        assert batch("a.txt", "-")[1] == {"a.txt": "text", "-:1": 1}

    def test_that_is_empty_is_refused(self, batch, stdin):
        stdin(b"\n\n")
        assert batch("-") == (
            2,
            {},
            ["atrio: there is no task in the input: it is empty, or every line of it is blank."],
        )

    def test_of_wide_characters_is_refused(self, batch, stdin):
        stdin("1\n".encode("utf-16"))
        assert batch("-")[2][0].startswith("atrio: standard input is UTF-16 text")

    def test_is_read_once(self, batch, stdin):
        stdin(b"1\n")
        assert batch("-", "-") == (2, {}, ["atrio: standard input can be read once: give - once."])

    @pytest.mark.parametrize("arguments", [(), ("-",)])
    def test_may_be_closed(self, batch, monkeypatch, arguments):
        monkeypatch.setattr(sys, "stdin", None)
        code, _, (said,) = batch(*arguments)
        assert code == 2
        assert said.startswith("atrio: standard input is closed" if arguments else "atrio: there is no input: name")
