"""The statistics of a comparison: pure functions, held to what they promise on data whose truth is known."""

import math
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio._results import mean as results_mean
from atrio._results import percentile as results_percentile
from atrio.cli._bootstrap import FEWEST, differences, mean, percentile, rank, ratio, students_quantile, tail_of
from atrio.cli._distribution import bars

durations = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)
shares = st.floats(0.001, 1)


class TestFigures:
    @given(durations, shares)
    def test_are_those_of_results(self, values, share):
        assert percentile(values, share) == results_percentile(values, share)
        assert mean(values) == results_mean(values)

    @given(durations)
    def test_median_is_one_of_the_values(self, values):
        assert percentile(values, 0.5) == statistics.median_low(values)

    def test_of_nothing_are_0(self):
        assert (percentile([], 0.5), mean([])) == (0.0, 0.0)

    @given(st.lists(st.floats(0, 1e6), min_size=100, max_size=100), st.integers(1, 99))
    def test_percentiles_are_beside_those_that_interpolate(self, values, percent):
        """Nearest rank is the lower or the upper neighbour of what other definitions put between them."""
        ordered = sorted(values)
        cut = statistics.quantiles(values, n=100, method="exclusive")[percent - 1]
        place = rank(100, percent / 100)
        assert ordered[place] == percentile(values, percent / 100)
        assert ordered[max(place - 1, 0)] <= cut * (1 + 1e-9)
        assert cut <= ordered[min(place + 1, 99)] * (1 + 1e-9) + 1e-300

    @pytest.mark.parametrize(("a", "b", "times"), [(2, 1, 2), (0, 1, 0), (0, 0, 1), (1, 0, math.inf)])
    def test_ratio(self, a, b, times):
        assert ratio(a, b) == times

    # From a table of Student's t, of 97.5 %.
    @pytest.mark.parametrize(("freedom", "quantile"), [(5, 2.571), (9, 2.262), (19, 2.093), (99, 1.984)])
    def test_students_quantile(self, freedom, quantile):
        assert students_quantile(0.975, freedom) == pytest.approx(quantile, abs=0.001)
        assert students_quantile(0.025, freedom) == pytest.approx(-quantile, abs=0.001)

    def test_tails_are_thinner_than_those_of_the_normal_and_become_them(self):
        tails = [tail_of(count) for count in (FEWEST, 10, 30, 1000)]
        assert tails == sorted(tails)
        assert tails[0] < 0.003
        assert tails[-1] == pytest.approx(0.025, abs=0.0002)


pairs = st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3)), min_size=1, max_size=4)


class TestDifferences:
    @given(st.lists(pairs, min_size=2, max_size=10))
    def test_are_those_of_the_figures(self, clusters):
        found = differences(clusters, Random(0), resamples=20)
        first, second = zip(*(pair for cluster in clusters for pair in cluster), strict=True)
        assert found.mean.value == pytest.approx(mean(second) - mean(first), rel=1e-6, abs=1e-9)
        assert found.mean_ratio.value == pytest.approx(mean(second) / mean(first))
        assert found.median.value == percentile(second, 0.5) - percentile(first, 0.5)
        assert found.median_ratio.value == percentile(second, 0.5) / percentile(first, 0.5)

    @given(st.lists(pairs, min_size=2, max_size=10), st.integers(0, 2**32))
    def test_lie_in_their_intervals_and_depend_on_the_seed_alone(self, clusters, seed):
        found = differences(clusters, Random(seed), resamples=20)
        for estimate in (found.mean, found.mean_ratio, found.median, found.median_ratio):
            assert estimate.low <= estimate.value <= estimate.high
        assert found == differences(clusters, Random(seed), resamples=20)

    @given(st.lists(pairs, min_size=2, max_size=10))
    def test_of_a_thing_and_itself_are_none(self, clusters):
        same = [[(first, first) for first, _ in cluster] for cluster in clusters]
        found = differences(same, Random(0), resamples=20)
        assert (found.mean.low, found.mean.high) == (0, 0)
        assert (found.median_ratio.low, found.median_ratio.high) == (1, 1)

    def test_draw_clusters_whole(self):
        """Each round has one short and one long pair: the means of all resamples are then the same."""
        clusters = [[(1.0, 2.0), (100.0, 200.0)]] * 10
        found = differences(clusters, Random(0), resamples=100)
        assert (found.mean.low, found.mean.high) == (50.5, 50.5)


ROUNDS, INPUTS, TRIALS = 20, 3, 200


def measured(random: Random, times: float) -> list[list[tuple[float, float]]]:
    """Return rounds of pairs: inputs of different lengths, rounds that are slow for both, noise, a known factor."""
    rounds = []
    for _ in range(ROUNDS):
        slow = random.lognormvariate(0, 0.1)
        rounds.append(
            [
                (length * slow * random.lognormvariate(0, 0.2), times * length * slow * random.lognormvariate(0, 0.2))
                for length in range(1, INPUTS + 1)
            ]
        )
    return rounds


class TestIntervals:
    """As often as they say: over trials whose truth is known."""

    def test_cover_a_difference_that_is_there(self):
        times = 1.1
        # The mean of a lognormal is exp(sigma^2 / 2), here of the round's factor and of the noise.
        truth = (times - 1) * (1 + INPUTS) / 2 * math.exp(0.1**2 / 2) * math.exp(0.2**2 / 2)
        covered = {"mean": 0, "mean_ratio": 0, "median_ratio": 0, "seen": 0}
        for seed in range(TRIALS):
            random = Random(seed)
            found = differences(measured(random, times), random, resamples=400)
            covered["mean"] += found.mean.low <= truth <= found.mean.high
            covered["mean_ratio"] += found.mean_ratio.low <= times <= found.mean_ratio.high
            covered["median_ratio"] += found.median_ratio.low <= times <= found.median_ratio.high
            covered["seen"] += found.mean.low > 0
        assert min(covered["mean"], covered["mean_ratio"], covered["median_ratio"]) >= 0.9 * TRIALS
        # Ten percent, among noise of twenty: found more often than not.
        assert covered["seen"] >= 0.5 * TRIALS

    def test_raise_few_false_alarms(self):
        alarms = 0
        for seed in range(TRIALS):
            random = Random(1000 + seed)
            found = differences(measured(random, 1.0), random, resamples=400)
            alarms += not found.mean.low <= 0 <= found.mean.high
        assert alarms <= 0.08 * TRIALS


class TestBars:
    @given(st.lists(durations, min_size=1, max_size=4), st.integers(1, 60))
    def test_have_a_place_for_every_run(self, samples, width):
        lines = bars(samples, width)
        assert [len(line) for line in lines] == [width] * len(samples)
        for each, line in zip(samples, lines, strict=True):
            assert "█" in line
            assert width - line.count(" ") <= len(each)

    def test_share_a_scale_of_ratios(self):
        assert bars([[1, 10], [100], [1, 1, 1, 1, 1000]], 3) == ["██ ", "  █", "█ ▂"]

    def test_of_runs_that_took_no_time(self):
        assert bars([[0.0], [0.0, 0.0]], 4) == ["█   ", "█   "]
