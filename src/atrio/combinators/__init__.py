"""Agents that wrap or combine agents: each is itself an agent, and goes wherever an agent goes."""

from atrio.combinators.circuit_breaker import BreakerGuard, BreakerState, BreakerStatistics, CircuitBreaker
from atrio.combinators.fallback import Fallback
from atrio.combinators.fan_out import FanOut
from atrio.combinators.pool import AgentPool, MemberStatistics, PoolMember, PoolStatistics
from atrio.combinators.rate_limiter import LimiterGuard, LimiterStatistics, RateLimiter
from atrio.combinators.router import Router

__all__ = [
    "AgentPool",
    "BreakerGuard",
    "BreakerState",
    "BreakerStatistics",
    "CircuitBreaker",
    "Fallback",
    "FanOut",
    "LimiterGuard",
    "LimiterStatistics",
    "MemberStatistics",
    "PoolMember",
    "PoolStatistics",
    "RateLimiter",
    "Router",
]
