"""A run from its plan to its last sample, with worker processes that answer at once; and one real one."""

from pathlib import Path

import pytest

from benchmarks.harness import measuring, processes
from benchmarks.harness.environments import NotInstallableError
from benchmarks.harness.folders import RunFolder
from benchmarks.harness.measuring import Measurement
from benchmarks.harness.processes import WorkerError
from benchmarks.harness.programs import Program, Work
from benchmarks.harness.worker import digest_of

WORK = Work("toy", "A toy", "toy", answer=[1, 2])


class Silent:
    def __init__(self):
        self.notes, self.steps = [], []

    def phase(self, what, total):
        self.steps.append((what, total))

    def step(self, what):
        pass

    def note(self, what):
        self.notes.append(what)


class Environments:
    def python_of(self, name):
        if name == "missing":
            raise NotInstallableError("no version fits")
        return Path("python")


def program(name, **fields):
    return Program(name, name.upper(), "toy", "nowhere:nothing", **fields)


@pytest.fixture
def workers(monkeypatch):
    """Worker processes that answer from a script, and a list of what they were asked."""
    asked = []

    class Workers:
        answers, failing = {}, set()

    def prepared(_, each):
        found = {"answer": digest_of([1, 2]), "answer_shown": "[1, 2]", "shown": {}, "loops": 4}
        return found | Workers.answers.get(each.name, {})

    def taken(_, each, loops, values):
        asked.append(each.name)
        if each.name in Workers.failing:
            raise WorkerError("it broke")
        return {"values": {"cpu_s": [1.0] * values, "wall_s": [2.0] * values}, "loops": loops}

    monkeypatch.setattr(processes, "prepared", prepared)
    monkeypatch.setattr(processes, "taken", taken)
    Workers.asked = asked
    return Workers


def measurement(folder, programs, rounds=3):
    return Measurement(programs, {"toy": WORK}, RunFolder(folder), rounds, rounds, 20, Environments(), Silent())


def run(each):
    prepared = each.prepare()
    each.take(prepared)
    return each.whole({"load": {"before": 0.0}}, prepared)


def test_every_program_is_measured_once_a_round(tmp_path, workers):
    whole = run(measurement(tmp_path, [program("a"), program("b")]))
    assert sorted((sample["program"], sample["round"]) for sample in whole["samples"]) == [
        (name, turn) for name in "ab" for turn in range(3)
    ]
    assert {described["status"] for described in whole["programs"].values()} == {"measured"}


def test_orders_differ_between_rounds_and_are_the_same_for_the_same_seed(tmp_path):
    programs = [program(name) for name in "abcdefgh"]
    prepared = {each.name: {"status": "measured"} for each in programs}
    orders = [
        [(turn, each.name) for turn, each in measurement(tmp_path, programs, 4).order(prepared)] for _ in range(2)
    ]
    assert orders[0] == orders[1]
    by_round = [[name for turn, name in orders[0] if turn == wanted] for wanted in range(4)]
    assert all(sorted(names) == list("abcdefgh") for names in by_round)
    assert len({tuple(names) for names in by_round}) == 4


def test_those_that_take_long_are_measured_in_the_first_rounds_only(tmp_path, workers):
    whole = run(measurement(tmp_path, [program("a"), program("slow", rounds_at_most=1)]))
    assert workers.asked.count("slow") == 1
    assert [sample["round"] for sample in whole["samples"] if sample["program"] == "slow"] == [0]


def test_a_run_goes_on_where_it_was_interrupted(tmp_path, workers):
    programs = [program("a"), program("b")]
    interrupted = measurement(tmp_path, programs)
    prepared = interrupted.prepare()
    for turn, each in list(interrupted.order(prepared))[:3]:
        interrupted.folder.add({"program": each.name, "round": turn, "values": {"cpu_s": [7.0]}})
    resumed = measurement(tmp_path, programs)
    resumed.take(prepared)
    assert len(workers.asked) == 3
    samples = resumed.folder.samples()
    assert sorted((sample["program"], sample["round"]) for sample in samples) == [
        (name, turn) for name in "ab" for turn in range(3)
    ]
    assert sum(sample["values"]["cpu_s"] == [7.0] for sample in samples) == 3


def test_what_an_interrupted_run_could_not_prepare_is_tried_again(tmp_path, workers):
    workers.answers["b"] = {"answer": digest_of([1, 3])}
    interrupted = measurement(tmp_path, [program("a"), program("b")])
    known = interrupted.prepare()
    del workers.answers["b"]
    workers.answers["a"] = {"answer": digest_of([1, 4])}  # what is known is not asked again
    again = measurement(tmp_path, [program("a"), program("b")]).prepare(known)
    assert {name: described["status"] for name, described in again.items()} == {"a": "measured", "b": "measured"}


def test_what_answers_otherwise_is_not_measured(tmp_path, workers):
    workers.answers["b"] = {"answer": digest_of([1, 3]), "answer_shown": "[1, 3]"}
    whole = run(measurement(tmp_path, [program("a"), program("b")]))
    assert whole["programs"]["b"]["status"] == "unfair"
    assert "[1, 3]" in whole["programs"]["b"]["reason"]
    assert "b" not in workers.asked


def test_what_claims_a_feature_that_it_does_not_show_is_not_measured(tmp_path, workers):
    workers.answers["a"] = {"shown": {"attempts": 1}}
    whole = run(measurement(tmp_path, [program("a", features=("attempts",))]))
    assert whole["programs"]["a"]["status"] == "unfair"
    assert "its probe gave 1, not 3" in whole["programs"]["a"]["reason"]


def test_a_rival_that_cannot_be_installed_is_a_row_and_the_others_are_measured(tmp_path, workers):
    whole = run(measurement(tmp_path, [program("a"), program("b", environment="missing")]))
    assert (whole["programs"]["b"]["status"], whole["programs"]["b"]["reason"]) == ("not installed", "no version fits")
    assert {sample["program"] for sample in whole["samples"]} == {"a"}


def test_one_that_breaks_while_it_is_measured_is_tried_once_and_the_others_go_on(tmp_path, workers):
    workers.failing.add("b")
    whole = run(measurement(tmp_path, [program("a"), program("b")]))
    assert workers.asked.count("b") == 1
    assert whole["programs"]["b"] | {"status": "failed", "reason": "it broke"} == whole["programs"]["b"]
    assert {sample["program"] for sample in whole["samples"]} == {"a"}


def test_unfairness_has_words_for_both_sides():
    found = {"answer": digest_of([1, 2]), "answer_shown": "[1, 2]", "shown": {"limit": 9}}
    assert measuring.unfairness(program("a"), WORK, found) is None
    assert "9, not 5" in measuring.unfairness(program("a", features=("limit",)), WORK, found)


# --- A real worker process ---

STAGE = Program("stage", "hand-written", "toy", "benchmarks.micro.stage:Handwritten", {"stages": 3}, subject="hand")


def test_a_worker_process_prepares_and_measures():
    prepared = processes.prepared(processes.own_python(), STAGE)
    assert prepared["answer"] == digest_of(["what goes in 0 1 2", 3])
    sample = processes.taken(processes.own_python(), STAGE, prepared["loops"], 2)
    assert len(sample["values"]["cpu_s"]) == len(sample["values"]["wall_s"]) == 2
    assert all(0 < value < 0.01 for value in sample["values"]["cpu_s"])


def test_a_worker_process_that_fails_says_why():
    broken = Program("broken", "broken", "toy", "benchmarks.micro.stage:Nothing")
    with pytest.raises(WorkerError, match="Nothing"):
        processes.prepared(processes.own_python(), broken)
