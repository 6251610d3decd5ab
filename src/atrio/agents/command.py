"""An agent that runs a program: `CommandRunner`."""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final

import trio

from atrio._validation import check_at_least, check_count
from atrio.agents._failures import CommandError, CommandNotStartedError, shown
from atrio.agents._jsonable import Json, decoded, encoded, weight_of
from atrio.agents._offload import INLINE_BELOW, Poll, compute
from atrio.agents._processes import Ended, run

_THREADS: Final = 2
_SHOWN_STDERR: Final = 500


class CommandRunner:
    """An agent that gives data to a program, as a line of JSON on stdin, and takes the JSON that it writes to stdout.

    The program and its arguments are those of the configuration: data is nothing but its input. There is no shell,
    so that ``*``, ``$`` and ``;`` are characters like others. What else it reads, its current directory and its
    environment, are this process's where nothing else is said.

    It runs in a process group of its own, which ends with it: what it started and left behind is killed. When the
    stage's time is up, or the run is cancelled, the group gets SIGTERM; once the program has ended, or when ``grace``
    seconds have passed, what is left of the group gets SIGKILL. A descendant that leaves the group (``setsid``, as
    daemons do) is not followed.

    Args:
        command: the program, found as the shell would, and its arguments, as in ``["jq", "-c", ".orders"]``.
        cwd: the directory that it runs in; None for the current one.
        environment: environment variables that are added to those of this process, or replace them.
        max_output: bytes that it may write to stdout. Beyond them it is stopped, and has failed.
        grace: seconds from SIGTERM to SIGKILL, 0 or more.

    Raises:
        TypeError: If an argument is of another type; a string is no command.
        ValueError: If ``command`` is empty, or a number is out of its range.
    """

    agent_id: str = "command_runner"

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        max_output: int = 10_000_000,
        grace: float = 2.0,
    ) -> None:
        self._command = _checked_command(command)
        self._cwd = None if cwd is None else _checked_text(cwd, "cwd")
        self._environment = _checked_environment(environment)
        check_count(max_output, "max_output")
        self._max_output = max_output
        self._grace = check_at_least(grace, "grace", 0)
        self._limiter = trio.CapacityLimiter(_THREADS)

    def __repr__(self) -> str:
        # Arguments may have secrets in them, as the environment may.
        return f"<CommandRunner of {self._program}>"

    @property
    def _program(self) -> str:
        return shown(self._command[0])

    async def process(self, data: object, /) -> Json:
        """Return what the program makes of ``data``; None if it writes nothing.

        Raises:
            InvalidDataError: If ``data`` cannot be written as JSON.
            CommandError: If the program ends with another code than 0, or writes too much, or what is no JSON. The end
                of what it wrote to stderr is in the message.
            CommandNotStartedError: If there is no such program or directory, or it may not be run.
        """
        size = weight_of(data, INLINE_BELOW)
        given = await compute(lambda poll: encoded(data, poll), size, self._limiter)
        ended = await self._run(given)
        self._check(ended)
        try:
            return await compute(lambda poll: _meant(ended.stdout, poll), len(ended.stdout), self._limiter)
        except ValueError as error:
            why = f"{self._program} wrote what is no JSON: {error}"
        raise CommandError(f"{why}{_told(ended.stderr)}", ended.exit_code, _text(ended.stderr))

    async def _run(self, given: bytes) -> Ended:
        environment = {**os.environ, **self._environment} if self._environment else None
        try:
            return await run(
                self._command,
                given + b"\n",  # as programs that read lines expect
                cwd=self._cwd,
                environment=environment,
                max_output=self._max_output,
                grace=self._grace,
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            # The file at fault is the directory, where that is not there.
            what = shown(str(error.filename or self._command[0]))
            raise CommandNotStartedError(f"{self._program} cannot be run: {what}: {error.strerror}") from error
        except OSError as error:
            raise CommandError(f"{self._program} cannot be run: {error.strerror}") from error

    def _check(self, ended: Ended) -> None:
        if ended.is_cut:
            why = f"{self._program} wrote more than {self._max_output:,} bytes, and was stopped"
        elif ended.exit_code < 0:
            why = f"{self._program} was ended by {_signal_name(-ended.exit_code)}"
        elif ended.exit_code:
            why = f"{self._program} ended with exit code {ended.exit_code}"
        else:
            return
        raise CommandError(f"{why}{_told(ended.stderr)}", ended.exit_code, _text(ended.stderr))


def _meant(stdout: bytes, poll: Poll) -> Json:
    return decoded(stdout, poll) if stdout.strip() else None


def _text(stderr: bytes) -> str:
    return stderr.decode(errors="replace")


def _told(stderr: bytes) -> str:
    told = _text(stderr).strip()
    if not told:
        return ""
    return f"; its stderr ends with: {shown(told[-_SHOWN_STDERR:], _SHOWN_STDERR)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _checked_text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{what} must not have a NUL character in it")
    return value


def _checked_command(command: object) -> tuple[str, ...]:
    right = "a list, the program and each of its arguments, as in ['jq', '-c', '.orders']"
    if isinstance(command, str) or not isinstance(command, Sequence):
        hint = "; there is no shell to take a string apart" if isinstance(command, str) else ""
        raise TypeError(f"command must be {right}, not {type(command).__name__}{hint}")
    words = tuple(_checked_text(word, "each of command") for word in command)
    if not words or not words[0].strip():
        raise ValueError(f"command must be {right}; it is empty")
    return words


def _checked_environment(environment: object) -> dict[str, str]:
    if environment is None:
        return {}
    if not isinstance(environment, Mapping):
        raise TypeError(f"environment must be a mapping of names to values, not {type(environment).__name__}")
    checked: dict[str, str] = {}
    for name, value in environment.items():
        key = _checked_text(name, "each name in environment")
        if not key or "=" in key:
            raise ValueError(f"each name in environment must be that of a variable, not {key!r}")
        checked[key] = _checked_text(value, f"environment[{key!r}]")
    return checked
