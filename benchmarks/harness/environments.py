"""The rivals' environments: a virtual environment each, made when it is first asked for, kept while its pins stay."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
FOLDER = BENCHMARKS / ".environments"
VERSIONS = BENCHMARKS / "rivals" / "versions.toml"

EVERY = "every"
STAMP = "stamp.json"
INSTALL_LIMIT_S = 900.0

_FROZEN = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
# What pip says at its end that is no reason.
_CHATTER = ("[notice]", "WARNING:", "DEPRECATION:")


class NotInstallableError(Exception):
    """An environment could not be made; its message is why."""


Runner = Callable[[Sequence[str], float], str]


def run(command: Sequence[str], limit_s: float) -> str:
    """Run a command and return what it printed; it and all that it started are ended if it takes too long.

    Raises:
        NotInstallableError: it failed, or took too long.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise NotInstallableError(f"not installed within {limit_s:g} s") from None
    finally:
        if process.poll() is None:
            # pip starts compilers and the like, which would go on without it.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise NotInstallableError(reason_of(out, err) or f"exit code {process.returncode}")
    return out


def reason_of(out: str, err: str) -> str:
    """Return the last line that says what went wrong; empty if none does."""
    lines = [line.strip() for line in (*out.splitlines(), *err.splitlines())]
    lines = [line for line in lines if line and not line.startswith(_CHATTER)]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [""])[-1]


class Environments:
    """The rivals' environments.

    Args:
        folder: where they are; made if need be.
        versions: the file that says what is in each.
        run: runs a command within so many seconds; returns its output or raises `NotInstallableError`.
    """

    def __init__(self, folder: Path = FOLDER, versions: Path = VERSIONS, run: Runner = run) -> None:
        self._folder = folder
        self._run = run
        self._pins = tomllib.loads(versions.read_text(encoding="utf-8"))
        self._ready: dict[str, Path] = {}
        self._refused: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """The environments that there can be."""
        return [name for name in self._pins if name != EVERY]

    def requirements(self, name: str) -> list[str]:
        """Return what is installed in an environment, as pip has it.

        Raises:
            NotInstallableError: nobody has pinned anything for it.
        """
        if name not in self.names:
            raise NotInstallableError(f"there are no versions pinned for {name}")
        return [*self._pins[EVERY], *self._pins[name]["requires"]]

    def python_of(self, name: str) -> Path:
        """Return the interpreter of an environment, which is made if it is not there or its pins have changed.

        Raises:
            NotInstallableError: it cannot be made; it is not tried again by this object.
        """
        if name in self._refused:
            raise NotInstallableError(self._refused[name])
        if name not in self._ready:
            try:
                self._ready[name] = self._made(name)
            except NotInstallableError as error:
                self._refused[name] = str(error)
                raise
        return self._ready[name]

    def frozen(self, name: str) -> dict[str, str]:
        """Return the exact version of each distribution in an environment, by its name."""
        return json.loads(self._run([str(self.python_of(name)), "-c", _FROZEN], INSTALL_LIMIT_S))

    def _made(self, name: str) -> Path:
        requirements = self.requirements(name)
        stamp = json.dumps({"python": platform.python_version(), "requires": requirements}, indent=2)
        target = self._folder / name
        python = target / "bin" / "python"
        self._folder.mkdir(parents=True, exist_ok=True)
        # Two runs at once make each environment once: the second one waits, and finds it made.
        with _locked(self._folder / f".{name}.lock"):
            if not (python.exists() and _text_of(target / STAMP) == stamp):
                self._install(target, requirements, stamp)
        return python

    def _install(self, target: Path, requirements: Sequence[str], stamp: str) -> None:
        # Made under another name, so that an install that was cut short is never taken for an environment. Scripts of
        # the environment would miss their interpreter after the renaming; nobody calls them.
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            self._run([sys.executable, "-m", "venv", str(partial)], INSTALL_LIMIT_S)
            pip = [str(partial / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            self._run([*pip, "--no-input", *requirements], INSTALL_LIMIT_S)
            (partial / STAMP).write_text(stamp, encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        flock(file, LOCK_EX)
        yield
