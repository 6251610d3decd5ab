"""Cancelled batches and deadlines under load: all programs are cancelled alike, and nobody is early."""

import logging

import pytest
import trio

from benchmarks import cancel
from benchmarks.cancel import deadlines, quiet
from benchmarks.harness.features import FEATURES
from benchmarks.harness.programs import Tier
from benchmarks.harness.worker import built
from benchmarks.memory.batches import ByHand, ByTwin

ITEMS, CALLERS, TIMEOUT_S = 20, 10, 0.1


def by_name(program):
    return program.name


def small_late(program):
    subject = built(program.build, {**program.options, "callers": CALLERS})
    subject.timeout_s = TIMEOUT_S
    return subject


def shown(program, subject):
    return {feature: getattr(subject, f"probe_{feature}")() for feature in program.features}


def expected(program):
    return {feature: FEATURES[feature].expected for feature in program.features}


@pytest.mark.parametrize("program", cancel.QUIET_PROGRAMS, ids=by_name)
class TestQuiet:
    def test_all_were_live_and_all_were_cancelled(self, program):
        assert built(program.build, {**program.options, "items": ITEMS}).answer() == [ITEMS, ITEMS, 0]

    def test_figures(self, program):
        figures = built(program.build, {**program.options, "items": ITEMS}).figures()
        assert set(figures) == {"quiet_s", "cpu_s"}
        assert figures["quiet_s"] > 0
        assert figures["cpu_s"] > 0

    def test_claims_are_shown(self, program):
        assert shown(program, built(program.build, {**program.options, "items": ITEMS})) == expected(program)


class TestUnquiet:
    def test_a_task_that_is_left_is_noticed(self, monkeypatch):
        subject = quiet.by_hand(ITEMS)
        monkeypatch.setattr(quiet.Endless, "counted", property(lambda _: [ITEMS, ITEMS - 1, 1]))
        with pytest.raises(RuntimeError, match=r"\[20, 19, 1\]"):
            subject.figures()

    @pytest.mark.parametrize(
        ("batches", "cancelled"), [(ByHand, quiet.cancelled_in_trio), (ByTwin, quiet.cancelled_in_asyncio)]
    )
    def test_a_batch_that_swallows_its_cancellation_is_noticed(self, batches, cancelled):
        class Swallowing(batches):
            def build(self, agent, places):
                execute = super().build(agent, places)

                async def swallow(inputs):
                    try:
                        await execute(inputs)
                    except BaseException:  # noqa: BLE001 - it is swallowed on purpose
                        return

                return swallow

        subject = quiet.Quiet(Swallowing(ITEMS, ITEMS), cancelled)
        with pytest.raises(RuntimeError, match="swallowed"):
            subject.answer()

    def test_what_is_no_probe_is_not_passed_on(self):
        with pytest.raises(AttributeError, match="build"):
            quiet.by_hand(ITEMS).build  # noqa: B018


@pytest.mark.parametrize("program", cancel.LATE_PROGRAMS, ids=by_name)
class TestDeadlines:
    def test_all_are_cut_off_and_none_is_early(self, program):
        assert small_late(program).answer() == [CALLERS, CALLERS, CALLERS, 0]

    def test_lateness_is_never_negative(self, program):
        figures = small_late(program).figures()
        # libuv counts in whole milliseconds.
        assert figures["min_s"] >= (-0.001 if "uvloop" in program.name else 0)
        assert figures["min_s"] <= figures["p50_s"] <= figures["p99_s"] <= figures["max_s"]
        # Whoever asks waits at least for the deadline.
        assert figures["asked_p50_s"] >= figures["p50_s"] - 1e-6
        assert figures["asked_p99_s"] >= figures["p99_s"] - 1e-6
        assert figures["early"] == 0
        assert figures["turns_per_s"] > 0

    def test_claims_are_shown(self, program):
        assert shown(program, small_late(program)) == expected(program)


class TestWrongDeadlines:
    def test_who_is_early_has_no_figures(self):
        class Hasty(deadlines.Handwritten):
            def build(self, agents, timeout_s=60.0):
                async def execute(data):
                    with trio.CancelScope(deadline=trio.current_time() + timeout_s):
                        with trio.move_on_after(timeout_s / 2):
                            await agents[0].process(data)
                        data.deadline = trio.current_time() + timeout_s / 2
                    return deadlines.OUT_OF_TIME

                return execute

        # Long enough that a busy computer is not half of it late, which would make up for the haste.
        subject = deadlines.Lateness(Hasty(1), deadlines.TRIO, CALLERS, 4 * TIMEOUT_S)
        assert subject.answer() == [CALLERS, CALLERS, CALLERS, CALLERS]
        with pytest.raises(RuntimeError, match=f"{2 * CALLERS} of {2 * CALLERS} stages were cut off early, by up to"):
            subject.figures()

    def test_a_stage_that_gives_an_output_has_no_figures(self):
        class Idle(deadlines.Handwritten):
            def build(self, agents, timeout_s=60.0):
                async def execute(data):
                    await trio.lowlevel.checkpoint()
                    return data

                return execute

        with pytest.raises(ExceptionGroup) as caught:
            deadlines.Lateness(Idle(1), deadlines.TRIO, 1, TIMEOUT_S).answer()
        assert caught.group_contains(RuntimeError, match="gave an output")

    def test_the_quiet_twin_logs_nothing_of_its_failures(self):
        heard = []
        handler = logging.Handler()
        handler.emit = heard.append
        log = logging.getLogger("twin")
        log.addHandler(handler)
        try:
            subject = deadlines.by_twin(CALLERS, "timeout", "asyncio")
            subject.timeout_s = TIMEOUT_S
            subject.answer()
        finally:
            log.removeHandler(handler)
        assert heard == []
        assert log.level == logging.NOTSET

    def test_the_deadline_is_the_stages(self):
        told = []

        async def main():
            agent = deadlines.Hanging(deadlines.TRIO)
            call = deadlines.Call()
            asked_at = trio.current_time()
            await deadlines.Atrio(1).build([agent], TIMEOUT_S)(call)
            told.append(call.deadline - asked_at)

        trio.run(main)
        # No outer deadline, and not the default of a minute.
        assert TIMEOUT_S <= told[0] < 60


class TestEntries:
    def test_rows_name_programs(self):
        names = {program.name for program in cancel.PROGRAMS}
        assert {name for row in cancel.ROWS for name in row.programs} <= names

    def test_targets(self):
        targets = {row.programs[0]: row.target for row in cancel.ROWS if row.target}
        assert targets == {"cancel.live.10000.atrio": "<= 1.3", "cancel.deadlines.1000.atrio": ">= 0 us"}

    def test_the_core_has_none(self):
        assert all(program.tier > Tier.CORE for program in cancel.PROGRAMS)

    def test_programs_are_given_all_tasks(self):
        sizes = {program.options.get("items", program.options.get("callers")) for program in cancel.PROGRAMS}
        assert sizes == {10_000, 1_000}
