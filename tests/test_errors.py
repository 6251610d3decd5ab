"""The exception tree, and its way through pickle."""

import copy
import pickle

import pytest

from atrio import (
    AtrioError,
    BatchError,
    CircuitOpenError,
    ConfigError,
    ConfigProblem,
    CostError,
    DefinitionError,
    NestedBatchError,
    Pipeline,
    PipelineError,
    PlanningError,
    RegistryError,
    RouteError,
    SinkWarning,
    Stage,
    StageConfig,
    StageTimeoutError,
    TaskCancelledError,
    TaskError,
    TaskNotStartedError,
    TaskTimeoutError,
)
from atrio.testing import ScriptedAgent, fail, run_in_virtual_time


class OwnError(PipelineError):
    """A user's own kind."""


ERRORS = [
    PipelineError("it failed", pipeline_id="p"),
    PipelineError("it failed", pipeline_id="p", stage_id="s", result={"a": 1}),
    StageTimeoutError("too slow", pipeline_id="p", stage_id="s"),
    OwnError("own", pipeline_id="p", stage_id="s"),
    TaskTimeoutError("task-3", 3),
    TaskCancelledError("task-3", 3),
    TaskNotStartedError("task-3", 3),
    NestedBatchError("nested"),
    CircuitOpenError("open"),
    CircuitOpenError("open", retry_after=2.5),
    RouteError("no such name"),
    CostError("too dear"),
    RegistryError("no such agent"),
    RegistryError("no such agent", agent_id="a", nearest=["b", "c"]),
    DefinitionError("no name"),
    PlanningError("no chain"),
    PlanningError("no chain", nearest=["x"], capability="b", previous="a", given=["s"], needed=["t"]),
    ConfigError([]),
    ConfigError(
        [
            ConfigProblem("a.toml", 3, "agents.x", "lacks 'y'"),
            ConfigProblem("a.toml", None, "", "is odd", "warning"),
        ]
    ),
]


OF_RUNS = ("pipeline_id", "stage_id", "result", "retry_after", "task_id", "index", "message")
OF_REGISTRY = ("agent_id", "nearest", "capability", "previous", "given", "needed")


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("through", ["pickle", "copy", "deepcopy"])
def test_errors_pickle_and_copy(error, through):
    again = pickle.loads(pickle.dumps(error)) if through == "pickle" else getattr(copy, through)(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    for name in (*OF_RUNS, *OF_REGISTRY, "problems"):
        assert getattr(again, name, None) == getattr(error, name, None)


def test_an_error_with_a_whole_result_pickles():
    stage = Stage("s", ScriptedAgent(fail(ValueError("bad"))), config=StageConfig(attempts=1))
    result = run_in_virtual_time(Pipeline("p").add_stage(stage).execute, "x")
    with pytest.raises(PipelineError) as caught:
        result.unwrap()
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.result.stages[0].error.message == "bad"
    assert again.result.run_id == result.run_id


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (PipelineError, {AtrioError}),
        (StageTimeoutError, {AtrioError, PipelineError, TimeoutError}),
        (TaskTimeoutError, {AtrioError, TaskError, TimeoutError}),
        (TaskCancelledError, {AtrioError, TaskError}),
        (TaskNotStartedError, {AtrioError, TaskError}),
        (BatchError, {AtrioError, ExceptionGroup}),
        (NestedBatchError, {AtrioError, RuntimeError}),
        (CircuitOpenError, {AtrioError}),
        (RouteError, {AtrioError, LookupError}),
        (CostError, {AtrioError, ValueError}),
        (RegistryError, {AtrioError}),
        (DefinitionError, {AtrioError, RegistryError, ValueError}),
        (PlanningError, {AtrioError, RegistryError}),
        (ConfigError, {AtrioError}),
    ],
)
def test_the_tree_is_as_drawn(kind, parents):
    assert parents <= set(kind.__mro__)


def test_what_is_no_pipelines_failure_is_no_pipeline_error():
    assert not issubclass(CircuitOpenError, PipelineError)
    assert issubclass(AtrioError, Exception)
    assert issubclass(SinkWarning, Warning)
    assert not issubclass(SinkWarning, AtrioError)


def test_by_default_an_error_names_only_its_pipeline():
    error = PipelineError("m", pipeline_id="p")
    assert (error.pipeline_id, error.stage_id, error.result) == ("p", None, None)
    assert CircuitOpenError("m").retry_after == 0


def test_the_error_of_a_task_says_which_and_what():
    messages = {str(kind("id-3", 3)) for kind in (TaskError, TaskTimeoutError, TaskCancelledError, TaskNotStartedError)}
    assert len(messages) == 4
    assert all("task 3" in message and "id-3" in message for message in messages)


def test_a_batch_error_pickles_and_keeps_its_result_when_split():
    error = BatchError("two failed", [OSError("a"), ValueError("b")], result={"outcomes": 2})
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.result, list(map(repr, again.exceptions))) == (
        "two failed",
        {"outcomes": 2},
        ["OSError('a')", "ValueError('b')"],
    )
    for part in error.split(OSError):
        assert type(part) is BatchError
        assert part.result is error.result
        assert len(part.exceptions) == 1


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (ConfigProblem("atrio.toml", 12, "a.stages[1]", "lacks 'agent'"), "atrio.toml:12: a.stages[1]: lacks 'agent'"),
        (ConfigProblem("atrio.toml", None, "", "is not there"), "atrio.toml: is not there"),
        (ConfigProblem("atrio.toml", 3, "agents.a", "is odd", "warning"), "atrio.toml:3: warning: agents.a: is odd"),
    ],
)  # fmt: skip
def test_a_problem_says_where_it_is_and_what_it_is(problem, said):
    assert str(problem) == said


def test_a_configuration_error_says_every_problem_on_a_line_of_its_own():
    problems = [ConfigProblem("atrio.toml", line, "agents", f"is wrong {line}") for line in (1, 2, 3)]
    error = ConfigError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == [str(problem) for problem in problems]
