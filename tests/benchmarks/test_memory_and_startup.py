"""What batches keep, what streams hold, what starting costs: small, and in this process where that is possible."""

import subprocess
import sys

import pytest

from benchmarks import memory, startup
from benchmarks.harness.features import FEATURES
from benchmarks.harness.programs import Tier
from benchmarks.harness.worker import built
from benchmarks.memory import kept, streams
from benchmarks.startup import processes

SMALL_KEPT = [program for program in memory.PROGRAMS if program.work == "memory.kept.10000"]


def names_in(rows):
    return {name for row in rows for name in row.programs}


class TestKept:
    def test_what_is_kept(self):
        ours, loop = (by(1000).figures() for by in (kept.by_atrio, kept.by_hand))
        assert 8 <= loop["kept_bytes"] < 24  # a list of what was there before
        assert loop["kept_bytes"] < ours["kept_bytes"] <= ours["peak_bytes"] < 1000

    @pytest.mark.parametrize("program", SMALL_KEPT, ids=lambda program: program.name)
    def test_programs_do_the_same_and_what_they_claim(self, program):
        subject = built(program.build, {"items": 50})
        assert subject.answer() == memory.ANSWER
        shown = {feature: getattr(subject, f"probe_{feature}")() for feature in program.features}
        assert shown == {feature: FEATURES[feature].expected for feature in program.features}
        assert subject.figures()["kept_bytes"] > 0

    def test_other_outputs_are_noticed(self):
        class Forgetful(kept.ByHand):
            def outputs_of(self, result):
                return result[:-1]

        with pytest.raises(RuntimeError, match="other outputs"):
            kept.Kept(Forgetful(10, 5)).figures()

    def test_what_is_no_probe_is_not_passed_on(self):
        with pytest.raises(AttributeError, match="running"):
            kept.by_hand(10).running  # noqa: B018


class TestStreams:
    def test_the_largest_size_of_the_process(self):
        assert 5 < streams.Streamed(100).figures()["largest_mb"] < 5000

    def test_the_answer_and_the_claims(self):
        subject = streams.Streamed(100)
        assert subject.answer() == memory.ANSWER
        assert [subject.probe_limit(), subject.probe_outcomes()] == [5, [9, "ValueError"]]

    def test_lost_items_are_noticed(self, monkeypatch):
        async def taken(_):
            return 99

        monkeypatch.setattr(streams.Streamed, "_taken", taken)
        with pytest.raises(RuntimeError, match="99 of 100 items"):
            streams.Streamed(100).figures()

    @pytest.mark.parametrize(("platform", "expected"), [("darwin", 3.0), ("other", 3072.0)])
    def test_the_largest_size_without_proc(self, monkeypatch, platform, expected):
        class Usage:
            ru_maxrss = 3 * 2**20

        monkeypatch.setattr(streams.Path, "exists", lambda _: False)
        monkeypatch.setattr(streams.resource, "getrusage", lambda _: Usage)
        monkeypatch.setattr(streams.sys, "platform", platform)
        assert streams.largest_mb() == expected


class TestStartup:
    def test_a_start_takes_time(self):
        figures = processes.Started(["-c", "pass"], starts=1).figures()
        assert set(figures) == {"cpu_s", "wall_s", "net_cpu_s"}
        assert 0 < figures["cpu_s"] < 5
        assert 0 < figures["wall_s"] < 5
        assert abs(figures["net_cpu_s"]) < figures["cpu_s"] + 1

    def test_an_import_costs_more_than_none(self):
        assert processes.Importing("trio", starts=1).figures()["net_cpu_s"] > 0

    @pytest.mark.parametrize(
        "subject",
        [processes.Started(["-c", "pass"]), processes.Importing("trio"), processes.Helping(), processes.Checking(2)],
    )
    def test_programs_do_what_they_are_called_by(self, subject):
        assert subject.answer() is True

    def test_a_module_that_is_not_there_is_noticed(self):
        assert processes.Started(["-c", "pass"], module="wave").answer() is False

    def test_a_failing_start_is_noticed(self):
        with pytest.raises(subprocess.CalledProcessError):
            processes.Importing("no_such_module_of_ours").figures()

    @pytest.mark.parametrize("installed", [True, False])
    def test_the_script_or_what_it_does(self, monkeypatch, tmp_path, installed):
        (tmp_path / "atrio").touch()
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python" if installed else tmp_path / "bin" / "python"))
        command = processes.Helping().command
        script = (str(tmp_path / "atrio"), "--help")
        assert command == (script if installed else (sys.executable, "-c", processes.CONSOLE_SCRIPT, "--help"))


class TestEntries:
    @pytest.mark.parametrize("suite", [memory, startup])
    def test_rows_name_programs(self, suite):
        assert names_in(suite.ROWS) <= {program.name for program in suite.PROGRAMS}

    @pytest.mark.parametrize("suite", [memory, startup])
    def test_programs_name_works(self, suite):
        assert {program.work for program in suite.PROGRAMS} == {work.name for work in suite.WORKS}

    def test_targets(self):
        assert [row.target for row in memory.ROWS if row.target] == [
            "<= 250 bytes", "<= 250 bytes", "<= 5 MB", "<= 5 MB",
        ]  # fmt: skip
        assert [row.target for row in startup.ROWS if row.target] == ["<= 1.4", "<= 2.5", "<= 100 ms"]

    def test_the_core_has_both_sides_of_what_it_gates(self):
        core = {each.name for suite in (memory, startup) for each in suite.PROGRAMS if each.tier is Tier.CORE}
        assert names_in(row for suite in (memory, startup) for row in suite.ROWS if row.gate) == core
