"""Where logs are read from: files, rotated and compressed ones, streams, and what is no log."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_cases import events_of_run, lines_of

from atrio import AtrioError
from atrio.logs import UnreadableLogError, check, summarise
from atrio.logs import _sources as sources


@pytest.fixture
def lines():
    return lines_of(events_of_run(stages=6))


def write(path, *lines, packed=False):
    data = b"".join(lines)
    path.write_bytes(gzip.compress(data) if packed else data)


class TestRotated:
    def test_files_are_read_oldest_first(self, tmp_path, lines):
        names = ["log-20260130.gz", "log-20260131", "log.10.gz", "log.9.gz", "log.2", "log.1", "log"]
        for number, name in enumerate(names):
            write(tmp_path / name, *lines[2 * number : 2 * number + 2], packed=name.endswith(".gz"))
        write(tmp_path / "log.2.gz", b"half done")
        for other in ("log.old", "log2", "other.1", "log.1.bak", "log-", "xlog.1"):
            write(tmp_path / other, b"{}\n")
        report = check(tmp_path / "log", rotated=True)
        assert [Path(name).name for name in report.files] == names
        assert (report.ok, report.out_of_order, report.events) == (True, 0, len(lines))
        assert summarise(tmp_path / "log", rotated=True).pipelines["p"].count == 1

    def test_are_left_alone_if_nobody_asks(self, tmp_path, lines):
        write(tmp_path / "log", *lines)
        write(tmp_path / "log.1", b"{\n")
        assert check(tmp_path / "log").files == (str(tmp_path / "log"),)

    def test_a_log_that_was_not_begun_anew_is_left_out(self, tmp_path, lines):
        write(tmp_path / "log.1", *lines)
        assert check(tmp_path / "log", rotated=True).files == (str(tmp_path / "log.1"),)

    def test_in_the_current_directory(self, tmp_path, lines, monkeypatch):
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "log.1", *lines[:5])
        write(tmp_path / "log", *lines[5:])
        assert check("log", rotated=True).files == ("log.1", "log")

    def test_of_a_log_that_is_not_there(self, tmp_path):
        with pytest.raises(UnreadableLogError, match=r"'.*/log' cannot be read: No such file"):
            check(tmp_path / "log", rotated=True)
        with pytest.raises(UnreadableLogError, match=r"'.*/none/log' cannot be read: No such file"):
            check(tmp_path / "none" / "log", rotated=True)

    def test_a_stream_has_none(self, lines):
        assert check(io.BytesIO(b"".join(lines)), rotated=True).files == ("-",)


class TestCompressed:
    def test_by_its_content_whatever_its_name(self, tmp_path, lines):
        write(tmp_path / "log", *lines, packed=True)
        assert check(tmp_path / "log").events == len(lines)

    def test_by_its_content_however_little_comes_at_once(self, lines):
        class Drip(io.BytesIO):
            def read1(self, size):
                return super().read1(1)

        assert check(Drip(gzip.compress(b"".join(lines)))).events == len(lines)

    def test_put_together_and_filled_up(self, tmp_path, lines):
        packed = b"".join(map(gzip.compress, lines)) + b"\0" * 1000
        (tmp_path / "log.gz").write_bytes(packed)
        assert check(tmp_path / "log.gz").events == len(lines)
        assert check(io.BytesIO(packed)).events == len(lines)

    def test_in_parts_that_end_where_a_chunk_does(self, tmp_path, lines, monkeypatch):
        first = gzip.compress(b"".join(lines[:5]))
        monkeypatch.setattr(sources, "_CHUNK", len(first))
        for between in (b"", b"\0" * 2 * len(first)):
            (tmp_path / "log.gz").write_bytes(first + between + gzip.compress(b"".join(lines[5:])))
            assert check(tmp_path / "log.gz").events == len(lines)

    def test_to_very_little(self, tmp_path, lines):
        line = lines[0].removesuffix(b"}\n") + b',"x":"' + b"x" * 900_000 + b'"}\n'
        (tmp_path / "log.gz").write_bytes(gzip.compress(line * 20))
        assert check(tmp_path / "log.gz").repeated == 19

    @pytest.mark.parametrize("size", [2, 9, 20, 200, -30, -1])
    def test_and_cut_off_are_read_up_to_there(self, tmp_path, lines, size):
        path = tmp_path / "log.gz"
        path.write_bytes(gzip.compress(b"".join(lines))[:size])
        report, summary = check(path), summarise(path)
        assert (report.ok, report.cut_off, summary.cut_off) == (False, (str(path),), (str(path),))
        assert (report.invalid, report.missing, report.foreign) == (0, 0, 0)
        assert report.lines == summary.lines == report.events + len(report.torn)
        assert len(report.torn) == summary.torn
        if size == -1:  # of its sum alone
            assert (report.events, report.torn) == (len(lines), ())
        if size == -30:
            assert 0 < report.events < len(lines)
            assert report.torn == (f"{path}:{report.lines}",)

    def test_and_cut_off_before_others(self, tmp_path, lines):
        first = gzip.compress(b"".join(lines[:5]))
        (tmp_path / "log.1.gz").write_bytes(first[:-4])
        write(tmp_path / "log", *lines[5:])
        report = check(tmp_path / "log", rotated=True)
        assert (report.events, report.problem_count, report.ok) == (len(lines), 0, False)
        assert check(tmp_path / "log").cut_off == ()

    def test_and_damaged(self, tmp_path, lines):
        packed = bytearray(gzip.compress(b"".join(lines)))
        packed[30] ^= 255
        (tmp_path / "log.gz").write_bytes(packed)
        with pytest.raises(
            UnreadableLogError, match=r"^'.*/log.gz' is compressed, and damaged: it cannot be unpacked$"
        ):
            summarise(tmp_path / "log.gz")

    def test_with_something_else_behind_it(self, tmp_path, lines):
        (tmp_path / "log.gz").write_bytes(gzip.compress(b"".join(lines)) + b"tail")
        with pytest.raises(UnreadableLogError, match="damaged"):
            check(tmp_path / "log.gz")


class TestWhatIsNoLog:
    @pytest.mark.parametrize("read", [check, summarise])
    def test_is_refused_in_a_sentence(self, tmp_path, read):
        (tmp_path / "binary").write_bytes(b"\x7fELF\0\0\0\n\0" * 100)
        for name, why in [
            ("", "cannot be read: Is a directory"),
            ("none", "cannot be read: No such file or directory"),
            ("binary", "is binary data, and a log has a JSON object a line"),
        ]:
            path = str(tmp_path / name)
            with pytest.raises(UnreadableLogError) as caught:
                read(path)
            assert str(caught.value) == f"{path!r} {why}"
        assert issubclass(UnreadableLogError, AtrioError)

    def test_an_unreadable_stream(self):
        class Broken(io.BytesIO):
            def read1(self, size):
                raise OSError(5, "Input/output error")

        with pytest.raises(UnreadableLogError, match="'-' cannot be read: Input/output error"):
            check(Broken())

    def test_a_hole_is_no_sign_of_binary_data(self, lines):
        report = check(io.BytesIO(b"\0" * 5000 + b"".join(lines)))
        assert (report.invalid, report.events) == (1, len(lines) - 1)
        report = check(io.BytesIO(b"\0" * 500_000 + b"\n" + b"".join(lines)))
        assert (report.foreign, report.events) == (1, len(lines))


@given(sizes=st.lists(st.integers(1, 2000), max_size=30), data=st.data())
def test_lines_do_not_depend_on_how_they_are_read(sizes, data):
    written = b"".join(lines_of(events_of_run(stages=3))) + data.draw(st.binary(max_size=20))

    class Drip(io.BytesIO):
        left = iter(sizes)

        def read1(self, size):
            return super().read1(min(size, next(self.left, 7)))

    assert check(Drip(written)) == check(io.BytesIO(written))


@given(st.lists(st.binary(max_size=300) | st.integers(0, 99).map(bytes), max_size=4), st.integers(1, 50), st.data())
def test_what_was_compressed_comes_back(parts, size, data):
    packed = b"".join(map(gzip.compress, [b"", *parts])) + bytes(data.draw(st.integers(0, 99)))
    chunks = iter([packed[place : place + size] for place in range(0, len(packed), size)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sources, "_CHUNK", data.draw(st.integers(1, 50)))
        assert b"".join(sources._inflated("x", next(chunks), chunks)) == b"".join(parts)
