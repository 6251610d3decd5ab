"""``atrio assemble``: a pipeline from what is to be done, explained, run or saved."""

from typing import Annotated, Any, Final

from cyclopts import Parameter

from atrio import Pipeline
from atrio.cli._assembly import Step, as_settings, obstacles, plan_for, with_options
from atrio.cli._changes import add
from atrio.cli._configuration import configuration_at, file_of, with_level
from atrio.cli._exits import Exit
from atrio.cli._inputs import read_task
from atrio.cli._options import AssembleOptions, FailOn
from atrio.cli._options_of_agents import options_by_agent
from atrio.cli._pipelines import ReadyMade
from atrio.cli._plan_tables import plan_as_dict, plan_tables
from atrio.cli._render import as_json
from atrio.cli._streams import Refused, as_sentence, say, write_out
from atrio.cli.run import ran
from atrio.errors import RegistryError

_DEFAULTS: Final = AssembleOptions()


async def assemble(
    *capabilities: Annotated[
        str, Parameter(name="CAPABILITY", help="What is to be done, in order; atrio agents list shows who can do what.")
    ],
    run: Annotated[
        str | None,
        Parameter(
            help="Run it on this file, or on standard input if it is -. A .json file is parsed, and so is the one line "
            "of a .jsonl file; anything else is text.",
            # For the - alone, as in the other commands.
            allow_leading_hyphen=True,
        ),
    ] = None,
    value: Annotated[str | None, Parameter(help="Run it on this, which is JSON.")] = None,
    save: Annotated[str | None, Parameter(help="Add it to the configuration, as a pipeline of this name.")] = None,
    settings: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            negative="",
            show_default=False,
            help="An option of an agent in it, as agent.option=value: the value is JSON, or else plain text. It can be "
            "given several times. What is saved gets an agent of its own for it.",
        ),
    ] = (),
    fail_on: Annotated[
        FailOn | None,
        Parameter(help="Exit with 1 if the run is degraded: it reached its end, but a stage was skipped."),
    ] = None,
    options: AssembleOptions = _DEFAULTS,
) -> Exit:
    """Assemble a pipeline, explain, run or save it, and return the exit code."""
    from atrio.config import Workspace  # noqa: PLC0415 - --help does not wait for it

    if save is not None and (run is not None or value is not None):
        raise Refused("what is to be done is not clear: give --save, or --run and --value, and not both.")
    configuration = configuration_at(options.config)
    options = with_level(options, configuration.cli)
    given = options_by_agent(settings, Workspace(configuration).registry.agent_ids)
    changed = with_options(configuration, given)
    workspace = Workspace(changed)
    steps = plan_for(workspace.registry, capabilities)
    _check_that_all_are_used(given, steps)
    if (run is not None or value is not None or save is not None) and any(step.missing_options for step in steps):
        what = f"{' -> '.join(step.agent_id for step in steps)} {'cannot run' if save is None else 'is not saved'}"
        raise Refused(f"{what}: {' '.join(obstacles(changed, steps))}")
    if run is not None or value is not None:
        task = read_task(run, value)
        known = ReadyMade(None, lambda: _assembled(workspace, capabilities))
        return await ran(known, task, configuration, options, fail_on)
    if save is not None:
        file_of(configuration)
        add(configuration, save, *as_settings(save, steps, configuration, given))
        return Exit.SUCCESS
    form = options.format or configuration.cli.output_format
    write_out(as_json(plan_as_dict(steps)) if form == "json" else plan_tables(steps))
    for obstacle in obstacles(changed, steps):
        say(f"before it can run: {obstacle}")
    return Exit.SUCCESS


def _check_that_all_are_used(given: dict[str, dict[str, Any]], steps: list[Step]) -> None:
    agents = dict.fromkeys(step.agent_id for step in steps)
    for agent in given:
        if agent not in agents:
            raise Refused(f"--set gives options to {agent!r}, which is not in the plan: {', '.join(agents)}.")


def _assembled(workspace: Any, capabilities: tuple[str, ...]) -> Pipeline[Any, Any]:
    try:
        pipeline: Pipeline[Any, Any] = workspace.assemble(capabilities)
    except RegistryError as error:
        hint = f" Options are given as in --set {error.agent_id}.option=value." if error.agent_id else ""
        raise Refused(f"{as_sentence(str(error))}{hint}") from error
    return pipeline
