"""Figures of matplotlib as SVG: the same bytes for the same samples, in colours that a page can change for the dark."""

import io
import re
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
FONTS = "'DejaVu Sans', Verdana, 'Segoe UI', Roboto, sans-serif"

# Each colour by its name, for a light ground and for a dark one. Those of subjects are told apart with any common
# colour blindness (after M. Okabe and K. Ito, darkened where they are too pale for thin lines on white).
COLOURS = {
    "card": ("#ffffff", "#161b22"),
    "ink": ("#1f2328", "#e6edf3"),
    "muted": ("#59636e", "#9aa4af"),
    "line": ("#d1d9e0", "#3d444d"),
    "atrio": ("#d55e00", "#ff9142"),
    "twin": ("#0072b2", "#58a6ff"),
    "hand": ("#3b434b", "#cdd5de"),
    "others": ("#a9b3bd", "#6a737d"),
    "green": ("#008060", "#33c79b"),
    "purple": ("#b0579a", "#e39bd0"),
    "sky": ("#2f95cf", "#85ccf7"),
    "amber": ("#a87400", "#f0bb45"),
    "violet": ("#6f4fc4", "#b39af5"),
    "olive": ("#6b7a00", "#c3d13f"),
}
LIGHT = {name: light for name, (light, _) in COLOURS.items()}
_NAMED = {light: name for name, light in LIGHT.items()}

# Text stays text, so that it can be searched and read aloud; nothing in a label is taken for a formula.
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "atrio",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.edgecolor": LIGHT["line"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": LIGHT["card"],
    "axes.facecolor": "none",
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.6,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["line"],
    "ytick.color": LIGHT["line"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "xtick.minor.width": 0.0,
    "ytick.minor.width": 0.0,
}

ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)


def settings() -> Any:
    """Return the context in which figures are drawn."""
    return mpl.rc_context(SETTINGS)


def svg_of(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an SVG file, on a white card.

    Args:
        figure: what was drawn.
        name: set before the figure's ids, so that several may stand in one page.
        title: what a screen reader says that it is.
    """
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(written.getvalue())  # noqa: S314 - matplotlib wrote it a line above
    for child in list(root):
        # Metadata links to vocabularies on the web, and a rule for all elements would reach the page around it.
        if child.tag == f"{{{SVG}}}metadata" or (
            child.tag == f"{{{SVG}}}defs" and child.find(f"{{{SVG}}}style") is not None
        ):
            root.remove(child)
    described = ET.Element(f"{{{SVG}}}title")
    described.text = title
    root.insert(0, described)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    for element in root.iter():
        _own_ids(element, name)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _own_ids(element: ET.Element, name: str) -> None:
    """Make an element's ids, and its references to others, the figure's own."""
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key in {f"{{{XLINK}}}href", "href"}:
            element.set(key, value.replace("#", f"#{name}-", 1))
        elif "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{name}-"))
        elif "DejaVu Sans" in value:
            element.set(key, value.replace("'DejaVu Sans'", FONTS))


def inlined(svg: str) -> str:
    """Return an SVG file's content for a page of HTML: it scales, and its colours are the page's variables."""
    root = ET.fromstring(svg)  # noqa: S314 - `svg_of` wrote it
    for element in root.iter():
        # HTML knows an element of SVG by its name alone.
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        for key, value in list(element.attrib.items()):
            if key == f"{{{XLINK}}}href":
                del element.attrib[key]
                element.set("href", value)
            elif key in {"style", "fill", "stroke"}:
                element.set(key, re.sub(r"#[0-9a-f]{6}\b", _variable, value))
    width = root.attrib.pop("width").removesuffix("pt")
    root.attrib.pop("height")
    root.attrib.pop("version", None)
    # Never wider than it was drawn, a point being 4/3 pixels.
    root.set("style", f"{root.get('style')}; max-width: {float(width) * 4 / 3:.0f}px")
    return ET.tostring(root, encoding="unicode")


def _variable(found: re.Match[str]) -> str:
    """Return a colour's variable; a colour that has no name stays."""
    name = _NAMED.get(found[0])
    return f"var(--{name})" if name else found[0]
