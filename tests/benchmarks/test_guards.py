"""Guarded calls: all contestants call the agent, breakers are at work, and what is not installed stops nothing."""

from importlib.metadata import PackageNotFoundError
from random import Random

import pytest
import trio

import contestants
import guards
import ratios
from rows import row_table


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(contestants, "SAMPLE_S", 0.002)
    monkeypatch.setattr(guards, "CALLS", 10)


@pytest.fixture
def alone(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(guards, "version", missing)


class TestFairness:
    def test_all_call_the_agent(self):
        guards.check_fairness(guards.contestants())

    @pytest.mark.parametrize(
        ("output", "said"), [("{} 2", "odd gave other outputs"), ("{} 1", "odd made 0 calls of 6")]
    )
    def test_whoever_does_not_is_noticed(self, output, said):
        def build(_):
            async def call(data):
                return output.format(data)

            return call

        with pytest.raises(guards.UnfairError, match=said):
            guards.check_fairness({"odd": guards.Contestant("does not call", trio.run, build)})

    @pytest.mark.parametrize("name", guards.BREAKERS)
    def test_breakers_are_at_work(self, name):
        contestant = guards.contestants().get(name)
        if contestant is None:
            pytest.skip("not installed")
        calls = 0

        class Broken:
            async def process(self, data):
                nonlocal calls
                calls += 1
                raise OSError(data)

        call = contestant.build([Broken()])

        async def main():
            for _ in range(30):
                with pytest.raises(Exception):  # noqa: B017, PT011 - each refuses with an exception of its own
                    await call("x")

        contestant.run(main)
        assert 0 < calls < 30


def test_one_round(quick, capsys):
    ratios.main(["--only", "guards", "--rounds", "1"])
    printed = capsys.readouterr().out
    assert "## A guarded call of a no-op agent" in printed
    assert "| atrio's `CircuitBreaker.guard` |" in printed
    assert "not there yet" not in printed


def test_rows_are_what_a_call_costs_more():
    planted = {"bare": [0.25, 1.25], "breaker": [1.5, 2.5], "limiter": [2.5, 3.5], "pool": [4.0, 5.0]}
    lines = row_table([(row, row.measured(planted, Random(1))) for row in guards.ROWS]).splitlines()[2:]
    assert [line.split(" | ", 1)[1] for line in lines[:3]] == [
        "1.25 us | 1.25 us to 1.25 us | <= 1.5 us | met |",
        "2.25 us | 2.25 us to 2.25 us | <= 2 us | missed |",
        "3.75 us | 3.75 us to 3.75 us | <= 4 us | met |",
    ]


def test_what_is_not_installed_has_a_row_that_says_so(quick, alone):
    labels, samples = guards.samples(1, Random(1))
    assert set(labels) == set(samples) == {"bare", "bare again", "breaker", "limiter", "pool", "bare asyncio"}
    assert all(each[0] > 0 for each in samples.values())
    lines = row_table([(row, row.measured(samples, Random(1))) for row in guards.ROWS]).splitlines()[2:]
    assert [line.endswith("| not installed |") for line in lines] == [False] * 3 + [True] * 4 + [False]
    assert guards.costs(labels, samples).count("\n") == 1 + len(labels)
