"""Settings as the plain values that a file says: what stands at its default is left out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn

from atrio.config.settings import SHORT_FORMS, AgentSettings, PipelineSettings

__all__ = ["unstructured"]


def unstructured(settings: AgentSettings | PipelineSettings) -> dict[str, Any]:
    """Return the content of the table of an agent or a pipeline."""
    plain: dict[str, Any] = _plain(_converter.unstructure(settings))
    return plain


def _plain(value: Any) -> Any:
    """Return a value with dicts and lists for whatever mappings and sequences are in it, as options may have them."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _new_converter() -> Converter:
    converter = Converter(omit_if_default=True)
    for kind in SHORT_FORMS:
        converter.register_unstructure_hook(
            kind, _or_name_alone(make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True))
        )
    return converter


def _or_name_alone(unstructure: Any) -> Any:
    """Return a hook for what a file may give by its name alone, if that is all that is said of it."""

    def unstructured_or_name(settings: Any) -> Any:
        said = unstructure(settings)
        return settings.agent if said.keys() == {"agent"} else said

    return unstructured_or_name


_converter = _new_converter()
