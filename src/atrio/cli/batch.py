"""``atrio batch``: many inputs through one pipeline, a limit to how many at once, a result line for each."""

from contextlib import AbstractContextManager
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final

import trio
from cyclopts import Parameter

from atrio import BatchConfig, BatchProcessor, Event, Outcomes, Pipeline, PipelineResult, RunStatus, TaskResult, TaskStatus
from atrio.cli._exits import Exit, exit_for
from atrio.cli._interrupts import interrupt_cancels, quit_at_once
from atrio.cli._logs import logging_as
from atrio.cli._options import BatchOptions, FailOn
from atrio.cli._pipelines import pipeline_called
from atrio.cli._progress import PERIOD_S, ProgressBar, is_wanted, progress_bar
from atrio.cli._result_lines import CapturedLines, NoLines, ResultLines, line_of, result_lines
from atrio.cli._streams import Refused, say, write_out
from atrio.cli._summary import Summary
from atrio.cli._tasks_input import TaskInput, TaskInputs, inputs_at

_DEFAULTS: Final = BatchOptions()
_LIMITS: Final = BatchConfig()
_GRACE_S: Final = 0.05
"""Seconds to wait for an outcome that may be there already."""
