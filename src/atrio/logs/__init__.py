"""Logs, read: whether they are complete, and what they come to.

Both functions read lines as :class:`~atrio.sinks.JsonLinesSink` writes them, from files of any size, in memory that
does not grow with them. They use orjson where it is installed, and then take half of the time.
"""

from atrio.logs._in_flight import InFlight
from atrio.logs._reading import check, summarise
from atrio.logs._report import CheckReport, Problem
from atrio.logs._sources import Source, UnreadableLogError
from atrio.logs._summary import BreakerFigures, Summary

__all__ = [
    "BreakerFigures",
    "CheckReport",
    "InFlight",
    "Problem",
    "Source",
    "Summary",
    "UnreadableLogError",
    "check",
    "summarise",
]
