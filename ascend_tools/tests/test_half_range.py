"""half_range.py: where half precision ends, counted, and what reductions add up inside."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ascend_tools.preflight import half_range
from ascend_tools.preflight.half_range import (
    LARGEST,
    SMALLEST,
    SMALLEST_NORMAL,
    Tally,
    accumulations,
    measured,
    tally,
)
from ascend_tools.preflight.node_by_node import NodeByNode

HALF = np.finfo(np.float16)
ANY_FLOAT = st.floats(width=32) | st.sampled_from([0.0, LARGEST, SMALLEST, SMALLEST_NORMAL, 7e4, 1e-6, 1e-9])


def just(value, towards):
    return np.nextafter(np.float32(value), np.float32(towards))


def test_the_limits_are_those_of_half_precision():
    assert (HALF.max, HALF.smallest_normal, HALF.smallest_subnormal) == (LARGEST, SMALLEST_NORMAL, SMALLEST)


@pytest.mark.parametrize(
    ("value", "over", "vanishing", "lost"),
    [
        (LARGEST, 0, 0, 0),
        (just(LARGEST, np.inf), 1, 0, 0),
        (1.0, 0, 0, 0),
        (SMALLEST_NORMAL, 0, 0, 0),
        (just(SMALLEST_NORMAL, 0), 0, 1, 0),
        (SMALLEST, 0, 1, 0),
        (just(SMALLEST, 0), 0, 1, 1),
        (np.finfo(np.float32).smallest_subnormal, 0, 1, 1),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_at_a_limit_is_inside_and_the_next_beyond(value, sign, over, vanishing, lost, dtype):
    array = np.array([[sign * value]], dtype)
    assert tally(array) == Tally(1, 0, 0, over, vanishing, lost, float(value))


def test_zeros_neither_vanish_nor_count_in_shares_and_infinities_have_no_magnitude():
    counts = tally(np.float32([0, -0.0, np.inf, -np.inf, np.nan, 3, -1e-5, 1e-9]))
    assert counts == Tally(8, 2, 3, 0, 2, 1, 3.0)
    assert counts.share(counts.vanishing) == 2 / 3
    assert tally(np.float32([np.nan])) == Tally(1, not_finite=1)
    assert Tally().share(0) == 0
    assert tally(np.zeros((0, 3), np.float32)) == Tally()


@given(
    arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=9), elements=ANY_FLOAT),
    st.integers(1, 8),
)
def test_the_counts_are_those_of_the_whole_array_whatever_is_looked_at_at_once(array, chunk):
    magnitudes = np.abs(array[np.isfinite(array)])
    nonzero = magnitudes[magnitudes > 0]
    expected = Tally(
        elements=array.size,
        zeros=magnitudes.size - nonzero.size,
        not_finite=array.size - magnitudes.size,
        over=int((nonzero > LARGEST).sum()),
        vanishing=int((nonzero < SMALLEST_NORMAL).sum()),
        lost=int((nonzero < SMALLEST).sum()),
        largest=float(magnitudes.max(initial=0)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(half_range, "_CHUNK", chunk)
        assert tally(array) == expected
        assert tally(array[:1]) + tally(array[1:]) == expected


@given(arrays.arrays(np.float32, 20, elements=st.floats(-1e6, 1e6, width=32)))
def test_what_is_counted_is_what_a_cast_to_half_loses(array):
    counts = tally(array)
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    assert np.isinf(half).sum() <= counts.over <= (np.abs(half) >= LARGEST).sum()
    assert counts.lost >= np.count_nonzero(array) - np.count_nonzero(half)
    if not counts.over and not counts.vanishing:  # then every number keeps its eleven binary digits
        np.testing.assert_allclose(half.astype(np.float32), array, rtol=2.0**-11)


def test_integers_and_half_numbers_are_not_measured():
    measurable = [t for t in ("float16", "float32", "float64", "int64", "bool") if measured(np.zeros(1, t))]
    assert measurable == ["float32", "float64"]


def sums(operator, array, *, out="N,3,1,1", opset=11, weights=""):
    """Return what a node that reduces `array` adds up, by place."""
    shape = ",".join(map(str, ("N", *array.shape[1:])))
    model = onnx.parser.parse_model(
        f'<ir_version: 7, opset_import: ["" : {opset}]> g (float[{shape}] x) => (float[{out}] y) {weights} '
        f"{{ [node] y = {operator} }}"
    )
    onnx.checker.check_model(model)
    graph, found = NodeByNode(model), {}

    def look(index, inputs, made):
        def again(other):
            return graph.run_node(index, {**inputs, "x": other})["y"]

        found.update(accumulations(graph.nodes[index], inputs["x"], made["y"], again))

    graph.run({"x": array}, look)
    return found


NUMBERS = np.random.default_rng(1).normal(size=(2, 3, 4, 6)).astype(np.float32)
SPATIAL = np.abs(NUMBERS).sum((2, 3))


@pytest.mark.parametrize(
    ("operator", "options", "sum_of_magnitudes", "count"),
    [
        ("ReduceMean<axes = [2, 3]>(x)", {}, SPATIAL, 24),
        ("ReduceMean<axes = [-1, -2], keepdims = 0>(x)", {"out": "N,3"}, SPATIAL, 24),
        ("ReduceMean(x)", {"out": "1,1,1,1"}, np.abs(NUMBERS).sum(), 144),
        ("GlobalAveragePool(x)", {}, SPATIAL, 24),
        ("AveragePool<kernel_shape = [4, 6]>(x)", {}, SPATIAL, 24),
        ("AveragePool<kernel_shape = [4, 3]>(x)", {"out": "N,3,1,4"}, None, 12),
        ("ReduceSum<axes = [2, 3]>(x)", {}, SPATIAL, None),
        (
            "ReduceSum<keepdims = 0>(x, axes)",
            {"out": "N,3", "opset": 13, "weights": "<int64[2] axes = {2, 3}>"},
            SPATIAL,
            None,
        ),
        ("ReduceL2<axes = [2, 3]>(x)", {}, np.square(NUMBERS).sum((2, 3)), None),
    ],
)
def test_a_reduction_adds_up_the_magnitudes_and_a_mean_that_divides_first_their_parts(
    operator, options, sum_of_magnitudes, count
):
    found = sums(operator, NUMBERS, **options)
    if sum_of_magnitudes is None:
        windows = np.lib.stride_tricks.sliding_window_view(np.abs(NUMBERS), (4, 3), (2, 3))
        sum_of_magnitudes = windows.sum((-1, -2))
    assert found["sum"].largest == pytest.approx(sum_of_magnitudes.max(), rel=1e-6)
    assert found["sum"].elements == sum_of_magnitudes.size
    if count is None:
        assert set(found) == {"sum"}
    else:
        assert found["addend"] == tally(NUMBERS.astype(np.float64) / count)


@pytest.mark.parametrize(
    "operator", ["Abs(x)", "ReduceMax<axes = [2, 3]>(x)", "ReduceSumSquare<axes = [2, 3]>(x)"]
)
def test_what_adds_nothing_up_or_gives_the_sum_itself_has_no_sum_inside(operator):
    assert sums(operator, NUMBERS, out="N,3,A,B") == {}


def test_a_mean_of_ones_leaves_the_range_inside_while_its_input_and_output_are_one():
    found = sums("ReduceMean<axes = [2, 3]>(x)", np.ones((1, 1, 256, 257), np.float32))
    assert found["sum"].over == 1
    assert found["addend"].vanishing == 256 * 257  # 1 / 65792
    with np.errstate(over="ignore"):
        assert np.ones(65792, np.float16).sum(dtype=np.float64) > LARGEST
        assert np.isinf(np.float16(65792))
