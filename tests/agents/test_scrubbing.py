"""Texts without secrets."""

from hypothesis import given
from hypothesis import strategies as st

from atrio.agents._scrubbing import without_secrets

SECRETS = st.text("abc", min_size=4, max_size=8)


@given(st.lists(SECRETS, min_size=1, max_size=3), st.text("abc.", max_size=40), st.data())
def test_no_secret_is_left(secrets, text, data):
    told = text + data.draw(st.sampled_from(secrets)) + data.draw(st.text("abc.", max_size=40))
    for is_cut in False, True:
        assert not any(secret in without_secrets(told, secrets, is_cut=is_cut) for secret in secrets)


@given(SECRETS, st.text("xyz.", max_size=40), st.data())
def test_nothing_is_left_of_one_in_the_middle_of_which_the_text_is_cut(secret, text, data):
    size = data.draw(st.integers(0, len(secret) - 1))
    assert without_secrets(text + secret[:size], [secret], is_cut=True) == text
    assert without_secrets(text + secret, [secret], is_cut=True) == text + "***"


def test_all_else_stays():
    assert without_secrets("key token-1, token-12; to", ["token-1", "token-12"]) == "key ***, ***; to"
    assert without_secrets("key token-1; to", ["token-1"], is_cut=True) == "key ***; "
    assert without_secrets("a key", ["", "key"], shortest=4) == "a key"
