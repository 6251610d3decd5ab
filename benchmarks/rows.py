"""The rows of the tables: what is compared with what, what it should be, and how a figure is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from sampling import Estimate, estimate

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Row:
    """A figure to show: of one contestant by itself, divided by another one's, or less another one's.

    ``absent`` is what its verdict says where a contestant does not exist.
    """

    label: str
    above: str
    below: str | None = None
    minus: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""
    digits: int = 3
    control: bool = False
    absent: str = "not there yet"

    def measured(self, samples: Samples, rng: Random) -> Estimate | None:
        """Return the figure, taken round by round; None where a contestant does not exist."""
        named = [name for name in (self.above, self.below, self.minus) if name is not None]
        if not set(named) <= set(samples):
            return None
        rounds = zip(*(samples[name] for name in named), strict=True)
        if self.below is not None:
            return estimate([above / below for above, below in rounds], rng)
        return estimate([each[0] - sum(each[1:]) for each in rounds], rng)

    def shown(self, figure: float) -> str:
        """Return a figure as the table shows it."""
        return f"{figure:.{self.digits}f}{self.unit}"

    @property
    def target(self) -> str:
        """The target as the table shows it."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}{self.unit}"
        return "" if self.at_least is None else f">= {self.at_least:g}{self.unit}"

    def verdict(self, measured: float) -> str:
        """Say whether the target was met; nothing where there is none."""
        if self.at_most is not None:
            return "met" if measured <= self.at_most else "missed"
        if self.at_least is not None:
            return "met" if measured >= self.at_least else "missed"
        return ""

    def line(self, figure: Estimate | None) -> str:
        """Return the row as a line of a Markdown table."""
        if figure is None:
            return f"| {self.label} | | | {self.target} | {self.absent} |"
        interval = f"{self.shown(figure.low)} to {self.shown(figure.high)}"
        verdict = self.verdict(figure.median)
        return f"| {self.label} | {self.shown(figure.median)} | {interval} | {self.target} | {verdict} |"


def row_table(measured: Sequence[tuple[Row, Estimate | None]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [row.line(figure) for row, figure in measured]
    return "\n".join(["| what | measured | 95 % interval | target | verdict |", "|---|---|---|---|---|", *lines])
