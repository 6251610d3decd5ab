"""The script measures what it says: its statistics on planted data, its fairness check, and one short run."""

import json
from random import Random

import pytest
import trio

import contestants
import ratios
import sampling
import suites
from rows import Row, row_table


def ratio_of(above, below, rng):
    samples = {"above": above, "below": below}
    return Row("r", "above", "below").measured(samples, rng)


class TestStatistics:
    def test_ratios_are_taken_round_by_round(self):
        # The machine was ten times slower in the second round: each round says 2.
        ratio = ratio_of([2.0, 20.0, 2.0], [1.0, 10.0, 1.0], Random(1))
        assert (ratio.median, ratio.low, ratio.high) == (2.0, 2.0, 2.0)

    def test_median_is_not_moved_by_an_outlier(self):
        ratio = ratio_of([3.0] * 9 + [300.0], [1.0] * 10, Random(1))
        assert ratio.median == 3.0

    def test_interval_covers_the_planted_ratio(self):
        rng = Random(7)
        below = [rng.uniform(0.9, 1.1) for _ in range(200)]
        ratio = ratio_of([0.4 * each * rng.uniform(0.95, 1.05) for each in below], below, rng)
        assert ratio.low < ratio.median < ratio.high
        assert (ratio.low, ratio.high) == pytest.approx((0.4, 0.4), abs=0.01)

    def test_a_single_round_has_a_point_for_an_interval(self):
        assert ratio_of([1.0], [2.0], Random(1)) == sampling.Estimate(0.5, 0.5, 0.5)

    def test_unequal_rounds_are_refused(self):
        with pytest.raises(ValueError, match="shorter"):
            ratio_of([1.0, 2.0], [1.0], Random(1))

    def test_spread(self):
        assert sampling.spread_of([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
        assert sampling.spread_of([1.0, 9.0]) == 0.0

    def test_noise_is_told(self):
        steady, wild = [1.0] * 8, [1.0, 2.0] * 4
        assert sampling.noise_in({"steady": steady}, [sampling.Estimate(1.01, 0.99, 1.02)]) == []
        (about_wild, about_control) = sampling.noise_in(
            {"steady": steady, "wild": wild}, [sampling.Estimate(0.9, 0.8, 1.0)]
        )
        assert about_wild.endswith("for 1 of 2 contestants, most for wild: 67%")
        assert "0.90" in about_control


def test_rounds_are_interleaved_in_changing_order():
    calls = []

    def measure(name):
        return lambda: calls.append(name) or len(calls)

    samples = sampling.interleave({name: measure(name) for name in "abc"}, 20, Random(1))
    rounds = ["".join(calls[start : start + 3]) for start in range(0, 60, 3)]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len(set(rounds)) > 1
    assert samples["a"] == [index for index, name in enumerate(calls, 1) if name == "a"]


class TestRows:
    @pytest.mark.parametrize(
        ("row", "measured", "target", "verdict"),
        [
            (Row("r", "a", "b", at_most=0.45), 0.45, "<= 0.45", "met"),
            (Row("r", "a", "b", at_most=0.45), 0.46, "<= 0.45", "missed"),
            (Row("r", "a", "b", at_least=2.5), 2.5, ">= 2.5", "met"),
            (Row("r", "a", "b", at_least=2.5), 2.4, ">= 2.5", "missed"),
            (Row("r", "a", at_most=250, unit=" bytes"), 199.0, "<= 250 bytes", "met"),
            (Row("r", "a", "b"), 1.0, "", ""),
        ],
    )
    def test_verdict(self, row, measured, target, verdict):
        assert (row.target, row.verdict(measured)) == (target, verdict)

    @pytest.mark.parametrize(
        ("row", "shown"),
        [
            (Row("there", "a", "b", at_most=0.5), "| there | 0.250 | 0.250 to 0.250 | <= 0.5 | met |"),
            (Row("missing", "c", "b", at_most=2), "| missing | | | <= 2 | not there yet |"),
            (Row("less", "b", minus="a", unit=" MB", digits=1), "| less | 3.0 MB | 3.0 MB to 3.0 MB |  |  |"),
            (Row("alone", "b", digits=0), "| alone | 4 | 4 to 4 |  |  |"),
        ],
    )
    def test_line(self, row, shown):
        table = row_table([(row, row.measured({"a": [1.0], "b": [4.0]}, Random(1)))])
        assert table.splitlines()[2:] == [shown]

    def test_rows_name_contestants_that_exist(self, tmp_path):
        entered = contestants.contestants(tmp_path)
        assert {name for row in suites.PIPELINE_ROWS for name in (row.above, row.below)} == set(entered)


class TestFairness:
    def test_all_do_the_same_work(self, tmp_path):
        contestants.check_fairness(contestants.contestants(tmp_path))

    def test_other_outputs_are_unfair(self, tmp_path):
        entered = contestants.contestants(tmp_path)

        class Idle(contestants.Contestant):
            def once(self, agents, data):
                return data

        entered["idle"] = Idle("does nothing", trio.run, entered["hand"].build)
        with pytest.raises(contestants.UnfairError, match="outputs differ"):
            contestants.check_fairness(entered)

    def test_other_lines_are_unfair(self, tmp_path):
        entered = contestants.contestants(tmp_path)
        hand, silent = entered["hand"], tmp_path / "silent.jsonl"
        silent.touch()
        entered["silent"] = contestants.Contestant("writes nothing", hand.run, hand.build, silent)
        with pytest.raises(contestants.UnfairError, match="silent wrote other lines"):
            contestants.check_fairness(entered)


def test_one_round(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(contestants, "SAMPLE_S", 0.002)
    written, page = tmp_path / "ratios.json", tmp_path / "ratios.md"
    ratios.main(["--only", "startup", "pipeline", "--rounds", "1", "--json", str(written), "--markdown", str(page)])
    printed = capsys.readouterr().out
    assert "| atrio, nobody listening / hand-written loop |" in printed
    assert "| `import atrio` / `import trio`, CPU |" in printed
    assert "- command: `python benchmarks/ratios.py --only startup pipeline --rounds 1`" in printed
    measured = json.loads(written.read_text())["suites"]
    assert set(measured) == {"pipeline", "startup"}
    assert all(len(each) == 1 for each in measured["pipeline"]["samples"].values())
    # What is written is what was printed, and what the samples give when they are read again.
    assert page.read_text() in printed
    ratios.main(["--from", str(written)])
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--rounds", "0"], "at least 1"), (["--only", "nothing"], "invalid choice")]
)
def test_nonsense_is_refused(capsys, arguments, said):
    with pytest.raises(SystemExit):
        ratios.main(arguments)
    assert said in capsys.readouterr().err
