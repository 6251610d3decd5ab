"""What a model is told: templates in files, which make messages of data."""

import json
from functools import cache
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from atrio._text import message_of
from atrio.agents._failures import InvalidDataError, shown
from atrio.agents._jsonable import Json, Plain
from atrio.agents._offload import Poll

Message = dict[str, str]

_PARTS: Final = ("system", "user")


class Prompt:
    """A template that makes messages of data.

    Args:
        source: a Jinja2 template. Its block ``system`` makes the message that says what to do, and may be missing or
            come out blank; its block ``user`` the one with the data. Without any block all of it is the latter.
        name: what it is called, in messages of errors.

    Raises:
        ValueError: it cannot be parsed, has other blocks, lacks ``user``, or has something beside its blocks.
    """

    def __init__(self, source: str, name: str) -> None:
        self._name = name
        try:
            tree = _environment().parse(source)
            self._template = _environment().from_string(source)
        except TemplateSyntaxError as error:
            raise ValueError(f"{name}, line {error.lineno}: {error.message}") from None
        self._has_blocks = _check_blocks(tree, name)

    def messages(self, data: object, instructions: str, poll: Poll) -> list[Message]:
        """Return the messages for data, the system's first.

        Raises:
            InvalidDataError: JSON cannot hold the data, or the template cannot be filled with it.
        """
        values = {"data": Plain(poll).of(data), "instructions": instructions}
        poll()
        try:
            if not self._has_blocks:
                return [{"role": "user", "content": self._template.render(values)}]
            parts = {name: self._part(name, values) for name in _PARTS if name in self._template.blocks}
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            why = shown(message_of(error))
        else:
            system = parts.get("system", "").strip()
            first = [{"role": "system", "content": system}] if system else []
            return [*first, {"role": "user", "content": parts["user"]}]
        raise InvalidDataError(f"{self._name} cannot be filled with the data: {why}")

    def _part(self, name: str, values: dict[str, Any]) -> str:
        return "".join(self._template.blocks[name](self._template.new_context(values)))


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        autoescape=False,  # a model reads text, and no HTML
        undefined=StrictUndefined,
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def _written(value: Json | Undefined) -> str | Undefined:
    return value if isinstance(value, str | Undefined) else json.dumps(value, ensure_ascii=False)


def _check_blocks(tree: nodes.Template, name: str) -> bool:
    """Say whether a template has blocks."""
    blocks = {block.name for block in tree.find_all(nodes.Block)}
    if not blocks:
        return False
    others = sorted(blocks - {*_PARTS})
    if others:
        raise ValueError(f"{name} has a block {others[0]!r}; there are two: 'system' and 'user'")
    if "user" not in blocks:
        raise ValueError(f"{name} has no block 'user', which makes the message with the data")
    if any(not isinstance(node, nodes.Block) and not _is_blank(node) for node in tree.body):
        raise ValueError(
            f"{name} has something beside its blocks, which nobody would be told: move it into one of them"
        )
    return True


def _is_blank(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Output) and all(
        isinstance(each, nodes.TemplateData) and not each.data.strip() for each in node.nodes
    )


def prompt_of(prompt: object, prompt_file: object, built_in: str) -> Prompt:
    """Return the prompt that is given, as source or in a file, else the one of this name that comes with atrio.

    Raises:
        TypeError: `prompt` is no str, or `prompt_file` no path.
        ValueError: both are given; the file cannot be read; or it is no template.
    """
    if prompt is not None and prompt_file is not None:
        raise ValueError("give either prompt or prompt_file, not both")
    if prompt is not None:
        if not isinstance(prompt, str):
            raise TypeError(f"prompt must be the source of a Jinja2 template, a str, not {type(prompt).__name__}")
        return Prompt(prompt, "prompt")
    if prompt_file is None:
        return _built_in(built_in)
    if not isinstance(prompt_file, str | PathLike):
        raise TypeError(f"prompt_file must be the path of a Jinja2 template, not {type(prompt_file).__name__}")
    path = fspath(prompt_file)
    try:
        source = Path(str(path)).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"prompt_file {str(path)!r} cannot be read: {why}") from None
    return Prompt(source, f"prompt_file {str(path)!r}")


@cache
def _built_in(name: str) -> Prompt:
    return Prompt(files("atrio.agents").joinpath("prompts", f"{name}.j2").read_text(encoding="utf-8"), f"prompt {name}")
