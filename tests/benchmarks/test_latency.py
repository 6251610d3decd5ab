"""Latency under many runs at once: the arithmetic, and that all programs do the same work."""

import asyncio

import pytest
import trio

from benchmarks import latency
from benchmarks.harness.features import FEATURES
from benchmarks.harness.programs import Tier
from benchmarks.harness.worker import built
from benchmarks.latency import runs
from benchmarks.latency.quantiles import distribution, percentile

SMALL = {"runs": 10, "waves": 2}
USUAL = [program for program in latency.PROGRAMS if program.work == "latency.1000"]


@pytest.fixture(params=USUAL, ids=lambda program: program.name)
def program(request):
    return request.param


def small(program):
    return built(program.build, {**program.options, **SMALL})


class TestPercentiles:
    def test_of_a_hundred_each_is_its_own(self):
        ordered = list(range(1, 101))
        assert [percentile(ordered, percent) for percent in (1, 7, 50, 99, 100)] == [1, 7, 50, 99, 100]

    @pytest.mark.parametrize(("percent", "expected"), [(0, 10), (33, 10), (34, 20), (50, 20), (67, 30), (100, 30)])
    def test_of_few_the_nearest_that_was_measured(self, percent, expected):
        assert percentile([10, 20, 30], percent) == expected

    def test_of_one(self):
        assert set(distribution([3.0]).values()) == {3.0}

    def test_the_figures_of_a_distribution(self):
        figures = distribution(reversed(range(1, 201)))
        assert [figures[name] for name in ("min_s", "p50_s", "p95_s", "p99_s", "max_s")] == [1, 100, 190, 198, 200]
        assert [figures[f"q{percent:02}"] for percent in range(2, 100, 2)] == list(range(4, 200, 4))


class TestPrograms:
    def test_all_answer_the_same(self, program):
        assert small(program).answer() == [10, 50, 10]

    def test_figures_in_order_and_not_below_the_ideal(self, program):
        figures = small(program).figures()
        quantiles = [figures[f"q{percent:02}"] for percent in range(2, 100, 2)]
        assert [figures["min_s"], *quantiles, figures["max_s"]] == sorted(
            [figures["min_s"], *quantiles, figures["max_s"]]
        )
        # libuv's timers may go off a millisecond early, each of them.
        assert figures["min_s"] > runs.IDEAL_S - runs.STAGES * 0.001
        assert figures["excess_p99_s"] == pytest.approx(figures["p99_s"] - 0.05)
        assert figures["cpu_s"] > 0
        assert figures[latency.WORKS[0].figure] > 0

    def test_claims_are_shown(self, program):
        subject = small(program)
        shown = {feature: getattr(subject, f"probe_{feature}")() for feature in program.features}
        assert shown == {feature: FEATURES[feature].expected for feature in program.features}

    def test_what_is_no_probe_is_not_passed_on(self):
        with pytest.raises(AttributeError, match="build"):
            runs.by_hand(**SMALL).build  # noqa: B018


class TestUnfairness:
    class Other(runs.stage.Handwritten):
        def output_of(self, result):
            return f"{result}!"

    def test_another_output_is_noticed(self):
        with pytest.raises(ExceptionGroup) as caught:
            runs.Runs(self.Other(5), runs.start_all_in_trio, 3, 1).figures()
        assert "another output" in str(caught.value.exceptions[0])

    def test_runs_that_are_not_at_once_are_noticed(self):
        async def one_by_one(one, count):
            for number in range(count):
                await one(number, 0.0)

        with pytest.raises(RuntimeError, match="1 ran at once, and not 3"):
            runs.Runs(runs.stage.Handwritten(5), one_by_one, 3, 1).figures()

    @pytest.mark.parametrize(
        ("start_all", "run", "sleep"),
        [
            (runs.start_all_in_trio, trio.run, trio.sleep),
            (runs.start_all_in_asyncio, lambda main: asyncio.run(main()), asyncio.sleep),
        ],
    )
    def test_all_are_asked_for_before_any_begins(self, start_all, run, sleep):
        seen = []

        async def one(number, asked_at):
            seen.append(("began", number, asked_at))
            await sleep(0)
            seen.append(("ended", number, asked_at))

        async def main():
            await start_all(one, 5)

        run(main)
        assert [what for what, _, _ in seen] == ["began"] * 5 + ["ended"] * 5
        asked = sorted((number, asked_at) for what, number, asked_at in seen if what == "began")
        assert [asked_at for _, asked_at in asked] == sorted(asked_at for _, asked_at in asked)


class TestEntries:
    def test_rows_name_programs(self):
        names = {program.name for program in latency.PROGRAMS}
        assert {name for row in latency.ROWS for name in row.programs} <= names

    def test_each_size_has_the_same_programs(self):
        by_work = {
            work.name: {each.name.removeprefix(work.name) for each in latency.PROGRAMS if each.work == work.name}
            for work in latency.WORKS
        }
        assert list(by_work) == ["latency.100", "latency.1000", "latency.5000"]
        assert len({frozenset(names) for names in by_work.values()}) == 1

    def test_the_core_has_none(self):
        assert all(program.tier > Tier.CORE for program in latency.PROGRAMS)

    def test_answers(self):
        assert [work.answer for work in latency.WORKS] == [[size, 5 * size, size] for size in (100, 1000, 5000)]
