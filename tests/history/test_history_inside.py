"""What ran in the tasks of a batch, stage by stage."""

from contextlib import closing

import attrs
import pytest
import trio
from history_cases import LEFT_OUT, ONCE, batches, double, kept, pipeline_of, run_of

from atrio import Pipeline, Stage, current_context, observe_only
from atrio.events import BatchStart, ModelCalled, PipelineStart, StageStart, TaskStart, emit
from atrio.history import History, HistorySink
from atrio.history.schema import connect
from atrio.testing import capture_events, run_in_virtual_time


async def picky(number):
    await trio.sleep(number / 8)
    if number % 4 == 3:
        raise ValueError("too much")
    return number


async def odd_ones(number):
    await trio.sleep(0.25)
    if number % 2:
        raise LookupError("nobody knows it")
    return number


def sorting():
    return (
        Pipeline("sorting")
        .add_stage(Stage("pick", picky, config=ONCE))
        .add_stage(Stage("look-up", odd_ones, config=LEFT_OUT))
    )


def batch_of(path, *arguments):
    """Run a batch, and return the id of its run."""
    with kept(path) as history, observe_only(history):
        run_in_virtual_time(lambda: batches().map(*arguments))
    return run_of(path).run.run_id


def test_each_stage_is_counted(tmp_path):
    run_id = batch_of(tmp_path / "h.db", sorting(), range(8))
    with History(tmp_path / "h.db") as history:
        (pipeline,) = history.pipelines_inside(run_id)
    assert (pipeline.pipeline_id, pipeline.total, pipeline.runs, pipeline.every) == ("sorting", 2, 8, 1)
    pick, look_up = map(attrs.asdict, pipeline.stages)
    assert pick == {
        "index": 0, "stage_id": "pick", "agent_id": "picky", "begun": 8, "successful": 6, "failed": 2, "skipped": 0,
        "cancelled": 0, "running": 0, "p50_s": 3 / 8, "p95_s": 7 / 8,
    }  # fmt: skip
    assert look_up == {
        "index": 1, "stage_id": "look-up", "agent_id": "odd_ones", "begun": 6, "successful": 4, "failed": 0,
        "skipped": 2, "cancelled": 0, "running": 0, "p50_s": 0.25, "p95_s": 0.25,
    }  # fmt: skip


def test_of_many_those_of_every_nth_task_are_looked_at(tmp_path):
    run_id = batch_of(tmp_path / "h.db", sorting(), range(12))
    with History(tmp_path / "h.db") as history:
        for most, every, looked_at in ((24, 1, 12), (23, 2, 6), (8, 3, 4), (1, 24, 1)):
            (pipeline,) = history.pipelines_inside(run_id, most=most)
            assert (pipeline.every, pipeline.runs, pipeline.stages[0].begun) == (every, looked_at, looked_at)
        assert sum(stage.failed for stage in history.pipelines_inside(run_id, most=8)[0].stages) == 1  # 3, of 0 3 6 9
        for wrong, error in ((0, ValueError), ("7", TypeError)):
            with pytest.raises(error, match="most must be"):
                history.pipelines_inside(run_id, most=wrong)


def test_plain_agents_and_runs_of_pipelines_have_none(tmp_path):
    plain = batch_of(tmp_path / "h.db", double, range(3))
    with History(tmp_path / "h.db") as history:
        assert history.pipelines_inside(plain) == ()
        assert history.pipelines_inside("nothing") == ()
    with kept(tmp_path / "one.db") as sink, observe_only(sink):
        one = run_in_virtual_time(lambda: pipeline_of(double).execute(1))
    with History(tmp_path / "one.db") as history:
        assert history.pipelines_inside(one.run_id) == ()


def test_batches_inside_of_tasks_are_no_pipelines(tmp_path):
    async def nested(number):
        await batches().map(double, [number])

    run_id = batch_of(tmp_path / "h.db", nested, range(3))
    with History(tmp_path / "h.db") as history:
        assert {run.kind for run in history.runs(parent=run_id)} == {"batch"}
        assert history.pipelines_inside(run_id) == ()


def test_several_pipelines_come_in_the_order_of_their_tasks(tmp_path):
    pairs = [(pipeline_of(double, name="late"), 1), (double, 2), (pipeline_of(double, double, name="early"), 3)]
    with kept(tmp_path / "h.db") as sink, observe_only(sink):
        run_in_virtual_time(lambda: batches().process_batch(pairs))
    with History(tmp_path / "h.db") as history:
        found = history.pipelines_inside(run_of(tmp_path / "h.db").run.run_id)
    assert [(each.pipeline_id, each.runs, len(each.stages)) for each in found] == [("late", 1, 1), ("early", 1, 2)]


def test_what_has_no_end_yet_is_counted_as_that(tmp_path):
    with capture_events() as events:
        run_in_virtual_time(lambda: batches().map(sorting(), range(3)))
    begun = [each for each in events if isinstance(each, BatchStart | TaskStart | PipelineStart | StageStart)]
    with HistorySink(tmp_path / "h.db") as history:
        for event in begun:
            if not isinstance(event, StageStart) or event.stage_id == "pick":
                history(event)
    with History(tmp_path / "h.db") as history:
        (pipeline,) = history.pipelines_inside(history.runs()[0].run_id)
    (pick,) = pipeline.stages
    assert (pick.begun, pick.running, pick.successful, pick.p50_s) == (3, 3, 0, 0.0)
    assert pipeline.total == 2


def test_a_run_that_has_begun_no_stage_is_one(tmp_path):
    run_id = batch_of(tmp_path / "h.db", sorting(), range(3))
    with closing(connect(tmp_path / "h.db", read_only=False)) as connection:
        connection.execute("DELETE FROM stages")
    with History(tmp_path / "h.db") as history:
        (pipeline,) = history.pipelines_inside(run_id)
    assert (pipeline.runs, pipeline.stages) == (3, ())


class Asking:
    """Calls a model, as far as its events say."""

    agent_id = "asking"

    async def process(self, data):
        await trio.sleep(0.5)
        context = current_context()
        values = {"provider": "local", "model": "llama", "agent_id": "asking", "stage_id": "stage-0"}
        values |= {"run_id": context.run_id, "timestamp": context.started_at, "input_tokens": 100 + data}
        fields = {field.name: values.get(field.name) for field in attrs.fields(ModelCalled)}
        emit(ModelCalled(**{**fields, "duration_s": 0.5}))
        return data


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_calls_of_models_are_summed_however_deep_they_are(tmp_path, depth):
    agent = Asking()
    for number in range(depth):
        agent = pipeline_of(agent, name=f"level-{number}")
    run_id = batch_of(tmp_path / "h.db", agent, range(5))
    with History(tmp_path / "h.db") as history:
        (pipeline,) = history.pipelines_inside(run_id)
        assert history.run(run_id).models == ()
    assert pipeline.pipeline_id == f"level-{depth - 1}"
    (model,) = pipeline.models
    assert (model.agent_id, model.model, model.calls, model.input_tokens) == ("asking", "llama", 5, 510)
    assert model.duration_s == pytest.approx(2.5)
