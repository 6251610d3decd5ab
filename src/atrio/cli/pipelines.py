"""``atrio pipelines``: what can be run."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from cyclopts import Parameter

from atrio.cli._changes import add as add_table
from atrio.cli._changes import remove as remove_table
from atrio.cli._changes import settings_of
from atrio.cli._configuration import configuration_at, file_of
from atrio.cli._exits import Exit
from atrio.cli._mermaid import flowchart
from atrio.cli._options import DrawOptions, FileOptions, ListOptions
from atrio.cli._options_of_agents import named_or_described
from atrio.cli._pipeline_tables import PipelineShown, described, list_table, made, show_table
from atrio.cli._pipelines import READY_MADE, Pipelines
from atrio.cli._plain import plain
from atrio.cli._render import as_json
from atrio.cli._streams import Refused, write_out

_LISTED: Final = ListOptions()
_DRAWN: Final = DrawOptions()
_CHANGED: Final = FileOptions()
_STAGE: Final = '{"agent": "text_cleaner", "attempts": 2}'


def list_pipelines(*, options: ListOptions = _LISTED) -> Exit:
    """List pipelines, and return the exit code."""
    configuration = configuration_at(options.config)
    named = Pipelines(configuration)
    shown = [_shown(name, named) for name in named.names]
    is_json = (options.format or configuration.cli.output_format) == "json"
    write_out(as_json([plain(each) for each in shown]) if is_json else [list_table(shown)])
    return Exit.SUCCESS


def show(
    pipeline: Annotated[
        str, Parameter(help="One of atrio.toml, text-report, or module:attribute, one of your own, which is imported.")
    ],
    /,
    *,
    options: DrawOptions = _DRAWN,
) -> Exit:
    """Show a pipeline, and return the exit code."""
    configuration = configuration_at(options.config)
    shown = _shown(pipeline, Pipelines(configuration))
    form = options.format or configuration.cli.output_format
    if form == "mermaid":
        # All that its names could mean to Mermaid is escaped, so that its lines are ASCII.
        write_out(flowchart(shown, configuration))
    else:
        write_out(as_json(plain(shown)) if form == "json" else [show_table(shown)])
    return Exit.SUCCESS


def _shown(name: str, named: Pipelines) -> PipelineShown:
    settings = named.configuration.pipelines.get(name)
    if settings is not None:
        return described(name, settings, named.configuration)
    origin = "ready-made" if name in READY_MADE else "imported"
    return made(name, named.called(name).build(), origin)


def add(
    name: Annotated[str, Parameter(help="The pipeline's name.")],
    /,
    *,
    stage: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="A stage, in order: the name of an agent, a pool, a fan-out, a router or another pipeline, or a JSON "
            "object of what the file can say of a stage.",
        ),
    ] = (),
    description: Annotated[str | None, Parameter(help="What it is for, for people.")] = None,
    options: FileOptions = _CHANGED,
) -> Exit:
    """Add a pipeline to the file, and return the exit code."""
    if not stage:
        raise Refused("there is no stage: give --stage, once for each.")
    configuration = configuration_at(options.config)
    file_of(configuration)
    tree: dict[str, Any] = {"stages": list(_stages(stage, configuration))}
    if description is not None:
        tree["description"] = description
    add_table(configuration, name, settings_of("pipelines", name, tree))
    return Exit.SUCCESS


def _stages(words: Iterable[str], configuration: Any) -> Iterable[Any]:
    sections = (configuration.agents, configuration.pools, configuration.fan_outs, configuration.routers)
    known = {name for section in (*sections, configuration.pipelines) for name in section}
    for word in words:
        yield named_or_described(word, "--stage", _STAGE, known)


def remove(name: Annotated[str, Parameter(help="The pipeline's name.")], /, *, options: FileOptions = _CHANGED) -> Exit:
    """Take a pipeline out of the file, and return the exit code."""
    remove_table(configuration_at(options.config), "pipelines", name)
    return Exit.SUCCESS
