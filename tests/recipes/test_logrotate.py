"""logrotate: while it rotates and compresses, a program that writes loses no line."""

import gzip
import json
import subprocess
import sys
import textwrap

from recipe_logs import RECIPES

ROTATIONS = 4
RUNS_BETWEEN = 200
WRITER = """
    import os, sys, trio
    from atrio import Pipeline, Stage, observe
    from atrio.sinks import JsonLinesSink

    async def echo(data):
        return data

    async def main():
        pipeline = Pipeline("orders").add_stage(Stage("echo", echo))
        with JsonLinesSink(sys.argv[1]) as log, observe(log):
            while not os.path.exists(sys.argv[2]):
                await pipeline.execute("x")
                # What is told here was emitted before.
                sys.stdout.write("x")
                sys.stdout.flush()
        assert log.dropped == 0

    trio.run(main)
"""


def test_nothing_is_lost(needs, tmp_path):
    logrotate = needs("logrotate")
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    text = (RECIPES / "logrotate.conf").read_text()
    assert "/var/log/shop/" in text
    config = tmp_path / "logrotate.conf"
    config.write_text(text.replace("/var/log/shop/", f"{logs}/"))
    config.chmod(0o644)
    command = [logrotate, "--force", "--state", tmp_path / "state", config]
    stop = tmp_path / "stop"
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), logs / "app.jsonl", stop], stdout=subprocess.PIPE
    )
    try:
        told = 0
        for _ in range(ROTATIONS):
            told += len(writer.stdout.read(RUNS_BETWEEN))
            subprocess.run(command, check=True, timeout=60)
        told += len(writer.stdout.read(RUNS_BETWEEN))
        stop.touch()
        told += len(writer.stdout.read())
        assert writer.wait(60) == 0
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert {path.name for path in logs.iterdir()} == {
        "app.jsonl", "app.jsonl.1", "app.jsonl.2.gz", "app.jsonl.3.gz", "app.jsonl.4.gz",
    }  # fmt: skip
    runs = {}
    for path in sorted(logs.iterdir(), key=lambda path: path.name, reverse=True):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert data.endswith(b"\n")
        for line in map(json.loads, data.splitlines()):
            runs.setdefault(line["run_id"], []).append(line["seq"])
    assert len(runs) == told > ROTATIONS * RUNS_BETWEEN
    assert all(seqs == [0, 1, 2, 3] for seqs in map(sorted, runs.values()))
