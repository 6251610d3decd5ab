"""What these pages take from the code itself, so that they cannot disagree with it.

- ``.. atrio-events::`` makes the tables of events from the event classes.
- ``.. atrio-event-classes::`` describes those classes as Python objects.
- ``.. atrio-envelope::`` makes the table of what is on every event.
- ``.. atrio-help:: run`` shows what ``atrio run --help`` prints.
- The signature of an attrs class has its defaults as one writes them; a class that is read and not built has none.
- References to ``atrio._room.Name`` lead to the public name, ``atrio.Name``, and those to an attribute to its class.
- A colon in the first line of a property's docstring is a colon.
- A public name without a description is a warning, and so, with ``-W``, an error.
"""

import enum
import importlib
import inspect
import os
import subprocess
import sys
import types

import attrs
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from atrio import events
from atrio.events._catalogue import own_fields, shared_fields

LOGGER = logging.getLogger(__name__)
# Of atrio.events the classes are described as they come; the rest of it is for atrio's own rooms.
PUBLIC_MODULES = (
    "atrio",
    "atrio.adapters",
    "atrio.agents",
    "atrio.config",
    "atrio.errors",
    "atrio.history",
    "atrio.logs",
    "atrio.sinks",
    "atrio.sinks.prometheus",
    "atrio.testing",
)
HIDDEN_COLON = "\ue000"


def event_classes():
    return events.EVENT_KINDS


def level_of(kind):
    """Return the level of an event in words, as the end of a sentence."""
    level = inspect.getattr_static(kind, "level")
    if isinstance(level, property):
        words = inspect.getdoc(level)
        return words[:1].lower() + words[1:]
    return f"{level}."


def table(rows):
    """Yield the lines of a list-table of three columns."""
    yield from (".. list-table::", "   :header-rows: 1", "   :widths: 22 14 64", "   :width: 100%", "")
    for row in (("field", "type", "meaning"), *rows):
        for number, cell in enumerate(row):
            yield f"   {'  ' if number else '* '}- {cell}"
    yield ""


def field_rows(fields):
    for field in fields:
        yield f"``{field.name}``", " or ".join(field.types), field.meaning


class Generated(SphinxDirective):
    """A directive whose content is made of lines of reStructuredText."""

    def run(self):
        # The pages are Markdown, and their parser takes the other kind in this fence.
        text = "\n".join(self.lines())
        return self.parse_text_to_nodes(f"```{{eval-rst}}\n{text}\n```\n")

    def lines(self):
        raise NotImplementedError


class EventTables(SphinxDirective):
    """A section for each event, with its fields."""

    def run(self):
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)

    def lines(self):
        for kind in event_classes():
            yield from (f"### {kind.event_name}", "", "```{eval-rst}")
            sentence, name = inspect.getdoc(kind).splitlines()[0], kind.__name__
            yield f"{sentence} Class :class:`~atrio.events.{name}`, level {level_of(kind)}"
            yield ""
            yield from table(field_rows(own_fields(kind)))
            yield from ("```", "")


class EventClasses(Generated):
    def lines(self):
        for kind in event_classes():
            yield f".. autoclass:: atrio.events.{kind.__name__}"
            yield ""


class EnvelopeTable(Generated):
    def lines(self):
        yield from table(field_rows(shared_fields()))


class Help(SphinxDirective):
    """What ``atrio COMMAND --help`` prints."""

    optional_arguments = 2
    WIDTH = "84"

    def run(self):
        command = self.arguments
        printed = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "atrio", *command, "--help"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": self.WIDTH, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        ).stdout
        text = "\n".join(line.rstrip() for line in printed.splitlines())
        return [nodes.literal_block(text, text, language="text")]


def signature(_app, what, _name, obj, _options, given, _returned):
    """Write the defaults of an attrs class as its user would."""
    if what != "class" or (given or "").endswith("StageConfig())"):
        return None
    if getattr(obj, "_is_protocol", False) or issubclass(obj, enum.Enum):
        return "", None
    if not attrs.has(obj):
        return None
    if "Args:" not in (obj.__doc__ or ""):
        return "", None
    fields = [field for field in attrs.fields(obj) if field.init]
    arguments = [field.name + default_of(field) for field in fields]
    positional = sum(not field.kw_only for field in fields)
    if positional < len(fields):
        arguments.insert(positional, "*")
    return f"({', '.join(arguments)})", None


def skip(_app, _what, _name, obj, skipped, _options):
    """Leave out the slots, which the class docstrings describe as arguments and attributes."""
    return True if isinstance(obj, types.MemberDescriptorType) else skipped


def hide_colon(_app, what, _name, _obj, _options, lines):
    """Keep napoleon from taking what stands before a colon for the type of a property."""
    if what == "property":
        lines[0] = lines[0].replace(": ", HIDDEN_COLON)


def show_colon(_app, what, _name, _obj, _options, lines):
    """Undo :func:`hide_colon`, after napoleon."""
    if what == "property":
        lines[:] = [line.replace(HIDDEN_COLON, ": ") for line in lines]


def default_of(field):
    default = field.default
    if default is attrs.NOTHING:
        return ""
    if isinstance(default, attrs.Factory):
        return f"={default.factory.__name__}()"
    if isinstance(default, enum.Enum):
        return f"={type(default).__name__}.{default.name}"
    return f"={getattr(default, '__name__', repr(default))}"


def resolve(app, env, node, content):
    """Lead a reference to where an object lives, or to its bare name, to where it is described."""
    target = node.get("reftarget", "")
    module, _, name = target.rpartition(".")
    if node.get("reftype") == "attr":  # which its class describes
        module, name = "", module
    if node.get("refdomain") != "py" or not (not module or module.startswith("atrio")):
        return None
    python = env.domains["py"]
    described = [each for each in python.objects if each.startswith("atrio.") and each.rpartition(".")[2] == name]
    if not described:
        return None
    home = min(described, key=len)  # atrio.Pipeline rather than a member of that name
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, content)


def check_complete(app, env):
    described = {name.rpartition(".")[2] for name in env.domains["py"].objects}
    later = set(app.config.atrio_described_later)
    for module in PUBLIC_MODULES:
        for name in importlib.import_module(module).__all__:
            if name not in described | later and not name.startswith("__"):
                LOGGER.warning("%s.%s is public, and no page describes it", module, name)
    for name in later & described:
        LOGGER.warning("%s is described by now: take it out of atrio_described_later in conf.py", name)


def setup(app):
    app.add_config_value("atrio_described_later", (), "env")
    app.add_directive("atrio-events", EventTables)
    app.add_directive("atrio-help", Help)
    app.add_directive("atrio-event-classes", EventClasses)
    app.add_directive("atrio-envelope", EnvelopeTable)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", hide_colon, priority=400)
    app.connect("autodoc-process-docstring", show_colon, priority=600)
    app.connect("missing-reference", resolve)
    app.connect("env-check-consistency", check_complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
