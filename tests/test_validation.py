"""The checks of arguments, each with the exception and the sentence that it promises."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio import _validation as valid


@given(st.text(min_size=1))
def test_a_derived_id_fits_and_keeps_short_texts(text):
    made = valid.derived_id(text)
    assert 1 <= len(made) <= 200
    assert (made == text) == (len(text) <= 200)


@given(st.text(min_size=201, max_size=300), st.text(min_size=201, max_size=300))
def test_long_texts_get_ids_of_their_own(one, other):
    assert (valid.derived_id(one) == valid.derived_id(other)) == (one == other)


@given(st.text(min_size=1, max_size=200).filter(str.strip))
def test_every_visible_string_of_up_to_200_characters_is_an_id(text):
    assert valid.check_id(text, "stage_id") is text


@pytest.mark.parametrize(
    ("bad", "part"),
    [(None, "not NoneType"), (1, "not int"), ("", "blank"), ("\u2003 ", "blank"), ("x" * 201, "at most 200")],
)
def test_a_bad_id_is_told_what_would_be_right(bad, part):
    with pytest.raises(ValueError, match=part) as caught:
        valid.check_id(bad, "pipeline_id")
    assert str(caught.value).startswith("pipeline_id must")


NO_NUMBERS = [True, False, "1", b"1", [1], Fraction(1, 2), 1j]


@pytest.mark.parametrize("bad", [*NO_NUMBERS, 1.0, math.nan, None], ids=repr)
def test_a_count_is_an_int(bad):
    with pytest.raises(TypeError, match="attempts must be a whole number, at least 1"):
        valid.check_count(bad, "attempts")


@pytest.mark.parametrize("bad", [0, -1])
def test_a_count_is_at_least_1(bad):
    with pytest.raises(ValueError, match="attempts must be a whole number, at least 1"):
        valid.check_count(bad, "attempts")


@pytest.mark.parametrize("bad", NO_NUMBERS, ids=repr)
def test_seconds_are_a_number(bad):
    with pytest.raises(TypeError, match="timeout must be a number of seconds above 0"):
        valid.check_seconds(bad, "timeout")


@pytest.mark.parametrize("bad", [0, 0.0, -0.0, -1, math.nan, math.inf, -math.inf])
def test_seconds_are_finite_and_above_0(bad):
    with pytest.raises(ValueError, match="timeout must be a number of seconds above 0"):
        valid.check_seconds(bad, "timeout")


def test_a_number_that_no_float_can_hold_is_refused_like_any_other():
    with pytest.raises(ValueError, match="timeout must be"):
        valid.check_seconds(10**400, "timeout")


@pytest.mark.parametrize("good", [None, 1, 0.001, 5e-324, 1e300])
def test_good_seconds_pass(good):
    assert valid.check_seconds(good, "timeout") is None


@pytest.mark.parametrize("bad", [*NO_NUMBERS, None], ids=repr)
def test_at_least_takes_numbers_only(bad):
    with pytest.raises(TypeError, match="jitter must be a finite number, at least 0"):
        valid.check_at_least(bad, "jitter", 0)


@pytest.mark.parametrize("bad", [-1, -1e-9, math.nan, math.inf])
def test_at_least_refuses_what_is_below_or_not_finite(bad):
    with pytest.raises(ValueError, match="jitter must be a finite number, at least 0"):
        valid.check_at_least(bad, "jitter", 0)


@pytest.mark.parametrize("good", [0, 0.0, 1, 1e300])
def test_at_least_lets_the_minimum_pass(good):
    assert valid.check_at_least(good, "jitter", 0) == good
