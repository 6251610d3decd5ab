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


# Everything that has a target is built, for now.
PLANNED: tuple[Planned, ...] = ()
