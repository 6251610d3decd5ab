"""Copy logs into a table of SQLite: python to_sqlite.py DATABASE LOG..."""

import json
import sqlite3
import sys
from pathlib import Path

from atrio.events import json_schema

TYPES = {"string": "TEXT", "integer": "INTEGER", "number": "REAL"}


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


def events_in(paths):
    """Yield the events in logs."""
    for path in paths:
        with Path(path).open(encoding="utf-8", newline="\n") as log:
            for line in log:
                # The last line may be one that is being written.
                if line.endswith("\n"):
                    yield json.loads(line)


def copy(database, *paths):
    """Add the events in logs to the table `events` of a database, which is made if it is not there."""
    types = columns()
    table = ", ".join(f"{name} {kind}" for name, kind in types.items())
    places = ", ".join(f":{name}" for name in types)
    with sqlite3.connect(database) as connection:
        # STRICT: a value of another type is an error now, and not a surprise in a query.
        connection.execute(f"CREATE TABLE IF NOT EXISTS events ({table}) STRICT")
        rows = (dict.fromkeys(types) | event for event in events_in(paths))
        connection.executemany(f"INSERT INTO events VALUES ({places})", rows)
        connection.execute("CREATE INDEX IF NOT EXISTS runs ON events (run_id, event)")
    connection.close()


if __name__ == "__main__":
    copy(*sys.argv[1:])
