"""What had begun and had not ended where a log ends, and what became of the process that worked on it."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

import attrs

Kind: TypeAlias = Literal["pipeline", "batch", "stage", "task"]
Fate: TypeAlias = Literal["running", "killed", "gone", "unknown"]


@attrs.frozen
class InFlight:
    """What had begun and had not ended where the log ends.

    Attributes:
        kind: pipeline or batch for a run, else stage or task.
        name: the pipeline's, the stage's or the task's id, or the batch's name.
        run_id: the run, or the run that the stage or the task belongs to.
        since: the timestamp of its start.
        pid: the process that ran it.
        host: the machine that it ran on.
        last_seen: the timestamp of that process's last line, None if there were too many processes to remember.
        process: what became of the process, as far as this machine knows: `running`; `killed`, because it is gone, and
            others wrote on; `gone`, which is the same if the log ends here, and may be no more than that if it goes on
            in another file; `unknown` for another machine's.
    """

    kind: Kind
    name: str
    run_id: str
    since: str
    pid: int
    host: str
    last_seen: str | None
    process: Fate


def fate_of(pid: int, host: str, *, others_wrote_on: bool) -> Fate:
    """Return what became of a process.

    Args:
        pid: its number.
        host: the machine that it ran on.
        others_wrote_on: whether the log has lines of others after its last one.
    """
    # Elsewhere than on POSIX systems 0 is a signal that ends processes.
    if pid <= 0 or os.name != "posix" or host != os.uname().nodename:
        return "unknown"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "killed" if others_wrote_on else "gone"
    except PermissionError:  # it is there, and another user's
        return "running"
    except OverflowError:
        return "unknown"
    return "running"
