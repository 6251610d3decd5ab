"""Prometheus: promtool finds nothing wrong with the metrics, the configuration and the rules."""

import subprocess
from pathlib import Path

import pytest
from recipe_logs import RECIPES, TEXTS, run_batch

from atrio import events

prometheus = pytest.importorskip("atrio.sinks.prometheus", reason="prometheus-client is not installed")
exposition = pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

RULES = Path(__file__).with_name("prometheus_rules_test.yml")


@pytest.fixture
def promtool(needs):
    program = needs("promtool")

    def run(*arguments, **options):
        ended = subprocess.run([program, *arguments], check=False, capture_output=True, **options)
        return ended.returncode, (ended.stdout + ended.stderr).decode()

    return run


@pytest.fixture
def metrics():
    return prometheus.PrometheusMetrics()


def check(promtool, metrics):
    return promtool("check", "metrics", input=exposition.generate_latest(metrics.registry))


def test_metrics_of_a_batch(promtool, metrics, tmp_path):
    run_batch(tmp_path / "log", metrics)
    assert check(promtool, metrics) == (0, "")


def test_metrics_with_hostile_labels(promtool, metrics):
    for text in TEXTS:
        metrics.record_stage_execution(text, 1.0, "success")
        metrics.record_pipeline_execution(text, 1.0, "success")
        metrics(events.BreakerOpened(None, None, None, None, None, text, 1, 1.0))
    metrics(events.LogDropped(None, None, None, None, None, 3, "disk full"))
    assert check(promtool, metrics) == (0, "")


def test_the_configuration(promtool):
    code, said = promtool("check", "config", "prometheus.yml", cwd=RECIPES)
    assert code == 0, said


def test_the_rules(promtool):
    code, said = promtool("test", "rules", RULES)
    assert code == 0, said
