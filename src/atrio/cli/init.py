"""``atrio init``: a configuration to begin with."""

from typing import Annotated, Final

from cyclopts import Parameter

from atrio.cli._configuration import FILE
from atrio.cli._exits import Exit
from atrio.cli._options import FileOptions
from atrio.cli._render import as_json
from atrio.cli._streams import Refused, printable, say, write_out

_DEFAULTS: Final = FileOptions()


def init(
    *,
    schema: Annotated[
        bool, Parameter(negative="", help="Print the JSON Schema of a configuration, and write nothing.")
    ] = False,
    options: FileOptions = _DEFAULTS,
) -> Exit:
    """Write the file and its schema, and return the exit code."""
    # Here, as --help does not wait for it.
    from atrio.config import configuration_schema, create_configuration  # noqa: PLC0415

    if schema:
        write_out(as_json(configuration_schema()))
        return Exit.SUCCESS
    path = FILE if options.config is None else options.config
    if path.suffix.lower() != ".toml" and not path.is_dir():
        raise Refused(f"what is written is TOML, which has comments: name a .toml file, and not {str(path)!r}.")
    if not path.parent.is_dir():
        raise Refused(f"there is no directory {str(path.parent)!r} for {path.name}: make it first.")
    written = create_configuration(path)
    write_out(f"{printable(str(each))}\n" for each in written)
    named = "" if path == FILE else f" --config {path}"
    say(f"it can be used as it is: atrio check{named} looks at it, and atrio pipelines list{named} shows what it has.")
    return Exit.SUCCESS
