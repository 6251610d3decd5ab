"""What is around the pipelines: endpoints of language models, the command line, the history of runs."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from atrio.config.rules import Address, Count, Factor, KeyVariable, Name, Score

__all__ = ["CliSettings", "MonitoringSettings", "ProviderSettings"]

LogLevelName: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
OutputFormat: TypeAlias = Literal["json", "table"]


@attrs.frozen
class ProviderSettings:
    """An endpoint of language models.

    Attributes:
        base_url: its address.
        api_key_env: the environment variable that holds its key; never the key itself.
        model: the model that is asked where an agent names none.
    """

    base_url: Address
    api_key_env: KeyVariable | None = None
    model: Name | None = None


@attrs.frozen
class CliSettings:
    """What the command line does where it is not told otherwise.

    Attributes:
        log_level: the lowest level that stderr shows; by default each command's own.
        output_format: how lists, plans, comparisons and batches are printed; by default each command's own. The output
            of a run, and what a check finds, are printed as ever.
        auto_save: whether `agents add` and `pipelines add` change this file; else they print what to paste.
    """

    log_level: LogLevelName | None = None
    output_format: OutputFormat | None = None
    auto_save: bool = True


@attrs.frozen
class MonitoringSettings:
    """What the command line keeps of past runs, and when it raises alerts.

    Attributes:
        enabled: whether it keeps a history.
        metrics_retention_days: days after which a run is forgotten.
        performance_alerts: whether runs are compared with earlier ones, and alerts are raised.
        alert_runs: how many runs are looked at, the latest ones; with fewer no alert is raised.
        p95_factor: by how much the 95th percentile of a stage's durations may be longer than before.
        failure_rate: the share of a pipeline's runs that may fail, from 0 to 1.
    """

    enabled: bool = True
    metrics_retention_days: Count = 7
    performance_alerts: bool = True
    alert_runs: Count = 20
    p95_factor: Factor = 3.0
    failure_rate: Score = 0.2
