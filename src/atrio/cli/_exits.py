"""Exit codes."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from atrio import RunStatus

if TYPE_CHECKING:
    from atrio.cli._options import FailOn


class Exit(IntEnum):
    """What the exit code of a command means.

    STDOUT_CLOSED is what a shell reports of a program that SIGPIPE ended, as it ends most of those whose reader went.
    """

    SUCCESS = 0
    FAILED = 1
    UNUSABLE = 2
    INTERRUPTED = 130
    STDOUT_CLOSED = 141


def exit_for(status: RunStatus, fail_on: FailOn | None) -> Exit:
    """Return the exit code for a run or a batch that ended with `status`; `fail_on` decides on a degraded one."""
    passed = status is RunStatus.SUCCESS or (status is RunStatus.DEGRADED and fail_on is None)
    return Exit.SUCCESS if passed else Exit.FAILED
