"""``atrio suggest``: chains of agents from one capability to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
from cyclopts import Parameter

from atrio.cli._agent_options import missing_options
from atrio.cli._agent_tables import refusals_of
from atrio.cli._configuration import configuration_at
from atrio.cli._exits import Exit
from atrio.cli._options import ListOptions, whole_number
from atrio.cli._render import as_json, table_of
from atrio.cli._streams import Refused, as_sentence, write_out
from atrio.errors import PlanningError

if TYPE_CHECKING:
    from atrio.cli._render import Cell

_DEFAULTS: Final = ListOptions()


def suggest(
    start: Annotated[str, Parameter(help="What the first agent of a chain can do.")],
    end: Annotated[str, Parameter(help="What its last agent can do.")],
    /,
    *,
    limit: Annotated[str, Parameter(help="How many chains at most.")] = "10",
    shown: ListOptions = _DEFAULTS,
) -> Exit:
    """Suggest chains, and return the exit code."""
    from atrio.config import Workspace  # noqa: PLC0415 - --help does not wait for it

    at_most = whole_number(limit, "--limit")
    configuration = configuration_at(shown.config)
    registry = Workspace(configuration).registry
    try:
        # Where there is none, a plan for the two alone says where it breaks.
        chains = list(registry.suggest_pipelines(start, end, at_most)) or [registry.plan([start, end])]
    except PlanningError as error:
        raise Refused(as_sentence(str(error))) from error
    refusals = refusals_of(registry)
    options = {agent: missing_options(definition) for agent, definition in registry.catalogue.items()}
    found = [_Chain(chain, _of(chain, refusals), _of(chain, options)) for chain in chains]
    if (shown.format or configuration.cli.output_format) == "json":
        write_out(as_json([each.as_dict() for each in found]))
    else:
        rows = ((str(number), " -> ".join(each.agents), each.state()) for number, each in enumerate(found, 1))
        write_out([table_of(f"from {start} to {end}", ("rank", "agents", "state"), rows, to_the_right={"rank"})])
    return Exit.SUCCESS


def _of(chain: Sequence[str], lacking: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what agents lack that of those in a chain which do lack something."""
    return {agent: lacking[agent] for agent in dict.fromkeys(chain) if lacking[agent]}


@attrs.frozen
class _Chain:
    """A chain, and what its agents lack, by agent: something of their surroundings, or options."""

    agents: tuple[str, ...]
    refusals: dict[str, str]
    missing_options: dict[str, tuple[str, ...]]

    def as_dict(self) -> dict[str, Any]:
        return {
            "agents": self.agents,
            "available": not self.refusals,
            "refusals": self.refusals,
            "missing_options": self.missing_options,
        }

    def state(self) -> Cell:
        lacking = [f"{agent}: {why}" for agent, why in self.refusals.items()]
        lacking += [f"{agent} needs {', '.join(options)}" for agent, options in self.missing_options.items()]
        return ("; ".join(lacking), "yellow") if lacking else ("ready", "green")
