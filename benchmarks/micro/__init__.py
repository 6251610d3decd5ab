"""One stage, attempt, guarded call, event, record: what the smallest things cost."""

from benchmarks.micro import attempt_entries, event_entries, guard_entries, line_entries, record_entries, stage_entries

WORKS = (
    stage_entries.WORK,
    attempt_entries.WORK,
    guard_entries.WORK,
    *event_entries.WORKS,
    *line_entries.WORKS,
    *record_entries.WORKS,
)
_ENTRIES = (stage_entries, attempt_entries, guard_entries, event_entries, line_entries, record_entries)
PROGRAMS = tuple(program for entries in _ENTRIES for program in entries.PROGRAMS)
ROWS = tuple(row for entries in _ENTRIES for row in entries.ROWS)
