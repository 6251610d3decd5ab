"""Secrets appear in no line, wherever an event has them and however they are written."""

import json
import re
from collections import UserList
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from line_cases import lines_in, stage_end

from atrio import Pipeline, Stage, StageConfig, current_context, observe
from atrio.events import _levels as levels
from atrio.history import History, HistorySink
from atrio.sinks import JsonLinesSink, Redacted
from atrio.testing import ScriptedAgent, fail, run_in_virtual_time

KEY = "sk-12/34+ä"
LINES = [f"{number}Tm/pQ+x" * 8 for number in range(9)]
PEM = "\n".join(("-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""))


def in_address(key):
    return quote(key, errors="surrogatepass")


def in_query(key):
    return quote(key, safe="", errors="surrogatepass")


def repr_of_repr(key):
    return repr(repr(key))[2:-2]


def json_of_json(key):
    return json.dumps(json.dumps(key))[3:-3]


def repr_of_json(key):
    return repr(json.dumps({"key": key}))[10:-3]


def json_of_repr(key):
    return json.dumps(repr([key, "'\""]))[3:-10]


def repr_of_bytes(key):
    return repr(key.encode(errors="surrogatepass"))[2:-1]


def redacted(text, secrets):
    given_to_sink = []
    Redacted(given_to_sink.append, secrets)(stage_end(error_message=text))
    (event,) = given_to_sink
    return event.error_message


class TestATextOfAnEvent:
    @pytest.mark.parametrize(
        ("text", "secrets", "shown"),
        [
            ("the key is abcdef.", ["abcdef"], "the key is ***."),
            ("abcdef abcdef", ["abcdef"], "*** ***"),
            ("abcdefabcdef", ["abcdef"], "******"),
            ("abcdefghi", ["abcdef", "defghi"], "***"),
            ("abcdefghi", ["defghi", "abcdef"], "***"),
            ("xabcdefghix", ["cdef", "abcdefghi"], "x***x"),
            ("abcab_abcab", ["abcab", "bcab_"], "******"),
            ("aXXXaXXXa", ["aXXXa"], "***"),
            ("nothing", ["abcdef"], "nothing"),
            ("nothing", [], "nothing"),
            ("card 4111-1111, 4222-2222", [re.compile(r"\d{4}-\d{4}")], "card ***, ***"),
            ("abc", [re.compile("x*")], "abc"),
            ("key 1234 abcdef", [re.compile(r"\d+ abc"), "abcdef"], "key ***"),
        ],
    )
    def test_has_a_mask_in_their_place(self, text, secrets, shown):
        assert redacted(text, secrets) == shown

    @pytest.mark.parametrize(
        "written",
        [
            *(str, repr, json.dumps, in_address, in_query),
            *(repr_of_repr, json_of_json, repr_of_json, json_of_repr, repr_of_bytes),
        ],
    )
    @pytest.mark.parametrize(
        "key", [KEY, 'with "quotes" and\nlines', "it's\\", "both'\"\\", "\ud800long", "a b&c=d", PEM]
    )
    def test_has_none_that_is_written_in_another_way(self, written, key):
        shown = redacted(f"http://api/?key={written(key)}&x=1", [key])
        assert "***" in shown
        assert written(key).strip("\"'") not in shown

    @given(st.lists(st.text("ab", min_size=4, max_size=8), max_size=4), st.text("abc", max_size=60))
    def test_keeps_no_secret(self, secrets, text):
        shown = redacted(text, secrets)
        assert not any(secret in shown for secret in secrets)
        if not any(secret in text for secret in secrets):
            assert shown == text

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_has_no_line_of_one_that_has_several(self, end):
        shown = redacted(
            f"keys:{end}  | first8ch{end}  | second-line{end}  | short", [f"first8ch{end}second-line{end}short"]
        )
        assert shown == f"keys:{end}  | ***{end}  | ***{end}  | short"

    def test_that_is_nothing_stays_nothing(self):
        seen = []
        Redacted(seen.append, ["abcdef"])(stage_end(stage_id="abcdef"))
        assert (seen[0].stage_id, seen[0].error_message) == ("***", None)

    def test_without_any_the_event_is_the_same(self):
        seen, event = [], stage_end()
        Redacted(seen.append, ["abcdef"])(event)
        assert seen[0] is event


class TestInALog:
    def logged(self, tmp_path, error, secrets, **ids):
        agent = ScriptedAgent(fail(error), agent_id=ids.get("agent_id", "a"))
        stage = Stage(ids.get("stage_id", "s"), agent, config=StageConfig(attempts=2))

        async def main():
            with observe(Redacted(log, secrets)):
                await Pipeline(ids.get("pipeline_id", "p")).add_stage(stage).execute("x")

        path = tmp_path / "app.jsonl"
        with JsonLinesSink(path) as log:
            run_in_virtual_time(main)
        assert len(lines_in(path)) == 5
        return path.read_text()

    def test_ids_messages_and_stacks_have_none(self, tmp_path):
        ids = dict.fromkeys(("agent_id", "stage_id", "pipeline_id"), f"for {KEY}")
        text = self.logged(tmp_path, OSError(f"refused: {KEY}"), [KEY], **ids)
        assert KEY not in text
        assert "12/34" not in text
        assert "refused: ***" in text

    @pytest.mark.parametrize("before", range(995, 1005))
    def test_none_is_cut_in_half(self, tmp_path, before):
        text = self.logged(tmp_path, OSError("x" * (before - 500) + KEY * 400 + "y" * 5000), [KEY])
        assert "sk-" not in text
        assert "34+" not in text

    def test_none_is_cut_in_half_by_what_a_group_says_of_its_members(self, tmp_path):
        for length in range(9_900, 9_990, 7):
            error = ExceptionGroup("g", [OSError("x" * length + KEY * 20)])
            assert "sk-1" not in self.logged(tmp_path, error, [KEY])
            (tmp_path / "app.jsonl").unlink()

    @pytest.mark.parametrize("noted", [False, True])
    def test_the_stack_of_a_group_has_no_line_of_one(self, tmp_path, noted):
        async def refused():
            error = OSError("refused" if noted else f"refused: {PEM}")
            if noted:
                error.add_note(f"with {PEM}")
            raise error

        async def agent(data):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(refused)

        async def main():
            with observe(Redacted(log, [PEM])):
                await Pipeline("p").add_stage(Stage("s", agent, config=StageConfig(attempts=1))).execute("x")

        path = tmp_path / "app.jsonl"
        with JsonLinesSink(path) as log:
            run_in_virtual_time(main)
        text = path.read_text()
        assert "  | " in text
        assert "***" in text
        assert not [line for line in LINES if line in text]

    def test_that_is_written_with_escapes_has_none(self, tmp_path):
        key = 'a"b\nc\\d'
        text = self.logged(tmp_path, KeyError({"headers": key}), [key])
        assert "***" in text
        assert not re.search(r'a\\*"b', text)


class TestWhatAStageNoted:
    KEYS = ("plain-key-1", 'a"b\nc\\d', "schlüssel-ä", "it's\\", "a\ud800b-key", "12345678", PEM, "key-" * 1_500)

    def kept(self, tmp_path, notes, secrets):
        """Return a log and a history, as they are in their files, of a run that noted something."""

        async def agent(data):
            current_context().note(**notes)
            return data

        async def main():
            with observe(Redacted(log, secrets), Redacted(history, secrets)):
                await Pipeline("p").add_stage(Stage("s", agent)).execute("x")

        folder = Path(mkdtemp(dir=tmp_path))
        with JsonLinesSink(folder / "log.jsonl") as log, HistorySink(folder / "history.db") as history:
            run_in_virtual_time(main)
        [line] = [line for line in lines_in(folder / "log.jsonl") if line["event"] == "stage.end"]
        with History(folder / "history.db") as read:
            [stage] = read.run(line["run_id"]).stages
        return json.loads(line["metadata"]), stage.metadata

    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize(
        "noted",
        [
            lambda key: {"key": key},
            lambda key: {"text": f"with {key} in it", "other": 7},
            lambda key: {"nested": {"list": [{"deeper": key}]}, "other": 7},
            lambda key: {"bytes": key.encode(errors="surrogatepass"), "other": 7},
            lambda key: {"shown": UserList([key]), "other": 7},
            lambda key: {"as JSON": json.dumps({"key": key}), "other": 7},
            lambda key: {key: "name", "nested": {key: 1}, "other": 7},
            lambda key: {"number": int(key) if key.isdigit() else 1, "other": 7},
            lambda key: {"long": "x" * 3_600 + key, "longer": "y" * 3_970 + key, "other": 7},
            lambda key: {f"{each}": f"{'x' * each * 40}{key}" for each in range(100)},
        ],
        ids=["alone", "text", "nested", "bytes", "repr", "JSON", "name", "number", "cut", "many"],
    )
    def test_has_no_secret(self, tmp_path, key, noted):
        for metadata in self.kept(tmp_path, noted(key), [key]):
            shown = [json.dumps(metadata), json.dumps(metadata, ensure_ascii=False), repr(metadata)]
            parts = {key, *(each for each in key.splitlines() if len(each) > 8), key[:12], key[-12:]} - {"12345678"}
            for part in {*parts, "2345678"} if key.isdigit() else parts:
                written = {part, json.dumps(part)[1:-1], repr(part)[1:-1], json.dumps(json.dumps(part))[3:-3]}
                assert not any(each in text for each in written for text in shown)
            assert metadata.get("other", 7) == 7

    def test_is_still_an_object_whatever_a_pattern_takes(self, tmp_path):
        notes = {"url": "http://api/?token=abc", "pin": 1234, "pins": [1234, {"a": 51234}], "other": 7}
        for pattern, left in (
            (r"token=.*", {**notes, "url": "http://api/?***"}),
            (r"1234", {**notes, "pin": "***", "pins": ["***", {"a": "5***"}]}),
            (r'"pin":\d+', {"***": "***"}),
            (r"[^*]+", {"***": "***"}),
        ):
            assert self.kept(tmp_path, notes, [re.compile(pattern)]) == (left, left)


class TestLevels:
    def test_are_those_of_the_sink_inside(self, tmp_path):
        with JsonLinesSink(tmp_path / "log", level="warning") as log:
            assert Redacted(log, []).minimum_level() == levels.WARNING

    def test_are_all_where_it_has_none(self):
        assert Redacted(print, []).minimum_level() == levels.DEBUG


class TestArguments:
    @pytest.mark.parametrize("secrets", ["abcdef", b"abcdef", re.compile("abc")])
    def test_a_single_secret_is_refused(self, secrets):
        with pytest.raises(TypeError, match=r"pass a list, \[secret\]"):
            Redacted(print, secrets)

    @pytest.mark.parametrize("secret", [b"abcdef", 7, None, re.compile(b"abc")])
    def test_what_is_no_text_is_refused(self, secret):
        with pytest.raises(TypeError, match=r"secrets\[1\]"):
            Redacted(print, ["abcdef", secret])

    @pytest.mark.parametrize("secret", ["", "abc"])
    def test_what_is_too_short_is_refused_and_not_shown(self, secret):
        with pytest.raises(ValueError, match=rf"secrets\[0\] has {len(secret)}"):
            Redacted(print, [secret])

    def test_what_is_no_sink_is_refused(self):
        async def sink(event):
            pass

        for each, why in (
            (None, "a sink is a callable"),
            (print.__class__, "a sink is a callable"),
            (sink, "is async"),
        ):
            with pytest.raises(TypeError, match=why):
                Redacted(each, ["abcdef"])

    def test_secrets_may_be_anything_that_gives_them(self):
        assert redacted("abcdef", (each for each in ["abcdef"])) == "***"


def test_texts_beside_the_events():
    assert Redacted(print, ["abcdef"]).text("not abcdef") == "not ***"
