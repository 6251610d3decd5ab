"""What happened, kept: runs, stages and batches in a SQLite database, written by a sink and read afterwards.

- `HistorySink`: keeps the runs of its block.
- `History`: reads them: the latest ones, and each with all its stages, tasks and retries.
- `AlertSink`: raises alerts over what is kept, and resolves them; `alerts_in` reads them.

Importing this package does not load SQLite; the first use of a name that needs it does.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atrio.history.alert_sink import AlertSink
    from atrio.history.alerts import Thresholds
    from atrio.history.marks import Mark
    from atrio.history.prefixes import AmbiguousRunError, UnknownRunError
    from atrio.history.raised import Alert, alerts_in
    from atrio.history.reading import History
    from atrio.history.rows import (
        ModelRow,
        PipelineFigures,
        RetryRow,
        RunDetail,
        RunKind,
        RunRow,
        RunState,
        StageFigures,
        StageRow,
        StageState,
        TaskFigures,
        TaskRow,
        TaskState,
    )
    from atrio.history.schema import HistoryError
    from atrio.history.writing import HistorySink

__all__ = [
    "Alert",
    "AlertSink",
    "AmbiguousRunError",
    "History",
    "HistoryError",
    "HistorySink",
    "Mark",
    "ModelRow",
    "PipelineFigures",
    "RetryRow",
    "RunDetail",
    "RunKind",
    "RunRow",
    "RunState",
    "StageFigures",
    "StageRow",
    "StageState",
    "TaskFigures",
    "TaskRow",
    "TaskState",
    "Thresholds",
    "UnknownRunError",
    "alerts_in",
]

_ROWS = "atrio.history.rows"
_HOMES = {
    "Alert": "atrio.history.raised",
    "AlertSink": "atrio.history.alert_sink",
    "AmbiguousRunError": "atrio.history.prefixes",
    "History": "atrio.history.reading",
    "HistoryError": "atrio.history.schema",
    "HistorySink": "atrio.history.writing",
    "Mark": "atrio.history.marks",
    "ModelRow": _ROWS,
    "PipelineFigures": _ROWS,
    "RetryRow": _ROWS,
    "RunDetail": _ROWS,
    "RunKind": _ROWS,
    "RunRow": _ROWS,
    "RunState": _ROWS,
    "StageFigures": _ROWS,
    "StageRow": _ROWS,
    "StageState": _ROWS,
    "TaskFigures": _ROWS,
    "TaskRow": _ROWS,
    "TaskState": _ROWS,
    "Thresholds": "atrio.history.alerts",
    "UnknownRunError": "atrio.history.prefixes",
    "alerts_in": "atrio.history.raised",
}

# Type checkers, which find the names above, would take any other name for one too.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
        return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
