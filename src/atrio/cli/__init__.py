"""The command line, ``atrio``: parsing, commands, rendering. It uses only atrio's public API.

Where things are::

    _app        the application, its commands, and what every end of it means as an exit code
    _composing  those of its commands that compose agents and pipelines, and change the configuration
    _options    the options that every command takes
    _streams    what goes to stdout, what to stderr, and the refusal of what cannot be used
    _inputs     an input from a path, stdin or --value
    _task_lines lines, a chunk at a time; _tasks_input makes inputs of them and of files
    _result_lines  results as whole lines of JSON
    _summary    what a batch came to; _progress shows how far it is
    _configuration  the configuration file; _changes adds to it, and takes out of it
    _pipelines  the pipelines that can be named; _imported finds the user's own
    _agent_tables  what is known of agents; _agent_options what ready-made ones can be told
    _pipeline_tables  what is known of pipelines; _mermaid draws them
    _assembly   who does what, and why; _plan_tables says it, _options_of_agents reads --set
    _logs       where events go; _console writes them for people, _secrets keeps secrets out
    _render     results as text, JSON or a table
    _interrupts an interrupt as a cancellation
    _bench_run  measures pipelines in turns; _samples has the figures
    _comparison one pipeline against another; _bootstrap says how sure that is
    _bench_report  what was measured, as tables or JSON; _bench_words in sentences; _distribution draws
    _events_report  what logs are checked for and come to
    _exits      exit codes
    run         ``atrio run``
    batch       ``atrio batch``
    bench       ``atrio bench``
    events      ``atrio events schema``, ``check`` and ``summary``
    init, check, agents, pipelines, suggest, assemble, completion  the commands of these names

Nobody waits for ``--help``: what only a run needs (structlog, agents, the configuration) is imported when it starts.
"""

from atrio.cli._app import main

__all__ = ["main"]
