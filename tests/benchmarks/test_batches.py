"""Batches: all contestants do the same work, every row has its contestants, and short runs go through."""

from random import Random

import pytest
import trio

import batches
import memory
import steps
from contestants import UnfairError


@pytest.fixture
def entered(tmp_path):
    return batches.contestants(tmp_path)


class TestFairness:
    def test_all_do_the_same_work(self, entered):
        batches.check_fairness(entered)

    def test_other_outputs_are_unfair(self, entered):
        class Idle(batches.Contestant):
            def outputs(self, agent, places, inputs):
                return list(inputs)

        entered["idle"] = Idle("does nothing", trio.run, entered["hand"].build)
        with pytest.raises(UnfairError, match="idle gave other outputs"):
            batches.check_fairness(entered)

    def test_other_lines_are_unfair(self, entered, tmp_path):
        hand, silent = entered["hand"], tmp_path / "silent.jsonl"
        silent.touch()
        entered["silent"] = batches.Contestant("writes nothing", hand.run, hand.build, silent)
        with pytest.raises(UnfairError, match="silent wrote other lines"):
            batches.check_fairness(entered)

    def test_a_twin_that_logs_nothing_is_noticed(self, entered):
        entered["twin json"] = batches.Contestant(
            "silent", entered["twin"].run, entered["twin"].build, entered["atrio json"].lines
        )
        entered["atrio json"].lines.touch()
        del entered["atrio json"]
        with pytest.raises(UnfairError, match="the twin wrote 0 lines"):
            batches.check_fairness(entered)


def names_in(rows):
    return {name for row in rows for name in (row.above, row.below, row.minus) if name is not None}


def test_short_batches(monkeypatch):
    monkeypatch.setattr(batches, "SIZES", (100, 200))
    monkeypatch.setattr(batches, "ITEMS_A_SAMPLE", 300)
    monkeypatch.setattr(steps, "TIMES", 100)
    labels, samples = batches.samples(1, Random(1))
    assert set(labels) == set(samples) == names_in(batches.rows()) | set(steps.steps())
    assert all(seconds > 0 for each in samples.values() for seconds in each)
    costs = batches.costs(labels, samples)
    assert "| 200 items: twin, quiet |" in costs
    assert "| ask for a pending cancellation |" in costs


def test_short_sleeps(monkeypatch):
    monkeypatch.setattr(batches, "SLEEPING_ITEMS", 20)
    monkeypatch.setattr(batches, "SLEEPING_PLACES", 10)
    monkeypatch.setattr(batches, "DELAYS_S", (0.01, 0.02))
    assert sum(batches.delays(20)) == pytest.approx(0.3)
    labels, samples = batches.sleeping_samples(1, Random(1))
    assert names_in(batches.SLEEPING_ROWS) <= set(samples) == set(labels) | {f"{name}, CPU" for name in labels}
    # Ten at once: each place sleeps for two items.
    assert all(0.02 <= seconds < 1 for name in labels for seconds in samples[name])
    assert all(0 < seconds < 1 for name in labels for seconds in samples[f"{name}, CPU"])
    assert "items a second" in batches.sleeping_costs(labels, samples)


class TestMemory:
    def test_what_is_kept(self):
        ours, loop = (memory.measured("kept", who, "1000") for who in ("atrio", "hand"))
        assert 8 <= loop["kept"] < 24  # a list of what was there before
        assert loop["kept"] < ours["kept"] <= ours["peak"] < 1000

    def test_streams_say_the_size_of_their_process(self):
        assert 5 < memory.measured("stream", "100")["largest"] < 500

    @pytest.mark.parametrize("rigorous", [True, False])
    def test_every_row_is_measured(self, monkeypatch, rigorous):
        def planted(kind, *_):
            return {"largest": 30.0} if kind == "stream" else {"kept": 200.0, "peak": 210.0}

        monkeypatch.setattr(memory, "measured", planted)
        labels, samples = memory.samples(2, Random(1), rigorous=rigorous)
        rows = memory.rows(rigorous=rigorous)
        assert names_in(rows) <= set(samples)
        assert [row.verdict(row.measured(samples, Random(1)).median) for row in rows if row.target] == ["met"] * 3
        assert ("1,000,000" in rows[-1].label) == rigorous
        assert "| 200 bytes an item | 210 bytes an item |" in memory.costs(labels, samples)

    def test_lost_items_are_noticed(self, monkeypatch):
        monkeypatch.setattr(memory, "_runner", lambda _: lambda pairs: [0] * len(pairs))
        with pytest.raises(RuntimeError, match="other outputs"):
            memory.kept("planted", 10)
