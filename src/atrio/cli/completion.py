"""``atrio --install-completion``: what lets a shell complete atrio's command lines."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from atrio.cli._exits import Exit
from atrio.cli._streams import Refused, printable, write_out


def install(
    *,
    shell: Annotated[
        Literal["bash", "zsh", "fish"] | None, Parameter(help="The shell; without it, the one that runs this.")
    ] = None,
    output: Annotated[
        Path | None, Parameter(help="Write the script to this file alone, and leave the shell's own files as they are.")
    ] = None,
) -> Exit:
    """Install the script of a shell, and return the exit code."""
    from cyclopts.completion.detect import ShellDetectionError  # noqa: PLC0415 - nothing else needs it

    from atrio.cli._app import app  # noqa: PLC0415 - it knows this command

    try:
        written = app.install_completion(shell=shell, output=output, add_to_startup=output is None)
    except ShellDetectionError as error:
        raise Refused("it is not clear which shell this is: name it, as in --shell bash.") from error
    except (OSError, RuntimeError) as error:  # RuntimeError where there is no home
        reason = error.strerror if isinstance(error, OSError) else str(error)
        where = f" to {error.filename!r}" if isinstance(error, OSError) and error.filename else ""
        raise Refused(f"the completion cannot be written{where}: {reason}. Name a file with --output.") from error
    write_out([f"{printable(str(written))}\n"])
    return Exit.SUCCESS
