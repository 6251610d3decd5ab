"""The completion of command lines, as shells do it."""

import os
import shutil
import subprocess
import sys

import pytest

BASH = shutil.which("bash") or "bash"
ASK = """
source "$1"
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_atrio
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def completed(atrio, tmp_path):
    """Return what bash offers after the words of a command line."""
    ended = atrio("--install-completion", "--shell", "bash", "--output", "atrio.bash")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.strip() == str(tmp_path / "atrio.bash")

    def complete(words: str) -> list[str]:
        done = subprocess.run(
            [BASH, "--norc", "-c", ASK.format(words=words), "bash", str(tmp_path / "atrio.bash")],
            capture_output=True, check=True, cwd=tmp_path, text=True,
        )  # fmt: skip
        return done.stdout.split()

    return complete


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
class TestBash:
    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            ("atrio a", {"agents", "assemble"}),
            ("atrio agents ''", {"list", "show", "add", "remove"}),
            ("atrio pipelines s", {"show"}),
            ("atrio pipelines show x --format m", {"mermaid"}),
            ("atrio assemble reporting --s", {"--save", "--set"}),
            ("atrio run text-report --log-level w", {"warning"}),
        ],
    )
    def test_offers(self, completed, words, offered):
        assert set(completed(words)) == offered

    def test_offers_the_options_of_every_command(self, completed):
        assert {"--config", "--capability"} <= set(completed("atrio agents list --c"))
        assert "--config" in completed("atrio bench text-report --c")

    def test_is_installed_where_bash_finds_it(self, atrio_process, tmp_path):
        home = tmp_path / "home"
        home.mkdir()
        (home / ".bashrc").write_text("# mine\n")
        ended = atrio_process("--install-completion", "--shell", "bash", HOME=str(home))
        assert (ended.code, ended.err) == (0, "")
        startup = (home / ".bashrc").read_text()
        assert startup.startswith("# mine\n")
        assert ended.out.strip() in startup
        done = subprocess.run(
            [BASH, "--rcfile", str(home / ".bashrc"), "-ic", "complete -p atrio"],
            capture_output=True, check=False, env={**os.environ, "HOME": str(home)}, text=True,
        )  # fmt: skip
        assert "_atrio" in done.stdout


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(atrio_process, tmp_path, shell):
    ended = atrio_process("--install-completion", "--shell", shell, "--output", "script")
    assert (ended.code, ended.err) == (0, "")
    script = (tmp_path / "script").read_text()
    for word in ("assemble", "pipelines", "mermaid", "install-completion"):
        assert word in script
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


class TestMistakes:
    def test_a_shell_that_nobody_knows(self, tmp_path):
        # One that starts atrio, as no shell does.
        program = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'atrio', sys.argv[1]]))"
        known = {name: value for name, value in os.environ.items() if not name.endswith("_VERSION")}
        done = subprocess.run(
            [sys.executable, "-c", program, "--install-completion"],
            capture_output=True, check=False, cwd=tmp_path, env={**known, "SHELL": "/bin/none"}, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "atrio: it is not clear which shell this is: name it, as in --shell bash.\n"

    def test_a_place_where_it_cannot_be(self, atrio, tmp_path):
        (tmp_path / "file").write_text("")
        ended = atrio("--install-completion", "--shell", "bash", "--output", "file/script")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: the completion cannot be written")
        assert ended.err.endswith("Name a file with --output.\n")

    def test_a_home_that_is_not_there(self, atrio, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("HOME", str(tmp_path / "file" / "none"))
        ended = atrio("--install-completion", "--shell", "bash")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: the completion cannot be written")

    def test_another_shell(self, atrio):
        assert 'Invalid value "csh" for --shell' in atrio("--install-completion", "--shell", "csh").err
