"""delta.py: what a search finds is minimal, whatever it asks about; harm.py: the most harmful first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.preflight.delta import search
from ascend_tools.preflight.harm import by_harm

SETS = st.lists(st.sets(st.integers(0, 19), max_size=6), min_size=1, max_size=4)


def asked_of(holds):
    """Return a question that notes what it is asked."""
    asked = []

    def question(units):
        asked.append(tuple(units))
        return holds(frozenset(units))

    return question, asked


@given(
    units=st.permutations(range(20)), needed=st.sets(st.integers(0, 19), max_size=6), first=st.integers(1, 25)
)
def test_what_is_needed_is_found_and_nothing_else(units, needed, first):
    question, asked = asked_of(needed.issubset)
    found = search(units, question, first)
    assert found == tuple(unit for unit in units if unit in needed)  # in the order given
    assert asked[0] == ()
    assert len(asked) == len(set(asked))
    # That none can be left out was asked, not supposed.
    assert {frozenset(found) - {unit} for unit in found} <= set(map(frozenset, asked))


@given(units=st.permutations(range(20)), either=SETS)
def test_of_several_sets_that_hold_one_is_found_from_which_nothing_can_be_left_out(units, either):
    def holds(kept):
        return any(each <= kept for each in either)

    question, asked = asked_of(holds)
    found = search(units, question)
    assert set(found) in either
    assert not any(holds(frozenset(found) - {unit}) for unit in found)
    assert len(asked) == len(set(asked))


@given(seed=st.integers(0, 10**6), count=st.integers(0, 12))
def test_even_where_more_units_can_be_worse(seed, count):
    def holds(kept):  # any set may hold or not
        return hash((seed, frozenset(kept))) % 3 == 0

    question, asked = asked_of(holds)
    found = search(range(count), question)
    assert len(asked) == len(set(asked))
    if found is None:
        assert not any(map(holds, asked))
    else:
        assert holds(found)
        assert not any(holds(set(found) - {unit}) for unit in found)


def test_few_questions_where_the_first_ones_are_those_needed():
    question, asked = asked_of({0, 1, 2}.issubset)
    assert search(range(1000), question) == (0, 1, 2)
    assert asked == [(), (0,), (0, 1), (0, 1, 2, 3), (0, 1, 2), (0, 2), (1, 2)]


def test_the_first_units_are_preferred_to_one_that_stands_for_all():
    question, _ = asked_of(lambda kept: 7 in kept or {0, 2, 4} <= kept)
    assert search(range(8), question) == (0, 2, 4)


def test_a_search_without_units_asks_once():
    question, asked = asked_of(lambda kept: False)
    assert search([], question) is None
    assert asked == [()]


@given(
    harms=st.lists(st.sampled_from([0.0, 0.001, 0.2, 3.0, math.inf]), max_size=40),
    enough=st.floats(0.01, 0.1),
)
def test_operators_are_ordered_by_harm_and_harmless_ones_measured_together(harms, enough):
    units, calls = [f"u{place}" for place in range(len(harms))], []

    def harm(part):
        calls.append(part)
        return max(harms[int(unit[1:])] for unit in part)

    found = by_harm(units, harm, enough)
    assert sorted(name for name, _ in found) == sorted(units)
    assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
    for name, value in found:
        own = harms[int(name[1:])]
        assert value == own or max(value, own) <= enough
    bad = sum(value > enough for value in harms)
    assert len(calls) <= 1 + 2 * bad * math.ceil(math.log2(max(2, len(harms)))) + bad


@pytest.mark.parametrize("count", [0, 1])
def test_no_operator_or_one(count):
    assert by_harm(["a"][:count], lambda part: 1.0, 0.1) == [("a", 1.0)][:count]
