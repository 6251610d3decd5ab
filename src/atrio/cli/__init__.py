"""The command line, ``atrio``: parsing, commands, rendering. It uses only atrio's public API.

Where things are::

    _app        the application, its commands, and what every end of it means as an exit code
    _options    the options that every command takes
    _streams    what goes to stdout, what to stderr, and the refusal of what cannot be used
    _inputs     an input from a path, stdin or --value
    _task_lines lines, a chunk at a time; _tasks_input makes inputs of them and of files
    _result_lines  results as whole lines of JSON
    _summary    what a batch came to; _progress shows how far it is
    _pipelines  the ready-made pipelines; _imported finds the user's own
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

Nobody waits for ``--help``: what only a run needs (structlog, the agents, cattrs) is imported when one starts.
"""

from atrio.cli._app import main

__all__ = ["main"]
