"""Pipelines of the user's own, named as module:attribute: the same for every command."""

import json
import sys
import textwrap

import pytest

SHOP = """
import json
from atrio import Pipeline, Stage, StageConfig

async def double(data):
    return data * 2

async def refuse(data):
    raise TypeError("it takes no more")

def piped(name, agent):
    return Pipeline(name).add_stage(Stage("only", agent, config=StageConfig(attempts=1)))

doubled = piped("doubled", double)
refusing = piped("refusing", refuse)
empty = Pipeline("empty")
number = 3

class Held:
    inside = doubled

def made():
    return doubled

def nothing():
    pass

def texts():
    return "text"

def raises():
    raise ValueError("it broke")

def inside_python():
    json.loads("{")

def says_nothing():
    raise LookupError

def leaves():
    raise SystemExit(3)

def wants(argument):
    return doubled
"""
LINES = SHOP.splitlines()
BROKE, PARSED, LEFT = (
    LINES.index(f"    {line}") + 1
    for line in ('raise ValueError("it broke")', 'json.loads("{")', "raise SystemExit(3)")
)
NAME_ONE = ": name a Pipeline, or a function without arguments that returns one."
NOT_OF_THE_FORM = " is not of the form module:attribute, a module's name and not its file's, as in "


@pytest.fixture(autouse=True)
def imports(monkeypatch, tmp_path):
    """Leave no module behind, nor the directory in which it was found."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__spec__", "")):
            del sys.modules[name]


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "a.jsonl").write_text("1\n2\n")


@pytest.fixture
def refusal(atrio, shop):
    """Run a pipeline by its name, and return the sentence with which that is refused."""

    def run(name: str) -> str:
        ended = atrio("run", name, "--value", "1")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: ")
        assert ended.err.count("\n") == 1
        return ended.err.removeprefix("atrio: ").rstrip("\n")

    return run


class TestEveryCommand:
    @pytest.mark.parametrize("name", ["shop:doubled", "shop:made", "shop:Held.inside"])
    def test_takes_one(self, atrio, shop, name):
        ended = atrio("run", name, "--value", "21", "--log-level", "error")
        assert (ended.code, ended.out, ended.err) == (0, "42\n", "")
        ended = atrio("batch", name, "a.jsonl", "--log-level", "error")
        assert (ended.code, [json.loads(line)["result"] for line in ended.out.splitlines()]) == (0, [2, 4])
        ended = atrio("bench", name, "--input", "a.jsonl", "--rounds", "1", "--format", "json")
        assert (ended.code, json.loads(ended.out)["measured_runs"]) == (0, 2)

    @pytest.mark.parametrize("arguments", [["run"], ["batch"], ["bench", "--input", "a.jsonl"]])
    def test_refuses_what_is_none(self, atrio, shop, arguments):
        ended = atrio(arguments[0], "shop:duobled", *arguments[1:])
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "atrio: module 'shop' has no attribute 'duobled'. Did you mean 'doubled'?\n"

    def test_says_what_it_takes_only_of_those_that_it_knows(self, atrio, shop):
        ended = atrio("run", "shop:refusing", "--value", "1", "--log-level", "error")
        assert ended.code == 1
        assert ended.err.splitlines()[-1] == (
            "atrio: refusing failed in only: TypeError: it takes no more. "
            "Try again with --log-level debug to see where it happened."
        )

    def test_finds_it_in_the_current_directory_before_all_others(self, atrio_process, tmp_path):
        (tmp_path / "this.py").write_text(SHOP)  # Python has one of that name, which prints a poem
        ended = atrio_process("run", "this:doubled", "--value", "21", "--log-level", "error")
        assert (ended.code, ended.out, ended.err) == (0, "42\n", "")

    def test_finds_it_there_when_it_was_started_as_a_script(self, tmp_path, spawned):
        (tmp_path / "shop.py").write_text(SHOP)
        script = "import sys; sys.path[:1] = ['/']; from atrio.__main__ import main; sys.exit(main())"
        arguments = ("run", "shop:doubled", "--value", "21", "--log-level", "error")
        process = spawned(*arguments, command=(sys.executable, "-c", script))
        assert process.wait() == 0

    def test_imports_nothing_that_data_names(self, atrio, shop, tmp_path):
        (tmp_path / "evil.py").write_text("raise RuntimeError")
        (tmp_path / "evil.jsonl").write_text('"evil:pipeline"\n')
        assert atrio("batch", "shop:doubled", "evil.jsonl", "--log-level", "error").code == 0
        assert "evil" not in sys.modules


class TestNames:
    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("shop.py:doubled", "'shop:doubled'."),
            ("./src/shop.py:doubled", "'src.shop:doubled'."),
            ("shop:", "'shop:triage'."),
            (":doubled", "'shop:doubled'."),
            ("shop:doubled()", "'shop:triage'."),
            ("a b:doubled", "'shop:doubled'."),
            ("shop:doubled:x", "'shop:triage'."),
        ],
    )
    def test_are_of_two_parts(self, refusal, name, hint):
        assert refusal(name) == f"{name!r}{NOT_OF_THE_FORM}{hint}"

    def test_without_a_colon_are_those_of_ready_made_ones(self, refusal):
        assert refusal("shop") == "there is no pipeline 'shop'. Known: text-report, and your own as module:attribute."


class TestModules:
    def test_that_are_not_there(self, refusal, tmp_path):
        assert refusal("shpo:doubled") == "there is no module 'shpo'. Did you mean 'shop'?"
        assert refusal("zzzzzzzzz:doubled") == "there is no module 'zzzzzzzzz'."
        (tmp_path / "pack").mkdir()
        (tmp_path / "pack" / "inner.py").touch()
        assert refusal("pack.iner:doubled") == "there is no module 'pack.iner'. Did you mean 'pack.inner'?"
        assert refusal("shop.inner:doubled") == "there is no module 'shop.inner'."
        assert refusal("nowhere.inner:doubled").startswith("there is no module 'nowhere'.")

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("x = 1\nraise ValueError('it broke')", "ValueError: it broke (bad.py, line 2)"),
            ("import nothing_like_it", "ModuleNotFoundError: No module named 'nothing_like_it' (bad.py, line 1)"),
            ("x = (", "SyntaxError: '(' was never closed (bad.py, line 1)"),
            ("import sys\nsys.exit(4)", "SystemExit: 4 (bad.py, line 2)"),
            (
                "import json\n\njson.loads('')",
                "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (bad.py, line 3)",
            ),
            ("from shop import raises\nraises()", f"ValueError: it broke (shop.py, line {BROKE})"),
            (
                "from atrio import Stage\nStage('', 3)",
                "ValueError: stage_id must not be blank: give it 1 to 200 characters, not '' (bad.py, line 2)",
            ),
        ],
    )
    def test_that_raise_say_what_and_where(self, refusal, tmp_path, source, said):
        (tmp_path / "bad.py").write_text(source)
        assert refusal("bad:pipeline") == f"module 'bad' cannot be imported: {said}."

    def test_from_elsewhere_are_named_in_full(self, refusal, tmp_path, monkeypatch):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "bad.py").write_text("raise OSError")
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.syspath_prepend(str(elsewhere))
        assert refusal("bad:x") == f"module 'bad' cannot be imported: OSError ({elsewhere / 'bad.py'}, line 1)."


class TestAttributes:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("shop:zzzzzz", "module 'shop' has no attribute 'zzzzzz'."),
            ("shop:Held.insid", "'Held' of module 'shop' has no attribute 'insid'. Did you mean 'inside'?"),
            ("shop:number", f"'shop:number' is an int{NAME_ONE}"),
            ("shop:doubled.stages", f"'shop:doubled.stages' is a tuple{NAME_ONE}"),
            ("shop:double", f"'shop:double' is an async function{NAME_ONE}"),
            ("shop:nothing", "'shop:nothing' returned None, and no Pipeline."),
            ("shop:texts", "'shop:texts' returned a str, and no Pipeline."),
            ("shop:raises", f"'shop:raises' raised ValueError: it broke (shop.py, line {BROKE})."),
            ("shop:says_nothing", f"'shop:says_nothing' raised LookupError (shop.py, line {LEFT - 3})."),
            ("shop:leaves", f"'shop:leaves' raised SystemExit: 3 (shop.py, line {LEFT})."),
            ("shop:empty", "'shop:empty' has no stages: add one with add_stage(Stage('an-id', agent))."),
        ],
    )
    def test_that_are_no_pipeline(self, refusal, name, said):
        assert refusal(name) == said

    def test_that_raise_inside_of_python_say_the_users_own_line(self, refusal):
        assert refusal("shop:inside_python").endswith(f" (shop.py, line {PARSED}).")

    def test_that_want_arguments(self, refusal):
        assert refusal("shop:wants") == (
            "'shop:wants' raised TypeError: wants() missing 1 required positional argument: 'argument'."
        )


AGENTS = """
from atrio import Pipeline, Stage

class Agent:
    agent_id = "agent"

    async def __aenter__(self):
        {entering}

    async def __aexit__(self, *_):
        {leaving}

    async def process(self, data):
        return data

pipeline = Pipeline("guarded").add_stage(Stage("only", Agent()))
"""


class TestAgents:
    @pytest.fixture
    def agents(self, atrio, tmp_path):
        def write(entering: str = "pass", leaving: str = "pass") -> None:
            (tmp_path / "agents.py").write_text(textwrap.dedent(AGENTS.format(entering=entering, leaving=leaving)))
            (tmp_path / "a.jsonl").write_text("1\n")

        return write

    @pytest.mark.parametrize(
        "arguments", [["run", "--value", "1"], ["batch", "a.jsonl"], ["bench", "--input", "a.jsonl"]]
    )
    def test_that_cannot_be_opened(self, atrio, agents, arguments):
        agents(entering="raise ConnectionError('refused')")
        ended = atrio(arguments[0], "agents:pipeline", *arguments[1:], "--log-level", "error")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == "atrio: guarded cannot be opened: ConnectionError: refused (agents.py, line 8).\n"

    @pytest.mark.parametrize(
        "arguments", [["run", "--value", "1"], ["batch", "a.jsonl"], ["bench", "--input", "a.jsonl"]]
    )
    def test_that_fail_to_close_leave_the_results(self, atrio, agents, arguments):
        agents(leaving="raise ConnectionError('gone')")
        ended = atrio(arguments[0], "agents:pipeline", *arguments[1:], "--log-level", "error")
        assert ended.code == 0
        assert ended.out
        assert (
            ended.err == "atrio: guarded was not closed as it should be: ConnectionError: gone (agents.py, line 11).\n"
        )


def test_a_program_that_runs_itself_is_told_so(atrio_process, tmp_path):
    """As of a script without a guard: the command line has a Trio loop already."""
    (tmp_path / "script.py").write_text("import trio\ntrio.run(trio.sleep, 0)\n")
    ended = atrio_process("run", "script:pipeline", "--value", "1")
    assert ended.code == 2
    assert ended.err.startswith("atrio: module 'script' cannot be imported: RuntimeError: ")
    assert ended.err.endswith("(script.py, line 2).\n")
