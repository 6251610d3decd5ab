"""Suggestions: every chain from one capability to another, best first, found as they are asked for."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalogues import CAPABILITIES, catalogue_of, catalogues, definition, every_suggestion

from atrio import AgentRegistry
from atrio.registry.suggesting import suggest

capability = st.sampled_from(CAPABILITIES)


@settings(max_examples=300, deadline=None)
@given(catalogues(), capability, capability)
def test_they_are_all_chains_in_order_in_whatever_order_agents_were_registered(both, start, end):
    one, other = both
    expected = every_suggestion(one, start, end)
    assert list(suggest(one, start, end, None)) == expected
    assert list(suggest(other, start, end, None)) == expected


@settings(max_examples=100, deadline=None)
@given(catalogues(), capability, capability, st.integers(1, 20))
def test_a_limit_leaves_out_the_last_ones(both, start, end, limit):
    assert list(suggest(both[1], start, end, limit)) == every_suggestion(both[0], start, end)[:limit]


def test_an_agent_that_has_both_capabilities_is_a_chain_of_one():
    catalogue = catalogue_of({
        "two good": definition({"read": 0.8, "write": 0.8}),
        "one best": definition({"read": 1.0, "write": 0.6}),
    })  # fmt: skip
    assert list(suggest(catalogue, "read", "write", 2)) == [("two good",), ("one best",)]
    # It counts once where both are one capability.
    assert next(suggest(catalogue, "read", "read")) == ("one best",)


def test_who_is_between_counts_with_what_it_is_best_at():
    catalogue = catalogue_of({
        "reads": definition("read", "file", "text"),
        "counts": definition({"think": 0.1, "count": 0.9}, "text", "figures"),
        "adds": definition({"think": 0.8}, "text", "figures"),
        "writes": definition("write", "figures", "report"),
    })  # fmt: skip
    assert [chain[1] for chain in suggest(catalogue, "read", "write")] == ["counts", "adds"]


def test_an_agent_that_feeds_itself_serves_once():
    catalogue = catalogue_of(
        {"loops": definition("read", "text", "text"), "writes": definition("write", "text", "page")}
    )
    assert list(suggest(catalogue, "read", "write", None)) == [("loops", "writes")]


def test_there_may_be_none():
    catalogue = catalogue_of({"reads": definition("read", "file", "text"), "writes": definition("write", "page", "x")})
    assert not list(suggest(catalogue, "read", "write"))
    assert not list(suggest(catalogue, "read", "unheard of"))
    assert not list(suggest(catalogue_of({}), "read", "write"))


def test_chains_are_as_long_as_they_must_be():
    length = 500
    catalogue = catalogue_of({f"{i:03}": definition({f"step{i}": 0.7}, f"s{i}", f"s{i + 1}") for i in range(length)})
    assert [len(chain) for chain in suggest(catalogue, "step0", f"step{length - 1}")] == [length]


def crowd(size):
    """Return agents that all feed each other, and so make more chains than anybody can count."""
    return {f"member{i:03}": definition("mingle", "talk", "talk") for i in range(size)}


def test_a_crowd_that_leads_nowhere_is_not_searched_for_ever():
    """The only way out of it is the agent by which one comes in, and that has served already."""
    catalogue = catalogue_of({
        "hall": definition("enter", "talk", "hall"),
        "exit": definition("leave", "hall", "street"),
        "stairs": definition("climb", "hall", "talk"),
        **crowd(200),
    })  # fmt: skip
    assert list(suggest(catalogue, "enter", "leave", None)) == [("hall", "exit")]


def test_of_more_chains_than_anybody_can_count_the_best_come_first():
    catalogue = catalogue_of(
        {"a": definition("enter", "file", "talk"), **crowd(50), "z": definition("leave", "talk", "x")}
    )
    chains = list(islice(suggest(catalogue, "enter", "leave", None), 60))
    members = [f"member{i:03}" for i in range(50)]
    assert chains[0] == ("a", "z")
    assert chains[1:51] == [("a", each, "z") for each in members]
    assert chains[51:] == [("a", "member000", each, "z") for each in members[1:10]]


class Looked:
    """A catalogue that counts how often it is asked for a definition."""

    def __init__(self, catalogue):
        self.catalogue = catalogue
        self.definitions = self  # the same as the mapping of them
        self.times = 0

    def __getitem__(self, agent_id):
        self.times += 1
        return self.catalogue[agent_id]

    def __getattr__(self, name):
        return getattr(self.catalogue, name)


def test_the_first_one_is_found_without_looking_at_everybody():
    agents = {f"{i:04}": definition(f"does{i % 50}", f"s{i % 97}", f"s{i * 7 % 97}") for i in range(5000)}
    looked = Looked(catalogue_of(agents))
    suggestions = suggest(looked, "does1", "does2", None)
    assert looked.times == 0
    assert len(next(suggestions)) == 2
    assert 0 < looked.times < 1000


def test_the_registry_suggests_from_what_was_registered_when_it_was_asked():
    registry = AgentRegistry()
    registry.register("a", definition(["read", "write"]))
    suggestions = registry.suggest_pipelines("read", "write")
    registry.register("b", definition(["read", "write"]))
    assert list(suggestions) == [("a",)]
    assert list(registry.suggest_pipelines("read", "write", 2)) == [("a",), ("b",)]


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "3"])
def test_a_limit_is_a_count(limit):
    with pytest.raises((TypeError, ValueError), match="limit must be a whole number, at least 1"):
        suggest(catalogue_of({}), "read", "write", limit)


def test_a_capability_is_a_string():
    with pytest.raises(TypeError, match="a capability is a string"):
        suggest(catalogue_of({}), "read", None)
