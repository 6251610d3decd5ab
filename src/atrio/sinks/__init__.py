"""Sinks: what is done with events. Importing this installs the default one, :class:`StructlogSink`."""

from atrio.sinks._line_files import LineFile, WriteError
from atrio.sinks.json_lines import JsonLinesSink
from atrio.sinks.metrics import InMemoryMetrics, MetricsCollector
from atrio.sinks.redacted import Redacted
from atrio.sinks.structlog import StructlogSink

__all__ = [
    "InMemoryMetrics",
    "JsonLinesSink",
    "LineFile",
    "MetricsCollector",
    "Redacted",
    "StructlogSink",
    "WriteError",
]
