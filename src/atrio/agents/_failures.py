"""How the ready-made agents fail. Nothing here needs the extra."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from atrio.errors import AtrioError

_LONGEST: Final = 200
_SHOWN_PROBLEMS: Final = 5


def shown(text: str, longest: int = _LONGEST) -> str:
    """Return text from outside as one line that can do no harm: no control characters, and not too long."""
    head = text if len(text) <= longest else f"{text[:longest]}..."
    if head.isprintable():
        return head
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in head)


class DataProblem(NamedTuple):
    """One thing that is wrong with data.

    Attributes:
        pointer: where it is, as a JSON Pointer (RFC 6901); empty for the data as a whole. Control characters are
            written as escapes, and keys of more than 200 characters are cut.
        message: what is wrong. It never has the value in it, which may be secret, or very large.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{shown(self.pointer)}: {self.message}" if self.pointer else self.message


class InvalidDataError(AtrioError, TypeError):
    """The data is not what the agent takes, and would not be at the next attempt.

    It is a TypeError, so that a stage does not try again.

    Args:
        message: what was expected, in a sentence.
        problems: what is wrong with the data, where that is known.

    Attributes:
        problems: the same, as a tuple.
    """

    def __init__(self, message: str, problems: Iterable[DataProblem] = ()) -> None:
        self.problems: tuple[DataProblem, ...] = tuple(problems)
        super().__init__(message, self.problems)

    def __str__(self) -> str:
        told = [str(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        more = len(self.problems) - len(told)
        if more:
            told.append(f"and {more} more")
        return ": ".join(filter(None, (str(self.args[0]), "; ".join(told))))


class _AnsweredError(AtrioError):
    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, status, retry_after)
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class EndpointError(_AnsweredError):
    """An endpoint gave an answer that is none: it is overloaded, it failed, or what it said cannot be read.

    It is worth another attempt. Where the endpoint could not be reached at all, that is a plain ``ConnectionError``,
    and where it took too long a ``TimeoutError``.

    Args:
        message: what happened, in a sentence.
        status: the HTTP status, or None if it was not the status that was wrong.
        retry_after: seconds after which the endpoint wants to be asked again, or None if it did not say. A stage waits
            at least as long before its next attempt.
    """


class EndpointRefusedError(_AnsweredError, TypeError):
    """An endpoint refused the request, or gave an answer that is not accepted, and would do so at the next attempt.

    It is a TypeError, so that a stage does not try again; and no `EndpointError`, so that who retries those, or lets
    them open a circuit breaker, does not mean this one.

    Args:
        message: what happened, in a sentence.
        status: the HTTP status, or None if it was not the status that was wrong.
        retry_after: seconds after which the endpoint wants to be asked again, where that is too long.
    """


class _ProgramError(AtrioError):
    def __init__(self, message: str, exit_code: int | None = None, stderr: str = "") -> None:
        super().__init__(message, exit_code, stderr)
        self.exit_code = exit_code
        self.stderr = stderr

    def __str__(self) -> str:
        return str(self.args[0])


class CommandError(_ProgramError):
    """A program failed, or did not give what it was to give.

    Args:
        message: what happened, in a sentence.
        exit_code: the program's; negative for the signal that ended it. None if it never ran.
        stderr: the end of what it wrote there, as it is.
    """


class CommandNotStartedError(_ProgramError, TypeError):
    """A program cannot be run at all: it is not there, or is no program.

    It is a TypeError, so that a stage does not try again; and no `CommandError`.

    Args:
        message: what happened, in a sentence.
        exit_code: None.
        stderr: empty.
    """
