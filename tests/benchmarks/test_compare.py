"""What ``compare`` says of two runs: of planted changes, of what is not to be compared, and of what it must not say."""

import warnings

import numpy as np
import pytest
from analysis_runs import run_of
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from benchmarks.analysis.compare import compared, comparison_text, summary
from benchmarks.analysis.drift import BY_NOTHING, Logs, measures, median_of
from benchmarks.analysis.significance import fast_part, geometric_mean, holm, welch

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)
RATIOS = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20)
YARDSTICKS = ("hand", "hand-again", "twin", "anyio")


def pipelines(rounds=15, *, seed=1, atrio=1.0, pace=1.0, yardsticks=YARDSTICKS, **more):
    """Return a run of one work: yardsticks, and atrio's quiet and logging programs."""
    rng = np.random.default_rng(seed)

    def costs(factor):
        return (factor * pace * np.exp(0.01 * rng.standard_normal(rounds))).tolist()

    programs = {f"p.20.{name}": {"costs": costs(2), "subject": "hand"} for name in yardsticks}
    programs["p.20.atrio"] = costs(atrio)
    programs["p.20.atrio-json"] = costs(3)
    return run_of({**programs, **more.pop("programs", {})}, rounds=rounds, **more)


def change_of(comparison, program="p.20.atrio"):
    return next(each for each in comparison.changes if each.program == program)


class TestChanges:
    @pytest.mark.parametrize(
        ("factor", "verdict"), [(1.15, "slower"), (0.85, "faster"), (1.0, "no change can be told")]
    )
    @pytest.mark.parametrize("pace", [1.0, 1.2, np.where(np.arange(15) < 7, 1.0, 1.2)])
    def test_a_planted_change_is_found_whatever_the_machine_does(self, factor, verdict, pace):
        found = compared(pipelines(), pipelines(seed=2, atrio=factor, pace=pace))
        assert change_of(found).verdict == verdict
        assert change_of(found).low <= factor <= change_of(found).high
        assert [each.program for each in found.changed] == (["p.20.atrio"] if factor != 1 else [])

    def test_both_the_raw_change_and_the_one_beside_the_others_are_told(self):
        change = change_of(compared(pipelines(), pipelines(seed=2, atrio=1.5, pace=1.2)))
        assert change.raw == pytest.approx(1.8, rel=0.02)
        assert change.ratio == pytest.approx(1.5, rel=0.02)
        assert change.by == "its work"

    def test_a_change_that_is_certain_and_small_is_none(self):
        change = change_of(compared(pipelines(rounds=25), pipelines(rounds=25, seed=2, atrio=1.02)))
        assert change.p < 0.05
        assert change.verdict == "no change can be told"

    def test_a_yardstick_that_became_faster_is_told_and_moves_nothing_else(self):
        new = pipelines(
            seed=2, programs={"p.20.twin": {"costs": [1.0 + turn / 1000 for turn in range(15)], "subject": "twin"}}
        )
        found = compared(pipelines(), new)
        assert [(each.program, each.verdict) for each in found.changed] == [("p.20.twin", "faster")]

    def test_too_few_rounds_tell_nothing(self):
        change = change_of(compared(pipelines(rounds=4), pipelines(rounds=15, seed=2, atrio=9.0)))
        assert change.verdict == "cannot be told: too few rounds"
        assert change.rounds == (4, 15)
        assert (change.p, change.low, change.high) == (None, None, None)
        assert change.ratio == pytest.approx(9.0, rel=0.03)

    def test_a_single_round_is_no_error(self):
        found = compared(pipelines(rounds=1), pipelines(rounds=1, seed=2))
        assert {each.verdict for each in found.changes} == {"cannot be told: too few rounds"}
        assert "6 cannot be told" in comparison_text(found)

    def test_missing_samples_are_left_out(self):
        old, new = pipelines(), pipelines(seed=2, atrio=1.15)
        kept = [sample for index, sample in enumerate(new.data["samples"]) if index % 7]
        change = change_of(compared(old, type(new)({**new.data, "samples": kept})))
        assert change.verdict == "slower"
        assert change.rounds[1] < 15

    def test_a_round_in_which_no_yardstick_was_measured_is_not_used(self):
        few = {f"p.20.{name}": {"costs": [2.0] * 6, "subject": "hand"} for name in YARDSTICKS}
        change = change_of(compared(pipelines(programs=few), pipelines(seed=2)))
        assert change.rounds == (6, 15)

    def test_exact_figures_differ_or_do_not(self):
        works = {"m.kept": {"figure": "bytes", "clock": "bytes", "title": "kept"}}

        def run(*figures):
            return run_of({f"m.kept.{n}": {"figures": {"bytes": [each] * 6}} for n, each in enumerate(figures)}, works)

        found = compared(run(200.0, 300.0, 300.0), run(200.0, 330.0, 200.0))
        assert [each.verdict for each in found.changes] == ["no change can be told", "more", "less"]
        assert [each.by for each in found.changes] == ["", "", ""]
        assert found.overall is None

    def test_figures_without_a_logarithm_cannot_be_told(self):
        change = change_of(compared(run_of({"p.20.atrio": [0.0] * 8}), run_of({"p.20.atrio": [1.0] * 8})))
        assert (change.old, change.raw, change.ratio) == (None, None, None)
        assert change.verdict.startswith("cannot be told")

    def test_the_geometric_means_are_over_all_and_over_atrios_own(self):
        found = compared(pipelines(), pipelines(seed=2, atrio=1.44))
        assert found.overall.programs == 6
        assert found.own.programs == 2
        assert found.own.ratio == pytest.approx(1.2, rel=0.01)
        assert found.own.low <= 1.2 <= found.own.high
        assert found.overall.ratio == pytest.approx(1.44 ** (1 / 6), rel=0.01)


class TestYardsticks:
    def test_those_of_the_work_come_first_then_the_suites_then_the_runs(self):
        hand = {"costs": [1.0], "subject": "hand"}
        others = {f"p.20.{name}": hand for name in YARDSTICKS}
        run = run_of({
            **others, "p.20.atrio": [1.0], "p.100.atrio": [1.0], "g.one.atrio": [1.0],
            "w.sleep.atrio": {"figures": {"wall_s": [1.0]}},
        }, {"w.sleep": {"figure": "wall_s"}})  # fmt: skip
        found = measures(run, list(run.programs))
        assert [found[f"{work}.atrio"].where for work in ("p.20", "p.100", "g.one")] == [
            "its work",
            "its suite",
            "the run",
        ]
        assert set(found["g.one.atrio"].yardsticks) == set(others)
        assert found["w.sleep.atrio"] == BY_NOTHING

    def test_too_few_are_none_and_the_table_says_so(self):
        found = compared(pipelines(yardsticks=["hand"]), pipelines(seed=2, pace=1.2, yardsticks=["hand"]))
        change = change_of(found)
        assert (change.by, change.verdict) == ("", "slower")
        assert "a machine that was slower or faster" in comparison_text(found)

    @given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-5, 5) | st.just(np.nan)))
    def test_the_median_leaves_nan_out(self, values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of lines that are all NaN
            expected = np.nanmedian(values, axis=-1)
        assert median_of(values) == pytest.approx(expected, nan_ok=True)

    def test_logs_have_a_column_a_round_and_nan_where_there_is_none(self):
        logs = Logs.of(run_of({"p.a": [1.0, None, 1.0], "p.b": [None, -1.0]}), ["p.a", "p.b"])
        assert np.array_equal(logs.rounds, [[0.0, np.nan, 0.0], [np.nan, np.nan, np.nan]], equal_nan=True)


class TestWhatIsNotCompared:
    def test_programs_that_are_in_one_run_only(self):
        new = pipelines(programs={"p.20.new": [1.0] * 15})
        found = compared(pipelines(programs={"p.20.gone": [1.0] * 15}), new)
        assert (found.only_old, found.only_new) == (("p.20.gone",), ("p.20.new",))
        text = comparison_text(found)
        assert "Only in the old run:\n\n- p.20.gone\n" in text
        assert "Only in the new run:\n\n- p.20.new\n" in text

    def test_programs_that_do_not_do_the_same(self):
        old = pipelines(programs={"p.20.atrio": {"costs": [1.0] * 15, "options": {"stages": 20}}})
        new = pipelines(programs={"p.20.atrio": {"costs": [1.0] * 15, "options": {"stages": 30}}})
        found = compared(old, new)
        assert found.differing == {"p.20.atrio": "options was {'stages': 20}, now {'stages': 30}"}
        assert "p.20.atrio" not in {each.program for each in found.changes}
        assert "since they do not do the same:\n\n- p.20.atrio: options was" in comparison_text(found)

    def test_works_that_are_not_the_same(self):
        found = compared(pipelines(works={"p.20": {"size": 20}}), pipelines(works={"p.20": {"size": 30}}))
        assert found.changes == ()
        assert set(found.differing.values()) == {"size was 20, now 30"}
        assert "there is nothing to compare" in comparison_text(found)

    def test_programs_that_were_not_measured(self):
        new = pipelines(programs={"p.20.atrio": {"status": "failed", "reason": "ValueError"}})
        found = compared(pipelines(), new)
        assert found.unmeasured == {"p.20.atrio": "new: failed (ValueError)"}
        assert "Not measured:\n\n- p.20.atrio: new: failed (ValueError)" in comparison_text(found)

    def test_programs_without_the_figure_of_their_work(self):
        new = pipelines(programs={"p.20.atrio": {"figures": {"wall_s": [1.0] * 15}}})
        assert compared(pipelines(), new).unmeasured == {"p.20.atrio": "new: no cpu_s"}


class TestConditions:
    def test_runs_under_the_same_have_no_warnings(self):
        assert compared(pipelines(), pipelines(seed=2)).warnings == ()

    def test_all_that_differs_is_a_warning(self):
        def atrio(python, trio, features):
            known = {"python": python, "packages": {"trio": trio, "attrs": "26.1"}, "features": features}
            return {"p.20.atrio": {"costs": [1.0] * 15, **known}}

        old = pipelines(
            programs=atrio("CPython 3.11.7", "0.30", ["records"]),
            tier="QUICK", rounds=7, load={"before": 0.1, "after": 2.5},
            machine={"machine": "Linux, 2 cores", "kernel": "6.1"},
        )  # fmt: skip
        new = pipelines(
            programs=atrio("CPython 3.13.1", "0.31", ["records", "timeout"]),
            tier="CORE", rounds=5, machine={"machine": "Linux, 2 cores", "kernel": "6.2"}, ended=None,
        )  # fmt: skip
        found = compared(old, new)
        assert found.warnings == (
            "the tier differs: QUICK, then CORE",
            "the number of rounds differs: 7, then 5",
            "the machine differs (kernel): 6.1, then 6.2",
            "Python differs: CPython 3.11.7, then CPython 3.13.1",
            "packages differ: trio 0.30, then 0.31",
            "p.20.atrio now has timeout",
            "old: the load after the run was 2.5, on 2 cores",
            "new: the run was broken off",
        )
        assert "**Take care**:\n\n- the tier differs" in comparison_text(found)


class TestText:
    def test_the_sentence_names_what_changed(self):
        found = compared(pipelines(), pipelines(seed=2, atrio=1.15))
        assert summary(found).startswith("1 of 6 programs changed: p.20.atrio is +1")
        assert summary(found).endswith("% (slower).")
        assert summary(compared(pipelines(), pipelines(seed=2))) == "0 of 6 programs changed."

    def test_the_table_has_a_line_a_program_and_the_means_follow(self):
        lines = comparison_text(compared(pipelines(), pipelines(seed=2, atrio=1.15))).splitlines()
        (line,) = (line for line in lines if line.startswith("| p.20.atrio "))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[:2] == ["p.20.atrio", "slower"]
        assert cells[-2:] == ["15", "its work"]
        assert any(line.startswith("- geometric mean over all programs (6): ") for line in lines)
        assert any(line.startswith("- geometric mean over atrio's own (2): ") for line in lines)


class TestStatistics:
    @given(P_VALUES)
    def test_holms_correction_rejects_what_holms_procedure_does(self, p):
        """Step down from the smallest p-value, and stop at the first that is too large for how many are left."""
        rejected = set()
        for step, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if p[index] * (len(p) - step) > 0.05:
                break
            rejected.add(index)
        assert {index for index, each in enumerate(holm(p)) if each <= 0.05} == rejected

    @given(P_VALUES)
    def test_a_corrected_p_value_is_between_its_own_and_bonferronis(self, p):
        corrected = holm(p)
        assert np.all(corrected >= np.asarray(p) - 1e-12)
        assert np.all(corrected <= np.minimum(1, len(p) * np.asarray(p)) + 1e-12)

    @given(P_VALUES, st.randoms(use_true_random=False))
    def test_the_order_of_programs_does_not_matter(self, p, random):
        order = list(range(len(p)))
        random.shuffle(order)
        assert holm([p[index] for index in order]).tolist() == pytest.approx(holm(p)[order].tolist())

    def test_nothing_is_corrected_to_nothing(self):
        assert holm([]).tolist() == []

    @given(RATIOS)
    def test_the_geometric_mean_treats_twice_and_half_alike(self, ratios):
        mean = geometric_mean(ratios)
        assert min(ratios) * (1 - 1e-9) <= mean <= max(ratios) * (1 + 1e-9)
        assert geometric_mean([1 / each for each in ratios]) == pytest.approx(1 / mean)
        assert geometric_mean([3 * each for each in ratios]) == pytest.approx(3 * mean)

    def test_the_slowest_rounds_do_not_count(self):
        found = fast_part([1.0, 2.0, 3.0, 90.0, 80.0])
        assert (found.mean, found.kept) == (2.0, 3.0)
        # Winsorised to 1, 2, 3, 3, 3: their squares around 2.4 are 3.2, over h (h - 1) = 6.
        assert found.variance == pytest.approx(3.2 / 6)

    def test_rounds_that_are_missing_do_not_count(self):
        rounds = [3.0, np.nan, 1.0, 2.0, np.nan, 90.0, 80.0]
        assert np.allclose(fast_part(rounds), fast_part([1.0, 2.0, 3.0, 90.0, 80.0]))
        assert np.isnan(fast_part([[np.nan, np.nan]]).mean).all()

    @given(arrays(np.float64, (2, 2), elements=st.floats(-1, 1), unique=True))
    def test_it_is_welchs_test_with_winsorised_variances(self, rounds):
        """Without anything to leave out, as with two rounds a side, the textbook's test and ours agree."""
        old, new = rounds[:1], rounds[1:]
        assume(min(np.ptp(old), np.ptp(new)) > 1e-6)
        expected = stats.ttest_ind(new, old, axis=1, equal_var=False)
        found = welch(old, new)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
        interval = expected.confidence_interval(0.95)
        assert [found.low[0], found.high[0]] == pytest.approx([interval.low[0], interval.high[0]], rel=1e-6)

    def test_rounds_that_are_all_the_same_differ_or_do_not(self):
        found = welch([[1.0] * 5, [1.0] * 5], [[1.0] * 5, [1.1] * 5])
        assert found.p.tolist() == [1.0, 0.0]
        assert found.low.tolist() == pytest.approx([0.0, 0.1])

    def test_what_both_were_measured_by_makes_it_less_sure(self):
        rng = np.random.default_rng(1)
        old, new = rng.normal(0, 0.01, (1, 15)), rng.normal(0.05, 0.01, (1, 15))
        sure, unsure = welch(old, new), welch(old, new, np.array([0.001]))
        assert sure.p[0] < 0.001 < unsure.p[0]
        assert unsure.high - unsure.low > sure.high - sure.low
