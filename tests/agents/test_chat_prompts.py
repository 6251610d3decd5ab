import attrs
import pytest
from scripted_model import Model, says

from atrio.agents import ChatAgent, InvalidDataError, TaskProcessor, _chat_endpoint
from atrio.agents._chat_prompts import Prompt
from atrio.agents._offload import no_poll


def agent(**options):
    return ChatAgent(base_url="http://models.example", model="small", **options)


def messages(source, data, instructions=""):
    made = Prompt(source, "prompt").messages(data, instructions, no_poll)
    return [(each["role"], each["content"]) for each in made]


@attrs.frozen
class Order:
    name: str
    total: float


@pytest.mark.parametrize(
    ("source", "data", "expected"),
    [
        ("{{ data }}", "Hi", [("user", "Hi")]),
        ("{{ data }}", {"a": [1, None, True]}, [("user", '{"a": [1, null, true]}')]),
        ("{{ data }}", Order("Žofie", 2.5), [("user", '{"name": "Žofie", "total": 2.5}')]),
        ("Order of {{ data.name }}, {{ data.total }}", Order("<b>", 2.5), [("user", "Order of <b>, 2.5")]),
        ("{% for each in data %}{{ each }};{% endfor %}", [1, "a", None], [("user", "1;a;null;")]),
        ("{% block system %}\n Do {{ instructions }}.\n{% endblock %}\n{% block user %}{{ data }}{% endblock %}", " x ",
         [("system", "Do it."), ("user", " x ")]),
        ("{# why #}{% block system %} {% endblock %}{% block user %}{{ data }}{% endblock %}", "", [("user", "")]),
    ],
)  # fmt: skip
def test_templates_make_messages(source, data, expected):
    assert messages(source, data, "it") == expected


@pytest.mark.parametrize("text", ["{{ 7 * 7 }}", "{% block system %}x{% endblock %}", "{{ data }}", "{#"])
def test_data_is_never_a_template(text):
    assert messages("{{ data }} {{ data }}", text) == [("user", f"{text} {text}")]


@pytest.mark.parametrize(
    ("source", "data", "why"),
    [
        ("{{ data.title }}", {"name": 1}, "has no attribute 'title'"),
        ("{{ nothing }}", "x", "'nothing' is undefined"),
        ("{{ data + 1 }}", "x", "can only concatenate str"),
        ("{{ data.__class__.__mro__ }}", "x", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ data.append(1) }}", [], "unsafe"),
        ("{{ 1 / data }}", 0, "division by zero"),
    ],
)
def test_templates_that_do_not_fit_the_data(source, data, why):
    with pytest.raises(InvalidDataError, match=f"^prompt cannot be filled with the data: .*{why}"):
        messages(source, data)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ data", "^prompt, line 1: unexpected end of template"),
        ("a\n{% nothing %}", "^prompt, line 2: Encountered unknown tag 'nothing'"),
        ("{% block sytem %}{% endblock %}", "prompt has a block 'sytem'; there are two: 'system' and 'user'"),
        ("{% block system %}{% endblock %}", "prompt has no block 'user'"),
        ("Do this. {% block user %}{% endblock %}", "prompt has something beside its blocks"),
        ("{% set a = 1 %}{% block user %}{{ a }}{% endblock %}", "prompt has something beside its blocks"),
    ],
)
def test_templates_that_are_refused(source, why):
    with pytest.raises(ValueError, match=why):
        agent(prompt=source)


async def test_a_file_replaces_the_prompt(tmp_path, monkeypatch):
    model = Model(says({"status": "done", "result": "x", "remark": ""}))
    monkeypatch.setattr(_chat_endpoint, "new_transport", model.transport)
    path = tmp_path / "mine.j2"
    path.write_text("{% block system %}É: {{ instructions }}{% endblock %}{% block user %}{{ data }}{% endblock %}\n")
    for prompt_file in (path, str(path)):
        await TaskProcessor(base_url="http://h", prompt_file=prompt_file, instructions="go").process("x")
    assert [each.messages for each in model.asked] == [[("system", "É: go"), ("user", "x")]] * 2


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"prompt_file '.*none\.j2' cannot be read: No such file"):
        agent(prompt_file=tmp_path / "none.j2")
    (tmp_path / "latin.j2").write_bytes(b"\xe9")
    with pytest.raises(ValueError, match=r"cannot be read: it is not UTF-8"):
        agent(prompt_file=tmp_path / "latin.j2")
    (tmp_path / "broken.j2").write_text("\n{% if")
    with pytest.raises(ValueError, match=r"prompt_file '.*broken\.j2', line 2: "):
        agent(prompt_file=tmp_path / "broken.j2")


@pytest.mark.parametrize(("option", "value"), [("prompt", b"x"), ("prompt_file", 5)])
def test_prompts_of_another_type_are_refused(option, value):
    with pytest.raises(TypeError, match=f"{option} must be"):
        agent(**{option: value})
