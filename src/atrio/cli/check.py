"""``atrio check``: all that is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from atrio.cli._configuration import configuration_to_check, file_of
from atrio.cli._exits import Exit
from atrio.cli._options import CheckOptions
from atrio.cli._render import as_json, table_of
from atrio.cli._streams import printable, say, write_out
from atrio.errors import ConfigError

if TYPE_CHECKING:
    from atrio.errors import ConfigProblem

_DEFAULTS: Final = CheckOptions()
_STYLES: Final = {"error": "red", "warning": "yellow"}


def check(*, options: CheckOptions = _DEFAULTS) -> Exit:
    """Check the configuration, and return the exit code."""
    from atrio.config import check_configuration  # noqa: PLC0415 - --help does not wait for it

    try:
        configuration = configuration_to_check(options.config)
        name = str(file_of(configuration))
        problems: Sequence[ConfigProblem] = check_configuration(configuration)
    except ConfigError as error:
        problems = error.problems
        name = problems[0].file
    write_out(_shown(problems, name, options.format))
    if problems:
        say(f"{name} has {_counted(problems)}.")
    return Exit.UNUSABLE if any(each.severity == "error" for each in problems) else Exit.SUCCESS


def _shown(problems: Sequence[ConfigProblem], name: str, shown: str | None) -> Iterable[str]:
    if shown == "json":
        return as_json(_as_dict(problems, name))
    if not problems:
        return (f"{printable(name)}: nothing is wrong\n",)
    if shown == "table":
        rows = ((_place(each), (each.severity, _STYLES[each.severity]), each.path, each.message) for each in problems)
        return (table_of("what is wrong", ("line", "kind", "key", "what is wrong"), rows),)
    return (f"{printable(str(each))}\n" for each in problems)


def _place(problem: ConfigProblem) -> str:
    return problem.file if problem.line is None else f"{problem.file}:{problem.line}"


def _as_dict(problems: Sequence[ConfigProblem], name: str) -> dict[str, Any]:
    is_usable = all(each.severity != "error" for each in problems)
    return {"ok": is_usable, "file": name, "problems": [each._asdict() for each in problems]}


def _counted(problems: Sequence[ConfigProblem]) -> str:
    counts = {kind: sum(each.severity == kind for each in problems) for kind in _STYLES}
    return " and ".join(f"{count:,} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items() if count)
