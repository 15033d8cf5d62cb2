"""ATC's operators in the head's place: the same results, exactly the guide's nodes, every other graph refused by name."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from common.errors import GuideError
from patches.vendor_operators import use_vendor_operators
from tests.heads import feeds, head, maps, run
from tests.vendor import OPERATORS

GONE = ("suppress/", "bins/", "pool_cls_maps/", "pool_bbox_maps/")
MODEL = head()  # changed in one place at a time, and back
COMPARED = [node for node in head().graph.node if node.name.startswith((*GONE, "finish/"))]
CONSTANTS = [t for t in head().graph.initializer if t.name.startswith((*GONE, "finish/"))]
# A name alone is made from each node's first output.
NAMES = [node.name for node in COMPARED]


def node(model, name):
    return next(node for node in model.graph.node if node.name == name)


def attributes(node):
    """Types and values of a node's attributes by name."""
    return {a.name: (a.type, helper.get_attribute_value(a)) for a in node.attribute}


def refused(model, *words):
    before = model.SerializeToString(deterministic=True)
    with pytest.raises(GuideError) as caught:
        use_vendor_operators(model)
    message = str(caught.value)
    assert any(word in message for word in words), message
    assert model.SerializeToString(deterministic=True) == before
    return message


@contextmanager
def changed(message):
    """Let a node or constant of MODEL be changed, and change it back."""
    before = type(message).FromString(message.SerializeToString())
    yield message
    message.CopyFrom(before)


def test_the_head_that_is_changed_below_is_accepted_and_what_came_in_is_told():
    told = use_vendor_operators(head())
    assert [line.split(": ")[1] for line in told] == ["BatchMultiClassNMS", "PSROIPooling", "PSROIPooling"]
    assert len({*told}) == 3
    assert head() == MODEL


@pytest.fixture(scope="module")
def adapted():
    model = head()
    use_vendor_operators(model)
    return model


@pytest.mark.full_size  # the head is
@pytest.mark.parametrize("few", [False, True], ids=["300 regions", "few regions"])
def test_the_adapted_head_computes_what_the_standard_one_does(few, adapted):
    inputs = feeds()
    if few:  # large boxes around the canvas overlap, and most probabilities are 0
        inputs["rpn_cls_score"][:, 9:][maps()["rpn_cls_score"][:, 9:] < 5] = -200
    found = ReferenceEvaluator(adapted, new_ops=OPERATORS).run(None, inputs)
    expected = run(head(), inputs)
    assert expected[0][0].any(axis=1).all() != few
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-3)
    # Coordinates beside one half may be rounded to other pixels by another library's exp.
    same = (np.floor(found[0] + 0.5) == np.floor(expected[0] + 0.5)).all(axis=2)
    assert same.sum() >= 298
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one[same], other[same], rtol=0, atol=1e-5)


def test_suppression_is_the_guides_operator(adapted):
    makers = {node.output[0]: node for node in adapted.graph.node}
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in adapted.graph.initializer}
    (nms,) = [n for n in adapted.graph.node if n.op_type == "BatchMultiClassNMS"]
    assert (nms.domain, len(nms.output)) == ("", 4)
    assert attributes(nms) == {
        "score_threshold": (AttributeProto.FLOAT, 0.0),
        "iou_threshold": (AttributeProto.FLOAT, pytest.approx(0.7, abs=1e-7)),
        "max_size_per_class": (AttributeProto.INT, 300),
        "max_total_size": (AttributeProto.INT, 300),
    }
    wanted = [("proposals/boxes", [1, 6000, -1, 4]), ("proposals/scores", [1, 6000, -1])]
    for name, (source, shape) in zip(nms.input, wanted, strict=True):
        reshape = makers[name]
        assert (reshape.op_type, reshape.input[0]) == ("Reshape", source)
        assert tensors[reshape.input[1]].tolist() == shape
    (user,) = [n for n in adapted.graph.node if {*n.input} & {*nms.output}]
    assert (user.op_type, [*user.output]) == ("Concat", ["rois"])
    assert attributes(user) == {"axis": (AttributeProto.INT, 2)}
    zeros, found = user.input
    assert found == nms.output[0]
    np.testing.assert_array_equal(tensors[zeros], np.zeros((1, 300, 1)))


@pytest.mark.parametrize(("number", "name", "channels"), [(0, "cls_maps", 21), (1, "bbox_maps", 84)])
def test_pooling_is_the_guides_operator(number, name, channels, adapted):
    pools = [n for n in adapted.graph.node if n.op_type == "PSROIPooling"]
    assert len(pools) == 2
    pool = pools[number]
    assert pool.domain == ""
    assert attributes(pool) == {
        "spatial_scale": (AttributeProto.FLOAT, 0.0625),
        "group_size": (AttributeProto.INT, 7),
        "output_dim": (AttributeProto.INT, channels),
        "pooled_height": (AttributeProto.INT, 7),
        "pooled_width": (AttributeProto.INT, 7),
    }
    assert pool.input[0] == name
    transpose = next(n for n in adapted.graph.node if n.output[0] == pool.input[1])
    assert (transpose.op_type, [*transpose.input]) == ("Transpose", ["rois"])
    assert attributes(transpose) == {"perm": (AttributeProto.INTS, [0, 2, 1])}
    (mean,) = [n for n in adapted.graph.node if pool.output[0] in n.input]
    assert mean.op_type == "AveragePool"
    sides = (AttributeProto.INTS, [7, 7])
    assert attributes(mean) == {"kernel_shape": sides, "strides": sides}


def test_what_is_left_is_in_order_and_the_rest_is_gone(adapted):
    graph = adapted.graph
    kinds = {found.op_type for found in graph.node}
    assert not kinds & {"NonMaxSuppression", "MatMul", "Floor", "Ceil", "Sign", "Slice"}
    names = [found.name for found in graph.node]
    assert len({*names}) == len(names)
    assert [name for name in names if name.startswith(GONE)] == []
    known = {value.name for value in graph.input} | {t.name for t in graph.initializer}
    for found in graph.node:
        assert {*found.input} <= known, found.name
        assert not {*found.output} & known
        known |= {*found.output}
    assert [value.name for value in graph.output] == ["rois", "cls_prob", "bbox_pred"]
    assert {t.name for t in graph.initializer} <= {name for found in graph.node for name in found.input}
    kept = [n for n in head().graph.node if n.name.startswith(("proposals/", "finish/"))]
    assert all(node(adapted, n.name) == n for n in kept)
    assert adapted.opset_import[0].version == 11


@pytest.mark.parametrize("opset", [12, 13, 16])
def test_later_operator_sets_are_adapted_up_to_16(opset):
    model = head(opset=opset)
    assert len(use_vendor_operators(model)) == 3
    assert model.opset_import[0].version == opset


@pytest.mark.parametrize("opset", [7, 17, 20])
def test_other_operator_sets_are_refused(opset):
    model = head()
    model.opset_import[0].version = opset
    message = refused(
        model, "expected operator set 8 to 16, for which ATC has BatchMultiClassNMS and PSROIPooling"
    )
    assert f"found {opset}. Export again with --opset 11." in message


def test_inner_names_do_not_matter():
    model = head()
    outer = {value.name for value in (*model.graph.input, *model.graph.output)}
    values = {name for n in model.graph.node for name in (*n.input, *n.output)}
    new = {name: name if name in outer else f"v{i}" for i, name in enumerate(sorted(values))}
    for i, found in enumerate(model.graph.node):
        found.name = f"n{i}"
        found.input[:], found.output[:] = [new[x] for x in found.input], [new[x] for x in found.output]
    for tensor in model.graph.initializer:
        tensor.name = new[tensor.name]
    assert len(use_vendor_operators(model)) == 3


def test_constants_may_be_nodes():
    model = head()
    tensors = list(model.graph.initializer)
    nodes = [helper.make_node("Constant", [], [t.name], f"constant_{t.name}", value=t) for t in tensors]
    rest = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    assert len(use_vendor_operators(model)) == 3


def test_a_graph_is_adapted_once_and_only_in_the_guides_form(adapted):
    refused(onnx.ModelProto.FromString(adapted.SerializeToString()), "found BatchMultiClassNMS")
    assert "guide" in refused(head("original"), "node 'suppress/")
    empty = helper.make_graph([], "g", [], [])
    refused(helper.make_model(empty, opset_imports=[helper.make_opsetid("", 11)]), "outputs")


def changes_of(found):
    """Yield what changes a node: another operator or domain, attributes and values more, fewer or others."""
    yield lambda n: setattr(n, "op_type", "com.example")
    yield lambda n: setattr(n, "domain", "com.example")
    yield lambda n: n.attribute.append(helper.make_attribute("extra", 1))
    yield lambda n: n.input.append("proposals/boxes")
    yield lambda n: n.input.pop()
    yield lambda n: n.output.append("more")
    for i, attribute in enumerate(found.attribute):
        yield lambda n, i=i: n.attribute.pop(i)
        if attribute.ints:
            yield lambda n, i=i: n.attribute[i].ints.append(1)
            yield lambda n, i=i: n.attribute[i].ints.__setitem__(-1, 9)
        else:
            yield lambda n, i=i: setattr(n.attribute[i], "i", n.attribute[i].i + 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_node_is_refused_by_its_name(name):
    for change in changes_of(node(MODEL, name)):
        with changed(node(MODEL, name)) as found:
            change(found)
            refused(MODEL, f"node {name!r}: expected ")


def test_another_wire_is_refused_by_name():
    """Followed from the outputs, it ends at an input of the graph, or two nodes disagree about it."""
    known = {"proposals/boxes", "proposals/scores", "cls_maps", "bbox_maps"}  # what comes into the pieces
    known |= {tensor.name for tensor in CONSTANTS}
    wires = [(n.name, i) for n in COMPARED for i, value in enumerate(n.input) if value not in known]
    assert len(wires) > 50
    for name, i in wires:
        with changed(node(MODEL, name)) as found:
            found.input[i] = "rpn_cls_score"
            message = refused(MODEL, "'rpn_cls_score'", "pools other regions than the output rois")
            assert message.endswith("Expected a file that pth2onnx.py wrote in the guide's form, unchanged.")


def test_turned_inputs_are_refused():
    for name in (n.name for n in COMPARED if len({*n.input}) == 2):
        with changed(node(MODEL, name)) as found:
            found.input[:] = list(reversed(found.input))
            refused(MODEL, "expected")


def other_constants(tensor):
    """Yield a constant with another value, type and shape, and the next smaller number."""
    values = numpy_helper.to_array(tensor)
    other = values.copy()
    other.reshape(-1)[-1] += 1
    yield other
    yield values.astype(np.float64 if values.dtype == np.float32 else np.int32)
    yield values[None]
    if values.dtype == np.float32:
        yield np.nextafter(values, np.float32(-np.inf))


def test_another_constant_is_refused_by_the_names_of_its_node_and_itself():
    tensors = {tensor.name: tensor for tensor in MODEL.graph.initializer}
    for name in (tensor.name for tensor in CONSTANTS):
        users = (n.name for n in COMPARED if name in n.input)
        words = [f"node {user!r}: expected {name!r} to be" for user in users]
        for values in other_constants(tensors[name]):
            with changed(tensors[name]) as found:
                found.CopyFrom(numpy_helper.from_array(values, name))
                message = refused(MODEL, *words)
                assert "Expected a file that pth2onnx.py wrote in the guide's form, unchanged." in message
        with changed(tensors[name]) as found:
            found.name = "before"
            refused(MODEL, *words)  # absent
            MODEL.graph.node.append(helper.make_node("Identity", ["before"], [name], "identity"))
            assert "found a value computed" in refused(MODEL, *words)
            del MODEL.graph.node[-1]
    with changed(node(MODEL, "pool_cls_maps/pooled")) as found:
        found.input[1] = "proposals/centres"
        refused(MODEL, "to be float32 49.0, found one of the network's weights")


def test_a_further_user_of_what_goes_away_is_refused_by_its_name():
    lost = {value for n in COMPARED if n.name.startswith(GONE) for value in n.output}
    assert len(lost) > 50
    for value in sorted({*lost, "cls_prob"}):
        MODEL.graph.node.append(helper.make_node("Identity", [value], ["copy"], "curious"))
        refused(MODEL, f"node 'curious': uses {value!r}, which is to be replaced")
        del MODEL.graph.node[-1]


def test_a_further_user_of_what_stays_is_kept():
    model = head()
    model.graph.node.append(helper.make_node("Identity", ["proposals/boxes"], ["copy"], "curious"))
    assert len(use_vendor_operators(model)) == 3
    assert node(model, "curious").input[0] == "proposals/boxes"


@pytest.mark.parametrize(
    "names",
    [
        ["cls_prob", "bbox_pred", "rois"],
        ["rois", "cls_prob"],
        ["rois", "cls_prob", "bbox_pred", "proposals/boxes"],
        ["regions", "cls_prob", "bbox_pred"],
    ],
)
def test_other_outputs_are_refused(names):
    model = head()
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    refused(model, f"expected the outputs rois, cls_prob and bbox_pred, found {names}")


@pytest.mark.parametrize("pool", ["pool_cls_maps", "pool_bbox_maps"])
@pytest.mark.parametrize("value", ["rows", "columns"])
def test_a_pooling_with_other_regions_than_the_other_is_refused(pool, value):
    """A second set of bins, from the same regions, that one of the two uses."""
    model = head()
    copies = [n for n in COMPARED if n.name.startswith("bins/")]
    made = {name for n in copies for name in n.output}
    position = [n.name for n in model.graph.node].index("pool_cls_maps/maps_by_bin")
    for offset, original in enumerate(copies):
        copy = onnx.NodeProto()
        copy.CopyFrom(original)
        copy.name += "_2"
        copy.input[:] = [f"{name}_2" if name in made else name for name in copy.input]
        copy.output[:] = [f"{name}_2" for name in copy.output]
        model.graph.node.insert(position + offset, copy)
    for found in model.graph.node:
        if found.name.startswith(f"{pool}/"):
            found.input[:] = [f"{name}_2" if name == f"bins/{value}" else name for name in found.input]
    onnx.checker.check_model(model)
    refused(model, "node '")
