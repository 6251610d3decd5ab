"""What the tests of configured command lines share."""

from pathlib import Path

FILE = """\
# kept
[agents.shouter]
module_path = "shouting"
agent_class = "Shouter"
capabilities = ["data_transformation"]
input_schema = "text"
output_schema = "text"
scores = { data_transformation = 0.5 }
description = "Says it louder"
configuration = { mark = "!" }
capacity = 2
breaker = { failure_threshold = 3 }
rate = { rate = 1000 }
fallback = ["text_cleaner"]

[agents.keyed]
extends = "text_cleaner"
needs = ["SHOUTING_KEY"]

[pools.loud]
members = ["shouter", { agent = "text_cleaner", capacity = 1 }]
fallback = ["text_cleaner"]

[fan_outs.both]
agents = { loud = "shouter", plain = "text_cleaner" }

[routers.by_size]
choose = "length(@) > `5` && 'long' || 'short'"
agents = { long = "shouter", short = "text_cleaner" }

[pipelines.shout]  # it is loud
description = "Cleans and shouts"
stages = ["text_cleaner", { agent = "shouter", stage_id = "louder", attempts = 2, timeout = "none" }]

[pipelines.all]
stages = [
    { agent = "shout", timeout = 5.0, error_policy = "skip" },
    "loud",
    { agent = "by_size", attempts = 1 },
    "both",
]
"""

SHOUTING = """\
import os

class Shouter:
    def __init__(self, mark):
        self.mark = mark

    async def process(self, data: str) -> str:
        key = os.environ.get("SHOUTING_ADDRESS")
        if key:
            raise ConnectionError(f"nobody is at {key}")
        return data.upper() + self.mark
"""


def configure(directory: Path, file: str = FILE) -> Path:
    """Write a configuration and the module of its agent, and return its path."""
    (directory / "shouting.py").write_text(SHOUTING)
    path = directory / "atrio.toml"
    path.write_text(file)
    return path


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in `text`; rows that were folded are joined."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if not line.startswith(("│", "|")):
            continue
        cells = [cell.strip() for cell in line.strip("│|").split("│" if "│" in line else "|")]
        if found and not cells[0]:
            found[-1] = [f"{old} {new}".strip() for old, new in zip(found[-1], cells, strict=True)]
        else:
            found.append(cells)
    return found
