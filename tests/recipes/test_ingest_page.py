"""The page of the recipes shows each of them, and says which are run."""

import json
import re

from recipe_logs import PAGE, RECIPES

NOT_RUN = {"vector.yaml", "fluent-bit.yaml", "loki.alloy", "filebeat.yml", "elasticsearch-template.json"}


def shown_in(text):
    return re.findall(r"^```\{literalinclude\} \.\./recipes/(\S+)$", text, flags=re.MULTILINE)


def test_it_shows_every_recipe_under_its_name():
    text = PAGE.read_text(encoding="utf-8")
    shown = shown_in(text)
    assert sorted(shown) == sorted(path.name for path in RECIPES.iterdir() if path.is_file())
    assert re.findall(r"^:caption: (\S+)$", text, flags=re.MULTILINE) == shown


def test_it_says_which_are_not_run():
    _, _, after = PAGE.read_text(encoding="utf-8").partition("## Not run by our tests")
    assert set(shown_in(after)) == NOT_RUN


def test_what_is_json_is_json():
    for path in RECIPES.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))
