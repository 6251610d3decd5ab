"""Plans: the best chain of agents for capabilities in order, and the error where there is none."""

import pickle
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalogues import CAPABILITIES, catalogue_of, catalogues, definition, every_plan, every_suggestion

from atrio import Capability, PlanningError
from atrio.registry import explaining
from atrio.registry.planning import plan

capabilities_in_order = st.lists(st.sampled_from(CAPABILITIES), min_size=1, max_size=5)


def plan_or_none(catalogue, capabilities, excluded=None):
    try:
        return plan(catalogue, capabilities, excluded or {})
    except PlanningError:
        return None


@settings(max_examples=300, deadline=None)
@given(catalogues(), capabilities_in_order, st.sets(st.sampled_from("uvw")))
def test_a_plan_is_the_best_of_all_chains_in_whatever_order_agents_were_registered(both, capabilities, excluded):
    one, other = both
    best = next(iter(every_plan(one, capabilities, excluded)), None)
    reasons = dict.fromkeys(excluded, "tired")
    assert plan_or_none(one, capabilities, reasons) == best
    assert plan_or_none(other, capabilities, reasons) == best


@settings(max_examples=150, deadline=None)
@given(catalogues(), capabilities_in_order, st.sets(st.sampled_from("uvwx")))
def test_as_few_agents_of_last_resort_as_possible(both, capabilities, last_resort):
    catalogue = both[0]
    chains = every_plan(catalogue, capabilities)
    above_zero = [
        chain
        for chain in chains
        if all(catalogue[each].score(name) for each, name in zip(chain, capabilities, strict=True))
    ]
    if above_zero:
        # Sorting is stable: of those with the fewest it is the best.
        expected = min(above_zero, key=lambda chain: sum(each in last_resort for each in chain))
        assert plan(catalogue, capabilities, last_resort=last_resort) == expected


def test_the_best_agent_for_one_thing_may_not_be_the_best_for_the_chain():
    catalogue = catalogue_of({
        "brilliant": definition({"read": 1.0}, "file", "pages"),
        "plain": definition({"read": 0.6}, "file", "text"),
        "counts pages": definition({"think": 0.5}, "pages", "figures"),
        "counts words": definition({"think": 0.9}, "text", "figures"),
    })  # fmt: skip
    assert plan(catalogue, ["read"]) == ("brilliant",)
    assert plan(catalogue, ["read", "think"]) == ("plain", "counts words")


def test_products_tie_as_they_do_on_paper():
    assert 0.9 * 0.2 != 0.6 * 0.3
    catalogue = catalogue_of({
        "b": definition({"read": 0.9}, "any", "1"),
        "c": definition({"think": 0.2}, "1", "2"),
        "a": definition({"read": 0.6}, "any", "3"),
        "d": definition({"think": 0.3}, "3", "4"),
    })  # fmt: skip
    assert plan(catalogue, ["read", "think"]) == ("a", "d")


def test_products_that_floats_cannot_tell_from_zero_are_told_apart():
    tiny = 1e-200
    catalogue = catalogue_of({
        "a": definition({"read": tiny / 2}, "any", "1"),
        "b": definition({"read": tiny}, "any", "1"),
        "c": definition({"think": tiny}, "1", "2"),
    })  # fmt: skip
    assert tiny * tiny == 0
    assert plan(catalogue, ["read", "think"]) == ("b", "c")


def test_an_agent_may_serve_twice_if_it_can_take_what_it_gives():
    catalogue = catalogue_of({"checks": definition(Capability.VALIDATION)})
    assert plan(catalogue, [Capability.VALIDATION] * 3) == ("checks",) * 3


def test_the_consumer_of_anything_takes_over_from_everybody():
    catalogue = catalogue_of({"a": definition("read", "file", "odd"), "b": definition("write", "any", "report")})
    assert plan(catalogue, iter(["read", "write"])) == ("a", "b")


def test_who_gives_anything_is_not_taken_for_who_takes_it():
    catalogue = catalogue_of({"a": definition("read", "file", "any"), "b": definition("write", "text", "report")})
    assert plan_or_none(catalogue, ["read", "write"]) is None


def test_a_long_plan_is_no_deeper_a_call():
    steps = 3000
    catalogue = catalogue_of({f"{i:04}": definition({f"step{i}": 0.9}, f"s{i}", f"s{i + 1}") for i in range(steps)})
    assert len(plan(catalogue, [f"step{i}" for i in range(steps)])) == steps


@pytest.mark.parametrize(
    ("capabilities", "error", "said"),
    [
        ("validation", TypeError, r"write \['validation'\] instead of 'validation'"),
        ([], ValueError, "name one at least"),
        (["read", 3], TypeError, "a capability is a string, as in Capability.VALIDATION or 'validation', not 3"),
    ],
)
def test_what_is_no_list_of_capabilities_is_refused(capabilities, error, said):
    with pytest.raises(error, match=said):
        plan(catalogue_of({}), capabilities)


# What the error says.


def refusal(definitions, capabilities, excluded=None):
    with pytest.raises(PlanningError) as caught:
        plan(catalogue_of(definitions), capabilities, excluded or {})
    return caught.value


READS = {"reads": definition("read", "file", "text")}
WRITES = {"writes": definition("write", "figures", "report")}


def test_where_it_breaks_and_that_somebody_between_would_mend_it():
    error = refusal(READS | WRITES, ["read", "write"])
    assert str(error) == (
        "no chain of agents does read -> write: it breaks between 'read' and 'write'. What 'read' gives there is "
        "'text' (reads); what 'write' takes is 'figures' (writes). Register an agent that takes 'text' and gives "
        "'figures', and ask for its capability between the two."
    )
    assert (error.previous, error.capability, error.given, error.needed) == ("read", "write", ("text",), ("figures",))


def test_who_could_stand_between():
    counts = {"counts": definition(["think", "count"], "text", "figures")}
    error = refusal(READS | WRITES | counts, ["read", "write"])
    assert str(error).endswith("counts can stand between them, for 'think': ask for read -> think -> write.")


def test_who_stands_between_is_named_only_if_that_makes_a_chain():
    counts = {"counts": definition("think", "text", "figures")}
    sends = {"sends": definition("send", "page", "receipt")}
    error = refusal(READS | WRITES | counts | sends, ["read", "write", "send"])
    assert "Register an agent that takes 'text' and gives 'figures'" in str(error)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("bcd"), st.sampled_from("bcd")), min_size=1, max_size=4),
    st.sampled_from([["read", "write"], ["read", "write", "think"], ["think", "read", "write"]]),
)
def test_what_it_says_to_ask_for_works(thinkers, capabilities):
    definitions = {"reads": definition("read", "any", "b"), "writes": definition("write", "c", "d")}
    for number, (takes, gives) in enumerate(thinkers):
        definitions[f"thinks{number}"] = definition("think", takes, gives)
    error = refusal(definitions, capabilities)
    _, _, asked = str(error).partition("between them, for ")
    if asked:
        assert plan(catalogue_of(definitions), asked.partition("ask for ")[2].removesuffix(".").split(" -> "))
    if error.previous is not None:
        assert (error.previous, error.capability) in list(pairwise(capabilities))
        assert "any" not in error.needed
        assert not set(error.given) & set(error.needed)


def test_schemas_that_look_like_one():
    error = refusal(READS | {"counts": definition("think", "texts", "figures")}, ["read", "think"])
    assert str(error).endswith("If 'text' and 'texts' are the same, give both agents the same name for it.")


def test_who_would_fit_but_is_not_reached_itself():
    more = {
        "counts pages": definition("think", "pages", "figures"),
        "counts words": definition("think", "text", "number"),
    }
    error = refusal(READS | WRITES | more, ["read", "think", "write"])
    assert str(error).endswith(
        "counts pages gives 'figures', but needs 'pages', which no agent for 'read' gives it: register one that does."
    )


def test_who_would_fit_but_cannot_work():
    more = {"counts": definition("write", "text", "report")}
    error = refusal(READS | WRITES | more, ["read", "write"], {"counts": "it needs KEY, which is not set"})
    assert str(error).endswith(
        "There is a chain with agents that cannot be chosen: counts (it needs KEY, which is not set); put that right."
    )


def test_nobody_for_a_capability_can_work():
    error = refusal(READS | WRITES, ["read"], {"reads": "its circuit breaker is open"})
    assert str(error) == (
        "no agent for 'read' can be chosen: reads (its circuit breaker is open); put that right, or register "
        "another one"
    )
    assert error.capability == "read"


def test_the_nearest_name_of_an_unknown_capability():
    error = refusal(READS | WRITES, ["reed", "write", "wirte"])
    assert str(error) == (
        "no agent has the capabilities 'reed' (did you mean 'read'?) and 'wirte' (did you mean 'write'?): "
        "register agents that have them"
    )
    assert (error.capability, error.nearest) == ("reed", ("read",))


def test_what_there_is_where_nothing_is_near():
    many = {f"{i}": definition(f"step{i}") for i in range(9)}
    assert str(refusal(many, ["xyz"])) == (
        "no agent has the capability 'xyz'; registered agents have "
        "'step0', 'step1', 'step2', 'step3', 'step4' and 4 more: register an agent that has it"
    )
    assert str(refusal({}, ["xyz"])) == "no agent has the capability 'xyz': none is registered"


def test_the_error_crosses_process_borders():
    error = refusal(READS | WRITES, ["read", "write"])
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.given, copy.needed) == (str(error), error.given, error.needed)


def test_a_plan_of_two_is_among_the_suggestions():
    catalogue = catalogue_of(READS | {"tells": definition("write", "text", "report")})
    assert every_suggestion(catalogue, "read", "write") == [plan(catalogue, ["read", "write"])]


def test_to_explain_takes_no_longer_for_every_agent_that_stands_in_the_gap(monkeypatch):
    """All of them have the same capability, so that one look says for all that it does not help."""
    agents = {f"turns {number}": definition("turn", "x", "y") for number in range(50)}
    agents |= {"a": definition("a", "i", "x"), "b": definition("b", "y", "z"), "c": definition("c", "q", "o")}
    looks, reached = [], explaining._reached
    monkeypatch.setattr(explaining, "_reached", lambda *given: looks.append(given) or reached(*given))
    with pytest.raises(PlanningError, match="breaks between 'a' and 'b'"):
        plan(catalogue_of(agents), ["a", "b", "c"])
    assert len(looks) <= 5


def test_ids_in_a_message_cannot_forge_lines():
    agents = {"a\nwell": definition("a", "i", "x"), "b\x1b[2J": definition("b", "y", "z")}
    with pytest.raises(PlanningError) as caught:
        plan(catalogue_of(agents), ["a", "b"])
    assert str(caught.value).isprintable()
    assert r"a\nwell" in str(caught.value)
