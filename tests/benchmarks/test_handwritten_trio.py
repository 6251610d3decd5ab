"""The hand-written loops do what they claim."""

import pytest
import trio
import trio.testing

from benchmarks.rivals import handwritten_trio


class Add:
    def __init__(self, mark):
        self.mark = mark

    async def process(self, data):
        return data + self.mark


def test_pipeline_passes_data_through_all_agents():
    assert trio.run(handwritten_trio.run_pipeline, [Add("1"), Add("2"), Add("3")], "x") == "x123"


def test_pipeline_gives_each_stage_a_minute():
    class Slow:
        async def process(self, data):
            await trio.sleep(61)

    with pytest.raises(trio.TooSlowError):
        trio.run(handwritten_trio.run_pipeline, [Slow()], "x", clock=trio.testing.MockClock(autojump_threshold=0))


def test_batch_keeps_the_order_and_the_limit():
    class Gauge:
        running = highest = 0

        async def process(self, data):
            self.running += 1
            self.highest = max(self.highest, self.running)
            await trio.sleep(0.001 * (3 - data % 3))
            self.running -= 1
            return data * 2

    gauge = Gauge()
    assert trio.run(handwritten_trio.run_batch, gauge, range(20), 4) == [2 * x for x in range(20)]
    assert gauge.highest == 4
