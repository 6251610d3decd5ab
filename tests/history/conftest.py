import pytest


@pytest.fixture
def looks_at_each_end(monkeypatch) -> None:
    """What a program of short runs would see only every few seconds."""
    monkeypatch.setattr("atrio.history.alert_sink._PERIOD_S", 0.0)
    for name in ("_writer", "writing"):
        monkeypatch.setattr(f"atrio.history.{name}.BURST_S", 0.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.db"
