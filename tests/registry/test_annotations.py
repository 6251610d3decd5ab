"""What an agent's annotations say, and what fits them."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import pytest

from atrio.registry.annotations import UNKNOWN, Unknown, fits, gives_of, shown, takes_of

if TYPE_CHECKING:
    from decimal import Decimal

Id = NewType("Id", str)
Text = TypeVar("Text", bound=str)
Either = TypeVar("Either", str, bytes)
Whatever = TypeVar("Whatever")


class Base: ...


class Derived(Base): ...


class Row(TypedDict):
    name: str


class Unaskable(Protocol):
    def shout(self) -> str: ...


FITTING = [
    (str, str),
    (Derived, Base),
    (str, object),
    (str, Any),
    (bool, int),
    (int, float),
    (float, complex),
    (bool, float),
    (str, str | None),
    (None, str | None),
    (None, type(None)),
    (str, Optional[str]),  # noqa: UP045 - older code has it
    (str | int, Union[int, str, bytes]),  # noqa: UP007 - the same
    (list[int], list),
    (list, list[int]),
    (list[int], list[int]),
    (list[int], Sequence[float]),
    (list[Any], list[int]),
    (dict[str, int], Mapping[str, Any]),
    (tuple[int, ...], tuple[int, ...]),
    (str, Iterable),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Annotated[str, "doc"], str),
    (str, Annotated[str, "doc"]),
    (Id, str),
    (Id, Id),
    (str, Text),
    (Text, str),
    (bytes, Either),
    (str, Whatever),
    (Row, Row),
    (Row, dict),
    (Unaskable, Unaskable),
    (list[Annotated[int, {"a": 1}]], list[Annotated[int, {"a": 1}]]),
    (list[Annotated[int, {"a": 1}]], list[int]),
    (Callable[[int], str], Callable[[int], str]),
    (Callable[[object], bool], Callable[[int], int]),
    (Callable[[int], str], Callable[..., str]),
    (dict[str, int], Mapping),
]

UNFITTING = [
    (str, int),
    (Base, Derived),
    (object, str),
    (Any, str),
    (float, int),
    (str | None, str),
    (None, str),
    (list[str], list[int]),
    (list, tuple),
    (Mapping[str, int], dict[str, int]),
    (str, Literal["a"]),
    (Literal["a", 1], str),
    (Literal["a", "c"], Literal["a", "b"]),
    (str, Id),
    (int, Text),
    (int, Either),
    (Either, str),
    (Whatever, str),
    (dict, Row),
    (str, Unaskable),
    (str, Callable[[int], str]),
    (str, "nonsense"),
    (list[Annotated[int, {"a": 1}]], list[str]),
    (Callable[[str], str], Callable[[int], str]),
    (Callable[[int], str], Callable[[object], str]),
    (Callable[[int], str], Callable[[int, int], str]),
    (Callable[[int], str], Callable[[int], int]),
]


@pytest.mark.parametrize(("given", "taken"), FITTING)
def test_it_fits(given, taken):
    assert fits(given, taken)


@pytest.mark.parametrize(("given", "taken"), UNFITTING)
def test_it_does_not(given, taken):
    assert not fits(given, taken)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no `type` statements yet")
def test_names_of_types_are_looked_through():
    names = {}
    exec("type Name = str | None", names)  # noqa: S102 - a syntax error for older Pythons
    assert fits(str, names["Name"])
    assert not fits(int, names["Name"])


class Agent:
    async def process(self, data: Base) -> Derived: ...


class Generic:
    async def process(self, data: list[int], /) -> dict[str, Base] | None: ...


class Bare:
    async def process(self, data): ...


class Half:
    async def process(self, data: str) -> Decimal: ...


class Caller:
    async def __call__(self, data: str) -> int: ...


class NoArgument:
    async def process(): ...


def logged(function):
    @wraps(function)
    async def call(*arguments):
        return await function(*arguments)

    return call


class Wrapped:
    @logged
    async def process(self, data: str) -> int: ...


@dataclass
class Data:
    data: bytes = b""

    async def __call__(self, data: str) -> int: ...


One, Two = TypeVar("One"), TypeVar("Two")


class Many(typing.Generic[One]):
    async def process(self, data: One) -> list[One]: ...


class Numbers(Many[int]):
    pass


class Pairs(typing.Generic[One, Two]):
    async def process(self, data: dict[One, Two] | None) -> Callable[[Two], One]: ...


class Swapped(Pairs[Two, One]):
    pass


class Named(Swapped[bytes, str]):
    pass


class Unsaid(Many):
    pass


class Unbound(Swapped[One, str]):
    pass


class Own(Many[int]):
    async def process(self, data: str) -> str: ...


class Several:
    async def process(self, first: str, second: int) -> bytes: ...


@pytest.mark.parametrize(
    ("process", "taken", "given"),
    [
        (Agent().process, Base, Derived),
        (Generic().process, list[int], dict[str, Base] | None),
        (Bare().process, UNKNOWN, UNKNOWN),
        (Half().process, str, Unknown("'Decimal' cannot be resolved: name 'Decimal' is not defined")),
        (Data(), str, int),
        (Numbers().process, int, list[int]),
        (Named().process, dict[bytes, str] | None, Callable[[str], bytes]),
        (Unsaid().process, UNKNOWN, UNKNOWN),
        (Unbound().process, UNKNOWN, UNKNOWN),
        (Own().process, str, str),
        (partial(Several().process, "x"), int, bytes),
        (Caller(), str, int),
        (Wrapped().process, str, int),
        (partial(Agent.process, Agent()), Base, Derived),
        (NoArgument.process, UNKNOWN, UNKNOWN),
        (int, UNKNOWN, UNKNOWN),
    ],
)
def test_what_an_agent_says(process, taken, given):
    assert (takes_of(process), gives_of(process)) == (taken, given)


def test_how_annotations_are_shown():
    assert [shown(each) for each in (str, Base, list[int], str | None)] == ["str", "Base", "list[int]", "str | None"]
