"""Whatever runs in these tests is kept and logged, and the two must agree."""

import pytest

from atrio import Pipeline, observe
from atrio.history import HistorySink
from atrio.sinks import JsonLinesSink
from history_agreement import check_agreement


@pytest.fixture(autouse=True)
def agreement(tmp_path_factory, monkeypatch):
    """Keep a history and a log of what runs in the test's own process, and compare them with the results afterwards."""
    results = []
    execute = Pipeline.execute

    async def remember(*given, **options):
        result = await execute(*given, **options)
        results.append(result)
        return result

    monkeypatch.setattr(Pipeline, "execute", remember)
    folder = tmp_path_factory.mktemp("agreement")
    path, log = folder / "history.db", folder / "log.jsonl"
    with HistorySink(path, on_problem=pytest.fail) as history, JsonLinesSink(log) as lines, observe(history, lines):
        yield
    check_agreement(path, log, *results)
