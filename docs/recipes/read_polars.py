"""Print the figures of each stage: python read_polars.py LOG..."""

import sys

import polars as pl

from atrio.events import json_schema

TYPES = {"string": pl.String, "integer": pl.Int64, "number": pl.Float64}


def columns():
    """Return the type of each field that an event may have, by its name."""
    schema = json_schema()
    fields = {}
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            if "type" in field:
                kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
                fields[name] = next(TYPES[kind] for kind in kinds if kind != "null")
    return fields


def read(*paths):
    """Return the events in logs as a lazy frame."""
    # The types are given: those that Polars infers depend on what the first lines hold.
    events = pl.scan_ndjson(list(paths), schema=columns())
    return events.with_columns(pl.col("timestamp").str.to_datetime("%+", time_unit="us", time_zone="UTC"))


def stages(events):
    """Return the figures of each stage, the slowest first."""
    return (
        events.filter(pl.col("event") == "stage.end")
        .group_by("pipeline_id", "stage_id")
        .agg(
            runs=pl.len(),
            failed=(pl.col("status") == "error").sum(),
            p50_s=pl.col("duration_s").median(),
            p95_s=pl.col("duration_s").quantile(0.95, "nearest"),
            total_s=pl.col("duration_s").sum(),
        )
        .sort("total_s", descending=True)
        .collect()
    )


if __name__ == "__main__":
    print(stages(read(*sys.argv[1:])))
