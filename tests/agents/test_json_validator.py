import pickle
import subprocess
import sys
import time

import attrs
import jsonschema
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import Pipeline, Stage, is_transient
from atrio.agents import DataProblem, InvalidDataError, JsonValidator
from atrio.agents import _schema_check as check
from atrio.agents._processes import Ended
from atrio.agents._schema_work import repetition_of, work_of

ORDER = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "integer", "minimum": 1}, "mail": {"format": "email"}, "tags": {"uniqueItems": True}},
    "additionalProperties": False,
}
# A tree that may be of one kind or of another: each level of the data doubles the work.
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "anyOf": [
                {"required": ["a"], "properties": {"child": {"$ref": "#/$defs/node"}}},
                {"required": ["b"], "properties": {"child": {"$ref": "#/$defs/node"}}},
            ]
        }
    },
}


def tree(levels, inner):
    for _ in range(levels):
        inner = {"a": 1, "b": 2, "child": inner}
    return inner


async def test_passes_on_what_is_right():
    data = {"id": 3, "mail": "a@b.example"}
    assert await JsonValidator(ORDER).process(data) == data


async def test_lists_all_that_is_wrong():
    with pytest.raises(InvalidDataError) as caught:
        await JsonValidator(ORDER).process({"id": 0, "mail": "nobody", "tags": [1, 1], "x/y": 1})
    assert str(caught.value).startswith("the data is not as the schema asks (4 problems): ")
    assert set(caught.value.problems) == {
        DataProblem("/id", "the value is less than the minimum of 1"),
        DataProblem("/mail", 'the value is not a "email"'),
        DataProblem("/tags", "the value has non-unique elements"),
        DataProblem("", "Additional properties are not allowed ('x/y' was unexpected)"),
    }


async def test_a_stage_does_not_try_again():
    result = await Pipeline("p").add_stage(Stage("check", JsonValidator(ORDER))).execute({"id": "1"})
    (record,) = result.stages
    assert (record.attempts, record.error.error_type) == (1, "InvalidDataError")
    assert (
        record.error.message
        == 'the data is not as the schema asks (1 problem): /id: the value is not of type "integer"'
    )


async def test_no_value_is_in_a_problem():
    secret = "s3cret" * 1_000
    with pytest.raises(InvalidDataError) as caught:
        await JsonValidator({"items": {"type": "integer"}, "maxItems": 1}).process([secret, {"a": secret}])
    assert "s3cret" not in str(caught.value)


async def test_hostile_keys_are_shown_as_harmless_text():
    with pytest.raises(InvalidDataError) as caught:
        await JsonValidator({"additionalProperties": {"type": "integer"}}).process({"\x1b[31m\n": "", "k" * 10_000: ""})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


async def test_of_many_problems_some_are_described():
    with pytest.raises(InvalidDataError, match=r"\(1,000 problems\): .*; and 15 more$") as caught:
        await JsonValidator({"items": {"type": "string"}}).process([1] * 1_000)
    assert len(caught.value.problems) == 20
    with pytest.raises(InvalidDataError) as caught:
        await JsonValidator({"items": {"type": "string"}}, max_problems=2).process([1] * 1_000)
    assert [problem.pointer for problem in caught.value.problems] == ["/0", "/1"]


async def test_where_much_is_wrong_nothing_is_held_up():
    beats = []

    async def beat():
        while True:
            beats.append(time.perf_counter())
            await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat)
        with pytest.raises(InvalidDataError, match=r"\(20,000 problems\)"):
            await JsonValidator({"items": {"type": "string"}}).process([1] * 20_000)
        nursery.cancel_scope.cancel()
    assert len(beats) > 10


@attrs.frozen
class Order:
    id: int
    tags: tuple[str, ...] = ()


async def test_objects_are_passed_on_as_json():
    assert await JsonValidator({**ORDER, "type": "object"}).process(Order(1, ("a",))) == {"id": 1, "tags": ["a"]}


async def test_formats_may_be_left_alone():
    data = {"id": 1, "mail": "nobody"}
    assert await JsonValidator(ORDER, formats=False).process(data) == data


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "(.*a){20}"])
async def test_no_pattern_takes_long(pattern):
    validator = JsonValidator({"type": "string", "pattern": pattern})
    begun = time.perf_counter()
    with pytest.raises(InvalidDataError, match="does not match"):
        await validator.process("b" * 19 + "a" * 19 + "!" * 10_000)
    assert time.perf_counter() - begun < 5


async def test_many_long_integers_are_left_to_a_process():
    validator = JsonValidator({"uniqueItems": True}, timeout=1)
    few = [10**40 + each for each in range(100)]
    assert await validator.process(few) == few
    with pytest.raises(InvalidDataError, match="the data cannot be checked: it takes more than 1 s"):
        await validator.process([10**40 + each for each in range(20_000)])


def test_a_problem_crosses_the_border_of_a_process():
    error = pickle.loads(pickle.dumps(InvalidDataError("wrong", [DataProblem("/a", "bad")])))
    assert (str(error), error.problems) == ("wrong: /a: bad", (DataProblem("/a", "bad"),))


class TestSchemasThatReferToThemselves:
    async def test_are_used_as_others(self):
        validator = JsonValidator(TREE)
        for levels in (0, 1, 2, 10):
            assert await validator.process(tree(levels, {"a": 1})) == tree(levels, {"a": 1})
            with pytest.raises(InvalidDataError, match="not as the schema asks"):
                await validator.process(tree(levels, {}))

    async def test_cannot_take_for_ever(self):
        with pytest.raises(
            InvalidDataError, match=r"cannot be checked: it takes more than 0\.5 s of processor time"
        ) as caught:
            await JsonValidator(TREE, timeout=0.5).process(tree(60, {}))
        assert not is_transient(caught.value)

    async def test_can_be_cancelled(self):
        validator = JsonValidator(TREE, timeout=60)
        begun = time.perf_counter()
        with trio.move_on_after(0.3) as scope:
            await validator.process(tree(60, {}))
        assert scope.cancelled_caught
        assert time.perf_counter() - begun < 20

    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": "object"}, (0, False)),
            (True, (0, False)),
            ({"$defs": {"a": {"type": "string"}}, "items": {"$ref": "#/$defs/a"}}, (1, False)),
            ({"$defs": {"a/b": {"type": "string"}}, "items": {"$ref": "#/$defs/a~1b"}}, (1, False)),
            ({"$ref": "#"}, (1, True)),
            ({"properties": {"next": {"$ref": "#"}}}, (1, True)),
            ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {}}}, (2, False)),
            (
                {"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"items": {"$ref": "#/$defs/a"}}}},
                (2, True),
            ),
            ({"$dynamicRef": "#node", "$defs": {"a": {"$dynamicAnchor": "node"}}}, (1, True)),
            ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, (1, True)),
            ({"items": {"$id": "https://a.example/b", "type": "string"}}, (1, True)),
        ],
    )
    def test_are_found(self, schema, expected):
        validator = JsonValidator(schema)
        assert validator._work[:2] == expected


def doubling(levels, last):
    """A schema whose last part is reached in 2**levels ways."""
    parts = {f"l{level}": {"allOf": [{"$ref": f"#/$defs/l{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/l0", "$defs": {**parts, f"l{levels}": last}}


class Refused(Exception):
    pass


@pytest.fixture
def held(monkeypatch):
    """Nothing is looked at here: it raises."""

    class Validator:
        def is_valid(self, data):
            raise Refused

        iter_errors = is_valid

    monkeypatch.setattr("atrio.agents._schema_check.validator_of", lambda *_, **__: Validator())


class TestWhatTakesLongIsNotDoneHere:
    @pytest.mark.parametrize(
        ("schema", "data"),
        [
            ({"pattern": "^([a-z]{1,500}){1,40}$"}, "a" * 1_500),
            ({"pattern": "^(([a-z]{1,500}){1,100})$"}, "a" * 1_000),
            ({"items": {"properties": {"a": {"pattern": "a[ab]{1000}c"}}}}, [{"a": "ab" * 5_000}]),
            ({"patternProperties": {"^(([a-z]{1,500}){1,100})$": {}}}, {"a" * 1_000: 1}),
            ({"allOf": [{"anyOf": [{"pattern": "(a{1,30}){1,30}"}]}] * 40}, "a" * 1_000),
            (doubling(25, {"type": "string"}), "a"),
            (doubling(10, {"pattern": "[ab]{1,50}a"}), "a" * 1_000),
        ],
    )
    @pytest.mark.usefixtures("held")
    async def test_but_by_a_process(self, schema, data, monkeypatch):
        asked = []

        async def run(command, given, **_):
            asked.append(given)
            return Ended(0, b"[0, []]", b"", False)

        monkeypatch.setattr("atrio.agents.validation.run", run)
        assert await JsonValidator(schema).process(data) == data
        assert len(asked) == 1

    @pytest.mark.parametrize(
        ("schema", "data"),
        [
            ({"pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}, "a" * 20_000),
            ({"pattern": "^[a-z]{1,5000}$"}, "a" * 40_000),
            ({"pattern": "^[^@]{1,64}@[^@]{1,255}$"}, "a" * 3_000),
            ({"pattern": "^(a+)+$"}, "a" * 40_000),
            (doubling(5, {"type": "string"}), "a" * 40_000),
            ({"properties": {key: {"$ref": "#/$defs/x"} for key in "abcdefgh"}, "$defs": {"x": {}}}, ["a"] * 2_000),
        ],
    )
    @pytest.mark.usefixtures("held")
    async def test_and_what_does_not_is(self, schema, data):
        with pytest.raises(Refused):
            await JsonValidator(schema).process(data)

    async def test_nor_what_is_wrong_described_where_that_does(self, monkeypatch):
        def refuse(*_):
            raise Refused

        monkeypatch.setattr("atrio.agents._schema_check.problems_of", refuse)
        with pytest.raises(InvalidDataError, match=r"is not as the schema asks \(131,072 problems\)") as caught:
            await JsonValidator(doubling(17, {"type": "string"}), timeout=60, max_problems=3).process(1)
        assert len(caught.value.problems) == 3

    @pytest.mark.parametrize(
        ("pattern", "size"),
        [
            *(("abc", 0), ("^a{0,1}b{1}$", 0), ("^[a-z]{1,500}$", 0), ("^\\p{L}{3,}", 0), ("^.{1,9}$", 0)),
            *(("a{3}", 3), ("a{2,}b", 4), ("(ab){10}", 20), ("((a{1,10}b){3,5}c){2}", 112), ("(?:a|b){4}", 8)),
            *(("(?i)[a\\]{9}]{5}", 5), ("\\({7}x", 8), ("a{3}?b", 4), ("(?<n>a){6}", 6), ("x{,5}", 0), ("(a{2", 0)),
        ],
    )
    def test_sizes_of_patterns(self, pattern, size):
        assert repetition_of(pattern) == size

    @given(st.text("ab(){}[]\\^$|?*+,123:<>=!pP", max_size=40))
    def test_any_text_has_a_size(self, text):
        assert repetition_of(text) >= 0

    def test_ways(self):
        assert work_of(doubling(25, {})).ways == 2**25
        assert work_of(doubling(100, {})).ways > 2**50
        once = {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {}}}
        assert work_of(once).ways == 1
        assert work_of({"type": "object"}).ways == 1


def test_the_program_has_so_much_memory_and_no_more():
    code = (
        "import resource, runpy, sys; runpy.run_path(sys.argv[1])['limit'](5.5)\n"
        "print(resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU))\n"
        "try:\n    bytearray(int(sys.argv[2]))\nexcept MemoryError:\n    print('no more')"
    )
    command = [sys.executable, "-c", code, check.__file__, str(check.MEMORY)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    if sys.platform == "linux":
        assert ran.stdout == f"({check.MEMORY}, {check.MEMORY}) (6, 6)\nno more\n"


async def test_who_takes_more_memory_is_told_so(monkeypatch, tmp_path):
    greedy = tmp_path / "greedy.py"
    greedy.write_text("def main(seconds):\n    raise MemoryError\n")
    monkeypatch.setattr("atrio.agents.validation._FILE", greedy)
    with pytest.raises(InvalidDataError, match=r"cannot be checked: it takes more than .* or 2 GB of memory"):
        await JsonValidator(TREE).process(tree(10, {}))


def test_the_program_imports_nothing_of_atrio():
    code = "import sys, runpy; runpy.run_path(sys.argv[1]); print([name for name in sys.modules if 'atrio' in name])"
    ran = subprocess.run([sys.executable, "-c", code, check.__file__], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


async def test_the_program_imports_nothing_from_where_it_runs(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert await JsonValidator(TREE).process(tree(10, {"a": 1})) == tree(10, {"a": 1})


async def test_a_broken_program_is_no_verdict(monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no such module')")
    monkeypatch.setattr("atrio.agents.validation._FILE", broken)
    with pytest.raises(RuntimeError, match="the process that checks data failed: no such module"):
        await JsonValidator(TREE).process(tree(10, {}))


@pytest.mark.parametrize("data", ["\ud800", {"\udfff": 1}, ["x", {"a": "\ud800"}], tree(10, "\ud800")])
@pytest.mark.parametrize("schema", [True, False, TREE])
async def test_half_a_character_is_no_text(schema, data):
    with pytest.raises(InvalidDataError, match="text with half of a surrogate pair in it"):
        await JsonValidator(schema).process(data)


@pytest.mark.parametrize("data", [float("nan"), b"x", {1: 2, "1": 3}])
async def test_what_is_no_json_is_refused(data):
    with pytest.raises(InvalidDataError, match="the data is not JSON"):
        await JsonValidator(True).process(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats(-3, 3) | st.text("ab1", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", "number", "null", "boolean"]),
        "minimum": st.integers(-3, 3),
        "maxLength": st.integers(0, 3),
        "pattern": st.sampled_from(["^a", "b$", "[ab]+"]),
        "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
        "maxItems": st.integers(0, 2),
        "uniqueItems": st.booleans(),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
    },
)
SCHEMAS = st.recursive(
    SIMPLE,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "items": inner,
            "additionalProperties": inner,
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(SCHEMAS, VALUES)
def test_it_judges_as_another_implementation_does(schema, data):
    async def judged():
        try:
            return await JsonValidator(schema).process(data) == data
        except InvalidDataError as error:
            return not error.problems

    assert trio.run(judged) == jsonschema.Draft202012Validator(schema).is_valid(data)


@pytest.mark.parametrize(
    ("schema", "options", "kind", "why"),
    [
        ("{}", {}, TypeError, r"schema must be a JSON Schema, as in \{'type': 'object'\}, not str"),
        ({"type": "nonsense"}, {}, ValueError, "^schema/type: the value is not valid under any"),
        ({"properties": {"a": {"minimum": "x"}}}, {}, ValueError, '^schema/properties/a/minimum: .*of type "number"'),
        ({"pattern": "(?=a)"}, {}, ValueError, "^schema(/pattern)?: .*a pattern can neither look ahead"),
        ({"pattern": "("}, {}, ValueError, "^schema(/pattern)?: "),
        ({"$ref": "#/$defs/none"}, {}, ValueError, "^schema: Pointer '/\\$defs/none' does not exist"),
        ({"$ref": "https://a.example/b"}, {}, ValueError, "is not fetched: a schema must have all"),
        ({"$ref": "file:///etc/passwd"}, {}, ValueError, "is not fetched"),
        ({"$schema": "https://a.example/b"}, {}, ValueError, "^schema: Unknown meta-schema"),
        ({"const": b"x"}, {}, ValueError, "^schema: the schema is not JSON: /const: it is of type bytes"),
        ({}, {"formats": 1}, TypeError, "formats must be True or False, not 1"),
        ({}, {"max_problems": 0}, ValueError, "max_problems must be"),
        ({}, {"timeout": 0}, ValueError, "timeout must be"),
    ],
)
def test_mistakes_are_told_when_it_is_built(schema, options, kind, why):
    with pytest.raises(kind, match=why):
        JsonValidator(schema, **options)


def test_it_says_what_it_is():
    assert JsonValidator({}).agent_id == "json_validator"
