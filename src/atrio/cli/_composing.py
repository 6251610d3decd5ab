"""The commands that compose: a configuration is made, checked and changed, agents and pipelines are found."""

from __future__ import annotations

from typing import Final

from cyclopts import App

_CODES: Final = (
    "The exit code is 0, or 2 if the command line or the configuration cannot be used, and then nothing was changed."
)


def add_composing_commands(app: App) -> None:
    """Add the commands to `app`; each is imported when it is called or asked for its help."""
    _add_file_commands(app)
    _add_agents(app)
    _add_pipelines(app)
    _add_finding_commands(app)
    app.command(
        "atrio.cli.completion:install",
        name="--install-completion",
        help="Let a shell complete commands, options and their values.\n\n"
        "The script is put where the shell looks for it, and bash and zsh are told of it in their startup file. It "
        "works in shells that are started from then on.",
        usage="Usage: atrio --install-completion [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio --install-completion --shell bash\n"
        "  atrio --install-completion --shell zsh --output _atrio",
    )


def _add_file_commands(app: App) -> None:
    app.command(
        "atrio.cli.init:init",
        name="init",
        help="Write an atrio.toml to begin with.\n\n"
        "It has a pipeline that runs, and examples of all the rest in comments. Beside it goes a JSON Schema, so that "
        f"editors complete what is typed. A file that is there is left as it is. {_CODES}",
        usage="Usage: atrio init [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio init --config shop.toml\n"
        "  atrio check --config shop.toml\n"
        "  atrio init --schema > .atrio/atrio.schema.json",
    )
    app.command(
        "atrio.cli.check:check",
        name="check",
        help="Say all that is wrong with a configuration.\n\n"
        "Are all names, keys and values right? Can each stage take what the one before it gives? Do modules import, "
        "and have their classes these options? Are the environment's keys set, and does the machine hold what the "
        "agents need? Modules that it names are imported; no agent is run. What may be wrong is a warning. The exit "
        "code is 0, or 2 if anything is wrong.",
        usage="Usage: atrio check [OPTIONS]",
        help_epilogue="Examples:\n\n  atrio check\n  atrio check --config atrio.toml --format json",
    )


def _add_agents(app: App) -> None:
    agents = App(
        name="agents",
        help="List, show, add and remove agents.",
        usage="Usage: atrio agents COMMAND [OPTIONS]",
        help_epilogue="Example:\n\n  atrio agents list",
    )
    app.command(agents)
    agents.command(
        "atrio.cli.agents:list_agents",
        name="list",
        help="List all that a stage can name: agents, pools, fan-outs and routers.\n\n"
        "Those of the configuration and ready-made ones, with what they can do, what they take and give, and what they "
        "lack.",
        usage="Usage: atrio agents list [OPTIONS]",
        help_epilogue="Examples:\n\n  atrio agents list\n  atrio agents list --capability reporting --format json",
    )
    agents.command(
        "atrio.cli.agents:show",
        name="show",
        help="Show all that is known of an agent, a pool, a fan-out or a router.",
        usage="Usage: atrio agents show NAME [OPTIONS]",
        help_epilogue="Examples:\n\n  atrio agents show text_cleaner\n  atrio agents show webhook --format json",
    )
    agents.command(
        "atrio.cli.agents:add",
        name="add",
        help="Add an agent to the configuration.\n\n"
        "It is a ready-made one with options of its own, or a class of yours, whose module is imported to check it, as "
        "shouting.py beside the file is in the last example. Comments and layout of the file stay. "
        f"With auto_save = false in its [cli], the table is printed to be pasted. {_CODES}",
        usage="Usage: atrio agents add NAME [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio agents add near --extends webhook --set url=http://127.0.0.1:8001/\n"
        "  atrio agents add far --extends webhook --set url=http://127.0.0.1:8002/ \\\n"
        "    --breaker '{\"failure_threshold\": 3}' --rate '{\"rate\": 5}' --fallback near\n"
        "  atrio agents add shouter --module shouting --class Shouter \\\n"
        "    --capability data_transformation --input-schema text --output-schema text",
    )
    agents.command(
        "atrio.cli.agents:remove",
        name="remove",
        help="Take an agent out of the configuration.\n\n"
        f"One that something else in the file names stays where it is. {_CODES}",
        usage="Usage: atrio agents remove NAME [OPTIONS]",
        help_epilogue="Examples:\n\n  atrio agents add tidier --extends text_cleaner\n  atrio agents remove tidier",
    )


def _add_pipelines(app: App) -> None:
    pipelines = App(
        name="pipelines",
        help="List, show, draw, add and remove pipelines.",
        usage="Usage: atrio pipelines COMMAND [OPTIONS]",
        help_epilogue="Example:\n\n  atrio pipelines list",
    )
    app.command(pipelines)
    pipelines.command(
        "atrio.cli.pipelines:list_pipelines",
        name="list",
        help="List the pipelines of the configuration, and ready-made ones.",
        usage="Usage: atrio pipelines list [OPTIONS]",
        help_epilogue="Examples:\n\n  atrio pipelines list\n  atrio pipelines list --format json",
    )
    pipelines.command(
        "atrio.cli.pipelines:show",
        name="show",
        help="Show a pipeline stage by stage, or draw it.",
        usage="Usage: atrio pipelines show PIPELINE [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio pipelines show text-report\n"
        "  atrio pipelines show text-report --format mermaid > text-report.mmd",
    )
    pipelines.command(
        "atrio.cli.pipelines:add",
        name="add",
        help="Add a pipeline to the configuration.\n\n"
        "A stage is the name of what does the work, or a JSON object of what atrio.toml can say of a stage. Comments "
        "and layout of the file stay. With auto_save = false in its [cli], the table is printed to be pasted. "
        f"{_CODES}",
        usage="Usage: atrio pipelines add NAME --stage STAGE... [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio pipelines add figures --stage text_cleaner --stage text_analyzer\n"
        "  atrio pipelines add patient --stage text_cleaner \\\n"
        '    --stage \'{"agent": "text_analyzer", "attempts": 2, "timeout": "none"}\'',
    )
    pipelines.command(
        "atrio.cli.pipelines:remove",
        name="remove",
        help="Take a pipeline out of the configuration.\n\n"
        f"One that something else in the file names stays where it is. {_CODES}",
        usage="Usage: atrio pipelines remove NAME [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio pipelines add counts --stage text_analyzer\n"
        "  atrio pipelines remove counts",
    )


def _add_finding_commands(app: App) -> None:
    app.command(
        "atrio.cli.suggest:suggest",
        name="suggest",
        help="Suggest chains of agents that lead from one capability to another.\n\n"
        "In a chain each agent can take what the one before it gives. The best ones come first: the shortest, and of "
        "those the ones with the highest scores. The exit code is 0, or 2 if there is none; then it is said where the "
        "chain breaks.",
        usage="Usage: atrio suggest START END [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio suggest data_transformation reporting\n"
        "  atrio suggest content_analysis reporting --limit 3 --format json",
    )
    app.command(
        "atrio.cli.assemble:assemble",
        name="assemble",
        help="Assemble a pipeline from what is to be done, and explain, run or save it.\n\n"
        "Of the agents that can work, the best chain is chosen in which each can take what the one before it gives. "
        "Without --run, --value and --save it is explained: who was chosen for what, and why not the others. The exit "
        "code is 0, 1 if the run failed, 2 if there is no such chain, or the command line, the configuration or the "
        "input cannot be used, and 130 if it was interrupted.",
        usage="Usage: atrio assemble CAPABILITY... [OPTIONS]",
        help_epilogue="Examples:\n\n"
        "  atrio assemble content_analysis reporting\n"
        "  atrio assemble content_analysis reporting --run README.md \\\n"
        "    --set text_analyzer.keywords=5\n"
        "  atrio assemble data_transformation content_analysis reporting --save findings",
    )
