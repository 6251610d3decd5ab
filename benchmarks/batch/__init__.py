"""Batches: throughput by concurrency and size, agents that sleep, streams, and what the parts of an item cost."""

from benchmarks.batch import step_entries, throughput, waiting

_ENTRIES = (throughput, waiting, step_entries)

WORKS = tuple(work for entries in _ENTRIES for work in entries.WORKS)
PROGRAMS = tuple(program for entries in _ENTRIES for program in entries.PROGRAMS)
ROWS = tuple(row for entries in _ENTRIES for row in entries.ROWS)
