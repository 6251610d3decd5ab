"""``atrio agents``: what a stage can name."""

from typing import Annotated, Any, Final

from cyclopts import Parameter

from atrio.cli._agent_options import options_of, options_table
from atrio.cli._agent_tables import known_agents, known_combinations, list_tables, show_table
from atrio.cli._changes import add as add_table
from atrio.cli._changes import remove as remove_table
from atrio.cli._changes import settings_of
from atrio.cli._configuration import configuration_at, file_of
from atrio.cli._exits import Exit
from atrio.cli._nearest import did_you_mean
from atrio.cli._options import FileOptions, ListOptions
from atrio.cli._options_of_agents import assignments, named_or_described, value_of
from atrio.cli._plain import plain
from atrio.cli._render import as_json
from atrio.cli._streams import Refused, write_out

_LISTED: Final = ListOptions()
_CHANGED: Final = FileOptions()
_BREAKER: Final = '{"failure_threshold": 3}'
_RATE: Final = '{"rate": 5}'


def list_agents(
    *,
    capability: Annotated[str | None, Parameter(help="Only agents that can do this.")] = None,
    options: ListOptions = _LISTED,
) -> Exit:
    """List agents, and return the exit code."""
    configuration, agents, others = _known(options)
    if capability is not None:
        capabilities = dict.fromkeys(name for agent in agents for name in agent["capabilities"])
        if capability not in capabilities:
            hint = did_you_mean(capability, capabilities)
            raise Refused(f"no agent can do {capability!r}.{hint} Agents can do: {', '.join(capabilities)}.")
        agents, others = [agent for agent in agents if capability in agent["capabilities"]], []
    is_json = (options.format or configuration.cli.output_format) == "json"
    write_out(as_json([*agents, *others]) if is_json else list_tables(agents, others))
    return Exit.SUCCESS


def show(
    name: Annotated[str, Parameter(help="The name of an agent, a pool, a fan-out or a router.")],
    /,
    *,
    options: ListOptions = _LISTED,
) -> Exit:
    """Show one of them, and return the exit code."""
    configuration, agents, others = _known(options)
    by_name = {each["name"]: each for each in (*agents, *others)}
    if name in configuration.pipelines:
        raise Refused(f"{name!r} is a pipeline: atrio pipelines show {name} shows it.")
    if name not in by_name:
        raise Refused(f"there is no agent {name!r}.{did_you_mean(name, by_name)} atrio agents list shows all.")
    known = by_name[name]
    taken = options_of(known["module_path"], known["agent_class"]) if known["kind"] == "agent" else None
    if (options.format or configuration.cli.output_format) == "json":
        write_out(as_json(known if taken is None else {**known, "options": plain(taken)}))
    else:
        write_out([show_table(known), *([options_table(name, taken)] if taken else [])])
    return Exit.SUCCESS


def _known(options: ListOptions) -> tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]:
    from atrio.config import Workspace  # noqa: PLC0415 - --help does not wait for it

    configuration = configuration_at(options.config)
    agents = known_agents(configuration, Workspace(configuration).registry)
    return configuration, list(agents), list(known_combinations(configuration))


def add(
    name: Annotated[str, Parameter(help="The agent's name.")],
    /,
    *,
    extends: Annotated[
        str | None,
        Parameter(help="The ready-made agent that it is made of. Without it, and without --class, that of its name."),
    ] = None,
    module: Annotated[
        str | None, Parameter(help="The module of a class of yours: beside the configuration, or installed.")
    ] = None,
    agent_class: Annotated[str | None, Parameter(name="--class", help="The class in it.")] = None,
    capability: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="What it can do. It can be given several times."),
    ] = (),
    input_schema: Annotated[str | None, Parameter(help="The name of what it takes; any takes everything.")] = None,
    output_schema: Annotated[str | None, Parameter(help="The name of what it gives.")] = None,
    settings: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            negative="",
            show_default=False,
            help="An option, as option=value: the value is JSON, or else plain text. It can be given several times.",
        ),
    ] = (),
    score: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="How good it is at a capability, as capability=0.9. It can be given several times.",
        ),
    ] = (),
    needs: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="An environment variable that it cannot work without. It can be given several times.",
        ),
    ] = (),
    memory_mb: Annotated[str | None, Parameter(help="Megabytes of memory that a call takes.")] = None,
    cpu_cores: Annotated[str | None, Parameter(help="Processor cores that a call takes.")] = None,
    capacity: Annotated[str | None, Parameter(help="Calls of it at once.")] = None,
    breaker: Annotated[
        str | None,
        Parameter(help="Its circuit breaker: the name of one in the file, or a JSON object of what the file can say."),
    ] = None,
    rate: Annotated[
        str | None,
        Parameter(help="Its rate limiter: the name of one in the file, or a JSON object of what the file can say."),
    ] = None,
    fallback: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="The agent that is tried after this one failed. It can be given several times, in order.",
        ),
    ] = (),
    description: Annotated[str | None, Parameter(help="What it is for, for people.")] = None,
    options: FileOptions = _CHANGED,
) -> Exit:
    """Add an agent to the file, and return the exit code."""
    configuration = configuration_at(options.config)
    file_of(configuration)
    _check_whole(
        name,
        extends,
        {
            "--module": module,
            "--class": agent_class,
            "--capability": capability,
            "--input-schema": input_schema,
            "--output-schema": output_schema,
        },
    )
    resources = {"memory_mb": _number(memory_mb), "cpu_cores": _number(cpu_cores)}
    tree = {
        "extends": extends,
        "description": description,
        "module_path": module,
        "agent_class": agent_class,
        "capabilities": capability,
        "input_schema": input_schema,
        "output_schema": output_schema,
        "scores": assignments(score, "--score", "validation=0.9"),
        "needs": needs,
        "resource_requirements": {key: value for key, value in resources.items() if value is not None},
        "configuration": assignments(settings, "--set", "title=Findings"),
        "capacity": _number(capacity),
        "breaker": breaker and named_or_described(breaker, "--breaker", _BREAKER, configuration.breakers),
        "rate": rate and named_or_described(rate, "--rate", _RATE, configuration.rate_limits),
        "fallback": fallback,
    }
    said = {key: value for key, value in tree.items() if value not in (None, (), {})}
    add_table(configuration, name, settings_of("agents", name, said))
    return Exit.SUCCESS


def _check_whole(name: str, extends: str | None, given: dict[str, Any]) -> None:
    from atrio.registry import BUILT_IN_AGENTS  # noqa: PLC0415 - --help does not wait for it

    missing = [option for option, value in given.items() if not value]
    if extends is None and name not in BUILT_IN_AGENTS and missing:
        hint = did_you_mean(name, BUILT_IN_AGENTS)
        raise Refused(
            f"{name!r} lacks {', '.join(missing)}: give them, or name the ready-made agent that it is made of, as in "
            f"--extends text_cleaner.{hint}"
        )


def _number(text: str | None) -> Any:
    return None if text is None else value_of(text)


def remove(name: Annotated[str, Parameter(help="The agent's name.")], /, *, options: FileOptions = _CHANGED) -> Exit:
    """Take an agent out of the file, and return the exit code."""
    remove_table(configuration_at(options.config), "agents", name)
    return Exit.SUCCESS
