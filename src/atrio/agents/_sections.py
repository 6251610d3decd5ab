"""What a report shows: any data, laid out as titled tables and texts, before a template draws them."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, time
from enum import Enum
from itertools import islice
from typing import Any, Final, Literal, cast

import attrs
import regex

from atrio.agents._analysis import TextAnalysis

DEEPEST: Final = 4
"""Levels of nesting that get sections of their own; what lies deeper is written out in one cell."""

MOST_ROWS: Final = 1_000
"""Rows of a table; how many are beyond is said in a note. Nobody reads a page of more."""

MOST_SECTIONS: Final = 200
"""Sections of a report, for the same reason."""

MOST_COLUMNS: Final = 8
"""Columns of a table; records with more fields are shown one by one."""

_WHAT_IS_COUNTED: Final = (
    "Characters count all of the text. The other figures leave out what is no prose: code blocks, link targets, "
    "images, HTML tags and comments, front matter."
)
_PIECE: Final = 1 << 16
_BACKTICKS: Final = regex.compile(r"`{3,}+")


@attrs.frozen(kw_only=True)
class Section:
    """A titled part of a report.

    Attributes:
        kind: "table" or "text".
        title: Its heading, or empty.
        heads: A table's column heads.
        rows: A table's rows, each as long as the heads.
        text: What a text says.
        note: A remark below it, or empty.
    """

    kind: Literal["table", "text"] = "table"
    title: str = ""
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text: str = ""
    note: str = ""

    @property
    def pieces(self) -> Iterator[str]:
        """The text, in pieces that are soon written."""
        return (self.text[start : start + _PIECE] for start in range(0, len(self.text), _PIECE))

    @property
    def fence(self) -> str:
        """More backticks than the text has anywhere: what begins and ends it as Markdown code."""
        return "`" * (1 + max((len(run) for run in _BACKTICKS.findall(self.text)), default=2))


def plain(value: object) -> str:
    """Return a single value as people write it: no ``None``, no ``True``, no seventeen digits."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, bytes | bytearray):
        return value.decode(errors="backslashreplace")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def fields_of(value: object) -> Mapping[object, object] | None:
    """Return the named parts of a mapping, an attrs object or a dataclass, else None."""
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    if isinstance(value, type):
        return None
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(cast("Any", type(value)))}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def items_of(value: object) -> Sequence[object] | None:
    """Return the members of a list, a tuple or a set (in the order of how they are written), else None."""
    if isinstance(value, AbstractSet):
        return sorted(cast("AbstractSet[object]", value), key=plain)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return cast("Sequence[object]", value)
    return None


def _nested(value: object) -> bool:
    return bool(items_of(value) if fields_of(value) is None else fields_of(value))


def _beyond(total: int) -> str:
    return f"{total - MOST_ROWS:,} more are not shown." if total > MOST_ROWS else ""


def _columns(items: Sequence[object]) -> list[str] | None:
    """Return the column heads of a list of flat records, or None if it is something else."""
    heads: dict[str, None] = {}
    for item in items:
        fields = fields_of(item)
        if fields is None or any(map(_nested, fields.values())):
            return None
        heads.update(dict.fromkeys(map(plain, fields)))
        if len(heads) > MOST_COLUMNS:
            return None
    return list(heads)


def _record_table(title: str, heads: list[str], items: Sequence[object], total: int) -> Section:
    rows: list[tuple[str, ...]] = []
    for item in items:
        cells = {plain(name): plain(value) for name, value in (fields_of(item) or {}).items()}
        rows.append(tuple(cells.get(head, "") for head in heads))
    return Section(title=title, heads=tuple(heads), rows=tuple(rows), note=_beyond(total))


def _of_items(title: str, items: Sequence[object], depth: int) -> Iterator[Section]:
    shown = items[:MOST_ROWS]
    heads = _columns(shown)
    if heads:
        yield _record_table(title, heads, shown, len(items))
        return
    named = {f"{number}": item for number, item in enumerate(shown, 1)}
    yield from _of_fields(title, ("Number", "Value"), named, len(items), depth)


def _of_fields(
    title: str, heads: tuple[str, str], fields: Mapping[Any, object], total: int, depth: int
) -> Iterator[Section]:
    shown = {plain(name): value for name, value in islice(fields.items(), MOST_ROWS)}
    apart = {name: value for name, value in shown.items() if depth < DEEPEST and _nested(value)}
    rows = tuple((name, plain(value)) for name, value in shown.items() if name not in apart)
    if rows or total > MOST_ROWS:
        yield Section(title=title, heads=heads, rows=rows, note=_beyond(total))
    for name, value in apart.items():
        yield from _of_any(f"{title} / {name}" if title else name, value, depth + 1)


def _of_any(title: str, value: object, depth: int) -> Iterator[Section]:
    fields, items = fields_of(value), items_of(value)
    if fields:
        yield from _of_fields(title, ("Name", "Value"), fields, len(fields), depth)
    elif items:
        yield from _of_items(title, items, depth)
    elif fields is None and items is None and value != "":
        yield Section(kind="text", title=title, text=plain(value))
    else:
        yield Section(title=title, note="There is nothing to show.")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def _per(count: int, total: int) -> str:
    return f"{count / total:,.1f}" if total else "none"


def _of_analysis(analysis: TextAnalysis) -> Iterator[Section]:
    ease, variety = analysis.reading_ease, analysis.lexical_variety
    yield Section(
        title="Reading",
        heads=("Measure", "Value"),
        rows=(
            ("Reading time", _duration(analysis.reading_time_s)),
            ("Reading ease", "none" if ease is None else f"{ease:.1f} ({analysis.reading_level})"),
            ("Lexical variety", "none" if variety is None else f"{variety:.2f}"),
            ("Language", analysis.language or "not recognised"),
        ),
        note=" ".join(filter(None, (analysis.reading_note, analysis.variety_note))),
    )
    counts = ("words", "unique_words", "characters", "sentences", "paragraphs", "code_lines", "syllables")
    rows = [(name.replace("_", " ").capitalize(), plain(getattr(analysis, name))) for name in counts]
    rows.append(("Words per sentence", _per(analysis.words, analysis.sentences)))
    rows.append(("Sentences per paragraph", _per(analysis.sentences, analysis.paragraphs)))
    yield Section(title="Counts", heads=("Measure", "Value"), rows=tuple(rows), note=_WHAT_IS_COUNTED)
    if analysis.keywords:
        keywords = tuple((keyword.word, plain(keyword.count)) for keyword in analysis.keywords)
        yield Section(title="Keywords", heads=("Word", "Occurrences"), rows=keywords)


def sections_of(data: object) -> Iterator[Section]:
    """Yield the sections of a report on ``data``, at most `MOST_SECTIONS` and a last one that says so."""
    found = _of_analysis(data) if isinstance(data, TextAnalysis) else _of_any("", data, 1)
    yield from islice(found, MOST_SECTIONS)
    if next(found, None) is not None:
        yield Section(title="And more", note=f"Only the first {MOST_SECTIONS} parts are shown.")


def weight(data: object, limit: int) -> int:
    """Return roughly how many characters a report on ``data`` has; counting ends once ``limit`` is passed."""
    total, waiting = 0, [data]
    while waiting and total < limit:
        value = waiting.pop()
        fields = fields_of(value)
        members = items_of(value) if fields is None else list(fields.values())
        total += 20 + (len(value) if isinstance(value, str | bytes | bytearray) else 0)
        waiting.extend(members[:limit] if members else ())
    return total
