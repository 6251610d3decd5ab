"""The rules: what is too slow, what fails too often, and that nothing is raised or resolved twice."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio.history import Thresholds
from atrio.history.alerts import (
    Finding,
    evaluate,
    is_stage_of,
    judged_breaker,
    judged_runs,
    judged_stage,
    judged_tasks,
    stage_subject,
)

DEFAULT = Thresholds()
SECONDS = st.floats(0, 1e6)


def stage(latest, before, thresholds=DEFAULT, **options):
    return judged_stage("triage/classify", latest, before, thresholds, **options)


class TestSlowStage:
    def test_three_times_its_own_p95(self):
        slow = stage([3.1] * 20, [1.0] * 20)
        assert (slow.rule, slow.subject, slow.value) == ("slow_stage", "triage/classify", 3.1)
        assert slow.threshold == pytest.approx(3.0)
        assert slow.is_exceeded
        assert not stage([3.0] * 20, [1.0] * 20).is_exceeded

    @pytest.mark.parametrize(("latest", "before"), [(0, 0), (20, 0), (20, 19), (19, 20)])
    def test_too_few_to_tell(self, latest, before):
        assert stage([1.0] * latest, [1.0] * before) is None

    def test_an_open_alert_is_resolved_by_what_it_was_raised_for(self):
        assert stage([5.0] * 20, [5.0] * 20, allowed_s=3.0).is_exceeded
        assert stage([5.0] * 20, [], allowed_s=3.0).is_exceeded
        assert not stage([1.0] * 20, [0.1] * 20, allowed_s=3.0).is_exceeded
        assert stage([1.0] * 19, [], allowed_s=3.0) is None

    def test_one_slow_run_is_none(self):
        assert not stage([*[1.0] * 19, 60.0], [1.0] * 20).is_exceeded
        assert stage([*[1.0] * 18, 60.0, 60.0], [1.0] * 20).is_exceeded

    def test_what_was_always_slow_now_and_then_is_not_news(self):
        assert not stage([9.0] * 20, [*[1.0] * 18, 9.0, 9.0]).is_exceeded

    def test_less_than_a_millisecond_is_never_slow(self):
        assert not stage([0.0009] * 20, [0.00001] * 20).is_exceeded
        assert stage([0.0011] * 20, [0.0] * 20).is_exceeded

    def test_thresholds_decide(self):
        lenient = Thresholds(p95_factor=5, runs=2)
        assert not stage([4.0] * 2, [1.0] * 2, lenient).is_exceeded
        assert stage([5.1] * 2, [1.0] * 2, lenient).is_exceeded

    def test_what_is_allowed_is_told_to_the_microsecond(self):
        assert stage([1.0] * 20, [0.1] * 20).threshold == 0.3

    @given(st.lists(SECONDS, min_size=40, max_size=80), st.randoms())
    def test_order_within_the_latest_does_not_matter(self, durations, rnd):
        latest, before = durations[:20], durations[20:]
        judged = stage(latest, before)
        rnd.shuffle(latest)
        rnd.shuffle(before)
        assert stage(latest, before) == judged
        assert judged.value in latest
        assert sum(each > judged.value for each in latest) <= 1


class TestFailureRate:
    def test_more_than_a_fifth_of_the_last_twenty(self):
        assert not judged_runs("triage", ["failed"] * 4 + ["success"] * 16, DEFAULT).is_exceeded
        found = judged_runs("triage", ["failed"] * 5 + ["success"] * 15, DEFAULT)
        assert found == Finding("failure_rate", "triage", 0.25, 0.2)
        assert found.is_exceeded

    def test_degraded_runs_did_not_fail(self):
        assert judged_runs("triage", ["degraded"] * 20, DEFAULT).value == 0

    def test_too_few_to_tell(self):
        assert judged_runs("triage", ["failed"] * 19, DEFAULT) is None

    def test_older_runs_do_not_count(self):
        assert judged_runs("triage", ["success"] * 20 + ["failed"] * 100, DEFAULT).value == 0


IDS = st.text('ab/"\\~', min_size=1, max_size=5).map(lambda text: text * 40) | st.text(
    'ab/"\\~', min_size=1, max_size=4
)


class TestStageSubject:
    @pytest.mark.parametrize(
        ("pipeline_id", "stage_id", "subject"),
        [
            ("triage", "classify", "triage/classify"),
            ("triage", "a/b", "triage/a/b"),
            ("tri/age", "classify", '"tri/age"/classify'),
            ('"triage"', "classify", '"\\"triage\\""/classify'),
            ("übung/日", "s", '"übung/日"/s'),
        ],
    )
    def test_names_the_pipeline_and_the_stage(self, pipeline_id, stage_id, subject):
        assert stage_subject(pipeline_id, stage_id) == subject

    @given(IDS, IDS, IDS, IDS)
    def test_tells_any_two_stages_apart(self, pipeline_id, stage_id, other_pipeline, other_stage):
        subject = stage_subject(pipeline_id, stage_id)
        assert len(subject) <= 200
        assert (subject == stage_subject(other_pipeline, other_stage)) == (
            (pipeline_id, stage_id) == (other_pipeline, other_stage)
        )
        assert is_stage_of(subject, pipeline_id)
        assert is_stage_of(subject, other_pipeline) == (pipeline_id == other_pipeline)


class TestTaskFailureRate:
    def test_more_than_a_fifth_of_the_last_twenty(self):
        assert not judged_tasks("nightly", [True] * 4 + [False] * 16, DEFAULT).is_exceeded
        found = judged_tasks("nightly", [True] * 5 + [False] * 15 + [True] * 99, DEFAULT)
        assert found == Finding("task_failure_rate", "nightly", 0.25, 0.2)
        assert found.is_exceeded

    def test_too_few_to_tell(self):
        assert judged_tasks("nightly", [True] * 19, DEFAULT) is None


def test_a_breaker():
    assert judged_breaker("llm", 1).is_exceeded
    assert not judged_breaker("llm", 0).is_exceeded


FINDINGS = st.builds(Finding, st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3), st.just(1))


class TestEvaluate:
    @given(st.lists(FINDINGS), st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"))))
    def test_each_is_raised_once_and_resolved_once(self, findings, open_alerts):
        raised, resolved = evaluate(findings, open_alerts)
        assert not {each.key for each in raised} & open_alerts
        assert {each.key for each in resolved} <= open_alerts
        assert len({each.key for each in raised + resolved}) == len(raised + resolved)
        after = (open_alerts | {each.key for each in raised}) - {each.key for each in resolved}
        assert evaluate(findings, after) == ((), ())

    def test_the_last_finding_of_a_subject_counts(self):
        worse, better = Finding("a", "x", 2, 1), Finding("a", "x", 0, 1)
        assert evaluate([worse, better], set()) == ((), ())
        assert evaluate([better, worse], set()) == ((worse,), ())

    def test_what_nothing_was_found_of_stays(self):
        assert evaluate([], {("a", "x")}) == ((), ())


class TestThresholds:
    @pytest.mark.parametrize(
        ("wrong", "error", "told"),
        [
            ({"p95_factor": 0.5}, ValueError, "Thresholds.p95_factor must be a finite number, at least 1, not 0.5"),
            ({"p95_factor": math.nan}, ValueError, "Thresholds.p95_factor"),
            ({"p95_factor": "3"}, TypeError, "Thresholds.p95_factor"),
            ({"failure_rate": 20}, ValueError, "Thresholds.failure_rate must be a number from 0 to 1, not 20"),
            ({"failure_rate": -0.1}, ValueError, "Thresholds.failure_rate"),
            ({"runs": 0}, ValueError, "Thresholds.runs must be a whole number, at least 1"),
            ({"runs": 2.5}, TypeError, "Thresholds.runs"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, wrong, error, told):
        with pytest.raises(error, match=told):
            Thresholds(**wrong)
