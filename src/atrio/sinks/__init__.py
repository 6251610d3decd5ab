"""Sinks: what is done with events. Importing this installs the default one, :class:`StructlogSink`."""

from atrio.sinks.metrics import InMemoryMetrics, MetricsCollector
from atrio.sinks.structlog import StructlogSink

__all__ = ["InMemoryMetrics", "MetricsCollector", "StructlogSink"]
