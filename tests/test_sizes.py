"""Sizes of data: O(1), without touching what the data does, and replaceable."""

from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import pytest

from atrio import Pipeline, SinkWarning, Stage, StageConfig
from atrio.testing import ScriptedAgent, answer, fail

Point = namedtuple("Point", "x y")  # noqa: PYI024 - any will do


class Hostile:
    """Whatever is asked of it, it raises."""

    def _refuse(self, *args):
        raise RuntimeError("touched")

    __len__ = __str__ = __repr__ = __eq__ = __bool__ = __hash__ = __iter__ = __getitem__ = __format__ = _refuse


class HostileStr(str):
    __slots__ = ()
    __len__ = __str__ = __repr__ = __eq__ = __bool__ = __hash__ = Hostile._refuse


class HostileList(list):
    __len__ = __str__ = __repr__ = __eq__ = __bool__ = __iter__ = Hostile._refuse


class MyDict(dict):
    pass


class Query:
    """As of a database: its length is the work that it stands for."""

    def __len__(self):
        raise AssertionError("the query was run")


async def sizes(data, **options):
    result = await Pipeline("p", **options).add_stage(Stage("s", ScriptedAgent())).execute(data)
    return result.stages[0].input_size, result.stages[0].output_size


@pytest.mark.parametrize(
    ("data", "size"),
    [
        ("", 0),
        ("héllo", 5),
        (b"abc", 3),
        (bytearray(4), 4),
        (memoryview(b"ab"), 2),
        ([1, 2, 3], 3),
        ((1,), 1),
        ({"a": 1}, 1),
        ({1, 2}, 2),
        (frozenset({1}), 1),
        (deque([1, 2]), 2),
        (range(10**9), 10**9),
        (MyDict(a=1), 1),
        (OrderedDict(a=1), 1),
        (defaultdict(int, a=1), 1),
        (Counter("aab"), 2),
        (Point(1, 2), 2),
        (5, None),
        (None, None),
        (1.5, None),
        (object(), None),
        (Query(), None),
        (Hostile(), None),
        (HostileStr("x"), None),
        (HostileList([1]), None),
        (list, None),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_the_size_is_the_length_of_text_bytes_and_containers_else_none(data, size):
    assert await sizes(data) == (size, size)


@pytest.mark.parametrize("make", [Hostile, lambda: HostileStr("x"), lambda: HostileList([1])])
async def test_data_that_raises_whatever_is_asked_of_it_passes_through_untouched(make):
    data = make()

    async def pass_on(given, stage, context):
        return given

    agents = ScriptedAgent(), ScriptedAgent()
    pipeline = Pipeline("p").add_stage(Stage("a", agents[0])).add_stage(Stage("b", agents[1])).add_middleware(pass_on)
    result = await pipeline.execute(data)
    assert result.unwrap() is data
    assert result.last_output is data
    assert all(agent.calls[0].data is data for agent in agents)


async def test_a_skipped_stage_hands_on_hostile_data_untouched():
    from atrio import ErrorPolicy  # noqa: PLC0415

    data = Hostile()
    stage = Stage("a", ScriptedAgent(fail(OSError)), config=StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP))
    assert (await Pipeline("p").add_stage(stage).execute(data)).output is data


async def test_sizes_are_taken_after_middleware():
    async def lengthen(data, stage, context):
        return data + "!!"

    pipeline = Pipeline("p").add_stage(Stage("a", ScriptedAgent(answer("four"))))
    pipeline.add_stage(Stage("b", ScriptedAgent())).add_middleware(lengthen)
    result = await pipeline.execute("x")
    assert [(record.input_size, record.output_size) for record in result.stages] == [(3, 4), (6, 6)]


@pytest.mark.parametrize("first", [answer("four"), fail(OSError)])
async def test_the_size_of_a_later_attempts_output_is_taken_too(first, autojump_clock):
    pipeline = Pipeline("p").add_stage(Stage("a", ScriptedAgent(first, answer("four"))))
    pipeline.add_stage(Stage("b", ScriptedAgent(answer("sixsix"))))
    result = await pipeline.execute("x")
    assert [(record.input_size, record.output_size) for record in result.stages] == [(1, 4), (4, 6)]


async def test_a_stage_that_failed_has_no_output_size():
    stage = Stage("a", ScriptedAgent(fail(OSError)), config=StageConfig(attempts=1))
    record = (await Pipeline("p").add_stage(stage).execute("abc")).stages[0]
    assert (record.input_size, record.output_size) == (3, None)


async def test_measure_replaces_the_length():
    assert await sizes("abc", measure=lambda data: len(data) * 100) == (300, 300)
    assert await sizes("abc", measure=lambda data: None) == (None, None)


@pytest.mark.parametrize("bad", [lambda data: data.no, lambda data: "7", lambda data: True, lambda data: 1.5])
async def test_a_measure_that_raises_or_gives_no_int_is_warned_of_once_and_changes_no_run(bad):
    pipeline = Pipeline("p", measure=bad).add_stage(Stage("a", ScriptedAgent())).add_stage(Stage("b", ScriptedAgent()))
    with pytest.warns(SinkWarning) as warned:
        results = [await pipeline.execute("abc"), await pipeline.execute("abc")]
    assert len(warned) == 1
    assert [result.output for result in results] == ["abc", "abc"]
    assert {record.input_size for result in results for record in result.stages} == {None}


async def _async_measure(data):
    return 1


@pytest.mark.parametrize("bad", [5, "len", _async_measure])
def test_a_measure_that_cannot_be_called_is_refused(bad):
    with pytest.raises(TypeError, match="measure must be a function"):
        Pipeline("p", measure=bad)
