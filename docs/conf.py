"""How Sphinx builds these pages: ``sphinx-build -W -n -b html docs docs/_build/html``. It needs no network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src")]

from atrio import __version__  # noqa: E402 - found through the line above

project = "atrio"
author = "The atrio developers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # our docstrings are written in Google's style
    "sphinxcontrib_trio",  # shows what is async, and what is a context manager
    "atrio_docs",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"  # docstrings write `name` for what is code
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_use_rtype = False
python_display_short_literal_types = True
python_maximum_signature_line_length = 88

# Public names whose pages are still to be written. Any other public name that no page describes is a warning.
atrio_described_later: tuple[str, ...] = ()

# Nitpicky, but for what no page of ours describes: there is no intersphinx, so that building needs no network.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(trio|attrs|attr|structlog|jinja2|prometheus_client)\..*"),
    (r"py:.*", r"(collections|contextlib|datetime|logging|os|pathlib|random|re|types|typing)\..*"),
    (r"py:.*", r"(abc\.ABC|enum\.StrEnum|ABC|CollectorRegistry|Protocol|Generic|TypeVar|Any|optional)"),
    *((r"py:.*", rf"(atrio\.)?{name}") for name in atrio_described_later),
    (r"py:.*", r"atrio\._.*"),  # type variables; public names are found wherever they live
    (r"py:class", r"'.*'"),  # members of a Literal
    (r"py:.*", r"(.*\.)?(In|Out|Mid|T|E|Json|In_contra|Out_co|EventType|Level)"),
]

html_theme = "furo"
html_title = f"atrio {release}"
html_static_path = ["_static"]
html_css_files = ["atrio.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#79b8ff", "color-brand-content": "#79b8ff"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
