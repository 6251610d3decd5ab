"""How figures and tables are written: Markdown that is laid out to be read in a terminal too."""

from collections.abc import Sequence

SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def aligned(heads: Sequence[str], lines: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table whose columns are as wide as their widest cell.

    Args:
        heads: of the columns.
        lines: of cells, as many each.
        words: how many columns, from the left, are words; the others are figures, and stand at the right.
    """
    cells = [list(heads), *([cell.replace("|", "\\|") for cell in line] for line in lines)]
    widths = [max(3, *(len(line[column]) for line in cells)) for column in range(len(heads))]
    rule = ["-" * width if column < words else "-" * (width - 1) + ":" for column, width in enumerate(widths)]

    def laid_out(line: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column < words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    return "\n".join(map(laid_out, [cells[0], rule, *cells[1:]]))


def cost(value: float | None, clock: str) -> str:
    """Return a figure with its unit, three digits of it; nothing where there is none."""
    if value is None:
        return ""
    if clock != "s":
        return f"{value:,.1f} {clock}"
    scale, unit = next((each for each in SECONDS if abs(value) >= each[0]), SECONDS[-1])
    return f"{value / scale:.3g} {unit}" if value / scale < 1000 else f"{value / scale:,.0f} {unit}"


def change(ratio: float | None) -> str:
    """Return what became of a cost, as a percentage; nothing where it cannot be told."""
    return "" if ratio is None else f"{ratio - 1:+.1%}"
