"""backends/base.py: batches as a network wants them, and outputs that can be believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backends.base import (
    check_outputs,
    choose_batch_size,
    feed,
    fixed_batch,
    network_seconds,
    random_feeds,
    run_batch,
)
from common.errors import GuideError
from common.graph.outline import Value
from tests.conftest import refused

BOTH = pytest.mark.parametrize("function", [feed, run_batch])


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 3)).astype(np.float32)


@given(fixed=st.sampled_from([None, 1, 2, 5]), count=st.integers(1, 5))
def test_a_batch_smaller_than_a_fixed_one_is_padded_and_cut_off_again(doubling, fixed, count):
    network, given = doubling(fixed or "N"), images(min(count, fixed or count))
    assert fixed_batch(network) == fixed
    twice, total = run_batch(network, {"image": given})
    np.testing.assert_array_equal(twice, 2 * given)
    np.testing.assert_array_equal(total, given.sum(1))


def test_the_batch_size_is_what_was_asked_for_or_the_models_own_and_no_more(doubling):
    for batch, asked, chosen in (("N", None, 1), ("N", 8, 8), (4, None, 4), (4, 4, 4), (4, 3, 3)):
        assert choose_batch_size(doubling(batch), asked) == chosen
    with refused("the model was built for batches of 4; --batch-size 5 is more."):
        choose_batch_size(doubling(4), 5)


@BOTH
def test_padding_repeats_the_last_row_of_every_input(doubling, function):
    network, given, more = doubling(4, two=True), images(2), np.array([5, 7])
    twice, total = function(network, {"image": given, "more": more, "another": None})
    np.testing.assert_array_equal(network.fed[0]["image"], given[[0, 1, 1, 1]])
    np.testing.assert_array_equal(network.fed[0]["more"], [5, 7, 7, 7])
    assert network.fed[0].keys() == {"image", "more"}
    assert (len(twice), total.tolist()) == (2, (given.sum(1) + more).tolist())


def test_a_whole_batch_is_not_copied(doubling):
    network, given = doubling(2), images(2)
    run_batch(network, {"image": given})
    assert network.fed[0]["image"] is given


@pytest.mark.parametrize(
    ("models", "count", "batch_size", "seconds"), [(1, 7, 3, 6), (2, 7, 3, 3), (4, 7, 3, 2), (4, 1, 3, 6)]
)
def test_calls_at_the_same_time_are_not_counted_one_after_the_other(
    doubling, models, count, batch_size, seconds
):
    deployed = doubling()
    deployed.models = (deployed,) * models
    assert network_seconds(deployed, 6.0, count, batch_size) == seconds


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_refused_by_name(doubling, value):
    given = images(2)
    given[1, 0] = value
    feed(doubling(), {"image": given})  # the engine asks item by item
    with refused("output 'twice' holds values that are not finite."):
        run_batch(doubling(), {"image": given})


def test_every_output_is_checked(doubling):
    values = doubling()
    check_outputs(values, [np.zeros(3), np.zeros(0)])
    check_outputs(values, [np.arange(3), np.array(2)])
    with pytest.raises(GuideError, match="output 'sum' holds values that are not finite"):
        check_outputs(values, [np.zeros(3), np.float32(np.nan)])
    with pytest.raises(ValueError, match="zip"):
        check_outputs(values, [np.zeros(3)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", [np.asarray, np.transpose])
def test_the_largest_values_are_finite_though_their_squares_are_not(doubling, dtype, layout):
    values = layout(np.full((3, 5), np.finfo(dtype).max, dtype))
    check_outputs(doubling(), [values, -values])
    for bad in (np.nan, np.inf, -np.inf):
        values[1, 2] = bad
        with pytest.raises(GuideError, match="output 'twice' holds values that are not finite"):
            check_outputs(doubling(), [values, np.zeros(3)])


def test_of_an_npus_half_precision_the_remedy_is_told(doubling):
    network = doubling()
    network.name = "om by pyACL"
    with refused(
        "output 'twice' holds values that are not finite. Where float16 overflows, convert with a higher precision: "
        "python -m common.atc --option precision_mode=must_keep_origin_dtype shows whether that is the cause."
    ):
        check_outputs(network, [np.array([np.inf]), np.zeros(3)])


@BOTH
def test_another_number_of_outputs_is_a_mistake(doubling, function):
    network = doubling()
    network.run = lambda feeds: [np.zeros((2, 3))]
    with pytest.raises(ValueError, match="zip"):
        function(network, {"image": images(2)})


@BOTH
@pytest.mark.parametrize("wrong", [np.zeros((3, 4)), np.zeros(()), np.zeros((1, 2))])
def test_outputs_without_the_batch_first_are_refused(doubling, function, wrong):
    network = doubling()
    network.run = lambda feeds: [wrong, np.zeros(2)]
    with refused(f"output 'twice' has the shape {wrong.shape} for 2 images; the batch must be first."):
        function(network, {"image": images(2)})


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [
        ("float32", -6, 6),
        ("float16", -6, 6),
        ("uint8", 0, 255),
        ("int8", 0, 127),
        ("int64", 0, 255),
        ("bool", 0, 1),
    ],
)
def test_random_input_has_the_type_and_the_shape_that_the_model_takes(dtype, least, most):
    values = [Value("image", dtype, ("N", 64, 64)), Value("fixed", dtype, (4, 3))]
    feeds = random_feeds(values, 2)
    assert {name: (array.shape, str(array.dtype)) for name, array in feeds.items()} == {
        "image": ((2, 64, 64), dtype),
        "fixed": ((4, 3), dtype),
    }
    image = feeds["image"].astype(np.float64)
    assert least <= image.min() < image.max() <= most
    assert image.std() > (most - least) / 15
    assert all((array == random_feeds(values, 2)[name]).all() for name, array in feeds.items())


def test_no_random_batch_is_larger_than_a_gib():
    with refused(
        "a batch of the input 'image' would have 1073745920 bytes, more than 1073741824; lower --batch-size."
    ):
        random_feeds([Value("image", "uint8", ("N", 64, 64))], 2**18 + 1)
    with refused("the model's input shape ('N', 'H', 3) is dynamic beyond the batch; export it fixed."):
        random_feeds([Value("image", "uint8", ("N", "H", 3))], 1)
