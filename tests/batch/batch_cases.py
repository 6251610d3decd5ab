"""What several batch tests are made of: processors, sources that count, and what must hold after any batch."""

import os

import trio

from atrio import BatchConfig, BatchProcessor

EXAMPLES = int(os.environ.get("ATRIO_EXAMPLES", "1000"))
"""Random cases of the models; 10,000 before a release."""

MANY = int(os.environ.get("ATRIO_ITEMS", "20000"))
"""Inputs of a large batch; 1,000,000 before a release."""


def processor_of(max_concurrent=1, *, timeout=None, task_timeout=None):
    return BatchProcessor(BatchConfig(max_concurrent, timeout=timeout, task_timeout=task_timeout))


def statuses(outcomes):
    return [str(outcome.status) for outcome in getattr(outcomes, "results", outcomes)]


def assert_permits_are_back(*processors):
    for processor in processors:
        statistics = processor._permits.limiter.statistics()
        assert (statistics.borrowed_tokens, statistics.tasks_waiting) == (0, 0)


def assert_events_add_up(events):
    """Every batch ends once, as the last that is heard of it, and its tasks end as often as they begin."""
    begun = [event.run_id for event in events if event.event_name == "batch.start"]
    assert sorted(begun) == sorted(event.run_id for event in events if event.event_name == "batch.end")
    for run_id in begun:
        own = [event for event in events if event.run_id == run_id]
        assert (own[0].event_name, own[-1].event_name) == ("batch.start", "batch.end")
        starts = [event.task_id for event in own if event.event_name == "task.start"]
        ends = [event for event in own if event.event_name == "task.end"]
        assert sorted(starts) == sorted(event.task_id for event in ends)
        assert len(set(starts)) == len(starts)
        assert_counts(own[-1], [event.status for event in ends])


def assert_counts(batch_end, ended):
    counted = (batch_end.successful, batch_end.failed, batch_end.timed_out, batch_end.cancelled)
    assert counted == tuple(ended.count(status) for status in ("success", "error", "timeout", "cancelled"))
    assert batch_end.total == sum(counted) + batch_end.not_started
    assert batch_end.not_started >= 0
    assert 0 <= batch_end.efficiency <= 1


class CountedInputs:
    """An endless or a limited source that knows how many inputs were pulled from it."""

    def __init__(self, item, limit=None, *, sized=False):
        self.item = item
        self.limit = limit
        self.pulled = 0
        self.closed = 0
        if sized:
            self.__class__ = SizedInputs

    def __iter__(self):
        return self

    def __next__(self):
        if self.pulled == self.limit:
            raise StopIteration
        self.pulled += 1
        return self.item

    def close(self):
        self.closed += 1


class SizedInputs(CountedInputs):
    def __len__(self):
        return self.limit


async def as_async(inputs, delay=0.0):
    for item in inputs:
        if delay:
            await trio.sleep(delay)
        yield item


def as_generator(inputs):
    yield from inputs


SOURCES = {"list": list, "generator": as_generator, "async": as_async}
