"""What stages noted and their sizes, in ``atrio status`` and on the page of ``atrio report``."""

import json
import os
import re

import pytest
import trio
from configured import rows
from runs_made_up import HOSTILE, content, run, stage

from atrio import Backoff, ErrorPolicy, current_context
from atrio.cli._page import page_of
from atrio.cli._status_tables import run_tables
from atrio.history import RunDetail

COMMANDS = r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"


def noting(**values):
    async def process(data):
        await trio.lowlevel.checkpoint()
        current_context().note(**values)
        current_context().add_usage(input_tokens=120)
        return data

    return process


async def refuse(data):
    await trio.lowlevel.checkpoint()
    current_context().note(reason="too cold")
    raise ConnectionError("no")


def detail_of(*stages, state="success"):
    return RunDetail(run(state, total=len(stages)), stages, None)


def tables_of(*stages, **options):
    detail = detail_of(*stages, **options)
    return "".join(run_tables(detail, (), detail.run.started_at))


@pytest.fixture
def one(atrio):
    """Return a function that returns what `atrio status` says of the latest run, as JSON, and as tables."""

    def seen():
        run_id = json.loads(atrio("status", "--format", "json").out)["runs"][0]["run_id"]
        ended = atrio("status", run_id, "--format", "json")
        assert (ended.code, ended.err) == (0, "")
        return json.loads(ended.out), atrio("status", run_id).out

    return seen


class TestWhatStagesNoted:
    def test_agrees_with_the_result(self, atrio, ready_made, one):
        notes = {"model": "small", "share": 0.25, "exact": True, "seen": [1, {"deep": "ä"}]}
        ready_made("notes", noting(**notes), noting(), attempts=1)
        result = json.loads(atrio("run", "notes", "--value", '"abc"', "--format", "json").out)
        status, shown = one()
        noted = [each["metadata"] for each in status["stages"]]
        assert noted == [each["metadata"] for each in result["stages"]]
        assert noted[0] == notes | {"usage": {"calls": 1, "input_tokens": 120, "output_tokens": 0}}
        assert "what stages noted" in shown
        table = rows(shown)
        assert ["stage_0", "model", "small"] in table
        assert ["stage_0", "share", "0.25"] in table
        assert ["stage_0", "seen", '[1, {"deep": "ä"}]'] in table
        assert ["stage_1", "usage", '{"calls": 1, "input_tokens": 120, "output_tokens": 0}'] in table

    @pytest.mark.parametrize("policy", [ErrorPolicy.RETRY, ErrorPolicy.SKIP])
    def test_is_there_if_the_stage_failed(self, atrio, ready_made, one, policy):
        ready_made("notes", refuse, attempts=2, backoff=Backoff(initial=0.0), error_policy=policy)
        atrio("run", "notes", "--value", "1")
        status, shown = one()
        assert [each["metadata"] for each in status["stages"]] == [{"reason": "too cold"}]
        assert ["stage_0", "reason", "too cold"] in rows(shown)

    def test_is_not_there_if_nothing_was_noted(self, atrio, one):
        atrio("run", "text-report", "--value", '"A text."')
        status, shown = one()
        assert {len(each["metadata"]) for each in status["stages"]} == {0}
        assert "noted" not in shown

    def test_in_the_tasks_of_a_batch(self, atrio, ready_made, tmp_path, one):
        ready_made("notes", noting(tokens=3), attempts=1)
        (tmp_path / "a.jsonl").write_text("1\n2\n")
        atrio("batch", "notes", "a.jsonl")
        batch, _ = one()
        inside = json.loads(atrio("status", batch["tasks"]["slowest"][0]["run_id"], "--format", "json").out)
        assert inside["stages"][0]["metadata"]["tokens"] == 3

    def test_hostile_ones_are_only_shown(self, atrio, ready_made, one):
        notes = {HOSTILE: HOSTILE, "long\x1b[2J": "y" * 3_000, "nested": {HOSTILE: [HOSTILE]}}
        ready_made("notes", noting(**notes), attempts=1)
        atrio("run", "notes", "--value", "1", "--log-level", "error")
        status, shown = one()
        assert not re.search(COMMANDS, shown)
        assert len(shown) < 10_000
        [each] = status["stages"]
        assert each["metadata"]["long\x1b[2J"] == "y" * 3_000
        page = atrio("report", "--output", "-").out
        assert "<script" not in page
        assert not re.search(COMMANDS.replace(r"\x09", r"\x08"), page)

    def test_has_no_secrets(self, atrio, ready_made, one, tmp_path, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", "tok-0123456789abcdef")
        monkeypatch.setenv("SHOP_PIN_SECRET", "1234567890")
        token = os.environ["SHOP_TOKEN"]
        notes = {"token": token, "url": f'{{"a": "{token}"}}', "bytes": token.encode(), "pin": 1234567890}
        ready_made("notes", noting(**notes), attempts=1)
        ended = atrio("run", "notes", "--value", "1", "--log-file", "log.jsonl")
        status, shown = one()
        [each] = status["stages"]
        assert {name: each["metadata"][name] for name in notes} == {
            "token": "***", "url": '{"a": "***"}', "bytes": "b'***'", "pin": "***",
        }  # fmt: skip
        assert ["stage_0", "pin", "***"] in rows(shown)
        kept = b"".join(path.read_bytes() for path in (tmp_path / ".atrio").iterdir())
        kept += (
            (tmp_path / "log.jsonl").read_bytes() + ended.err.encode() + atrio("report", "--output", "-").out.encode()
        )
        assert b"0123456789abcdef" not in kept
        assert b"1234567890" not in kept

    def test_has_no_secrets_on_a_page_of_a_history_that_has_some(self, atrio, ready_made, monkeypatch):
        ready_made("notes", noting(said="tok-0123456789", pin=1234567890, seen=[{"tok-0123456789": 1}]), attempts=1)
        atrio("run", "notes", "--value", "1")
        assert "tok-0123456789" in atrio("report", "--output", "-").out
        monkeypatch.setenv("SHOP_TOKEN", "tok-0123456789")
        monkeypatch.setenv("PIN_SECRET", "1234567890")
        page = atrio("report", "--output", "-").out
        assert "tok-0123456789" not in page
        assert "1234567890" not in page
        assert page.count("***") == 3


class TestSizes:
    def test_are_shown_where_they_are_known(self, atrio, ready_made, one):
        ready_made("notes", noting(), attempts=1)
        atrio("run", "notes", "--value", '"abc"')
        status, shown = one()
        assert [(each["input_size"], each["output_size"]) for each in status["stages"]] == [(3, 3)]
        assert ["3", "3"] in [row[-2:] for row in rows(shown)]
        atrio("run", "notes", "--value", "1")
        status, shown = one()
        assert [(each["input_size"], each["output_size"]) for each in status["stages"]] == [(None, None)]
        assert "input" not in shown.partition("what stages noted")[0]

    def test_leave_their_room_to_errors(self, monkeypatch):
        good = stage(0, "clean", input_size=1_204_000)
        bad = stage(1, "parse", "error", error_type="ValueError", error_message="no JSON", output_size=None)
        for columns, sizes in (("80", False), ("160", True)):
            monkeypatch.setenv("COLUMNS", columns)
            assert "1,204,000" in tables_of(good)
            assert ("1,204,000" in tables_of(good, bad)) is sizes
            assert "ValueError: no JSON" in " ".join(tables_of(good, bad).split())


class TestOnAPage:
    def test_is_a_table_below_the_stages(self):
        noted = stage(0, "fetch", metadata={"tokens": 3, "by": "ä <b>", "seen": [1, None]})
        page = page_of(content(run(total=1), [noted]))
        assert "What stages noted" in page
        for name, value in (("tokens", "3"), ("by", "ä &lt;b&gt;"), ("seen", "[1, null]")):
            assert f'<bdi>{name}</bdi></td><td class="long"><bdi>{value}</bdi>' in page

    def test_is_not_there_if_nothing_was_noted(self):
        assert "noted" not in page_of(content(run(total=1), [stage(0, "fetch")]))

    def test_of_many_some_are_shown(self):
        stages = [
            stage(at, f"stage_{at}", metadata={f"name {each}": "x" * 3_000 for each in range(60)}) for at in range(20)
        ]
        page = page_of(content(run(total=20), stages))
        assert "700 more notes not shown: atrio status" in page
        assert len(page) < 1_000_000
