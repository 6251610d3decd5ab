"""The command line, ``atrio``: parsing, commands, rendering. It uses only atrio's public API.

Where things are::

    _app        the application, its commands, and what every end of it means as an exit code
    _options    the options that every command takes
    _streams    what goes to stdout, what to stderr, and the refusal of what cannot be used
    _inputs     an input from a path, stdin or --value
    _pipelines  the ready-made pipelines
    _logs       events as lines on stderr and in a file; _log_lines writes them
    _render     results as text, JSON or a table
    _interrupts an interrupt as a cancellation
    _exits      exit codes
    run         ``atrio run``

Nobody waits for ``--help``: what only a run needs (structlog, the agents, cattrs) is imported when one starts.
"""

from atrio.cli._app import main

__all__ = ["main"]
