"""Everything that `atrio check` finds, all at once, and what it costs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from shop_files import SOUND_TREES, Shop, agent

from atrio import ConfigError, ResourceRequirements
from atrio.config import Configuration, Workspace, check_configuration, environment, parse
from atrio.config.expressions import compiled


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.forget()


def pipeline(*stages, name="p"):
    return f"[pipelines.{name}]\nstages = [{', '.join(stages)}]\n"


def messages(shop, text):
    return [f"{each.path}: {each.message}" for each in check_configuration(shop.parse(text))]


def told(shop, text):
    return [(each.severity, f"{each.path}: {each.message}") for each in check_configuration(shop.parse(text))]


def test_what_is_right_has_no_problems(shop):
    text = agent("a", breaker='{ trips_on = ["shop.Odd", "OSError"] }', rate='{ rate = 1, cost = "length(@)" }')
    text += "[routers.r]\nchoose = 'kind || `\"a\"`'\nagents = { a = 'a' }\n"
    text += pipeline("'a'", "{ agent = 'r', retry_on = ['json.JSONDecodeError', 'shop.Odd'] }", "'text_analyzer'")
    assert messages(shop, text) == []
    assert check_configuration(Configuration()) == []


def test_all_at_once(shop, monkeypatch):
    monkeypatch.delenv("SHOP_KEY", raising=False)
    text = """
        [agents.gone]
        agent_class = "Works"
        module_path = "shop.gone"
        capabilities = ["work"]
        input_schema = "text"
        output_schema = "text"

        [agents.named]
        extends = "text_cleaner"
        needs = ["SHOP_KEY"]
        breaker = "endpiont"

        [breakers.endpoint]
        trips_on = ["shop.Od"]

        [rate_limits.slow]
        rate = 1
        cost = "length(text"

        [routers.way]
        choose = "lenght(@)"
        agents = { a = "named" }

        [pipelines.p]
        stages = ["gone", "named", "nobody", { agent = "way", retry_on = ["shop.Works"] }]

        [providers.openai]
        base_url = "https://example.org"
        api_key_env = "SHOP_KEY"
    """
    found = check_configuration(shop.survey(text))
    assert [(each.line, each.severity, each.path) for each in found] == [
        (4, "error", "agents.gone.module_path"),
        (11, "error", "agents.named.needs"),
        (12, "error", "agents.named.breaker"),
        (15, "error", "breakers.endpoint.trips_on[0]"),
        (19, "error", "rate_limits.slow.cost"),
        (22, "error", "routers.way.choose"),
        (26, "error", "pipelines.p.stages[2].agent"),
        (26, "error", "pipelines.p.stages[3].retry_on[0]"),
        (30, "warning", "providers.openai.api_key_env"),
    ]


def test_what_could_not_be_read_hides_nothing_else(shop, monkeypatch):
    monkeypatch.delenv("SHOP_KEY", raising=False)
    text = (
        agent("a", "Wroks", needs='["SHOP_KEY"]')
        + agent("b", capacity='"many"', needs='["SHOP_KEY"]', fallback='["nobody"]')
        + "[agents.report_writer.configuration]\ntitel = 'x'\n"
        + pipeline("{ agent = 'b', atempts = 2 }", "{ agent = 'a', retry_on = ['json.Error'] }", "'nowhere'")
        + pipeline("'a'", "'report_writer'", name="q")
        + "[pools.gone]\nmembers = 7\n"
    )
    found = check_configuration(shop.survey(text))
    assert [(each.path, each.message.partition(" ")[0]) for each in found] == [
        ("agents.a.agent_class", "there"),
        ("agents.a.needs", "'a'"),
        ("agents.b.capacity", "must"),
        ("agents.b.fallback[0]", "there"),
        ("agents.report_writer.configuration.titel", "ReportWriter"),
        ("pipelines.p.stages[0].atempts", "is"),
        ("pipelines.p.stages[1].retry_on[0]", "there"),
        ("pipelines.p.stages[2].agent", "there"),
        ("pools.gone.members", "must"),
    ]
    assert all(each.line for each in found)


class TestModules:
    @pytest.mark.parametrize(
        ("source", "why"),
        [
            ("1 / 0", "ZeroDivisionError: division by zero (shop_x.py, line 1)"),
            ("import sys\n\nsys.exit('no')", "SystemExit: no (shop_x.py, line 3)"),
            ("def f(:", "SyntaxError: invalid syntax (shop_x.py, line 1)"),
            ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all' (shop_x.py, line 1)"),
            ("raise RuntimeError('a\\nb')", "RuntimeError: a b (shop_x.py, line 1)"),
            ("raise RuntimeError", "RuntimeError (shop_x.py, line 1)"),
        ],
    )
    def test_one_that_raises(self, shop, source, why):
        shop.write("shop_x.py", source)
        (message,) = messages(shop, agent("a").replace('"shop"', f'"{shop.module}_x"'))
        assert message == (
            f"agents.a.module_path: module '{shop.module}_x' cannot be imported: {why.replace('shop', shop.module)}"
        )

    def test_one_that_is_not_there(self, shop):
        (message,) = messages(shop, agent("a").replace('"shop"', f'"{shop.module[:-1]}"'))
        where = f"beside the file, and none is installed; did you mean '{shop.module}'?"
        assert message == f"agents.a.module_path: there is no module '{shop.module[:-1]}' {where}"

    def test_one_of_a_package_that_is_not_there(self, shop):
        shop.write("shop_package/__init__.py", "")
        shop.write("shop_package/inner.py", "")
        (message,) = messages(shop, agent("a").replace('"shop"', f'"{shop.module}_package.iner"'))
        assert message.endswith(f"; did you mean '{shop.module}_package.inner'?")

    def test_one_module_is_imported_once(self, shop):
        shop.write("shop_x.py", "print('imported')\n1 / 0")
        text = "".join(agent(name).replace('"shop"', f'"{shop.module}_x"') for name in "abc")
        assert len(messages(shop, text)) == 3

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (('"Works"', '"Wroks"'), "agent_class: there is no 'Wroks' in module 'shop'; did you mean 'Works'?"),
            (('"Works"', '"Blocks"'), "agent_class: shop.Blocks is no agent class, its `process` is not async"),
            (('"Works"', '"function"'), "agent_class: 'function' in module 'shop' is no class, but of type function"),
            (("name = ", "nam = "), "configuration.nam: Works has no option 'nam'; did you mean 'name'?"),
        ],
    )
    def test_a_class_that_cannot_be_used(self, shop, change, message):
        assert messages(shop, agent("a").replace(*change)) == [f"agents.a.{message.replace('shop', shop.module)}"]

    def test_a_class_that_is_nobodys(self, shop):
        (message,) = messages(shop, agent("a", "Nothing"))
        assert message == (
            f"agents.a.agent_class: 'Nothing' in module '{shop.module}' is no agent: it has no "
            "`async def process(self, data)` of its own"
        )

    def test_an_option_that_is_missing(self, shop):
        shop.write("shop_x.py", "class X:\n    def __init__(self, url): 1 / 0\n    async def process(self, data): pass")
        text = agent("a", "X").replace('"shop"', f'"{shop.module}_x"')
        assert messages(shop, text.replace('name = "a"', "")) == [
            "agents.a.configuration: X needs 'url': give it in [agents.a.configuration]"
        ]
        # Classes of one's own are not called: what that does is not known.
        assert messages(shop, text.replace("name = ", "url = ")) == []

    def test_a_table_of_a_ready_made_agent(self, shop):
        (message,) = messages(shop, "[agents.text_cleaner.configuration]\ncase = 'lower'")
        assert message.startswith("agents.text_cleaner.configuration.case: TextCleaner has no option 'case'; it has ")
        (message,) = messages(shop, "[agents.json_transformer.configuration]\nexpression = 'a.'")
        assert message.startswith("agents.json_transformer.configuration.expression: expression 'a.' is no JMESPath: ")

    def test_a_ready_made_agent_without_a_table(self, shop):
        text = pipeline("'json_transformer'") + agent("a", takes="any", gives="json", fallback="['webhook']")
        assert messages(shop, text) == [
            (
                "pipelines.p.stages[0].agent: JsonTransformer needs 'expression': give it in "
                "[agents.json_transformer.configuration]"
            ),
            "agents.a.fallback[0]: Webhook needs 'url': give it in [agents.webhook.configuration]",
        ]

    def test_what_nothing_names_is_not_looked_at(self, shop):
        assert messages(shop, pipeline("'text_cleaner'")) == []
        assert messages(shop, "") == []


class TestExceptions:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("nowhere.Error", "there is no module 'nowhere' beside the file"),
            ("json.Error", "there is no exception 'Error' in 'json'; there are JSONDecodeError"),
            ("json.dumps", "'json.dumps' is no exception class, as in 'ConnectionError' or 'json.JSONDecodeError'"),
            (
                "trio.Cancelled",
                "'trio.Cancelled' is no exception class, as in 'ConnectionError' or 'json.JSONDecodeError'",
            ),
            (
                "shop_x.Error",
                "exception 'shop_x.Error' cannot be imported: ZeroDivisionError: division by zero (shop_x.py, line 1)",
            ),
            ("shop.Nested.Inner", "there is no exception 'Nested' in 'shop'; there are Odd"),
            ("shop.Works.Error", "there is no exception 'Error' in 'shop.Works'"),
            ("math.pi.Foo", "'math.pi' is neither a module nor a class, and has no exceptions"),
            ("shop.gone.Error", "there is no exception 'gone' in 'shop'; there are Odd"),
        ],
    )
    def test_one_that_is_not_there(self, shop, name, message):
        shop.write("shop_x.py", "1 / 0")
        text = pipeline(f"{{ agent = 'text_cleaner', retry_on = ['{name}'] }}").replace("shop", shop.module)
        (found,) = messages(shop, text)
        expected = message.replace("shop", shop.module)
        assert found.startswith(f"pipelines.p.stages[0].retry_on[0]: {expected}")

    def test_one_within_a_class(self, shop):
        shop.write("shop.py", "class Client:\n    class Error(Exception):\n        pass\n")
        assert messages(shop, pipeline("{ agent = 'text_cleaner', retry_on = ['shop.Client.Error'] }")) == []

    def test_a_shared_one_is_told_once(self, shop):
        text = "[breakers.b]\ntrips_on = ['json.Error']\n" + agent("a", breaker="'b'") + agent("c", breaker="'b'")
        assert [message.partition(":")[0] for message in messages(shop, text)] == ["breakers.b.trips_on[0]"]


class TestEnvironment:
    def test_of_what_could_not_be_read_nothing_is_missed(self, shop):
        with pytest.raises(ConfigError) as caught:
            shop.load("[agents.a]\nextends = 'text_cleaner'\nneeds = 5\n" + pipeline("'a'", "'b'"))
        assert [each.path for each in caught.value.problems] == ["agents.a.needs", "pipelines.p.stages[1].agent"]

    def test_a_variable_that_is_absent(self, shop, monkeypatch):
        monkeypatch.delenv("SHOP_KEY", raising=False)
        monkeypatch.setenv("SHOP_EMPTY", "")
        text = agent("used", needs="['SHOP_KEY']", fallback="['stands_in']") + agent(
            "unused", needs="['SHOP_KEY', 'SHOP_EMPTY']"
        )
        text += agent("stands_in", needs="['SHOP_EMPTY']") + pipeline("'used'", "'pool'")
        text += agent("member", needs="['SHOP_KEY']") + "[pools.pool]\nmembers = ['member']\n"
        assert told(shop, text) == [
            ("error", "agents.used.needs: 'used' needs SHOP_KEY in the environment, which is not set"),
            (
                "warning",
                "agents.unused.needs: 'unused' needs SHOP_KEY and SHOP_EMPTY in the environment, which are not set",
            ),
            ("error", "agents.stands_in.needs: 'stands_in' needs SHOP_EMPTY in the environment, which is not set"),
            ("error", "agents.member.needs: 'member' needs SHOP_KEY in the environment, which is not set"),
        ]
        monkeypatch.setenv("SHOP_KEY", "x")
        monkeypatch.setenv("SHOP_EMPTY", "x")
        assert told(shop, text) == []

    def test_the_headers_of_a_webhook(self, shop, monkeypatch):
        monkeypatch.delenv("SHOP_TOKEN", raising=False)
        text = "[agents.hook]\nextends = 'webhook'\n[agents.hook.configuration]\nurl = 'http://127.0.0.1/'\n"
        text += "headers_env = { Authorization = 'Bearer SHOP_TOKEN' }\n"
        assert told(shop, text) == [
            ("warning", "agents.hook.needs: 'hook' needs SHOP_TOKEN in the environment, which is not set")
        ]

    def test_the_key_of_a_provider(self, shop, monkeypatch):
        monkeypatch.delenv("SHOP_KEY", raising=False)
        text = "[providers.own]\nbase_url = 'http://127.0.0.1/'\napi_key_env = 'SHOP_KEY'\n"
        text += "[providers.free]\nbase_url = 'http://127.0.0.1/'\n"
        assert told(shop, text) == [("warning", "providers.own.api_key_env: SHOP_KEY is not set in the environment")]

    def test_what_the_machine_does_not_hold(self, shop, monkeypatch):
        monkeypatch.setattr(environment, "this_machine", lambda: ResourceRequirements(1000, 4))
        text = agent("a", resource_requirements="{ memory_mb = 2000 }") + pipeline("'a'")
        text += agent("b", resource_requirements="{ cpu_cores = 4.5 }")
        text += agent("c", resource_requirements="{ memory_mb = 300 }", capacity=4)
        cannot = "cannot run on this machine: a call takes"
        assert told(shop, text) == [
            ("error", f"agents.a.resource_requirements: 'a' {cannot} 2000 MB of memory, and the machine has 1000"),
            ("warning", f"agents.b.resource_requirements: 'b' {cannot} 4.5 processor cores, and the machine has 4"),
            (
                "warning",
                "agents.c.capacity: this machine holds 3 calls of 'c' at once, and not 4: the others would wait",
            ),
        ]


class TestExpressions:
    @pytest.mark.parametrize("expression", ["a.", "a b", "'", "lenght(@)", "length()", "(" * 5000, "length(@, @)"])
    def test_what_is_none(self, shop, expression):
        found = messages(shop, f"[rate_limits.slow]\nrate = 1\ncost = '''{expression}'''\n")
        assert len(found) == 1
        assert found[0].startswith("rate_limits.slow.cost: expression ")

    def test_data_that_would_hold_up_everything_is_refused(self, monkeypatch):
        cost = compiled("length(@)")
        assert cost([0] * 10_000) == 10_000
        monkeypatch.setattr("atrio.config.expressions.LONGEST_S", 0)
        with pytest.raises(TypeError, match=r"too large for the expression 'length\(@\)': it took longer than 0 s"):
            cost([0] * 10_000)

    def test_without_jmespath_it_says_what_to_install(self, shop):
        program = (
            "import sys; sys.modules['jmespath'] = None\nfrom pathlib import Path\nfrom atrio.config import "
            "check_configuration, load\nfor each in check_configuration(load(Path(sys.argv[1]))): print(each)"
        )
        path = shop.write("atrio.toml", "[rate_limits.slow]\nrate = 1\ncost = 'a'\n")
        ran = subprocess.run(
            [sys.executable, "-c", program, path], capture_output=True, text=True, check=True, env={**os.environ}
        )
        assert "expressions need the extra \"cli\": pip install 'atrio[cli]'" in ran.stdout


def test_it_does_not_change_what_python_imports(shop):
    before = list(sys.path)
    shop.write("shop.py", "import sys\nsys.path.append('added by the module')\n")
    messages(shop, agent("a"))
    assert sys.path == [*before, "added by the module"]
    sys.path.remove("added by the module")


def test_what_has_no_errors_can_be_built(shop):
    text = agent("a", "Fails", fallback='["b"]', breaker="{}") + agent("b", rate="{ rate = 5 }", takes="any")
    text += "[pools.pool]\nmembers = ['a', 'b']\nfallback = ['text_cleaner']\n" + pipeline("'pool'", "'text_analyzer'")
    configuration = shop.load(text)
    assert check_configuration(configuration) == []
    workspace = Workspace(configuration)
    assert len(workspace.pipeline("p").stages) == 2
    with pytest.raises(ConfigError):
        workspace.pipeline("q")


@settings(max_examples=50, deadline=None)
@given(SOUND_TREES)
def test_all_that_has_no_errors_can_be_built(tree):
    configuration = parse(json.dumps(tree), path=Path("atrio.json"))
    if any(each.severity == "error" for each in check_configuration(configuration)):
        return
    workspace = Workspace(configuration)
    for section in ("agents", "pools", "fan_outs", "routers", "pipelines"):
        for name in tree[section]:
            assert workspace.agent(name).agent_id == name


def test_a_file_of_200_agents_costs_little_more_than_one_of_2(shop):
    def seconds(number):
        text = "".join(
            agent(f"a{each}", breaker='"endpoint"', needs='["PATH"]', rate='{ rate = 5, cost = "length(@)" }')
            for each in range(number)
        )
        text += pipeline(*(f"'a{each}'" for each in range(number)))
        configuration = shop.parse(text + "[breakers.endpoint]\ntrips_on = ['shop.Odd']\n")
        times = []
        for _ in range(3):
            begun = time.process_time()
            assert check_configuration(configuration) == []
            times.append(time.process_time() - begun)
        return min(times)

    seconds(2)
    assert seconds(200) - seconds(2) < 0.1
