import pytest
import trio
from scripted_model import LAST, Model, answers, delta, event, in_pieces, pieces, says
from trio.testing import wait_all_tasks_blocked

from atrio import Backoff, Pipeline, Stage, StageConfig, current_context
from atrio.agents import (
    ChatAgent,
    EndpointError,
    EndpointRefusedError,
    InvalidAnswerError,
    Piece,
    _chat_endpoint,
    watch,
)
from atrio.errors import SinkWarning

BASE = "http://models.example/v1"
TEXT = "It was a dark and stormy night."


@pytest.fixture
def model_of(monkeypatch):
    def use(*replies):
        model = Model(*replies)
        monkeypatch.setattr(_chat_endpoint, "new_transport", model.transport)
        return model

    return use


def agent(output="text", **options):
    return ChatAgent(base_url=BASE, model="small", output=output, **options)


async def read(chat, data="x"):
    async with chat.stream(data) as stream:
        return [piece async for piece in stream], stream.output


class TestStream:
    async def test_gives_pieces_and_then_the_output(self, model_of):
        model = model_of(says(TEXT))
        got, output = await read(agent())
        assert got == [TEXT[at : at + 5] for at in range(0, len(TEXT), 5)]
        assert output == TEXT
        assert model.asked[0].body["stream"] is True
        assert model.asked[0].body["stream_options"] == {"include_usage": True}
        assert model.asked[0].headers["accept"] == "text/event-stream"
        assert model.bodies[0].ended == "read"

    async def test_gives_each_piece_as_it_comes(self, model_of, autojump_clock):
        model_of(pieces(*in_pieces(TEXT, 10), *LAST, pause=3))
        async with agent(timeout=5).stream("x") as stream:
            begun = trio.current_time()
            seen = [(trio.current_time() - begun, piece) async for piece in stream]
        assert [at for at, _ in seen] == [3, 6, 9, 12]
        assert "".join(piece for _, piece in seen) == stream.output == TEXT

    async def test_has_no_output_before_its_end(self, model_of):
        model_of(says(TEXT))
        async with agent().stream("x") as stream:
            with pytest.raises(RuntimeError, match="no output before the stream was read to its end"):
                _ = stream.output
            assert "not read" in repr(stream)
            await anext(stream)
            with pytest.raises(RuntimeError, match="no output"):
                _ = stream.output

    async def test_stays_at_its_end(self, model_of):
        model = model_of(says('{"value": [1]}'))
        async with agent(list[int]).stream("x") as stream:
            assert len([piece async for piece in stream]) == 3
            assert [piece async for piece in stream] == []
            assert stream.output == [1]
        assert len(model.asked) == 1

    async def test_of_an_endpoint_that_does_not_stream_is_one_piece(self, model_of):
        model_of(answers(200, {"choices": [{"message": {"content": TEXT}}]}))
        assert await read(agent()) == ([TEXT], TEXT)

    async def test_may_end_without_its_last_event(self, model_of):
        model_of(pieces(delta(TEXT), delta(finish_reason="stop")))
        assert (await read(agent()))[1] == TEXT

    async def test_passes_over_what_says_nothing(self, model_of):
        model_of(pieces(b": ping\n\n", event(""), delta(role="assistant"), delta(TEXT), *LAST))
        assert await read(agent()) == ([TEXT], TEXT)

    async def test_is_read_beyond_its_last_event(self, model_of):
        model = model_of(pieces(delta(TEXT), *LAST, event("more")))
        assert await read(agent()) == ([TEXT], TEXT)
        assert model.bodies[0].ended == "read"

    async def test_left_early_is_closed(self, model_of):
        model = model_of(pieces(delta("It"), delta(" was"), None))
        async with agent().stream("x") as stream:
            async for piece in stream:
                assert piece == "It"
                break
        assert model.bodies[0].ended == "cut"
        assert model.closed == 1

    async def test_that_was_not_begun_to_be_read_is_closed(self, model_of):
        model = model_of(pieces(None))
        with trio.fail_after(1):
            async with agent().stream("x"):
                pass
        assert model.closed == 1

    async def test_that_does_not_end_after_its_last_event_is_closed(self, model_of, autojump_clock):
        model = model_of(pieces(delta(TEXT), *LAST, None))
        begun = trio.current_time()
        assert await read(agent()) == ([TEXT], TEXT)
        assert trio.current_time() - begun == 0.5
        assert model.bodies[0].ended == "cut"

    async def test_that_is_cancelled_is_closed(self, model_of):
        model = model_of(pieces(delta("It"), None))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, agent())
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert (model.bodies[0].ended, model.closed) == ("cut", 1)

    async def test_hands_on_what_its_user_raises(self, model_of):
        model = model_of(pieces(delta("It"), None))

        async def use():
            async with agent().stream("x") as stream:
                async for _ in stream:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await use()
        assert model.closed == 1

    async def test_repairs_what_misses_the_schema(self, model_of):
        model = model_of(says('{"value": ["a"]}'), says('{"value": [1]}'))
        got, output = await read(agent(list[int]))
        assert ("".join(got), output, len(model.asked)) == ('{"value": ["a"]}', [1], 2)
        assert "stream" not in model.asked[1].body

    async def test_that_cannot_be_repaired_has_no_output(self, model_of):
        model_of(says("{}"))
        with pytest.raises(InvalidAnswerError, match="must be an object with one member, 'value'"):
            await read(agent(list[int]))


@pytest.mark.parametrize(
    ("given", "kind", "why"),
    [
        ([delta("It"), delta(" was")], EndpointError, "broke off in the middle of its answer"),
        ([], EndpointError, "broke off in the middle of its answer"),
        ([delta("It"), b"data: {\n\n"], EndpointError, "cannot be read: line 1"),
        ([delta("It"), event([])], EndpointError, "cannot be read: it is no JSON object"),
        ([delta("It"), event({"choices": 5})], EndpointError, "cannot be read: it has no choices"),
        ([delta("It"), event({"error": {"message": "overloaded"}})], EndpointError, "failed while it .*: overloaded"),
        ([delta(finish_reason="length"), event("[DONE]")], EndpointRefusedError, "gave half an answer"),
        (
            [delta("It"), event({"error": {"message": "pay", "code": "insufficient_quota"}})],
            EndpointRefusedError,
            "failed while it answered: pay",
        ),
        ([delta("It"), event({"error": {"message": "who", "code": 401}})], EndpointRefusedError, "answered: who"),
        ([delta("It"), delta(finish_reason="content_filter")], EndpointRefusedError, "a content filter"),
        ([delta(refusal="No."), *LAST], EndpointRefusedError, r"the model refuses: No\."),
        (LAST, EndpointError, "gave an empty answer"),
        ([delta("x" * 600), delta("x" * 600)], EndpointRefusedError, "answered more than 1,000 bytes"),
        ([event("x" * 1_200)], EndpointRefusedError, "answered more than 1,000 bytes"),
        ([delta("It"), None], TimeoutError, r"http://models\.example did not answer within 5 s"),
    ],
)
async def test_half_streams(given, kind, why, model_of, autojump_clock):
    model = model_of(pieces(*given))
    with pytest.raises(kind, match=why) as caught:
        await read(agent(timeout=5, max_response=1_000))
    assert caught.value.__context__ is None
    assert model.closed == 1


async def test_half_a_stream_is_worth_another_attempt(model_of, autojump_clock):
    model = model_of(pieces(delta("It")), says(TEXT))
    heard = []
    pipeline = Pipeline("p").add_stage(Stage("ask", agent(), config=StageConfig(backoff=Backoff(initial=1))))
    with watch(heard.append):
        result = await pipeline.execute("x")
    assert result.output == TEXT
    assert model.times == [0, 1]
    calls = sorted({piece.call for piece in heard})
    assert ["".join(piece.text for piece in heard if piece.call == call) for call in calls] == ["It", TEXT]


@pytest.mark.parametrize("last", [{"choices": None, "usage": {}}, {"usage": {"prompt_tokens": 3}}, {"choices": []}])
async def test_an_event_may_have_no_choices(last, model_of):
    model_of(pieces(delta(TEXT), delta(finish_reason="stop"), event(last), event("[DONE]")))
    assert await read(agent()) == ([TEXT], TEXT)


async def test_half_a_text_is_given_to_its_end(model_of):
    model_of(pieces(delta("It"), delta(finish_reason="length"), event("[DONE]")))
    pipeline = Pipeline("p").add_stage(Stage("ask", agent()))
    with watch(lambda _: None):
        result = await pipeline.execute("x")
    assert (result.output, result.stages[0].metadata["finish_reason"]) == ("It", "length")


async def test_many_pieces_at_once_do_not_hold_up_others(model_of):
    """With a clock of the test, which advances while a piece is read."""
    model_of(pieces(b"".join([delta("a")] * 3_000 + LAST)))
    steps = []

    async def others():
        while True:
            await trio.lowlevel.checkpoint()
            steps.append(len(heard))

    heard = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        with watch(heard.append):
            assert await agent().process("x") == "a" * 3_000
        nursery.cancel_scope.cancel()
    in_the_middle = {step for step in steps if 0 < step < 3_000}
    assert len(in_the_middle) > 5


class TestWatch:
    async def test_gives_the_pieces_of_all_agents_inside(self, model_of):
        model = model_of(says("abcdefgh"))
        heard = []
        with watch(heard.append):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(agent().process, "x")
                nursery.start_soon(agent().process, "x")
        assert await agent().process("x") == "abcdefgh"
        assert [each.body.get("stream", False) for each in model.asked] == [True, True, False]
        assert all(isinstance(each, Piece) and each.agent_id == "chat" for each in heard)
        texts = {each.call: "" for each in heard}
        for each in heard:
            texts[each.call] += each.text
        assert [*texts.values()] == ["abcdefgh", "abcdefgh"]

    async def test_hears_streams_too(self, model_of):
        model_of(says("abcdefgh"))
        heard = []
        with watch(heard.append):
            got, _ = await read(agent())
        assert [each.text for each in heard] == got == ["abcde", "fgh"]

    async def test_can_be_nested(self, model_of):
        model_of(says("abc"))
        outer, inner = [], []
        with watch(outer.append):
            with watch(inner.append):
                await agent().process("x")
            await agent().process("x")
        assert (len(outer), len(inner)) == (2, 1)

    async def test_is_called_where_the_run_is_known(self, model_of):
        model_of(says("abc"))
        runs = []
        with watch(lambda _: runs.append(current_context().run_id)):
            result = await Pipeline("p").add_stage(Stage("ask", agent())).execute("x")
        assert runs == [result.run_id]

    async def test_leaves_out_who_raises(self, model_of):
        model_of(says("abcdefgh"))
        heard = []

        def fail(piece):
            raise ZeroDivisionError

        told = pytest.warns(SinkWarning, match=r"watcher .*fail raised ZeroDivisionError")
        with told as warned, watch(fail), watch(heard.append):
            assert await agent().process("x") == "abcdefgh"
        assert (len(warned), len(heard)) == (1, 2)

    async def test_times_the_whole_call(self, model_of, autojump_clock):
        model_of(pieces(*in_pieces(TEXT), *LAST, pause=3))
        begun = trio.current_time()
        with watch(print), pytest.raises(TimeoutError, match="did not answer within 10 s"):
            await agent(timeout=10).process("x")
        assert trio.current_time() - begun == 10

    @pytest.mark.parametrize("wrong", [None, Piece])
    def test_takes_functions_alone(self, wrong):
        with pytest.raises(TypeError, match="watch takes a function of a Piece"), watch(wrong):
            pass

    def test_takes_no_async_function(self):
        async def hear(piece):
            pass

        class Hears:
            async def __call__(self, piece):
                pass

        for wrong in (hear, Hears()):
            with pytest.raises(TypeError, match="write `def`"), watch(wrong):
                pass
