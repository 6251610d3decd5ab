"""All that is made of a run, written into its folder."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run
from benchmarks.report.html import html
from benchmarks.report.markdown import markdown
from benchmarks.report.plots import plots
from benchmarks.report.samples import write_samples

PLOTS = "plots"


def write_report(run: Run, rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write a run as Markdown, HTML, plots and CSV; return the files.

    Args:
        run: what was measured.
        rows: those of all suites; those that the run did not mean to measure are left out.
        folder: where they are written; those of an earlier report are replaced.
    """
    drawn = plots(run)
    pictures = folder / PLOTS
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*.svg"):
        old.unlink()
    for plot in drawn.drawn:
        (pictures / f"{plot.name}.svg").write_text(plot.svg, encoding="utf-8")
    page = markdown(run, rows, plots=drawn, folder=PLOTS)
    texts = {"report.md": f"# Benchmark run {run.name}\n\n{page}\n", "report.html": html(run, rows, drawn)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    write_samples(run, folder / "samples.csv")
    written = [folder / name for name in (*texts, "samples.csv")]
    return written + [pictures / f"{plot.name}.svg" for plot in drawn.drawn]
