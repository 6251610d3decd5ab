"""What an agent is to the registry: plain data that says what it can do, what it takes and gives, and where it is."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import attrs

from atrio import _validation as valid
from atrio._text import message_of
from atrio.errors import DefinitionError

__all__ = ["ANY_SCHEMA", "AgentDefinition", "Capability", "ResourceRequirements", "feeds"]

ANY_SCHEMA: Final = "any"
"""The schema of a consumer that takes everything."""

_SCRIPT: Final = "__main__"
_LONGEST: Final = 200


class Capability(StrEnum):
    """What an agent can do. Any other lower-case name serves as well."""

    TASK_PROCESSING = "task_processing"
    CONTENT_ANALYSIS = "content_analysis"
    DATA_TRANSFORMATION = "data_transformation"
    COMMUNICATION = "communication"
    VALIDATION = "validation"
    REPORTING = "reporting"


def feeds(output_schema: str, input_schema: str) -> bool:
    """Say whether what has one schema can be given to who takes the other: they are equal, or it takes anything."""
    return input_schema in {output_schema, ANY_SCHEMA}


def is_dotted_name(text: str) -> bool:
    """Say whether `text` is identifiers with dots between them, none of them a name that Python keeps for itself."""
    parts = text.split(".")
    return all(part.isidentifier() and not part.startswith("__") for part in parts)


def is_module_name(text: str) -> bool:
    """Say whether `text` can name a module, absolutely: the program that runs, or a dotted name."""
    return text == _SCRIPT or is_dotted_name(text)


def _text(value: object, what: str, right: str) -> str:
    """Return `value` as a plain string: a subclass could say one thing when it is checked, and another later."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be {right}, not {value!r}")
    return str.__str__(value)


@lru_cache(maxsize=4096)
def _shared(text: str) -> str:
    """Return the same string for all that are equal, as thousands of definitions have the same few names in them."""
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:40]}...")


def visible(name: str) -> str:
    """Return `name` as it is shown in a line of text: with escapes for control characters and their like."""
    return name if name.isprintable() else repr(name)[1:-1]


def _texts(value: object, what: str, example: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        meant = f"({str.__str__(value)!r},)" if isinstance(value, str) else example
        raise TypeError(f"{what} must be several names, not {value!r}: write {meant}")
    return tuple(dict.fromkeys(_text(each, f"each of {what}", "a string") for each in value))


def _module_path(value: str) -> str:
    what, right = "AgentDefinition.module_path", "the absolute name of a module, as in 'shop.agents'"
    text = _text(value, what, right)
    if len(text) > _LONGEST or not is_module_name(text):
        raise DefinitionError(f"{what} must be {right}, not {_shown(text)}")
    return text


def _agent_class(value: str) -> str:
    what = "AgentDefinition.agent_class"
    right = "the name of a class in that module, as in 'Classifier', or in a class of it, as in 'Shop.Classifier'"
    text = _text(value, what, right)
    if len(text) > _LONGEST or not is_dotted_name(text):
        raise DefinitionError(f"{what} must be {right}, not {_shown(text)}")
    return text


def check_capability(value: object, what: str) -> str:
    """Return the name of a capability as a plain string.

    Raises:
        TypeError: it is no string.
        DefinitionError: it is blank, not in lower case, has a control character in it or a blank at an end, or more
            than 200 characters.
    """
    right = f"a lower-case name of 1 to {_LONGEST} characters, as in 'validation'"
    text = _text(value, what, right)
    if not text or text != text.lower().strip() or len(text) > _LONGEST or not text.isprintable():
        raise DefinitionError(f"{what} must be {right}, not {_shown(text)}")
    return _shared(text)


def _capabilities(value: Iterable[str]) -> tuple[str, ...]:
    what = "AgentDefinition.capabilities"
    names = _texts(value, what, "('validation',)")
    if not names:
        raise DefinitionError(f"{what} must have one capability at least, as in ('validation',)")
    return tuple(check_capability(name, f"each of {what}") for name in names)


def check_schema(value: object, what: str) -> str:
    """Return the name of a schema as a plain string.

    Raises:
        TypeError: it is no string.
        DefinitionError: it is blank, has a control character in it, or more than 200 characters.
    """
    right = f"the name of a schema, as in 'text', of 1 to {_LONGEST} characters"
    text = _text(value, what, right)
    if not text.strip() or len(text) > _LONGEST or not text.isprintable():
        raise DefinitionError(f"{what} must be {right}, not {_shown(text)}")
    return _shared(text)


def _input_schema(value: str) -> str:
    return check_schema(value, "AgentDefinition.input_schema")


def _output_schema(value: str) -> str:
    return check_schema(value, "AgentDefinition.output_schema")


class Configuration(Mapping[str, Any]):
    """The options of a definition. Nobody can change them: each look gives a copy of the value.

    Args:
        options: the options, which are copied deeply.
    """

    __slots__ = ("_options",)

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = copy.deepcopy(dict(options))

    def __getitem__(self, option: str) -> Any:
        return copy.deepcopy(self._options[option])

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __repr__(self) -> str:
        return repr(self._options)


def check_options(value: object, what: str) -> dict[str, Any]:
    """Return a shallow copy of options, a mapping of names to values; of None an empty one.

    Raises:
        TypeError: it is no mapping, or a name no string.
    """
    options = valid.copied_mapping(value, what)
    return {_text(name, f"each name in {what}", "a string"): option for name, option in options.items()}


def _configuration(value: Mapping[str, Any]) -> Configuration:
    what = "AgentDefinition.configuration"
    options = check_options(value, what)
    try:
        return Configuration(options)
    except Exception as error:
        raise TypeError(f"{what} must be plain data, which can be copied deeply: {message_of(error)}") from error


def _scores(value: Mapping[str, float]) -> Mapping[str, float]:
    what = "AgentDefinition.scores"
    scores = {
        check_capability(name, f"each name in {what}"): score for name, score in check_options(value, what).items()
    }
    for capability, score in scores.items():
        if not valid.is_number(score):
            raise TypeError(f"{what}[{capability!r}] must be a number from 0 to 1, not {score!r}")
        if not 0 <= score <= 1:
            raise DefinitionError(f"{what}[{capability!r}] must be a number from 0 to 1, not {score!r}")
    return MappingProxyType({capability: float(score) for capability, score in scores.items()})


def _check_scores(instance: AgentDefinition, attribute: attrs.Attribute[Any], value: Mapping[str, float]) -> None:
    for capability in value:
        if capability not in instance.capabilities:
            raise DefinitionError(
                f"AgentDefinition.{attribute.name} has {capability!r}, which is none of the agent's capabilities "
                f"({', '.join(instance.capabilities)}): add it to them, or leave the score out"
            )


def _best_score(definition: AgentDefinition) -> float:
    # What is not said is 1, and nothing is better.
    scores = definition.scores
    return max(scores.values()) if len(scores) == len(definition.capabilities) else 1.0


def _needs(value: Iterable[str]) -> tuple[str, ...]:
    what = "AgentDefinition.needs"
    names = _texts(value, what, "('OPENAI_API_KEY',)")
    for name in names:
        if not name.isprintable() or not name or set(name) & {"=", " "}:
            raise DefinitionError(f"each of {what} must be the name of an environment variable, not {_shown(name)}")
    return names


def _unavailable(value: str | None) -> str | None:
    if value is None:
        return None
    what, right = "AgentDefinition.unavailable", "why the agent cannot work here, in words, or None"
    text = _text(value, what, right)
    if not text.strip() or not text.isprintable():
        raise DefinitionError(f"{what} must be {right}, not {_shown(text)}")
    return text


def _memory(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        valid.count(instance, attribute, value)


def _cores(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        valid.above_zero(instance, attribute, value)


@attrs.frozen
class ResourceRequirements:
    """What one call of an agent takes of the machine that it runs on.

    Args:
        memory_mb: megabytes of memory, at least 1, or None if it does not matter.
        cpu_cores: processor cores, above 0 (a half is fine), or None if it does not matter.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value is out of its range.
    """

    memory_mb: int | None = attrs.field(default=None, validator=_memory)
    cpu_cores: float | None = attrs.field(default=None, validator=_cores)


_UNSAID: Final = ResourceRequirements()


@attrs.frozen
class AgentDefinition:
    """An agent as plain data: what it can do, what it takes and gives, and where its class is.

    Building one imports nothing and runs nothing. Schemas are names that the agents of one registry agree upon; what
    one agent gives meets what another takes when the names are equal, or when the other takes ``"any"``.

    Args:
        agent_class: the name of the class in that module; of a class within a class, with a dot.
        module_path: the absolute name of the module. The registry decides whether it may be imported.
        capabilities: what it can do, at least one: members of :class:`Capability`, or other lower-case names.
        input_schema: the name of what it takes; ``"any"`` takes everything.
        output_schema: the name of what it gives.
        configuration: the keyword arguments that the class is called with; copied deeply.
        resource_requirements: what a call of it takes of the machine.
        scores: how good it is at its capabilities, each from 0 to 1; 1 where nothing is said.
        needs: the environment variables that it cannot work without, an API key for instance.
        unavailable: why it cannot work here, in words: a clause without a full stop. Such an agent is known, and is
            neither planned with nor suggested. None if nothing is known to be in its way.

    Attributes:
        best_score: its score at what it is best at.

    Raises:
        TypeError: a value is of the wrong type, or the configuration cannot be copied.
        DefinitionError: a name, a schema or a score is none. It is a ``ValueError`` and a ``RegistryError``.
    """

    agent_class: str = attrs.field(converter=_agent_class)
    module_path: str = attrs.field(converter=_module_path)
    capabilities: tuple[str, ...] = attrs.field(converter=_capabilities)
    input_schema: str = attrs.field(converter=_input_schema)
    output_schema: str = attrs.field(converter=_output_schema)
    configuration: Mapping[str, Any] = attrs.field(factory=dict, converter=_configuration, hash=False)
    resource_requirements: ResourceRequirements = attrs.field(
        default=_UNSAID,
        validator=valid.of_type(ResourceRequirements, "ResourceRequirements(memory_mb=512)"),
    )
    scores: Mapping[str, float] = attrs.field(factory=dict, converter=_scores, validator=_check_scores, hash=False)
    needs: tuple[str, ...] = attrs.field(default=(), converter=_needs)
    unavailable: str | None = attrs.field(default=None, converter=_unavailable)
    best_score: float = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_best_score, takes_self=True)
    )

    def score(self, capability: str) -> float:
        """Return how good it is at `capability`, from 0 to 1: 1 where nothing is said.

        Raises:
            KeyError: it has no such capability.
        """
        if capability not in self.capabilities:
            raise KeyError(capability)
        return self.scores.get(capability, 1.0)

    def __reduce__(self) -> tuple[Any, ...]:
        values = [getattr(self, field.name) for field in attrs.fields(type(self)) if field.init]
        # A read-only view of a dict does not pickle.
        return type(self), tuple(dict(each) if isinstance(each, Mapping) else each for each in values)
