"""Files that are replaced as a whole or not at all, by one process at a time."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from atrio.config import files
from atrio.config.files import create, rewrite


def lengthened(content):
    return content + b"more\n"


def names_in(directory):
    return sorted(each.name for each in directory.iterdir())


@contextmanager
def locked(directory):
    """Hold the lock of a directory, as another process would."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"first\n")
    return file


def test_a_file_is_replaced_by_what_the_change_makes_of_it(path):
    rewrite(path, lengthened)
    rewrite(path, lengthened)
    assert path.read_bytes() == b"first\nmore\nmore\n"
    assert names_in(path.parent) == ["file"]


def test_whoever_has_it_open_goes_on_reading_the_old_content(path):
    with path.open("rb") as file:
        rewrite(path, lengthened)
        assert file.read() == b"first\n"


def test_a_change_that_raises_leaves_everything_as_it_was(path):
    with pytest.raises(ZeroDivisionError):
        rewrite(path, lambda content: content * (1 // 0))
    assert path.read_bytes() == b"first\n"
    assert names_in(path.parent) == ["file"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o755])
def test_permissions_stay(path, mode):
    path.chmod(mode)
    rewrite(path, lengthened)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_the_owner_stays(path):
    os.chown(path, 65534, 65533)
    rewrite(path, lengthened)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65533)


def test_an_owner_that_it_cannot_be_given_to_is_no_failure(path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    rewrite(path, lengthened)
    assert path.read_bytes() == b"first\nmore\n"


def test_what_few_may_read_is_readable_for_nobody_else_meanwhile(path, monkeypatch):
    path.chmod(0o600)
    modes = []
    monkeypatch.setattr(os, "fchown", lambda descriptor, *_: modes.append(os.fstat(descriptor).st_mode & 0o077))
    rewrite(path, lengthened)
    assert set(modes) == {0}


def test_symbolic_links_stay_links(path, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to("../second")
    (tmp_path / "second").symlink_to(path)
    rewrite(tmp_path / "a" / "link", lengthened)
    assert path.read_bytes() == b"first\nmore\n"
    assert (tmp_path / "a" / "link").readlink() == Path("../second")
    assert (tmp_path / "second").readlink() == path
    assert names_in(tmp_path / "a") == ["link"]


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_link_to_nothing_is_an_error(tmp_path, target):
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(OSError, match=r"No such file|Too many levels"):
        rewrite(tmp_path / "link", lengthened)
    assert names_in(tmp_path) == ["link"]


def test_what_is_no_file_is_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is no file, but a directory, a pipe or a device"):
            rewrite(path, lengthened)


def test_what_a_killed_process_left_is_cleared_away(path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        patched.setattr(Path, "replace", lambda *_: None)
        rewrite(path, lengthened)
    assert len(names_in(path.parent)) == 2
    rewrite(path, lengthened)
    assert names_in(path.parent) == ["file"]
    assert path.read_bytes() == b"first\nmore\n"


def test_a_file_is_created_once(tmp_path):
    create(tmp_path / "new", b"first")
    with pytest.raises(FileExistsError):
        create(tmp_path / "new", b"second")
    assert (tmp_path / "new").read_bytes() == b"first"
    assert names_in(tmp_path) == ["new"]
    umask = os.umask(0o022)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~umask


def test_a_link_to_nowhere_is_not_written_through(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        create(tmp_path / "link", b"first")
    assert names_in(tmp_path) == ["link"]


def test_nothing_is_created_where_there_is_no_directory(tmp_path):
    with pytest.raises(FileNotFoundError):
        create(tmp_path / "none" / "new", b"first")


def test_a_directory_that_others_keep_locked_is_an_error(path):
    for write in (lambda: rewrite(path, lengthened, patience=0.02), lambda: create(path, b"", patience=0)):
        with (
            locked(path.parent),
            pytest.raises(TimeoutError, match=r"^another process has had its directory locked for 0(\.02)? s$"),
        ):
            write()
    assert path.read_bytes() == b"first\n"


def test_a_lock_that_is_given_up_is_waited_for(path, monkeypatch):
    holder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            fcntl.flock(holder, fcntl.LOCK_UN)

    monkeypatch.setattr(files.time, "sleep", wait)
    rewrite(path, lengthened)
    os.close(holder)
    assert path.read_bytes() == b"first\nmore\n"
    assert len(waits) == 3


def test_a_file_system_that_keeps_no_directories_is_no_failure(path, monkeypatch):
    fsync = os.fsync

    def refuse_directories(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_directories)
    rewrite(path, lengthened)
    assert path.read_bytes() == b"first\nmore\n"


def test_content_and_name_outlast_a_failure_of_power(tmp_path, monkeypatch):
    steps = []

    def note(name, original):
        def step(*args, **options):
            steps.append(name)
            return original(*args, **options)

        return step

    def fsync(descriptor):
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        assert is_directory or os.fstat(descriptor).st_size == len(b"content")
        steps.append("directory kept" if is_directory else "content kept")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", note("named", os.link))
    monkeypatch.setattr(Path, "replace", note("named", Path.replace))
    create(tmp_path / "new", b"content")
    rewrite(tmp_path / "new", lambda _: b"CONTENT")
    assert steps == ["content kept", "named", "directory kept"] * 2


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_is_no_failure(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    create(tmp_path / "new", b"first")
    with pytest.raises(FileExistsError):
        create(tmp_path / "new", b"second")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        create(tmp_path / "link", b"second")
    assert (tmp_path / "new").read_bytes() == b"first"
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        create(tmp_path / "other", b"first")
    assert names_in(tmp_path) == ["link", "new"]


def test_what_a_link_may_not_be_made_for_is_not_created(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="No space left"):
        create(tmp_path / "new", b"first")
    assert names_in(tmp_path) == []


def test_a_rename_does_not_get_around_write_protection(path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda file, mode: (file, mode) != (path, os.W_OK))
    with pytest.raises(PermissionError, match="it is write-protected"):
        rewrite(path, lengthened)
    assert path.read_bytes() == b"first\n"


WITHOUT_SPACE = """
import resource, sys
from pathlib import Path
from atrio.config.files import create, rewrite
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
path = Path(sys.argv[1])
for write in (lambda: rewrite(path, lambda content: content * 100), lambda: create(path.with_name("new"), bytes(101))):
    try:
        write()
    except OSError as error:
        print(error.strerror)
"""


def test_a_file_that_there_is_no_space_for_changes_nothing(path):
    ended = subprocess.run([sys.executable, "-c", WITHOUT_SPACE, path], check=True, capture_output=True, text=True)
    assert ended.stdout == f"{os.strerror(errno.EFBIG)}\n" * 2
    assert path.read_bytes() == b"first\n"
    assert names_in(path.parent) == ["file"]


WITHOUT_PERMISSION = """
import os, sys
from pathlib import Path
from atrio.config.files import create, rewrite
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
path = Path(sys.argv[1])
path.parent.mkdir()
path.write_bytes(b"first")
path.chmod(0o444)
def attempt(write):
    try:
        write()
    except PermissionError as error:
        print(error.strerror)
attempt(lambda: rewrite(path, lambda content: content * 2))
path.chmod(0o644)
path.parent.chmod(0o555)
attempt(lambda: rewrite(path, lambda content: content * 2))
attempt(lambda: create(path.with_name("new"), b"new"))
print(os.listdir(path.parent), path.read_bytes())
path.parent.chmod(0o755)
"""


def test_what_is_write_protected_stays_as_it_is():
    # Not below pytest's directory, which is its owner's alone.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        command = [sys.executable, "-c", WITHOUT_PERMISSION, Path(directory, "inner", "file")]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "it is write-protected",
        "Permission denied",
        "Permission denied",
        "['file'] b'first'",
    ]


KILLED_AT_EACH_STEP = """
import os, signal, sys
from pathlib import Path
from atrio.config import files
directory = Path(sys.argv[1])
old, new = b"old" * 1000, b"new" * 2000
steps = 0
def tracing(number):
    # Ends the process before the line of the module that is the n-th to be run.
    left = [number]
    def trace(frame, event, _):
        if frame.f_code.co_filename != files.__file__:
            return None
        if event == "line":
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace
for write, before in ((lambda path: files.rewrite(path, lambda _: new), old), (lambda p: files.create(p, new), None)):
    contents, number, status = [], 0, None
    while status != 0:
        number += 1
        path = directory / f"file-{steps}-{number}"
        if before:
            path.write_bytes(before)
        pid = os.fork()
        if not pid:
            sys.settrace(tracing(number))
            write(path)
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        assert status in (0, signal.SIGKILL), status
        contents.append(path.read_bytes() if path.exists() else None)
        assert contents[-1] in (before, new)
        if path.exists():
            files.rewrite(path, lambda _: b"next")
        else:
            files.create(path, b"next")
        assert path.read_bytes() == b"next"
        assert os.listdir(directory) == [path.name], os.listdir(directory)
        path.unlink()
    steps += number
    assert contents == sorted(contents, key=lambda each: each == new) and {before, new} == set(contents)
    assert number > 15, number
print(steps)
"""


def test_a_process_that_is_killed_at_any_step_leaves_the_old_content_or_the_new(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_STEP, tmp_path], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout) > 40
