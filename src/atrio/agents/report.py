"""An agent for the end of a pipeline: `ReportWriter`."""

from collections.abc import Iterator
from functools import partial
from typing import Final, Literal, get_args

import trio
from jinja2 import PackageLoader, StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from atrio.agents._offload import INLINE_BELOW, Poll, compute
from atrio.agents._sections import Section, sections_of, weight

Format = Literal["markdown", "html"]

_THREADS: Final = 2
_TEMPLATES: Final[dict[Format, str]] = {"markdown": "report.md.j2", "html": "report.html.j2"}
_MARKDOWN_SPECIAL: Final = str.maketrans({character: f"\\{character}" for character in r"\`*_[]<>|~&#"})


def escape_markdown(text: object) -> str:
    """Return ``text`` as Markdown that shows it literally, in one line, in a table's cell too."""
    return " ".join(str(text).translate(_MARKDOWN_SPECIAL).split())


def _ruler(head: str) -> str:
    return "-" * max(3, len(escape_markdown(head)))


class ReportWriter:
    """An agent that writes a report on any data, as Markdown or as a standalone HTML page.

    A `TextAnalysis` gets a report of its own. Of anything else, the named parts of mappings, attrs objects and
    dataclasses, and the members of lists, become tables; text is shown as it is; other objects by their ``str``. Tables
    end after 1,000 rows, reports after 200 sections, and say so.

    The data is never trusted: it is escaped wherever it is shown, and templates run in Jinja's sandbox.

    Args:
        format: "markdown" or "html".
        title: The heading.
        template: Source of a Jinja2 template to use instead of the one for ``format``. It is given ``title``, ``data``
            and ``sections`` (each with ``kind``, ``title``, ``heads``, ``rows``, ``text`` and ``note``); the filter
            ``md`` makes anything safe within Markdown, and for HTML everything is escaped by itself. What it refers to
            must exist: `jinja2.UndefinedError` is raised when it does not.

    Raises:
        TypeError: If ``title`` or ``template`` is not a str.
        ValueError: For another ``format``, a blank ``title``, or a template that cannot be parsed.
    """

    agent_id: str = "report_writer"

    def __init__(self, *, format: Format = "markdown", title: str = "Report", template: str | None = None) -> None:  # noqa: A002 - what users call it
        if format not in get_args(Format):
            raise ValueError(f"format must be 'markdown' or 'html', not {format!r}")
        _check_texts(title, template)
        self._title = title
        self._template = _compiled(format, template)
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def process(self, data: object, /) -> str:
        """Return the report on ``data``."""
        work = partial(_render, self._template, self._title, data)
        return await compute(work, weight(data, INLINE_BELOW), self._limiter)


def _check_texts(title: object, template: object) -> None:
    if not isinstance(title, str):
        raise TypeError(f"title must be a str, not {type(title).__name__}")
    if not title.strip():
        raise ValueError("title must not be blank")
    if not isinstance(template, str | None):
        raise TypeError(f"template must be the source of a Jinja2 template, a str, not {type(template).__name__}")


def _compiled(format: Format, source: str | None) -> Template:  # noqa: A002 - as above
    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("atrio.agents"),
        autoescape=format == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(md=escape_markdown, ruler=_ruler)
    if source is None:
        return environment.get_template(_TEMPLATES[format])
    try:
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise ValueError(f"template, line {error.lineno}: {error.message}") from error


def _render(template: Template, title: str, data: object, poll: Poll) -> str:
    def polled() -> Iterator[Section]:
        for section in sections_of(data):
            poll()
            yield section

    pieces: list[str] = []
    for piece in template.generate(title=title, data=data, sections=list(polled())):
        pieces.append(piece)
        poll()
    return "".join(pieces)
