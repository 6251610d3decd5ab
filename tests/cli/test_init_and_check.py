"""``atrio init`` and ``atrio check``: a file to begin with, and all that is wrong with one."""

import json
import os
import shutil
import subprocess
import sys
import tomllib

import pytest
from configured import FILE, configure, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atrio.cli import main
from atrio.config import configuration_schema

# Root may write everywhere, unless it gives that up.
UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


class TestInit:
    def test_makes_a_file_that_is_right_and_runs(self, atrio, tmp_path):
        ended = atrio("init")
        assert (ended.code, ended.out) == (0, "atrio.toml\n.atrio/atrio.schema.json\n")
        assert ended.err == (
            "atrio: it can be used as it is: atrio check looks at it, and atrio pipelines list shows what it has.\n"
        )
        assert atrio("check").out == "atrio.toml: nothing is wrong\n"
        (tmp_path / "a.txt").write_text("Tides rise, and tides fall.")
        name = rows(atrio("pipelines", "list").out)[0][0]
        ended = atrio("run", name, "a.txt", "--log-level", "error")
        assert (ended.code, ended.err) == (0, "")
        assert "ides" in ended.out
        assert json.loads((tmp_path / ".atrio" / "atrio.schema.json").read_text())["$schema"]

    def test_under_another_name(self, atrio, tmp_path):
        (tmp_path / "deep").mkdir()
        ended = atrio("init", "--config", "deep/shop.toml")
        assert (ended.code, ended.out) == (0, "deep/shop.toml\ndeep/.atrio/atrio.schema.json\n")
        assert atrio("check", "--config", "deep/shop.toml").code == 0

    def test_its_schema_alone(self, atrio, tmp_path):
        ended = atrio("init", "--schema")
        assert (ended.code, ended.err) == (0, "")
        assert json.loads(ended.out) == configuration_schema()
        assert list(tmp_path.iterdir()) == []

    def test_leaves_what_is_there(self, atrio, tmp_path):
        (tmp_path / "atrio.toml").write_text("# mine\n")
        ended = atrio("init")
        assert (ended.code, ended.out) == (2, "")
        assert "is there already" in ended.err
        assert [path.name for path in tmp_path.iterdir()] == ["atrio.toml"]
        assert (tmp_path / "atrio.toml").read_text() == "# mine\n"

    @pytest.mark.parametrize("path", ["none/atrio.toml", "atrio.json", "."])
    def test_where_it_cannot_be(self, atrio, tmp_path, path):
        ended = atrio("init", "--config", path)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: ")
        assert "Traceback" not in ended.err
        assert list(tmp_path.iterdir()) == []


class TestReadOnlyDirectory:
    @pytest.fixture
    def run(self, tmp_path):
        if UNPRIVILEGED and shutil.which(UNPRIVILEGED[0]) is None:
            pytest.skip("root may write everywhere")

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            tmp_path.chmod(0o555)
            try:
                command = [*UNPRIVILEGED, sys.executable, "-m", "atrio", *arguments]
                return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True)
            finally:
                tmp_path.chmod(0o755)

        return run

    def test_init(self, run, tmp_path):
        ended = run("init")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.count("\n") == 1
        assert "Permission denied" in ended.stderr
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "arguments",
        [
            ["agents", "add", "new", "--extends", "text_cleaner"],
            ["agents", "remove", "keyed"],
            ["pipelines", "add", "new", "--stage", "loud"],
            ["pipelines", "remove", "all"],
            ["assemble", "content_analysis", "--save", "new"],
        ],
    )
    def test_a_change(self, run, tmp_path, arguments):
        path = configure(tmp_path)
        ended = run(*arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "Permission denied" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert path.read_text() == FILE
        assert not list(tmp_path.glob(".*new*"))

    def test_what_only_reads(self, run, tmp_path):
        configure(tmp_path)
        assert run("pipelines", "list").returncode == 0
        assert run("run", "shout", "--value", '"a"').stdout == "A!\n"


class TestCheck:
    def test_of_what_is_right(self, atrio, tmp_path, monkeypatch):
        monkeypatch.setenv("SHOUTING_KEY", "x")
        configure(tmp_path)
        ended = atrio("check")
        assert (ended.code, ended.out, ended.err) == (0, "atrio.toml: nothing is wrong\n", "")
        assert json.loads(atrio("check", "--format", "json").out) == {"ok": True, "file": "atrio.toml", "problems": []}

    def test_a_warning_alone_is_no_failure(self, atrio, tmp_path):
        configure(tmp_path)
        ended = atrio("check")
        assert (ended.code, ended.err) == (0, "atrio: atrio.toml has 1 warning.\n")
        (line,) = ended.out.splitlines()
        assert line.startswith("atrio.toml:18: warning: agents.keyed.needs")
        assert "SHOUTING_KEY" in line

    def test_everything_at_once(self, atrio, tmp_path):
        broken = (
            FILE.replace('mark = "!"', 'mrak = "!"')
            .replace('"Shouter"', '"Shuoter"')
            .replace('["text_cleaner", { agent = "shouter"', '["keyed", { agent = "shuoter"')
            .replace("`5`", "`5")
        )
        configure(tmp_path, broken)
        ended = atrio("check")
        assert ended.code == 2
        lines = ended.out.splitlines()
        for place in (
            "atrio.toml:4: agents.shouter.agent_class",
            "atrio.toml:18: agents.keyed.needs",
            "atrio.toml:28: routers.by_size.choose",
            "atrio.toml:33: pipelines.shout.stages[1].agent",
        ):
            assert any(line.startswith(place) for line in lines), (place, ended.out)
        assert ended.err == f"atrio: atrio.toml has {len(lines)} errors.\n"

    def test_as_a_table_and_as_json(self, atrio, tmp_path):
        configure(tmp_path, FILE.replace("stage_id", "stageid"))
        ended = atrio("check", "--format", "table")
        assert ended.code == 2
        assert ["atrio.toml:33", "error"] in [row[:2] for row in rows(ended.out)]
        found = json.loads(atrio("check", "--format", "json").out)
        assert (found["ok"], found["file"]) == (False, "atrio.toml")
        (problem,) = (each for each in found["problems"] if each["severity"] == "error")
        assert problem.keys() == {"file", "line", "path", "message", "severity"}
        assert (problem["line"], problem["path"]) == (33, "pipelines.shout.stages[1].stageid")

    @pytest.mark.parametrize("form", [[], ["--format", "json"], ["--format", "table"]])
    def test_of_what_is_no_toml(self, atrio, tmp_path, form):
        (tmp_path / "atrio.toml").write_bytes(b"[agents\n\xff")
        ended = atrio("check", *form)
        assert ended.code == 2
        assert "atrio.toml" in ended.out
        assert ended.err == "atrio: atrio.toml has 1 error.\n"

    def test_without_a_file(self, atrio):
        ended = atrio("check")
        assert (ended.code, ended.out) == (2, "")
        assert "atrio init makes one" in ended.err

    def test_runs_nothing(self, atrio, tmp_path, monkeypatch):
        monkeypatch.setenv("SHOUTING_KEY", "x")
        configure(tmp_path)
        (tmp_path / "shouting.py").write_text(
            "class Shouter:\n"
            "    def __init__(self, mark):\n"
            "        raise SystemExit('made')\n"
            "    async def process(self, data): ...\n"
        )
        assert atrio("check").code == 0
        ended = atrio("run", "shout", "--value", '"a"')
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == (
            "atrio: atrio.toml:10: agents.shouter.configuration: Shouter(mark) raised SystemExit: made\n"
        )


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | st.sampled_from(
    ["agents", "pools", "pipelines", "stages", "extends", "members", "cli", "log_level", "webhook", "text_cleaner"]
)
trees = st.dictionaries(
    names,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | names,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.binary(max_size=60) | trees.map(json.dumps).map(str.encode))
@pytest.mark.parametrize("name", ["atrio.toml", "atrio.json"])
def test_whatever_a_file_holds_it_is_used_or_told(capfd, monkeypatch, tmp_path, name, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(content)
    for arguments in (["check"], ["agents", "add", "new", "--extends", "text_cleaner"], ["agents", "list"]):
        code = main([*arguments, "--config", name])
        out, err = capfd.readouterr()
        assert code in {0, 2}
        assert "Traceback" not in out + err
        if code == 2:
            assert name in out + err
            assert path.read_bytes() == content
        elif arguments[0] == "agents" and arguments[1] == "add":
            text = path.read_text("utf-8")
            assert (json.loads(text) if name.endswith("json") else tomllib.loads(text))["agents"]["new"]
