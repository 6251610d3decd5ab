"""Compose small async agents into resilient pipelines, on Trio.

Where things are::

    errors      the exception tree
    events      what happened: one class per event, observe()
    _agent      what an agent is
    _results    records, results, and the figures derived from them
    _context    the context of a run
    _attempts   backoff, and what is worth another attempt
    _stage      Stage, StageConfig, ErrorPolicy
    _run        the loop over the stages of one run
    _pipeline   Pipeline
    _tasks      the outcome of a batch's task
    _batch      BatchProcessor: batches and streams
    combinators agents that wrap or combine agents: breaker, limiter, pool, fallback, fan-out, router
    adapters    agents from elsewhere: blocking functions
    sinks       what is done with events: structlog, metrics
    testing     for tests: scripted agents, captured events
    agents      ready-made agents
    registry    agents by what they can do: ranking, planning, assembling
    cli         the command ``atrio``
"""

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
    DefinitionError,
    NestedBatchError,
    PipelineError,
    PlanningError,
    RegistryError,
    SinkWarning,
    StageTimeoutError,
    TaskCancelledError,
    TaskError,
    TaskNotStartedError,
    TaskTimeoutError,
)
from atrio.events import Event, Sink, observe, observe_only
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
from atrio.sinks.metrics import ExecutionStatistics, InMemoryMetrics, MetricsCollector

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
    "__version__",
    "current_context",
    "current_task",
    "is_transient",
    "observe",
    "observe_only",
]
