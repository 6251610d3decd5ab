"""How far a run is: a bar on a terminal, a line for each tenth elsewhere; on stderr."""

import sys
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def shown_progress() -> "Bars | Lines":
    """Return what suits stderr."""
    return Bars() if sys.stderr.isatty() else Lines()


class Bars:
    """A bar for each phase, with the time that is left and what is being measured."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.fields[phase]:8}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.description}"), console=Console(stderr=True),
        )  # fmt: skip
        self._bar = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bars.stop()

    def phase(self, what: str, total: int) -> None:
        """Begin a bar of so many steps."""
        self._end_phase()
        self._bar = self._bars.add_task("", total=total, phase=what)
        self._begun = False

    def _end_phase(self) -> None:
        if self._bar is not None:
            self._bars.update(self._bar, completed=self._bars.tasks[self._bar].total, description="")

    def step(self, what: str) -> None:
        """Show what is being done; the step before it is done."""
        if self._bar is not None:
            self._bars.update(self._bar, advance=1 if self._begun else 0, description=what)
            self._begun = True

    def note(self, what: str) -> None:
        """Show a line above the bars."""
        self._bars.console.print(what, markup=False, highlight=False)

    def end(self) -> None:
        """The last step is done."""
        self._end_phase()


class Lines:
    """A line for each tenth of a phase."""

    def __init__(self) -> None:
        self._phase, self._total, self._begun, self._began = "", 0, 0, monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        pass

    def phase(self, what: str, total: int) -> None:
        """Begin a phase."""
        self._phase, self._total, self._begun, self._began = what, total, 0, monotonic()

    def step(self, what: str) -> None:
        """Say how far it is, at each tenth."""
        before, now = (10 * count // max(1, self._total) for count in (self._begun - 1, self._begun))
        if now > before:
            self.note(f"{self._phase}: {self._begun} of {self._total}, {monotonic() - self._began:.0f} s, {what}")
        self._begun += 1

    def note(self, what: str) -> None:
        """Print a line."""
        print(what, file=sys.stderr, flush=True)

    def end(self) -> None:
        """The last step is done."""
        self.note(f"{self._phase}: done, {monotonic() - self._began:.0f} s")
