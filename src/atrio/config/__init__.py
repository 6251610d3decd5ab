"""``atrio.toml``: agents, what guards them, pools, pipelines and defaults, read, checked, changed and built.

What changes a file, and what builds from it, is loaded with the first use of its name: reading needs neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from atrio.config.json_schema import configuration_schema
from atrio.config.reading import checked, find, format_of, load, parse, problems_at, read, survey
from atrio.config.settings import (
    AgentSettings,
    BackoffSettings,
    BreakerSettings,
    CliSettings,
    Configuration,
    FanOutSettings,
    MemberSettings,
    MonitoringSettings,
    PipelineSettings,
    PoolSettings,
    ProviderSettings,
    RateSettings,
    ResourceSettings,
    RouterSettings,
    StageSettings,
)

if TYPE_CHECKING:
    from atrio.config.checking import check_configuration
    from atrio.config.saving import add_agent, add_pipeline, remove_agent, remove_pipeline, rendered
    from atrio.config.template import create_configuration
    from atrio.config.workspace import Workspace

__all__ = [
    "AgentSettings",
    "BackoffSettings",
    "BreakerSettings",
    "CliSettings",
    "Configuration",
    "FanOutSettings",
    "MemberSettings",
    "MonitoringSettings",
    "PipelineSettings",
    "PoolSettings",
    "ProviderSettings",
    "RateSettings",
    "ResourceSettings",
    "RouterSettings",
    "StageSettings",
    "Workspace",
    "add_agent",
    "add_pipeline",
    "check_configuration",
    "checked",
    "configuration_schema",
    "create_configuration",
    "find",
    "format_of",
    "load",
    "parse",
    "problems_at",
    "read",
    "remove_agent",
    "remove_pipeline",
    "rendered",
    "survey",
]

_HOMES = {
    "Workspace": "atrio.config.workspace",
    "add_agent": "atrio.config.saving",
    "add_pipeline": "atrio.config.saving",
    "check_configuration": "atrio.config.checking",
    "create_configuration": "atrio.config.template",
    "remove_agent": "atrio.config.saving",
    "remove_pipeline": "atrio.config.saving",
    "rendered": "atrio.config.saving",
}
_FROM_THE_EXTRA = {"jmespath", "tomlkit"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name not in _FROM_THE_EXTRA:
            raise
        raise ModuleNotFoundError(
            f"{name} needs the extra \"cli\": pip install 'atrio[cli]' (there is no module {error.name!r})",
            name=error.name,
        ) from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
