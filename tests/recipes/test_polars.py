"""Polars: the script of the page reads a log with the types of the catalogue."""

import importlib.util
import shutil

import pytest
from recipe_logs import RECIPES, microseconds

polars = pytest.importorskip("polars", reason="polars is not installed")


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("read_polars", RECIPES / "read_polars.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_reads_every_line(any_log, recipe):
    path, lines = any_log
    counts = recipe.read(path).select(polars.len(), polars.col("event").count().alias("events")).collect()
    assert counts.rows() == [(lines, lines)]
    assert recipe.read(path).select(polars.col("timestamp").null_count()).collect().item() == 0


def test_figures_are_those_that_were_returned(ran, recipe):
    ended = recipe.read(ran.path).filter(
        (polars.col("event") == "pipeline.end") & (polars.col("status") != "cancelled")
    )
    microsecond = (polars.col("duration_s") * 1_000_000).round().cast(polars.Int64)
    runs, total = ended.select(polars.len(), microsecond.sum()).collect().row(0)
    assert runs == len(ran.results)
    assert total == microseconds(each.duration_s for each in ran.results)


def test_figures_of_stages(ran, recipe):
    found = {row["stage_id"]: row for row in recipe.stages(recipe.read(ran.path)).iter_rows(named=True)}
    ended = [line for line in ran.lines if line["event"] == "stage.end"]
    assert sum(row["runs"] for row in found.values()) == len(ended)
    assert sum(row["failed"] for row in found.values()) == sum(line["status"] == "error" for line in ended)
    slow = sorted(line["duration_s"] for line in ended if line["stage_id"] == "lookup")
    assert found["lookup"]["p95_s"] == pytest.approx(slow[int(0.95 * len(slow))], abs=0.01)


def test_the_command_of_the_page(ran, folder, shell):
    shutil.copy(ran.path, folder / "app.jsonl")
    assert "lookup" in shell("python read_polars.py app.jsonl")
