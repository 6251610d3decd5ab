"""Compose small async agents into resilient pipelines, on Trio.

Where things are::

    errors      the exception tree
    events      what happened: one class per event, observe()
    _agent      what an agent is
    _results    records, results, and the figures derived from them
    _context    the context of a run
    _usage      tokens of language models
    _attempts   backoff, and what is worth another attempt
    _stage      Stage, StageConfig, ErrorPolicy
    _run        the loop over the stages of one run
    _pipeline   Pipeline
    _tasks      the outcome of a batch's task
    _batch      BatchProcessor: batches and streams
    combinators agents that wrap or combine agents: breaker, limiter, pool, fallback, fan-out, router
    adapters    agents from elsewhere: blocking functions
    sinks       what is done with events: structlog, metrics
    history     what ran, kept in a database; alerts
    testing     for tests: scripted agents, captured events
    agents      ready-made agents
    registry    agents by what they can do: ranking, planning, assembling
    config      what a file says: agents, guards, pipelines; read, checked, changed, built
    cli         the command ``atrio``
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from atrio._agent import Agent
from atrio._attempts import Backoff, RetryOn, is_transient
from atrio._batch import BatchConfig, BatchProcessor
from atrio._batch_results import BatchMetrics, BatchResult
from atrio._context import PipelineContext, current_context
from atrio._engine import ChunkItem, ChunkWork, Engine, Journal
from atrio._local_engine import LocalEngine
from atrio._outcomes import Outcomes
from atrio._pipeline import Pipeline
from atrio._results import (
    AttemptFailure,
    ErrorEntry,
    ErrorInfo,
    PipelinePerformance,
    PipelineResult,
    PipelineSummary,
    RunStatus,
    StageRecord,
    StageStatus,
)
from atrio._run import Measure, Middleware
from atrio._stage import ErrorPolicy, Stage, StageConfig
from atrio._tasks import CurrentTask, TaskResult, TaskStatus, current_task
from atrio._usage import Usage
from atrio._version import __version__
from atrio.combinators import (
    AgentPool,
    BreakerGuard,
    BreakerState,
    BreakerStatistics,
    CircuitBreaker,
    Fallback,
    FanOut,
    LimiterGuard,
    LimiterStatistics,
    MemberStatistics,
    PoolMember,
    PoolStatistics,
    RateLimiter,
    Router,
)
from atrio.errors import (
    AtrioError,
    BatchError,
    CircuitOpenError,
    ConfigError,
    ConfigProblem,
    CostError,
    DefinitionError,
    NestedBatchError,
    PipelineError,
    PlanningError,
    RegistryError,
    RouteError,
    SinkWarning,
    StageTimeoutError,
    TaskCancelledError,
    TaskError,
    TaskNotStartedError,
    TaskTimeoutError,
)
from atrio.events import Event, Sink, observe, observe_only
from atrio.sinks.metrics import ExecutionStatistics, InMemoryMetrics, MetricsCollector

if TYPE_CHECKING:
    from atrio.registry import (
        ANY_SCHEMA,
        BUILT_IN_AGENTS,
        AgentDefinition,
        AgentRegistry,
        Candidate,
        Capability,
        Catalogue,
        ResourceRequirements,
    )

__all__ = [
    "ANY_SCHEMA",
    "BUILT_IN_AGENTS",
    "Agent",
    "AgentDefinition",
    "AgentPool",
    "AgentRegistry",
    "AtrioError",
    "AttemptFailure",
    "Backoff",
    "BatchConfig",
    "BatchError",
    "BatchMetrics",
    "BatchProcessor",
    "BatchResult",
    "BreakerGuard",
    "BreakerState",
    "BreakerStatistics",
    "Candidate",
    "Capability",
    "Catalogue",
    "ChunkItem",
    "ChunkWork",
    "CircuitBreaker",
    "CircuitOpenError",
    "ConfigError",
    "ConfigProblem",
    "CostError",
    "CurrentTask",
    "DefinitionError",
    "Engine",
    "ErrorEntry",
    "ErrorInfo",
    "ErrorPolicy",
    "Event",
    "ExecutionStatistics",
    "Fallback",
    "FanOut",
    "InMemoryMetrics",
    "Journal",
    "LimiterGuard",
    "LimiterStatistics",
    "LocalEngine",
    "Measure",
    "MemberStatistics",
    "MetricsCollector",
    "Middleware",
    "NestedBatchError",
    "Outcomes",
    "Pipeline",
    "PipelineContext",
    "PipelineError",
    "PipelinePerformance",
    "PipelineResult",
    "PipelineSummary",
    "PlanningError",
    "PoolMember",
    "PoolStatistics",
    "RateLimiter",
    "RegistryError",
    "ResourceRequirements",
    "RetryOn",
    "RouteError",
    "Router",
    "RunStatus",
    "Sink",
    "SinkWarning",
    "Stage",
    "StageConfig",
    "StageRecord",
    "StageStatus",
    "StageTimeoutError",
    "TaskCancelledError",
    "TaskError",
    "TaskNotStartedError",
    "TaskResult",
    "TaskStatus",
    "TaskTimeoutError",
    "Usage",
    "__version__",
    "current_context",
    "current_task",
    "is_transient",
    "observe",
    "observe_only",
]

# Names of rooms that many programs do without: these are imported when one of their names is first used.
_HOMES = {
    "ANY_SCHEMA": "atrio.registry",
    "BUILT_IN_AGENTS": "atrio.registry",
    "AgentDefinition": "atrio.registry",
    "AgentRegistry": "atrio.registry",
    "Candidate": "atrio.registry",
    "Capability": "atrio.registry",
    "Catalogue": "atrio.registry",
    "ResourceRequirements": "atrio.registry",
}

# Type checkers, which find the names above, would take any other name for one too.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
        return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
