"""The head in ONNX Runtime against torch's: both forms, operator sets 11 to 16, the cases at the edges."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from common.backends.torch import run_torch
from common.graph.outline import describe
from rfcn_voc.anchors import centres_and_sizes
from rfcn_voc.network import Head
from rfcn_voc.regions import compare_regions
from rfcn_voc.standard_head import BODY, attach_head
from tests.heads import FORMS, feeds, head, run, tiny_body

FULL_SIZE = pytest.mark.full_size  # the head is


def in_torch(inputs):
    return run_torch(Head(), *inputs.values())


@pytest.fixture(scope="module")
def wanted():
    return {form: in_torch(feeds(form)) for form in FORMS}


def check_same(found, expected, regions=0.99):
    assert [rows.shape for rows in found] == [(1, 300, 5), (1, 300, 21), (1, 300, 84)]
    largest, share = compare_regions([rows[0] for rows in found], [rows[0] for rows in expected])
    assert share >= regions
    assert largest[0] < 1e-3
    assert largest[1] < 1e-5
    assert largest[2] < 1e-5


def logits(foreground):
    """Logits whose background is 0."""
    return np.concatenate((np.zeros((1, 9, 84, 84)), foreground), axis=1).astype(np.float32)


def clustered(places):
    """Maps on which every anchor becomes one of a few boxes, which are returned too, best first."""
    centres, sizes = centres_and_sizes()
    boxes = np.array([[100 * k + 7.25, 40.75, 100 * k + 67.5, 90.25] for k in range(places)])
    index = np.arange(len(centres)) % places
    middle, extent = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    deltas = np.concatenate(((middle[index] - centres) / sizes, np.log(extent[index] / sizes)), axis=1)
    scores = np.where(np.arange(len(centres)) < 3000, 3 - index / places, -8)
    foreground = scores.reshape(84, 84, 9).transpose(2, 0, 1)[None]
    return {
        "rpn_cls_score": logits(foreground),
        "rpn_bbox_pred": deltas.reshape(84, 84, 36).transpose(2, 0, 1)[None].astype(np.float32),
    }, boxes


@FULL_SIZE
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("opset", [11, 13, 16])
def test_head_computes_what_torchs_does(form, opset, wanted):
    found = run(head(form, opset), feeds(form))
    check_same(found, wanted[form])
    # Every probability is another one, so that the order is certain, too.
    np.testing.assert_allclose(found[0], wanted[form][0], rtol=0, atol=1e-3)


@FULL_SIZE
def test_the_two_forms_are_different_computations(wanted):
    guide, original = (wanted[form][0][0] for form in FORMS)
    assert (guide[:, 1:3].min(axis=1) < 0).any()
    assert original[:, 1:].min() == 0
    assert original[:, [1, 3]].max() == 682
    assert original[:, [2, 4]].max() == 511


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("opset", range(11, 17))
def test_head_is_valid_onnx_of_the_asked_operator_set(form, opset):
    model = head(form, opset)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": opset}
    graph = describe(model)
    assert graph.opset == opset
    assert [value.name for value in graph.inputs] == [*BODY, *["im_info"] * (form == "original")]
    assert [(value.name, value.dtype, value.shape) for value in graph.outputs] == [
        ("rois", "float32", (1, 300, 5)),
        ("cls_prob", "float32", (1, 300, 21)),
        ("bbox_pred", "float32", (1, 300, 84)),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_nodes_are_standard_and_have_names_of_their_own(form):
    graph = head(form).graph
    names = [node.name for node in graph.node]
    assert len({*names}) == len(names)
    assert all(names)
    assert {node.domain for node in graph.node} == {""}
    used = {name for node in graph.node for name in node.input}
    assert {tensor.name for tensor in graph.initializer} <= used


def test_attaching_gives_the_input_the_networks_size_and_forgets_the_traced_shapes():
    model = tiny_body()
    model.graph.value_info.append(helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1, 64, 48, 48]))
    attach_head(model, published=False)
    assert describe(model).inputs[0].shape == (1, 3, 1344, 1344)
    assert len(model.graph.value_info) == 0


@FULL_SIZE
@pytest.mark.parametrize("form", FORMS)
def test_few_regions_are_followed_by_zeros(form):
    changed, boxes = clustered(5)
    inputs = feeds(form, **changed)
    found, expected = run(head(form), inputs), in_torch(inputs)
    np.testing.assert_allclose(found[0][0, :5, 1:], boxes, rtol=0, atol=1e-3)
    assert not found[0][0, 5:].any()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-3)
    assert len(np.unique(found[1][0, 5:], axis=0)) == 1


@FULL_SIZE
def test_probability_zero_is_no_region_in_the_guides_form_and_one_in_the_original():
    changed, boxes = clustered(5)
    foreground = changed["rpn_cls_score"][:, 9:]
    foreground[foreground < 2.5] = -200  # the last two of the five, and all but the first 3000 anchors
    for form, count in zip(FORMS, (3, 5), strict=True):
        inputs = feeds(form, **changed)
        found, expected = run(head(form), inputs), in_torch(inputs)
        assert np.count_nonzero(found[0][0].any(axis=1)) == count
        np.testing.assert_allclose(found[0][0, :3, 1:], boxes[:3], rtol=0, atol=1e-3)
        np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-3)


@FULL_SIZE
@pytest.mark.parametrize(("width", "count"), [(100, 1), (99, 2)])
def test_an_overlap_of_seven_tenths_suppresses_in_the_original_form(width, count):
    """Clipped to the picture, the boxes are 0 and 30 to its right side, both ends counted, without rounding."""
    scores, deltas = np.full(63504, -5.0), np.zeros((63504, 4), np.float32)
    scores[[8, 6]] = 3, 2
    deltas[:, :2] = 100  # all other anchors: one pixel in the corner
    deltas[8], deltas[6] = 0, [0.75, 0, 0, 0]
    inputs = feeds(
        "original",
        rpn_cls_score=logits(scores.reshape(84, 84, 9).transpose(2, 0, 1)[None]),
        rpn_bbox_pred=np.ascontiguousarray(deltas.reshape(84, 84, 36).transpose(2, 0, 1)[None]),
    )
    inputs["im_info"] = np.array([[90, width, 1]], np.float32)
    wanted = [[0, 0, width - 1, 89], [30, 0, width - 1, 89]][:count]
    for outputs in (run(head("original"), inputs), in_torch(inputs)):
        found = outputs[0][0, : count + 1, 1:]
        np.testing.assert_array_equal(found, [*wanted, [width - 1, 89] * 2])


@FULL_SIZE
@pytest.mark.parametrize("form", FORMS)
def test_equal_probabilities_are_taken_in_the_order_of_the_anchors(form):
    values = np.random.default_rng(2).integers(0, 6, (1, 9, 84, 84)) / 2
    inputs = feeds(form, rpn_cls_score=logits(values))
    found, expected = run(head(form), inputs), in_torch(inputs)
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-3)
