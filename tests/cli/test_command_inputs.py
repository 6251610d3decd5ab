import gzip
import io
import struct
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio.cli._inputs import decode, parse_json, read_task
from atrio.cli._streams import Refused


class Stdin(io.TextIOWrapper):
    def __init__(self, data: bytes, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def refusal(path: str | None, value: str | None = None) -> str:
    with pytest.raises(Refused) as refused:
        read_task(path, value)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    return sentence


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return name

    return write


class TestText:
    def test_is_the_files_own_line_ends_and_all(self, file):
        assert read_task(file("a.txt", "a\r\nβ\n\n".encode()), None) == "a\r\nβ\n\n"

    def test_may_be_empty(self, file):
        assert read_task(file("a.txt", b""), None) == ""

    @pytest.mark.parametrize("name", ["a", "a.md", "a.json.txt", "json"])
    def test_is_what_every_other_suffix_holds(self, file, name):
        assert read_task(file(name, b"[1]"), None) == "[1]"

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    def test_loses_its_byte_order_mark(self, encoding):
        assert decode("aβ😀\n".encode(encoding), "it") == "aβ😀\n"

    @pytest.mark.parametrize("mark", [b"\xfe\xff", b"\x00\x00\xfe\xff"])
    def test_may_be_big_endian(self, mark):
        assert decode(mark + "aβ".encode("utf-16-be" if len(mark) == 2 else "utf-32-be"), "it") == "aβ"

    def test_that_is_not_utf_8_is_read_as_windows_had_it_and_that_is_said(self, file, capsys):
        assert read_task(file("a.txt", "“café” 5 €".encode("cp1252")), None) == "“café” 5 €"
        assert capsys.readouterr().err == (
            "atrio: 'a.txt' is not UTF-8 (byte 1 is 0x93), so it is read as Windows-1252.\n"
        )

    def test_that_windows_did_not_have_either_is_latin_1(self, capsys):
        assert decode(b"caf\xe9 \x81", "it") == "café \x81"
        assert "byte 4 is 0xe9" in (said := capsys.readouterr().err)
        assert "Latin-1" in said

    def test_may_hold_colours_form_feeds_and_a_stray_control_character(self, capsys):
        text = "\x1b[1mbold\x1b[0m\f\b\x07\x1a" + 2000 * "text " + "\x01"
        assert decode(text.encode(), "it") == text
        assert capsys.readouterr().err == ""

    @given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
    def test_of_any_script_comes_through(self, text):
        assert decode(b"x" + text.encode(), "it") == "x" + text

    @given(st.binary())
    def test_is_either_read_or_refused(self, data):
        try:
            text = decode(data, "it")
        except Refused:
            return
        assert "\0" not in text


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    image = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", image) + chunk(b"IEND", b"")


class TestBinary:
    @pytest.mark.parametrize(
        "data",
        [
            png(),
            gzip.compress(b"text"),
            Path(sys.executable).read_bytes()[:4096],
            b"no NUL, but \x01\x02\x03",
            b"one NUL\0" + 5000 * b"text ",
            b"\xff\xfe\x00\x00\x00\x00\x00\x00",
            b"\xff\xfea\x00\x00\x00",
        ],
        ids=["png", "gzip", "program", "controls", "nul", "utf-32 nul", "utf-16 nul"],
    )
    def test_is_refused(self, file, data):
        assert refusal(file("a.txt", data)) == (
            "'a.txt' is binary data, and an input is text or JSON: turn it into text first."
        )

    @pytest.mark.parametrize(
        ("data", "encoding"), [(b"\xff\xfea", "UTF-16"), (b"\xef\xbb\xbf\xff", "UTF-8"), (b"\0\0\xfe\xffa", "UTF-32")]
    )
    def test_a_byte_order_mark_must_be_kept_to(self, file, data, encoding):
        assert refusal(file("a.txt", data)).startswith(f"'a.txt' begins as {encoding} text does, but byte ")


class TestPaths:
    def test_a_missing_file(self, file):
        assert refusal("none.txt") == "'none.txt' cannot be read: No such file or directory."

    def test_what_looks_like_an_option(self, file):
        assert read_task(file("-odd.txt", b"text"), None) == "text"
        assert refusal("--fromat") == (
            "'--fromat' cannot be read: No such file or directory. "
            "If it is meant as an option, --help lists those that there are."
        )

    def test_a_directory(self, tmp_path):
        assert refusal(str(tmp_path)).endswith("cannot be read: Is a directory.")

    def test_an_unreadable_file(self, file, monkeypatch):
        # The tests may run as root, who may read everything.
        def denied(path: Path) -> bytes:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "read_bytes", denied)
        assert refusal("a.txt") == "'a.txt' cannot be read: Permission denied."


class TestJson:
    @pytest.mark.parametrize("name", ["a.json", "A.JSON"])
    def test_is_parsed(self, file, name):
        assert read_task(file(name, b'\xef\xbb\xbf{"a": [1, null]}'), None) == {"a": [1, None]}

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            (b"", "Expecting value, line 1, column 1"),
            (b'{\n  "a": tru\n}', "Expecting value, line 2, column 8"),
            (b"1 2", "Extra data, line 1, column 3"),
            (b"[NaN]", "it has no NaN"),
            (b"9" * 5000, "Exceeds the limit"),
        ],
        ids=["empty", "word", "two", "nan", "huge"],
    )
    def test_that_is_broken_is_refused_with_the_place(self, file, text, what):
        assert refusal(file("a.json", text)).startswith(f"'a.json' is not JSON: {what}")

    def test_that_is_nested_too_deep_is_refused(self, file):
        assert refusal(file("a.json", b"[" * 200_000)) == "'a.json' is nested too deep to be read."

    def test_a_line_of_json_lines_is_the_task(self, file):
        assert read_task(file("a.jsonl", '\n "a\u2028b"\r\n\n'.encode()), None) == "a\u2028b"

    def test_several_lines_are_several_tasks_and_one_is_wanted(self, file):
        assert refusal(file("a.jsonl", b"1\n2\n")) == "'a.jsonl' holds 2 tasks, a line each, and one is wanted."

    def test_no_line_is_no_task(self, file):
        assert refusal(file("a.jsonl", b"\n \n")) == "'a.jsonl' holds no task, a line each, and one is wanted."

    def test_a_broken_line_is_refused_with_its_place_in_the_file(self, file):
        # Not [1,]: Python 3.13 points at the comma, and those before it at what follows.
        assert refusal(file("a.jsonl", b"\n\n[1 2]\n")).endswith("line 3, column 4.")

    def test_parse_json_of_a_value(self):
        assert parse_json("-5", "--value") == -5


class TestWhere:
    def test_a_value_is_json(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", Stdin(b"not read"))
        assert read_task(None, '{"a": 1}') == {"a": 1}

    def test_a_broken_value(self):
        assert refusal(None, "a") == "--value is not JSON: Expecting value, line 1, column 1."

    def test_a_path_and_a_value_are_one_too_many(self):
        assert refusal("a.txt", "1") == "there are two inputs, 'a.txt' and --value: give one of them."

    @pytest.mark.parametrize("path", [None, "-"])
    def test_stdin(self, monkeypatch, path):
        monkeypatch.setattr("sys.stdin", Stdin("β".encode()))
        assert read_task(path, None) == "β"

    def test_a_dash_reads_a_terminal_too(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", Stdin(b"typed", terminal=True))
        assert read_task("-", None) == "typed"

    def test_a_terminal_is_not_waited_for(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", Stdin(b"typed", terminal=True))
        assert refusal(None) == "there is no input: name a file, give --value JSON, or pipe something in."

    def test_a_closed_stdin_is_no_input(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", None)
        assert refusal(None).startswith("there is no input")
        assert refusal("-") == "standard input is closed: name a file, or give --value JSON."

    def test_a_stdin_that_cannot_be_read(self, monkeypatch, tmp_path):
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise IsADirectoryError(21, "Is a directory")

        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Broken()))
        assert refusal("-") == "standard input cannot be read: Is a directory."
