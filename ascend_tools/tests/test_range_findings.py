"""range_findings.py: planted faults are found where they are, ranked, and put on the list that ATC takes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ascend_tools.preflight.node_by_node import NodeByNode
from ascend_tools.preflight.range_findings import Finding, findings, measure, mix_list, table
from common.errors import GuideError

SHAPES = "(float[N,3,4,6] x) => (float[N,3,4,6] y)"


def find(body, *images, weights="", shapes=SHAPES, batch_size=1, margin=1.0, opsets='"" : 11'):
    """Return the findings of a graph on batches of images."""
    model = onnx.parser.parse_model(
        f"<ir_version: 6, opset_import: [{opsets}]> g {shapes} {weights} {{ {body} }}"
    )
    onnx.checker.check_model(model)
    graph = NodeByNode(model)
    groups = [images[i : i + batch_size] for i in range(0, len(images), batch_size)]
    tallies = measure(graph, groups, "x", [value.name for value in model.graph.output])
    return sorted(findings(graph, tallies, batch_size, margin), key=lambda finding: finding.rank)


def brief(found):
    return [(f.kind, f.node, f.place, f.array, round(f.tally.largest, 9)) for f in found]


def image(*values, fill=1.0):
    array = np.full((3, 4, 6), fill, np.float32)
    array.reshape(-1)[: len(values)] = values
    return array


def test_a_clean_network_has_no_finding():
    body = "[double] a = Mul(x, two) [sum] b = Add(a, x) [mean] y = Sigmoid(b)"
    assert find(body, image(), image(2, -3), weights="<float two = {2.0}>", margin=2.0) == []


def test_a_product_that_leaves_the_range_is_found_where_it_is_written_and_where_it_is_read():
    body = "[square] a = Mul(x, x) [root] b = Sqrt(a) [after] y = Abs(b)"
    found = find(body, image(300.0), image(-400.0))
    assert brief(found) == [
        ("overflow", "square", "output", "a", 160000.0),
        ("overflow", "root", "input", "a", 160000.0),
    ]
    assert [(f.op_type, f.tally.over, f.tally.elements) for f in found] == [("Mul", 2, 144), ("Sqrt", 2, 144)]
    assert found[0].words() == "writes up to 160000, 2.44 of the range"
    assert mix_list(found) == (["Mul", "Sqrt"], [])


def test_an_input_of_the_network_that_is_too_large_is_told_of_the_node_that_reads_it():
    found = find("[small] y = Tanh(x)", image(1e5))
    assert brief(found) == [("overflow", "small", "input", "x", 1e5)]
    assert found[0].words() == "reads up to 100000, 1.53 of the range"


def test_numbers_that_vanish_and_those_of_which_nothing_is_left_are_told_apart():
    body = "[tiny] a = Mul(x, small) [back] y = Mul(a, large)"
    found = find(body, image(1e-1, 1e-4, 0), weights="<float small = {0.0005}, float large = {2000.0}>")
    # of 71 numbers that are not 0: 69 are 5e-4, one is 5e-5, one 5e-8, which half precision has not
    assert brief(found) == [("vanishing", "tiny", "output", "a", 5e-4)]
    counts = found[0].tally
    assert (counts.elements, counts.zeros, counts.vanishing, counts.lost) == (72, 1, 2, 1)
    assert found[0].words() == "output 2.82% below 2^-14, 1.41% below 2^-24"
    assert mix_list(found) == ([], [])


def test_a_share_too_small_for_its_digits_is_not_called_none():
    assert _finding(vanishing=1, elements=100_000).words() == "output <0.01% below 2^-14"


def test_a_mean_whose_sum_alone_leaves_the_range_is_found_and_put_on_the_list():
    shapes = "(float[N,1,300,300] x) => (float[N,1,1,1] y)"
    found = find("[mean] y = ReduceMean<axes = [2, 3]>(x)", np.ones((1, 300, 300), np.float32), shapes=shapes)
    assert brief(found) == [
        ("overflow", "mean", "sum", "x", 90000.0),
        ("vanishing", "mean", "addend", "x", round(1 / 90000, 9)),
    ]
    assert found[0].words() == "adds up to 90000, 1.37 of the range"
    assert found[1].words() == "addend 100.00% below 2^-14"
    assert mix_list(found) == (["ReduceMeanD"], [])


def test_what_comes_close_is_told_and_listed_within_the_margin_only():
    assert find("[add] y = Add(x, x)", image(20_000.0)) == []
    found = find("[add] y = Add(x, x)", image(20_000.0), margin=2.0)
    assert brief(found) == [("close", "add", "output", "y", 40_000.0)]
    assert mix_list(found) == (["Add"], [])


def test_the_largest_half_number_itself_is_in_the_range_and_what_is_as_far_as_the_margin_not_close():
    assert find("[abs] y = Abs(x)", image(65504.0)) == []
    assert find("[abs] y = Abs(x)", image(32752.0), margin=2.0) == []
    assert len(find("[abs] y = Abs(x)", image(32753.0), margin=2.0)) == 2


def test_the_addends_of_a_mean_are_told_only_where_they_vanish():
    shapes = "(float[N,3,4,6] x) => (float[N,3,1,1] y)"
    found = find("[mean] y = GlobalAveragePool(x)", image(1e7, 1e7), shapes=shapes)
    assert [(f.kind, f.place) for f in found] == [("overflow", place) for place in ("sum", "input", "output")]


def test_constants_out_of_the_range_are_told_of_the_nodes_that_hold_them():
    weights = "<float mask = {-1000000000.0}, float tiny = {0.000000000001}>"
    body = "eps = Constant<value = float {0.00001}>() [one] a = Max(x, mask) [two] b = Add(a, tiny) [three] y = Add(b, eps)"
    assert brief(find(body, image(), weights=weights)) == [
        ("overflow", "one", "constant", "mask", 1e9),
        ("vanishing", "two", "constant", "tiny", 0.0),
        ("vanishing", "three", "constant", "eps", 1e-5),
    ]


def test_infinity_is_a_half_number_and_padding_with_it_no_finding():
    body = (
        "[low] fill = Log(nought) [pad] a = Pad(x, pads, fill) [pool] y = MaxPool<kernel_shape = [2, 2]>(a)"
    )
    weights = "<int64[8] pads = {0,0,0,0,0,0,1,1}, float nought = {0.0}>"
    assert find(body, image(), weights=weights) == []


def test_nodes_that_mix_the_batch_differ_with_its_size():
    shapes = "(float[N,3,4,6] x) => (float[1,1,1,1] y)"
    images = [image(fill=300.0)] * 4
    body = "[whole] y = ReduceMean(x)"
    assert [f.place for f in find(body, *images, shapes=shapes)] == []
    found = find(body, *images, shapes=shapes, batch_size=4)
    assert brief(found) == [("overflow", "whole", "sum", "x", 86_400.0)]
    assert found[0].batch_size == 4


def test_the_worst_comes_first():
    found = [
        _finding("vanishing", "few", vanishing=1),
        _finding("vanishing", "lost", vanishing=1, lost=1),
        _finding("close", "close", largest=40_000.0),
        _finding("overflow", "large", largest=1e5),
        _finding("vanishing", "many", vanishing=50),
        _finding("overflow", "larger", largest=1e6),
    ]
    ranked = [finding.node for finding in sorted(found, key=lambda finding: finding.rank)]
    assert ranked == ["larger", "large", "close", "lost", "many", "few"]


def _finding(kind="vanishing", node="node", batch_size=1, elements=100, **counts):
    from ascend_tools.preflight.half_range import Tally

    return Finding(kind, batch_size, node, "Mul", "output", "a", Tally(elements=elements, **counts))


def test_the_table_has_one_line_per_place_with_its_batch_sizes_and_counts_what_it_leaves_out():
    found = [
        _finding("overflow", f"n{i}", size, largest=1e5 + i + size) for i in range(3) for size in (4, 1, 16)
    ]
    assert table(found, 2) == [
        "finding   batch   operator  what                                    node",
        "overflow  1,4,16  Mul       writes up to 100018, 1.53 of the range  n2",
        "overflow  1,4,16  Mul       writes up to 100017, 1.53 of the range  n1",
        "... and 1 more",
    ]
    assert len(table(found, 3)) == 4


def test_types_without_a_known_name_are_told_and_left_out():
    found = find("[clip] a = Clip(x) [square] y = Mul(a, a)", image(1e5))
    assert mix_list(found) == (["Mul"], ["Clip"])


def test_a_network_that_is_not_finite_in_float32_is_refused_by_the_node_where_that_begins():
    body = "[fine] a = Abs(x) [log] b = Log(a) [zero] c = Mul(b, nought) [end] y = Identity(c)"
    with pytest.raises(GuideError) as error:
        find(body, image(0.0), weights="<float nought = {0.0}>")
    assert str(error.value) == (
        "the output 'y' holds values that are not finite, in float32; such values appear first at the node 'log'. "
        "Mend the model or its inputs, then look at half precision."
    )


def test_what_can_be_measured_of_a_network_with_an_unknown_operator_is():
    body = "[square] a = Mul(x, x) [odd] y = our.own.Wobble(a)"
    found = find(body, image(300.0), opsets='"" : 11, "our.own" : 1')
    assert brief(found) == [
        ("overflow", "square", "output", "a", 90_000.0),
        ("overflow", "odd", "input", "a", 90_000.0),
    ]


def test_a_network_of_which_nothing_can_be_measured_is_refused():
    with pytest.raises(
        GuideError, match="no node could be measured; the first is 'odd': ONNX Runtime cannot load it"
    ):
        find("[odd] y = our.own.Wobble(x)", image(), opsets='"" : 11, "our.own" : 1')
