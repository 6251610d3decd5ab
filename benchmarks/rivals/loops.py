"""The event loops that asyncio's libraries run on; only the standard library is imported until one is run."""

from benchmarks.harness.shapes import asyncio_run, uvloop_run

RUNS = {"asyncio": asyncio_run, "uvloop": uvloop_run}
