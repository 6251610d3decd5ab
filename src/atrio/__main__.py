"""The command ``atrio``, which is ``python -m atrio`` too."""

import sys
from collections.abc import Sequence

# The script is installed without the extra, too, and these are what the extra installs.
_FROM_THE_EXTRA = {
    "cyclopts", "httpx2", "jinja2", "jmespath", "jsonschema_rs", "regex", "rich", "stop_words", "tomlkit",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code.

    Args:
        arguments: what follows the command's name; by default those of this process.
    """
    try:
        # Here, so that what happens while it is imported has an end that a user understands.
        from atrio.cli import main as command_line  # noqa: PLC0415

        return command_line(arguments)
    except ModuleNotFoundError as error:
        if error.name not in _FROM_THE_EXTRA:
            raise
        return _ended(
            f"the command needs the extra \"cli\": pip install 'atrio[cli]' (there is no module {error.name!r})", 2
        )
    except KeyboardInterrupt:
        return _ended("interrupted.", 130)


def _ended(sentence: str, code: int) -> int:
    if sys.stderr is not None:  # closed by whoever started us
        print(f"atrio: {sentence}", file=sys.stderr)  # noqa: T201 - the command's own way of saying it may be missing
    return code


if __name__ == "__main__":
    sys.exit(main())
