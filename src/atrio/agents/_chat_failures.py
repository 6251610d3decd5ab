"""How models fail, beside how endpoints do."""

from collections.abc import Iterable
from typing import Any

from atrio.agents._failures import DataProblem, EndpointError, InvalidDataError


class InvalidAnswerError(EndpointError):
    """A model answered with JSON that is not what it was asked for, and did so again when it was shown what was wrong.

    It is worth another attempt.

    Args:
        message: who answered, in a sentence.
        problems: what is wrong with the answer.

    Attributes:
        problems: the same, as a tuple.
    """

    def __init__(self, message: str, problems: Iterable[DataProblem] = ()) -> None:
        self.problems: tuple[DataProblem, ...] = tuple(problems)
        super().__init__(message)
        self.args: tuple[Any, ...] = (message, self.problems)

    def __str__(self) -> str:
        return str(InvalidDataError(*self.args))
