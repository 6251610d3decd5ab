"""Run ids: UUIDv7, in order of time, never the same twice."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio import Pipeline, PipelineContext, Stage
from atrio._stamps import uuid7
from atrio.testing import fixed_stamps


def at(monkeypatch, nanoseconds):
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds)
    return uuid7()


def test_a_run_id_is_a_uuid_of_version_7_in_32_lower_case_hexadecimal_digits():
    for _ in range(1000):
        text = PipelineContext("p").run_id
        parsed = uuid.UUID(hex=text)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert text == parsed.hex
        assert len(text) == 32


def test_it_holds_the_time_in_milliseconds():
    before = time.time_ns() // 1_000_000
    stamped = int(uuid7()[:12], 16)
    assert before <= stamped <= time.time_ns() // 1_000_000


@given(st.integers(0, 2**46 * 1_000_000), st.lists(st.integers(250, 10**15), min_size=1, max_size=20))
def test_ids_sort_as_the_times_at_which_they_were_made(first, gaps):
    with pytest.MonkeyPatch.context() as patch:
        ids = [at(patch, each) for each in accumulate(gaps, initial=first)]
    assert ids == sorted(ids)
    assert {uuid.UUID(hex=each).version for each in ids} == {7}


def test_ten_thousand_ids_of_one_instant_differ(monkeypatch):
    assert len({at(monkeypatch, 1_800_000_000_123_456_789) for _ in range(10_000)}) == 10_000


async def test_runs_have_ids_and_times_of_their_own():
    pipeline = Pipeline("p").add_stage(Stage("s", uuid_of_run))
    before = datetime.now(UTC)
    first, second = await pipeline.execute(0), await pipeline.execute(0)
    assert first.run_id < second.run_id
    assert before <= first.started_at <= second.started_at <= datetime.now(UTC)


async def uuid_of_run(data):
    return uuid7()


def test_fixed_stamps_repeat_for_the_same_seed_only():
    def ids(seed):
        with fixed_stamps(seed=seed):
            return [PipelineContext("p").run_id for _ in range(5)]

    assert ids(1) == ids(1)
    assert not set(ids(1)) & set(ids(2))
    assert len(set(ids(1))) == 5


async def test_fixed_stamps_follow_the_clock_of_trio(autojump_clock):
    start = datetime(2030, 5, 1, tzinfo=UTC)
    autojump_clock.jump(90)
    with fixed_stamps(start):
        assert PipelineContext("p").started_at == start + timedelta(seconds=90)
    assert PipelineContext("p").started_at != start + timedelta(seconds=90)


def test_fixed_stamps_stand_still_outside_of_trio():
    start = datetime(2030, 5, 1, tzinfo=UTC)
    with fixed_stamps(start):
        assert PipelineContext("p").started_at == start
