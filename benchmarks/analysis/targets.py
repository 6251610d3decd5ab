"""The targets that no row of the suite has, for the one table of all targets (``report.tables.target_table``).

They belong to parts of atrio that are not built yet; whoever builds one moves its
target from `PLANNED` to a row of the suite.
"""

from dataclasses import dataclass

NOT_BUILT = "not built yet"


@dataclass(frozen=True)
class Planned:
    """A target of a part that is not built, or not measured, yet.

    Args:
        part: of atrio, in the words of its documentation.
        label: what is to be measured.
        target: as the table shows it.
    """

    part: str
    label: str
    target: str


PLANNED = (
    Planned("history", "a run with the history on / with it off", "<= 1.1"),
    Planned("history", "purging 100,000 runs, the longest hold of the writer", "<= 50 ms"),
    Planned("history", "`atrio status` among 1,000,000 stage records", "<= 200 ms"),
)
