"""The rows of the tables: what is compared with what, and what it should be."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure to show: of one program by itself, divided by another one's, or less another one's.

    The figure is taken round by round, so that what slows a whole round down cancels out.

    Args:
        label: what the figure is, in words; it says so where the two sides do not do the same.
        above: the name of the program whose figure it is.
        below: the program that it is divided by.
        minus: the program whose figure is subtracted.
        figure: which of the figures: ``cpu_s``, ``wall_s``, or what the program's ``figures`` names.
        below_figure: the same for ``below`` and ``minus``, where it is another one.
        per_unit: both sides are divided by the size of their work first: a cost a stage, an item, a call.
        scale: what the figure is multiplied with to be in ``unit``.
        at_most: the target, if lower is better.
        at_least: the target, if higher is better.
        unit: of the figure, shown behind it; empty for a ratio.
        digits: how many are shown behind the point.
        control: a program against itself: as far as it is from 1, so far other ratios are not to be trusted.
        gate: whether CI fails when the figure is worse than the recorded one by a factor of 1.5.
    """

    label: str
    above: str
    below: str | None = None
    minus: str | None = None
    figure: str = "cpu_s"
    below_figure: str | None = None
    per_unit: bool = False
    scale: float = 1.0
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""
    digits: int = 3
    control: bool = False
    gate: bool = False

    @property
    def programs(self) -> Sequence[str]:
        """The programs that it needs."""
        return [name for name in (self.above, self.below, self.minus) if name is not None]

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher figure is the better one."""
        return self.at_least is not None

    @property
    def target(self) -> str:
        """The target as tables show it; empty where there is none."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}{self.unit}"
        return "" if self.at_least is None else f">= {self.at_least:g}{self.unit}"

    def shown(self, figure: float) -> str:
        """Return a figure as tables show it."""
        return f"{figure:,.{self.digits}f}{self.unit}"

    def verdict(self, figure: float) -> str:
        """Say whether the target was met; nothing where there is none."""
        if self.at_most is not None:
            return "met" if figure <= self.at_most else "missed"
        if self.at_least is not None:
            return "met" if figure >= self.at_least else "missed"
        return ""
