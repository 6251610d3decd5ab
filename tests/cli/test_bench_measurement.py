"""What is measured, in virtual time: every figure is known beforehand."""

import json
from collections import Counter
from functools import partial
from random import Random

import pytest
import trio

from atrio import Backoff, ErrorPolicy, Pipeline, RunStatus, Stage, StageConfig
from atrio.cli._bench_report import as_dict, as_text, report_on
from atrio.cli._bench_run import Bench, Case, Contestant, Plan, cases_at, labels
from atrio.cli._bench_words import sentence_of
from atrio.cli._comparison import Verdict, compare
from atrio.cli._samples import Figures, FirstError, Latency, Retries, Sample, StageError, figures_of
from atrio.testing import ScriptedAgent, answer, fail, run_in_virtual_time


def plan(rounds=6, warmup=0, max_concurrent=1, timeout_s=None, seed=0):
    return Plan(rounds, warmup, max_concurrent, timeout_s, seed, logged=False)


def contestant(label, *agents, **config):
    pipeline = Pipeline(label)
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"stage_{number}", agent, config=StageConfig(**config)))
    return Contestant(label, label, pipeline)


def cases(*values):
    return [Case(str(value), partial(_same, value)) for value in values]


def _same(value):
    return value


async def sleep(seconds):
    await trio.sleep(seconds)
    return seconds


def run(contestants, inputs, how):
    measured = Bench(contestants, inputs, how)
    return measured, run_in_virtual_time(measured.run)


class TestTurns:
    def test_every_pipeline_runs_on_every_input_in_every_round(self):
        measured, ended = run(
            [contestant("a", sleep), contestant("b", sleep)], cases(1, 2, 3), plan(rounds=4, warmup=2)
        )
        assert ended is RunStatus.SUCCESS
        cells = Counter((each.pipeline, each.input, each.round) for each in measured.samples)
        assert cells == {(label, case, number): 1 for label in "ab" for case in "123" for number in range(4)}
        assert (measured.planned, measured.all_runs) == (24, 36)
        # Virtual seconds: six rounds of 2 x (1 + 2 + 3), of which four count.
        assert measured.duration_s == pytest.approx(72)
        assert measured.busy_s == {"a": pytest.approx(24), "b": pytest.approx(24)}
        assert all(each.duration_s == pytest.approx(float(each.input)) for each in measured.samples)

    def test_are_in_another_order_each_round_which_the_seed_decides(self):
        def order(seed):
            measured, _ = run([contestant("a", sleep), contestant("b", sleep)], cases(1, 2, 3), plan(seed=seed))
            cells = [(each.pipeline, each.input) for each in measured.samples]
            return [cells[begin : begin + 6] for begin in range(0, 36, 6)]

        assert len(set(map(str, order(1)))) > 1
        assert order(1) == order(1) != order(2)

    def test_give_each_run_its_input_anew(self, tmp_path):
        async def spoil(data):
            assert data == [1]
            data.append(2)

        (tmp_path / "a.json").write_text("[1]")
        (case,) = run_in_virtual_time(cases_at, [str(tmp_path / "a.json")])
        measured, _ = run([contestant("a", spoil, attempts=1)], [case], plan())
        assert {each.status for each in measured.samples} == {RunStatus.SUCCESS}

    def test_measure_the_processor_too(self):
        async def work(data):
            sum(range(100_000))

        measured, _ = run([contestant("a", work)], cases(0), plan())
        assert all(each.cpu_s > 0 for each in measured.samples)

    def test_open_agents_before_and_close_them_after(self):
        seen = []

        class Open:
            agent_id = "open"

            async def __aenter__(self):
                seen.append("opened")

            async def __aexit__(self, *_):
                seen.append("closed")

            async def process(self, data):
                seen.append("ran")

        agent = Open()
        run([contestant("a", agent), contestant("b", agent)], cases(0), plan(rounds=1))
        assert seen == ["opened", "ran", "ran", "closed"]


class TestBlocks:
    def test_run_so_many_at_once_of_one_pipeline_alone(self):
        first, second = (ScriptedAgent(answer(after=1)) for _ in range(2))
        alone = []

        async def watch(agent, other, data):
            alone.append(other.running == 0)
            return await agent.process(data)

        contestants = [
            contestant("a", partial(watch, first, second)),
            contestant("b", partial(watch, second, first)),
        ]
        measured, ended = run(contestants, cases(*range(6)), plan(rounds=2, warmup=1, max_concurrent=3))
        assert ended is RunStatus.SUCCESS
        assert (first.most_running, second.most_running) == (3, 3)
        assert all(alone)
        # Three rounds of two blocks, each of six seconds' work by three.
        assert measured.duration_s == pytest.approx(12)
        assert measured.busy_s == {"a": pytest.approx(4), "b": pytest.approx(4)}
        figures = report_on(measured, ended).figures["a"]
        assert (figures.throughput_per_s, figures.cpu_s) == (pytest.approx(3), None)

    def test_repeat_inputs_that_are_too_few(self):
        agent = ScriptedAgent(answer(after=1))
        measured, _ = run([contestant("a", agent)], cases(1, 2), plan(rounds=1, max_concurrent=5))
        assert agent.most_running == 5
        assert Counter(each.input for each in measured.samples) == {"1": 3, "2": 3}
        assert measured.planned == 6


class TestTime:
    def test_that_is_up_keeps_what_was_measured(self):
        measured, ended = run([contestant("a", sleep)], cases(1), plan(rounds=10, timeout_s=3.5))
        assert ended is RunStatus.TIMEOUT
        assert len(measured.samples) == 3
        assert measured.duration_s == pytest.approx(3.5)

    def test_that_is_up_in_a_block_keeps_what_ended(self):
        measured, ended = run([contestant("a", sleep)], cases(1, 9), plan(max_concurrent=2, timeout_s=2))
        assert ended is RunStatus.TIMEOUT
        assert [(each.input, each.duration_s) for each in measured.samples] == [("1", 1)]
        assert measured.busy_s == {"a": 2}

    def test_that_is_up_while_warming_up_leaves_nothing(self):
        measured, ended = run([contestant("a", sleep)], cases(1), plan(warmup=5, timeout_s=2.5))
        assert (ended, measured.samples) == (RunStatus.TIMEOUT, [])
        assert report_on(measured, ended).status is RunStatus.TIMEOUT

    def test_that_is_enough_changes_nothing(self):
        _, ended = run([contestant("a", sleep)], cases(1), plan(rounds=3, timeout_s=4))
        assert ended is RunStatus.SUCCESS

    def test_near_its_end_lets_stages_wait_for_their_retries(self):
        """A deadline would make them fail at once: no wait is begun that outlasts the caller's."""
        agent = ScriptedAgent(fail(times=1), answer())
        measured, ended = run(
            [contestant("a", agent, backoff=Backoff(initial=5))], cases(1), plan(rounds=1, timeout_s=4)
        )
        assert (ended, measured.samples) == (RunStatus.TIMEOUT, [])


class TestRetries:
    def test_cost_their_attempts_and_waits(self):
        agent = ScriptedAgent(fail(after=1), fail(after=2), answer(after=4), answer(after=4))
        measured, ended = run(
            [contestant("a", agent, backoff=Backoff(initial=8, factor=2, maximum=100))], cases(0), plan(rounds=2)
        )
        first, second = measured.samples
        assert (first.attempts, first.retries) == (3, Retries(2, 3.0, 24.0))
        assert first.duration_s == 1 + 8 + 2 + 16 + 4
        assert (second.attempts, second.retries) == (1, Retries(0, 0.0, 0.0))
        figures = report_on(measured, ended).figures["a"]
        assert figures.retries == Retries(2, 3.0, 24.0)
        assert figures.retries_share == pytest.approx(27 / 35)

    def test_that_end_in_failure_do_not_count_the_last_attempt(self):
        agent = ScriptedAgent(fail(after=1))
        config = {"attempts": 3, "backoff": Backoff(initial=2, factor=1)}
        measured, _ = run([contestant("a", agent, **config)], cases(0), plan(rounds=1))
        (sample,) = measured.samples
        assert (sample.status, sample.attempts, sample.retries) == (RunStatus.FAILED, 3, Retries(2, 2.0, 4.0))

    def test_of_several_stages_are_added(self):
        agents = [ScriptedAgent(fail(after=1), answer()) for _ in range(2)]
        measured, _ = run([contestant("a", *agents, backoff=Backoff(initial=1))], cases(0), plan(rounds=1))
        assert measured.samples[0].retries == Retries(2, 2.0, 2.0)


class TestFailures:
    def test_are_counted_by_how_they_ended(self):
        class Slow(Exception):
            pass

        script = ScriptedAgent(answer(), fail(Slow("no")), answer(after=9), fail(Slow("no")), answer(), fail(OSError()))
        measured, ended = run([contestant("a", script, attempts=1, timeout=5)], cases(0), plan(rounds=6))
        figures = report_on(measured, ended).figures["a"]
        assert figures.statuses == {RunStatus.SUCCESS: 2, RunStatus.FAILED: 3, RunStatus.TIMEOUT: 1}
        assert (figures.runs, figures.ended, figures.status) == (6, 2, RunStatus.FAILED)
        assert [(first.count, first.round, first.error.error_type) for first in figures.errors] == [
            (2, 1, "Slow"),
            (1, 2, "timeout"),
            (1, 5, "OSError"),
        ]

    def test_of_a_stage_that_is_skipped_are_no_failures_of_the_run(self):
        script = ScriptedAgent(fail(after=1))
        config = {"attempts": 1, "error_policy": ErrorPolicy.SKIP}
        measured, ended = run([contestant("a", script, **config)], cases(0), plan(rounds=2))
        report = report_on(measured, ended)
        assert report.figures["a"].statuses == {RunStatus.DEGRADED: 2}
        assert report.status is RunStatus.DEGRADED
        assert report.figures["a"].latency.mean_s == 1

    def test_have_no_latency(self):
        script = ScriptedAgent(fail(after=1))
        measured, ended = run([contestant("a", script, attempts=1)], cases(0), plan(rounds=2))
        assert report_on(measured, ended).figures["a"].latency is None


def sample(pipeline="a", case="x", number=0, duration_s=1.0, status=RunStatus.SUCCESS):
    return Sample(pipeline, case, number, status, duration_s, None, 1, Retries(), ())


def rounds_of(label, *durations, case="x", status=RunStatus.SUCCESS):
    return [sample(label, case, number, duration_s, status) for number, duration_s in enumerate(durations)]


def compared(first, second, at_once=1):
    return compare(first, second, Random(0), at_once=at_once)


class TestComparison:
    def test_finds_a_slowdown_that_was_planted(self):
        async def slow(data):
            await trio.sleep(0.02 * data)

        async def fast(data):
            await trio.sleep(0.01 * data)

        measured, ended = run([contestant("fast", fast), contestant("slow", slow)], cases(1, 2), plan(rounds=6))
        (comparison,) = report_on(measured, ended).comparisons
        assert comparison.verdict is Verdict.SLOWER
        assert comparison.differences.mean_ratio.value == pytest.approx(2)
        assert (comparison.pairs, comparison.clusters, comparison.cluster_count) == (12, "rounds", 6)
        assert sentence_of(comparison) == (
            "slow is slower than fast: its mean is 2.000 times that of fast (2.000 to 2.000), 15.0 ms more (15.0 ms to "
            "15.0 ms). Measured over 6 rounds; it is faster on 0 of 2 inputs."
        )

    def test_says_faster(self):
        comparison = compared(rounds_of("a", *[2.0] * 8), rounds_of("b", *[1.0] * 8))
        assert comparison.verdict is Verdict.FASTER
        assert sentence_of(comparison) == (
            "b is faster than a: its mean is 0.500 times that of a (0.500 to 0.500), 1.00 s less (1.00 s to 1.00 s). "
            "Measured over 8 rounds."
        )

    def test_tells_no_difference_where_there_is_none(self):
        comparison = compared(rounds_of("a", *[1.0, 2.0] * 4), rounds_of("b", *[2.0, 1.0] * 4))
        assert comparison.verdict is Verdict.NO_DIFFERENCE
        said = sentence_of(comparison)
        assert said.startswith("No difference between b and a can be told: the mean of b is 1.000 times that of a, and")

    def test_says_if_the_median_says_the_opposite(self):
        comparison = compared(rounds_of("a", *[1.0] * 60), rounds_of("b", *[0.9, 0.9, 0.9, 2.0] * 15))
        assert comparison.verdict is Verdict.SLOWER
        assert " But its median is shorter, 0.900 times (0.900 to 0.900). " in sentence_of(comparison)
        comparison = compared(rounds_of("a", *[0.9, 0.9, 0.9, 2.0] * 15), rounds_of("b", *[1.0] * 60))
        assert comparison.verdict is Verdict.FASTER
        assert " But its median is longer, 1.111 times (1.111 to 1.111). " in sentence_of(comparison)

    def test_leaves_out_what_did_not_end_and_its_counterpart(self):
        first = rounds_of("a", *[1.0] * 8)
        second = [*rounds_of("b", *[1.0] * 7), sample("b", "x", 7, 0.1, RunStatus.FAILED)]
        comparison = compared(first, second)
        assert (comparison.pairs, comparison.left_out) == (7, 2)
        assert sentence_of(comparison).endswith(
            " 2 runs left out: they, or their counterparts, did not reach their end."
        )

    def test_is_over_inputs_where_rounds_are_few(self):
        first, second = (
            [sample(label, str(case), number, length * case) for number in range(2) for case in range(1, 9)]
            for label, length in (("a", 1.0), ("b", 1.5))
        )
        comparison = compared(first, second)
        assert (comparison.clusters, comparison.cluster_count, comparison.verdict) == ("inputs", 8, Verdict.SLOWER)
        assert "Measured over 8 inputs; it is faster on 0 of 8 inputs." in sentence_of(comparison)
        # What ran at once shared a block: then inputs are not independent of each other.
        assert compared(first, second, at_once=2).verdict is Verdict.TOO_FEW_RUNS

    def test_tells_nothing_from_few_runs(self):
        comparison = compared(rounds_of("a", *[1.0] * 5), rounds_of("b", *[9.0] * 5))
        assert (comparison.verdict, comparison.differences) == (Verdict.TOO_FEW_RUNS, None)
        assert sentence_of(comparison) == (
            "There are too few runs to tell b from a: 5 rounds of 1 input. Intervals need 6 rounds, or 6 inputs that "
            "run one at a time."
        )

    def test_tells_nothing_where_none_ended(self):
        comparison = compared(rounds_of("a", *[1.0] * 9), rounds_of("b", *[1.0] * 9, status=RunStatus.FAILED))
        assert sentence_of(comparison) == (
            "b and a cannot be compared: there is no input on which both reached their end. 18 runs left out: they, or "
            "their counterparts, did not reach their end."
        )

    def test_pairs_as_many_repeats_as_both_have(self):
        first = [*rounds_of("a", *[1.0] * 6), *rounds_of("a", *[1.0] * 6)]
        assert (compared(first, rounds_of("b", *[1.0] * 6)).pairs) == 6


def test_json_has_no_number_that_it_has_not():
    """What took no time at all is endlessly shorter than anything."""
    measured, ended = run([contestant("a", ScriptedAgent()), contestant("b", sleep)], cases(1), plan())
    found = as_dict(report_on(measured, ended))
    assert found["comparisons"][0]["differences"]["mean_ratio"] == {"value": None, "low": None, "high": None}
    assert json.loads(json.dumps(found, allow_nan=False))["comparisons"][0]["verdict"] == "slower"


def test_tables_of_runs_that_took_no_time():
    measured, ended = run([contestant("a", ScriptedAgent()), contestant("b", ScriptedAgent())], cases(1), plan())
    out = "".join(as_text(report_on(measured, ended)))
    assert "No difference between b and a can be told: the mean of b is 1.000" in out


def test_figures():
    error = StageError("s", "OSError", "no")
    failed = Sample("a", "x", 19, RunStatus.FAILED, 100.0, 1.0, 3, Retries(2, 50.0, 10.0), (error,))
    samples = [Sample("a", "x", n, RunStatus.SUCCESS, float(n + 1), 0.5, 1, Retries(), ()) for n in range(19)]
    assert figures_of([*samples, failed], 290.0) == Figures(
        20,
        Counter({RunStatus.SUCCESS: 19, RunStatus.FAILED: 1}),
        20 / 290,
        Latency(10.0, 1.0, 10.0, 18.0, 19.0, 19.0, 19.0),
        pytest.approx((19 * 0.5 + 1) / 20),
        Retries(2, 50.0, 10.0),
        pytest.approx(60 / 290),
        (FirstError(1, "x", 19, error),),
    )


def test_figures_of_runs_that_took_no_time():
    figures = figures_of([sample(duration_s=0.0)], 0.0)
    assert (figures.throughput_per_s, figures.retries_share) == (0.0, 0.0)


def test_what_is_there_twice_is_labelled_apart():
    assert labels(["a", "b", "a"]) == ["a #1", "b", "a #2"]
