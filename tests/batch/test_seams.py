"""The seams of a batch: a journal that keeps its outputs, and the engine that its tasks run on."""

import pytest
import trio

from atrio import BatchConfig, BatchError, BatchProcessor, ChunkItem, ChunkWork, LocalEngine, current_task
from atrio.testing import ScriptedAgent, answer, capture_events, fail


class DictJournal:
    """A journal that is lost with the process: enough to see when it is asked and told."""

    def __init__(self, *, seconds=0.0):
        self.runs = {}
        self.fingerprints = {}
        self._seconds = seconds

    async def open(self, run_id, fingerprint):
        await trio.lowlevel.checkpoint()
        known = self.fingerprints.setdefault(run_id, fingerprint)
        if known != fingerprint:
            raise ValueError(f"run {run_id} is of {known}, not of {fingerprint}")
        return dict(self.runs.setdefault(run_id, {}))

    async def record(self, run_id, key, output):
        await trio.sleep(self._seconds)
        self.runs[run_id].setdefault(key, output)


async def test_a_resumed_batch_runs_what_did_not_succeed(autojump_clock):
    journal, processor = DictJournal(), BatchProcessor()
    agent = ScriptedAgent(answer("first"), fail(), answer("third"), agent_id="worker")
    first = await processor.map(agent, ["a", "b", "c"], journal=journal)
    assert sorted(str(each.status) for each in first.results) == ["error", "success", "success"]
    again = ScriptedAgent(answer("at last"), agent_id="worker")
    resumed = await processor.map(again, ["a", "b", "c"], journal=journal, resume=first.batch_id)
    assert resumed.batch_id == first.batch_id
    assert len(again.calls) == 1
    assert sorted(resumed.unwrap()) == ["at last", "first", "third"]


async def test_a_journal_of_other_work_is_refused_by_it_before_anything_runs(autojump_clock):
    journal, agent = DictJournal(), ScriptedAgent(agent_id="worker")
    done = await BatchProcessor().map(agent, ["a"], journal=journal)
    with pytest.raises(ValueError, match=r"agent=worker inputs=1, not of agent=other inputs=2"):
        await BatchProcessor().map(ScriptedAgent(agent_id="other"), ["a", "b"], journal=journal, resume=done.batch_id)
    with pytest.raises(ValueError, match=r"agent=\(pairs\) inputs=\(unknown\)"):
        await BatchProcessor().process_batch(iter([(agent, "a")]), journal=journal, resume=done.batch_id)
    assert len(agent.calls) == 1


async def test_inputs_are_known_by_their_keys(autojump_clock):
    journal, keys = DictJournal(), []

    async def work(data):
        keys.append(current_task().key)
        return data.upper()

    batch = await BatchProcessor().map(work, ["x", "y"], journal=journal, key=lambda data: f"file:{data}")
    assert journal.runs[batch.batch_id] == {"file:x": "X", "file:y": "Y"}
    assert sorted(keys) == ["file:x", "file:y"]
    shuffled = await BatchProcessor().map(
        work, ["y", "x"], journal=journal, key=lambda data: f"file:{data}", resume=batch.batch_id
    )
    assert shuffled.unwrap() == ["Y", "X"]
    assert len(keys) == 2


async def test_a_key_without_a_journal_names_the_task(autojump_clock):
    async def work(data):
        return current_task().key

    assert (await BatchProcessor().map(work, ["x"], key=str.upper)).unwrap() == ["X"]


async def test_a_bad_key_is_its_tasks_error(autojump_clock):
    batch = await BatchProcessor().map(ScriptedAgent(), ["", "x"], key=lambda data: data)
    assert [str(each.status) for each in batch.results] == ["error", "success"]
    assert "key" in batch.results[0].error.message


async def test_commit_first_deliver_second_also_when_time_is_up(autojump_clock):
    journal = DictJournal(seconds=2)
    processor = BatchProcessor(BatchConfig(max_concurrent=1, timeout=5))
    batch = await processor.map(ScriptedAgent(answer(after=4)), ["a", "b"], journal=journal)
    # The call ended at 4 s, its record was durable at 6 s, and the batch's time was up at 5 s.
    assert [str(each.status) for each in batch.results] == ["success", "not_started"]
    assert journal.runs[batch.batch_id] == {"0": "a"}


async def test_a_stream_has_a_journal_too(autojump_clock):
    journal, agent = DictJournal(), ScriptedAgent()
    async with BatchProcessor().stream([(agent, 1), (agent, 2)], journal=journal) as outcomes:
        first = [outcome.result async for outcome in outcomes]
    async with BatchProcessor().stream([(agent, 1), (agent, 2)], journal=journal, resume=outcomes.batch_id) as resumed:
        again = [outcome.result async for outcome in resumed]
    assert sorted(first) == sorted(again) == [1, 2]
    assert len(agent.calls) == 2


@pytest.mark.parametrize(
    ("bad", "error", "said"),
    [
        ({"resume": "abc"}, ValueError, "without a journal"),
        ({"resume": "", "journal": DictJournal()}, ValueError, "resume"),
        ({"key": "name"}, TypeError, "key must be a function"),
    ],
)
async def test_bad_durability_is_refused_before_anything_runs(autojump_clock, bad, error, said):
    agent = ScriptedAgent()
    with pytest.raises(error, match=said):
        await BatchProcessor().map(agent, [1], **bad)
    assert agent.calls == []


def test_other_engines_are_refused():
    assert BatchProcessor(engine=LocalEngine()).config.max_concurrent == 5
    with pytest.raises(TypeError, match="engine must be a LocalEngine"):
        BatchProcessor(engine="dask")


async def test_the_local_engine_runs_a_chunk_under_its_limits(autojump_clock):
    agent = ScriptedAgent(answer(after=1), answer(after=9), fail(after=1), answer(after=1))
    items = [ChunkItem(index, agent, f"data {index}") for index in (40, 41, 42, 43)]
    with capture_events() as events:
        outcomes = await LocalEngine().run_chunk(ChunkWork("part", max_concurrent=2, task_timeout=5.0), items)
    assert [outcome.index for outcome in outcomes] == [40, 41, 42, 43]
    assert [str(outcome.status) for outcome in outcomes] == ["success", "timeout", "error", "success"]
    assert agent.most_running == 2
    assert events == []


async def test_an_empty_chunk_gives_nothing(autojump_clock):
    assert await LocalEngine().run_chunk(ChunkWork("part", max_concurrent=2), []) == []


@pytest.mark.parametrize("bad", [0, True, 2.5])
def test_the_limit_of_a_chunk_is_checked(bad):
    with pytest.raises((TypeError, ValueError), match="max_concurrent"):
        ChunkWork("part", max_concurrent=bad)


async def test_a_source_that_raises_at_once_fails_its_batch(autojump_clock):
    def raises():
        raise ValueError("nothing to read")
        yield

    with capture_events() as events, pytest.raises(BatchError) as caught:
        await BatchProcessor().map(ScriptedAgent(), raises())
    assert caught.value.result.status == "failed"
    assert caught.value.result.results == ()
    assert events[-1].status == "failed"


async def test_a_list_that_shrinks_while_its_time_runs_out_gives_what_was_there(autojump_clock):
    inputs = [1, 2, 3, 4]

    async def shrinks(data):
        del inputs[2:]
        await trio.sleep(9)

    processor = BatchProcessor(BatchConfig(max_concurrent=1, timeout=5))
    batch = await processor.map(shrinks, inputs)
    assert [str(each.status) for each in batch.results] == ["cancelled", "not_started"]


async def test_what_an_async_source_with_a_length_still_had_is_not_started(autojump_clock):
    class Inputs:
        def __len__(self):
            return 4

        async def __aiter__(self):
            for seconds in (1, 9, 1, 1):
                yield seconds

    async def sleep(seconds):
        await trio.sleep(seconds)

    processor = BatchProcessor(BatchConfig(max_concurrent=1, timeout=5))
    batch = await processor.map(sleep, Inputs())
    assert [str(each.status) for each in batch.results] == ["success", "cancelled", "not_started", "not_started"]
    assert {each.agent_id for each in batch.results} == {"sleep"}
