"""What a run's file says, and the figures that are made of it: on planted data, and on all that may be missing."""

import json
import statistics

import numpy as np
import pytest
from analysis_runs import run_of
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.analysis.estimates import (
    Estimate,
    cores_of,
    estimate,
    estimate_of,
    load_warnings,
    noise_warnings,
    spread_of,
    spreads,
)
from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run, RunFileError
from benchmarks.analysis.text import aligned, change, cost

COSTS = st.floats(1e-6, 1e3)
ROUNDS = st.lists(st.none() | COSTS, min_size=1, max_size=12)


class TestFile:
    def test_a_folder_is_read_as_well_as_its_file(self, tmp_path):
        content = run_of({"p.20.atrio": [1.0]}).data
        (tmp_path / "run.json").write_text(json.dumps(content))
        assert Run.read(tmp_path).data == Run.read(tmp_path / "run.json").data == content
        assert Run.read(tmp_path).name == str(tmp_path)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("", "is no JSON, or was cut off"),
            ('{"schema": 1, "prog', "is no JSON, or was cut off"),
            ("\xff", "is no JSON, or was cut off"),
            ("[]", 'no run of this suite: it has no "schema"'),
            ('{"programs": {}}', 'no run of this suite: it has no "schema"'),
            ('{"schema": 2}', "written by a newer suite: schema 2, and this one reads 1"),
            ('{"schema": 1, "suites": {}}', '"programs" is missing or no dict'),
            ('{"schema": 1, "programs": {}, "works": {}, "samples": {}}', '"samples" is missing or no list'),
            ('{"schema": 1, "programs": {}, "works": {}, "samples": [7]}', "samples[0] is no sample"),
            (
                '{"schema": 1, "programs": {}, "works": {}, "samples": [{"program": "p", "round": 0, "values": 1}]}',
                "samples[0] is no sample",
            ),
            ('{"schema": 1, "programs": {}, "works": {}, "samples": [{"program": 1, "values": {}}]}', "samples[0]"),
        ],
    )
    def test_what_is_no_run_is_refused_with_the_reason(self, tmp_path, content, said):
        path = tmp_path / "run.json"
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(RunFileError) as caught:
            Run.read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert said in str(caught.value)

    def test_a_missing_file_is_refused(self, tmp_path):
        with pytest.raises(RunFileError, match=r"none\.json: cannot be read: No such file"):
            Run.read(tmp_path / "none.json")


class TestFigures:
    def test_a_rounds_figure_is_the_median_of_its_process(self):
        run = run_of({"p.atrio": [[1.0, 9.0, 2.0], [3.0]]})
        assert run.value("p.atrio", 0, "cpu_s") == 2.0
        assert run.by_round("p.atrio", "cpu_s") == {0: 2.0, 1: 3.0}
        assert run.figures_of("p.atrio") == ["cpu_s"]

    def test_what_was_not_measured_is_none(self):
        run = run_of({"p.atrio": [1.0]})
        assert run.value("p.atrio", 1, "cpu_s") is None
        assert run.value("p.atrio", 0, "wall_s") is None
        assert run.value("p.other", 0, "cpu_s") is None

    def test_values_that_are_no_numbers_are_not_measured(self):
        assert run_of({"p.atrio": [[float("nan"), 1.0], [], [2.0]]}).by_round("p.atrio", "cpu_s") == {2: 2.0}

    def test_a_resumed_run_has_each_round_once(self):
        run = run_of({"p.atrio": [1.0, 2.0]})
        again = {"program": "p.atrio", "round": 1, "values": {"cpu_s": [5.0]}}
        assert Run({**run.data, "samples": [*run.data["samples"], again]}).by_round("p.atrio", "cpu_s") == {
            0: 1.0,
            1: 5.0,
        }

    def test_absence_says_why(self):
        run = run_of(
            {
                "p.there": [1.0],
                "p.none": [],
                "p.away": {"status": "not installed", "reason": "no wheel"},
                "p.broke": {"costs": [1.0], "status": "failed", "reason": "ValueError"},
            }
        )
        assert run.absence("p.there") is None
        assert run.absence("p.none") == "p.none: no samples"
        assert run.absence("p.away") == "p.away: not installed (no wheel)"
        assert run.absence("p.broke") == "p.broke: failed (ValueError)"
        assert run.absence("p.unknown") == "p.unknown: not in this run"


class TestRows:
    def test_ratios_are_taken_round_by_round(self):
        # The machine was ten times slower in the second round: each round says 2.
        run = run_of({"p.above": [2.0, 20.0, 2.0], "p.below": [1.0, 10.0, 1.0]})
        assert run.rounds(Row("r", "p.above", "p.below")) == [2.0, 2.0, 2.0]

    def test_rounds_that_lack_one_side_are_left_out(self):
        run = run_of({"p.above": [2.0, 20.0, None, 8.0], "p.below": [1.0, None, 1.0, 2.0]})
        assert run.rounds(Row("r", "p.above", "p.below")) == [2.0, 4.0]

    def test_a_program_of_fewer_rounds_is_compared_in_these(self):
        run = run_of({"p.slow": [4.0], "p.quick": [2.0, 3.0, 5.0]})
        assert run.rounds(Row("r", "p.slow", "p.quick")) == [2.0]

    def test_nothing_is_divided_by_nothing(self):
        assert run_of({"p.above": [2.0, 3.0], "p.below": [0.0, 1.0]}).rounds(Row("r", "p.above", "p.below")) == [3.0]

    def test_per_unit_divides_both_by_the_size_of_their_work(self):
        works = {"s.1000": {"size": 1000}, "s.20": {"size": 20}}
        run = run_of({"s.1000.atrio": [11.0], "s.20.atrio": [0.2]}, works)
        assert run.rounds(Row("r", "s.1000.atrio", "s.20.atrio", per_unit=True)) == pytest.approx([1.1])
        assert run.rounds(Row("r", "s.1000.atrio", minus="s.20.atrio", per_unit=True)) == pytest.approx([0.001])

    def test_another_figure_of_the_other_side_and_a_scale(self):
        run = run_of({"m.a": {"figures": {"peak": [9.0]}}, "m.b": {"figures": {"kept": [4.0]}}})
        row = Row("r", "m.a", minus="m.b", figure="peak", below_figure="kept", scale=10)
        assert run.rounds(row) == [50.0]

    @given(ROUNDS, ROUNDS)
    def test_a_ratio_has_a_round_for_each_that_both_have(self, above, below):
        run = run_of({"p.above": above, "p.below": below})
        both = [(up, down) for up, down in zip(above, below, strict=False) if up is not None and down is not None]
        assert run.rounds(Row("r", "p.above", "p.below")) == [up / down for up, down in both]

    @settings(deadline=None)  # resampling takes long on a busy machine
    @given(st.lists(COSTS, min_size=1, max_size=12), st.integers(0, 11), st.randoms(use_true_random=False))
    def test_a_resumed_run_says_the_same(self, costs, broken_off, random):
        """What was measured before and after is in any order, and one sample may be there twice."""
        whole = run_of({"p.above": costs, "p.below": costs[::-1]})
        samples = list(whole.data["samples"])
        samples.append(samples[broken_off % len(samples)])
        random.shuffle(samples)
        resumed = Run({**whole.data, "samples": samples})
        row = Row("r", "p.above", "p.below")
        assert resumed.rounds(row) == whole.rounds(row)
        assert estimate(row, resumed) == estimate(row, whole)

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


class TestEstimates:
    def test_none_where_nothing_was_measured(self):
        run = run_of({"p.a": [1.0], "p.b": [None, 1.0], "p.c": {"costs": [1.0], "status": "failed"}})
        assert estimate(Row("r", "p.a", "p.none"), run) is None
        assert estimate(Row("r", "p.a", "p.b"), run) is None
        assert estimate(Row("r", "p.a", "p.c"), run) is None

    @pytest.mark.parametrize("rounds", [1, 2, 7])
    def test_equal_rounds_are_a_point(self, rounds):
        assert estimate_of([3.0] * rounds) == Estimate(3.0, 3.0, 3.0, rounds)

    def test_of_few_rounds_the_interval_is_the_range_and_says_what_that_is_worth(self):
        found = estimate_of([1.0, 4.0])
        assert (found.median, found.low, found.high, found.confidence) == (2.5, 1.0, 4.0, 0.5)
        assert estimate_of([1.0, 2.0, 3.0, 4.0, 5.0]).confidence == pytest.approx(0.9375)
        assert estimate_of([1.0]).confidence == 0.0
        assert estimate_of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).confidence == 0.95

    def test_median_is_not_moved_by_an_outlier(self):
        found = estimate_of([3.0] * 24 + [300.0])
        assert (found.median, found.low, found.high) == (3.0, 3.0, 3.0)

    @settings(deadline=None)
    @given(st.lists(COSTS, min_size=1, max_size=30))
    def test_the_median_lies_in_the_interval_and_the_interval_in_the_range(self, rounds):
        found = estimate_of(rounds)
        assert min(rounds) <= found.low <= found.median <= found.high <= max(rounds)
        assert found.median == statistics.median(rounds)
        assert found == estimate_of(rounds)

    @pytest.mark.parametrize("rounds", [7, 11, 25])
    def test_the_interval_holds_the_true_median_as_often_as_it_says(self, rounds):
        """Of figures with a tail, as they are: every sixth is disturbed."""
        rng = np.random.default_rng(rounds)

        def figures(count):
            return np.exp(0.02 * rng.standard_normal(count) + (rng.random(count) < 1 / 6) * rng.random(count) * 0.5)

        true = np.median(figures(1_000_000))
        found = [estimate_of(figures(rounds).tolist()) for _ in range(200)]
        assert sum(each.low <= true <= each.high for each in found) >= 0.9 * 200


class TestNoise:
    def test_spread(self):
        assert spread_of([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
        assert spread_of([1.0, 9.0]) == 0.0
        assert spread_of([0.0, 0.0, 0.0, 0.0]) == 0.0

    def test_a_quiet_run_has_no_warning(self):
        run = run_of({"p.a": [1.0] * 8, "p.b": [1.01] * 8}, load={"before": 0.3, "after": 7.9})
        assert noise_warnings(run, [Row("control", "p.a", "p.b", control=True)]) == []

    def test_each_sign_is_told(self):
        run = run_of({"p.calm": [1.0] * 8, "p.wild": [1.0, 2.0] * 4}, load={"before": 0.3, "after": 9.5})
        row = Row("control: calm / itself", "p.calm", "p.wild", control=True)
        spread, control, load = noise_warnings(run, [row, Row("no control", "p.wild", "p.calm")])
        assert spread.endswith("of their median, of 1 of 2 programs, most of p.wild: 67%")
        assert control.endswith("came out at 0.75: control: calm / itself")
        assert load == "the load after the run was 9.5, on 8 cores"

    def test_programs_that_were_not_measured_have_no_spread(self):
        run = run_of({"p.a": [1.0] * 4, "p.b": [], "p.c": {"costs": [1.0, 2.0], "status": "failed"}})
        assert spreads(run) == {"p.a": 0.0}

    def test_cores_are_the_runs_own(self):
        assert cores_of(run_of({})) == 8
        assert cores_of(run_of({}, machine={})) is None
        assert load_warnings(run_of({}, load={"before": 3.0}), cores=2) == [
            "the load before the run was 3.0, on 2 cores"
        ]
        assert load_warnings(run_of({}, load=None)) == []


class TestText:
    @pytest.mark.parametrize(
        ("value", "clock", "shown"),
        [
            (1.5, "s", "1.5 s"),
            (0.0123456, "s", "12.3 ms"),
            (9.96e-6, "s", "9.96 us"),
            (1e-10, "s", "0.1 ns"),
            (4321.0, "s", "4,321 s"),
            (199.24, "MB", "199.2 MB"),
            (None, "s", ""),
        ],
    )
    def test_costs_have_three_digits_and_a_unit(self, value, clock, shown):
        assert cost(value, clock) == shown

    def test_changes_are_percentages(self):
        assert [change(each) for each in (1.153, 0.5, None)] == ["+15.3%", "-50.0%", ""]

    def test_a_table_is_laid_out(self):
        table = aligned(("what", "n"), [("a | b", "1"), ("c", "22")])
        assert table.splitlines() == ["| what   |   n |", "| ------ | --: |", "| a \\| b |   1 |", "| c      |  22 |"]

    def test_a_table_without_lines_is_its_head(self):
        assert aligned(("what", "n"), []).splitlines() == ["| what |   n |", "| ---- | --: |"]
