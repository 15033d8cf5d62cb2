"""compare/differences.py: differences from torch, output by output, each against what is accepted of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.compare.differences import (
    Spread,
    accepted_differences,
    as_metrics,
    check_differences,
    has_stray_values,
    largest_differences,
    print_differences,
    root_mean_squares,
)
from common.errors import GuideError
from common.facts import read_facts
from tests.conftest import refused


@pytest.fixture
def facts(write_model):
    """Outputs: scaled, accepted 1e-4; sums, accepted 2e-3."""
    holds = 'holds = "the sum of each channel"'
    return read_facts(write_model((holds, f"{holds}\ntolerance = 2e-3")))


@given(changes=st.lists(st.integers(-100, 100), min_size=1, max_size=12), outputs=st.integers(1, 3))
def test_the_largest_difference_of_each_output_is_found_in_either_direction(changes, outputs):
    wanted = [np.arange(len(changes), dtype=np.float32).reshape(1, -1) for _ in range(outputs)]
    found = [array + k * np.array(changes, np.float32) for k, array in enumerate(wanted)]
    largest = [k * max(map(abs, changes)) for k in range(outputs)]
    assert (
        largest_differences(found, wanted).tolist() == largest_differences(wanted, found).tolist() == largest
    )


@pytest.mark.parametrize("side", [0, 1])
def test_nan_on_either_side_stays_and_concerns_its_output_alone(side):
    pair = [[np.zeros(3), np.zeros(2)], [np.ones(3), np.ones(2)]]
    pair[side][1][0] = np.nan
    largest = largest_differences(*pair)
    assert largest[0] == 1
    assert np.isnan(largest[1])
    with pytest.raises(ValueError, match="zip"):
        largest_differences(pair[0], pair[1][:1])


@pytest.mark.parametrize(
    ("largest", "message"),
    [
        ([1.1e-4, 0], "output 'scaled' differs from torch by 1.10e-04, more than 1.0e-04."),
        ([0, 3], "output 'sums' differs from torch by 3.00e+00, more than 2.0e-03."),
        ([float("nan"), 0], "output 'scaled' differs from torch by nan, more than 1.0e-04."),
        ([0, float("inf")], "output 'sums' differs from torch by inf, more than 2.0e-03."),
    ],
)
def test_a_larger_difference_is_refused_by_the_outputs_name(facts, largest, message):
    check_differences(facts, [1e-4, 2e-3], "What now?")  # what is accepted may be reached
    with refused(f"{message} What now?"):
        check_differences(facts, largest, "What now?")


def test_an_output_without_a_tolerance_must_be_equal(write_model, capsys):
    facts = read_facts(write_model())
    check_differences(facts, [0, 0], "")
    with pytest.raises(GuideError, match="output 'sums' differs from torch by 1.00e-09, more than 0.0e\\+00"):
        check_differences(facts, [0, 1e-9], "")
    print_differences(facts, [0, 0])
    assert "sums: largest difference 0.00e+00, accepted 0.0e+00" in capsys.readouterr().out


def test_differences_are_printed_beside_what_is_accepted_and_are_plain_numbers_by_output(facts, capsys):
    print_differences(facts, [1.234e-5, 0.5])
    assert capsys.readouterr().out.splitlines() == [
        "  scaled: largest difference 1.23e-05, accepted 1.0e-04",
        "  sums: largest difference 5.00e-01, accepted 2.0e-03",
    ]
    print_differences(facts, [1.234e-5, 0.5], (0.5, 0.02))
    assert capsys.readouterr().out.splitlines() == [
        "  scaled: largest difference 1.23e-05, accepted 5.0e-04; from item to item it changes by 5.0e-01",
        "  sums: largest difference 5.00e-01, accepted 2.0e-04; from item to item it changes by 2.0e-02",
    ]
    metrics = as_metrics(facts, np.array([0.25, 0.5], np.float32))
    assert list(metrics) == [f"largest difference from torch, {name}" for name in ("scaled", "sums")]
    assert list(metrics.values()) == [0.25, 0.5]
    assert {type(value) for value in metrics.values()} == {float}
    assert list(as_metrics(facts, [np.inf, np.nan]).values()) == [None, None]


@given(items=st.lists(st.lists(st.integers(-50, 50), min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_spread_is_what_changes_from_item_to_item_whatever_all_items_have(items):
    spread, rows = Spread(2), np.array(items, np.float32)
    for row in rows:
        spread.add([row + np.float32((0, 1000, -1000)), row[:, None]])
    expected = float(np.sqrt(rows.astype(float).var(axis=0).mean()))
    if len(rows) == 1:
        assert spread.each() is None
    else:
        assert spread.each() == pytest.approx((expected, expected), abs=1e-4)


@pytest.mark.parametrize(
    ("spread", "accepted"),
    [
        (None, [1e-4, 2e-3]),
        ((0.05, 0.5), [1e-4, 2e-3]),
        ((1.0, 4.0), [1e-3, 4e-3]),
        ((1e-3, 1e-2), [1e-5, 1e-4]),
    ],
)
def test_what_is_accepted_follows_the_spread_where_the_tolerance_is_far_from_it(facts, spread, accepted):
    assert accepted_differences(facts, spread) == pytest.approx(accepted)
    check_differences(facts, [0.99 * value for value in accepted], "", spread=spread)
    with pytest.raises(GuideError, match="output 'sums' differs from torch by "):
        check_differences(facts, [0, 1.01 * accepted[1]], "", spread=spread)


@pytest.mark.parametrize(
    ("spread", "accepted"), [((0.5, 4.0), [0.125, 1.0]), (None, [0.025, 0.5])], ids=["spread", "one item"]
)
def test_in_half_precision_more_is_accepted(facts, capsys, spread, accepted):
    assert accepted_differences(facts, spread, precision="float16") == pytest.approx(accepted)
    check_differences(facts, [0.99 * value for value in accepted], "", spread=spread, precision="float16")
    with pytest.raises(GuideError, match="output 'sums' differs from torch by "):
        check_differences(facts, [0, 1.01 * accepted[1]], "", spread=spread, precision="float16")
    print_differences(facts, [0.1, 0.2], spread, precision="float16")
    assert f"accepted {accepted[0]:.1e}" in capsys.readouterr().out


def test_in_bfloat16_the_root_mean_square_counts(facts, capsys):
    wanted = [np.zeros((2, 3)), np.arange(4.0)]
    found = [np.array([[0, 0, 3], [0, 0, 0]]), np.arange(4.0) + 1]
    assert root_mean_squares(found, wanted) == pytest.approx([np.sqrt(1.5), 1])
    assert np.isnan(root_mean_squares([np.array([np.nan, 0])], [np.zeros(2)])[0])
    with pytest.raises(ValueError, match="zip"):
        root_mean_squares(found, wanted[:1])
    assert [each for each in ("float32", "float16", "bfloat16") if has_stray_values(each)] == ["bfloat16"]
    print_differences(facts, [3, 1], (4, 4), precision="bfloat16", squares=[0.25, 0.5])
    assert (
        "scaled: largest difference 3.00e+00; their root mean square 2.50e-01, accepted 1.0e+00"
        in capsys.readouterr().out
    )


def test_an_output_that_never_changes_shows_nothing(facts):
    with refused("output 'sums' of torch is the same for all inputs, so that comparing it shows nothing."):
        check_differences(facts, [0, 0], "", spread=(1.0, 0.0))
