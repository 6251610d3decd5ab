"""Nurseries of our own, which must not show: a single error leaves as itself, several leave as one group."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def unseen_nursery(scope: trio.CancelScope | None = None) -> AsyncGenerator[trio.Nursery]:
    """Open a nursery whose exception group is not seen where one error is in it, or nothing but cancellations.

    Args:
        scope: entered around the nursery, so that what is left when it has taken its cancellations is not seen either.
    """
    try:
        with trio.CancelScope() if scope is None else scope:
            async with trio.open_nursery() as nursery:
                yield nursery
    except BaseExceptionGroup as group:
        alone = _alone(group)
        if alone is None:
            raise
        # Raised here it would get the nursery's group as its context, in place of its own: that must not show.
        context = alone.__context__
        try:
            raise alone
        finally:
            alone.__context__ = context
            del alone, group


def _alone(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    leaves = _leaves(group)
    if all(isinstance(each, trio.Cancelled) for each in leaves):
        return leaves[0]
    if len(group.exceptions) == 1:
        return group.exceptions[0]
    return None


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]
