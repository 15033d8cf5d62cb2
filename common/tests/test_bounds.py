"""bounds.py: what an ONNX file may promise, and damaged ones, under a limit of memory."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from common.backends.base import run_batch
from common.backends.onnxruntime import OnnxRuntime
from common.errors import GuideError
from common.graph.outline import describe, load
from tests.conftest import refused


@pytest.fixture
def little_memory():
    """Let this process take 2 GiB more than it has."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (has + 2 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def change(make_onnx):
    """Change the model with a function and return its path."""

    def change(function):
        path = make_onnx()
        proto = onnx.load(path)
        function(proto.graph)
        onnx.save(proto, path)
        return path

    return change


def of_type(kind):
    value = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    if kind == "sequence":
        return helper.make_sequence_type_proto(value)
    return (
        helper.make_optional_type_proto(value) if kind == "optional" else helper.make_map_type_proto(7, value)
    )


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize(
    "kind", ["sequence", "optional", "map", "no type", "string", "complex64", "bfloat16", "type 99"]
)
def test_ends_that_are_no_arrays_of_numbers_are_refused(change, side, kind):
    def retype(graph):
        value = getattr(graph, side)[-1]
        if kind == "no type":
            value.ClearField("type")
        elif kind == "type 99":
            value.type.tensor_type.elem_type = 99
        elif kind in ("sequence", "optional", "map"):
            value.type.CopyFrom(of_type(kind))
        else:
            value.type.tensor_type.elem_type = getattr(TensorProto, kind.upper())

    path = change(retype)
    with pytest.raises(GuideError) as error:
        load(path, check=False)
    name = {"input": "image", "output": "sums"}[side]
    assert (
        str(error.value) == f"{path}: expected the {side} {name!r} to be an array of numbers, found {kind}."
    )
    with refused(f"{path}: ", whole=False):
        load(path)


def test_an_input_without_dimensions_is_refused(change):
    path = change(lambda graph: graph.input[0].type.tensor_type.ClearField("shape"))
    with refused(f"{path}: the input 'image' has no dimensions; the batch must be the first."):
        load(path, check=False)
    path = change(lambda graph: graph.input[0].CopyFrom(helper.make_tensor_value_info("image", 1, [])))
    with refused(f"{path}: the input 'image' has no dimensions; the batch must be the first."):
        load(path)


@pytest.mark.parametrize("dims", [(2**31, 3, 4, 6), ("N", 2**62, 2**62, 6), (1, 3, 2**20, 2**20)])
def test_an_input_that_no_memory_holds_is_refused(change, dims):
    path = change(lambda graph: graph.input[0].CopyFrom(helper.make_tensor_value_info("image", 1, dims)))
    with refused(f"{path}: the input 'image' has the shape {dims}, ", whole=False):
        load(path)


def weight(**fields):
    tensor = TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[2])
    for name, value in fields.items():
        getattr(tensor, name).extend(value) if isinstance(value, list) else setattr(tensor, name, value)
    return tensor


@pytest.mark.parametrize(
    "tensor",
    [
        *(weight(raw_data=bytes(size)) for size in (0, 4, 7, 9, 400)),
        *(weight(float_data=[1.0] * count) for count in (0, 1, 3)),
        TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[2**40], raw_data=bytes(4)),
        TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[-2, -1], raw_data=bytes(8)),
        TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[1], raw_data=bytes(4), float_data=[1.0]),
        TensorProto(name="bias", data_type=99, dims=[1], raw_data=bytes(4)),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_weight_that_is_not_what_it_says_is_refused(change, tensor, inside):
    def put(graph):
        if inside:
            del graph.initializer[1]
            graph.node.insert(0, helper.make_node("Constant", [], ["bias"], value=tensor))
        else:
            graph.initializer[1].CopyFrom(tensor)

    path = change(put)
    with refused(f"{path}: ", whole=False):
        load(path)


def int64(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


LARGE = {
    "ConstantOfShape": ([int64("s", 2**31, 4)], [helper.make_node("ConstantOfShape", ["s"], ["big"])]),
    "Constant": (
        [],
        [
            helper.make_node("Constant", [], ["s"], value=int64("", 2**31, 4)),
            helper.make_node("ConstantOfShape", ["s"], ["big"]),
        ],
    ),
    "Expand": ([int64("s", 2**31, 3)], [helper.make_node("Expand", ["bias", "s"], ["big"])]),
    "Tile": ([int64("s", 1, 2**20, 2**20, 1)], [helper.make_node("Tile", ["image", "s"], ["big"])]),
    "Pad": ([int64("s", 0, 0, 2**31, 0, 0, 0, 0, 0)], [helper.make_node("Pad", ["image", "s"], ["big"])]),
    "Range": (
        [
            numpy_helper.from_array(np.array(v, np.int64), n)
            for n, v in (("from", 0), ("to", 2**40), ("by", 1))
        ],
        [helper.make_node("Range", ["from", "to", "by"], ["big"])],
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_small_file_that_makes_gigabytes_is_refused(change, name):
    weights, nodes = LARGE[name]

    def put(graph):
        graph.initializer.extend(weights)
        graph.node.extend([*nodes, helper.make_node("Size", ["big"], ["count"])])

    path = change(put)
    with refused(f"{path}: the node 'big' ({nodes[-1].op_type}) makes ", whole=False):
        load(path)


def test_sparse_weights_are_refused(change):
    values = helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0])
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("at", TensorProto.INT64, [1], [3]), [2**40])
    path = change(lambda graph: graph.sparse_initializer.append(sparse))
    with refused(f"{path}: 'sparse' is sparse, which is not read here; export the model without."):
        load(path)
    node = helper.make_node("Constant", [], ["c"], name="held", sparse_value=sparse)
    path = change(lambda graph: graph.node.append(node))
    with refused(f"{path}: 'held' is sparse", whole=False):
        load(path)


def test_an_output_of_another_shape_than_the_model_says_is_refused(change):
    path = change(lambda graph: graph.output[1].CopyFrom(helper.make_tensor_value_info("sums", 1, ["N", 4])))
    with (
        OnnxRuntime(path) as network,
        refused("output 'sums' has the shape (2, 3), the model says ('N', 4); export it again."),
    ):
        run_batch(network, {"image": np.zeros((2, 3, 4, 6), np.float32)})


@given(data=st.data())
@pytest.mark.usefixtures("little_memory")
def test_a_damaged_file_is_read_or_refused_in_one_message(make_onnx, tmp_path, data):
    content = bytearray(make_onnx().read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if kind == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 9))]
        else:
            content[at:at] = data.draw(st.binary(max_size=9))
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    try:
        describe(load(path))
        with OnnxRuntime(path) as network:
            run_batch(network, {value.name: np.zeros((1, 3, 4, 6), np.float32) for value in network.inputs})
    except GuideError:
        pass


def test_what_grows_while_it_runs_ends_with_a_message(change):
    """Shapes that are computed are not followed; the memory of a run is bounded."""

    def put(graph):
        graph.initializer.extend([int64("row", 1), int64("many", 2**29)])
        graph.node.extend(
            [
                helper.make_node("Shape", ["image"], ["shape"]),
                helper.make_node("Gather", ["shape", "row"], ["three"], axis=0),
                helper.make_node("Mul", ["three", "many"], ["sides"]),
                helper.make_node("ConstantOfShape", ["sides"], ["big"]),
                helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0),
                helper.make_node("Add", ["sums", "total"], ["more"]),
            ]
        )
        graph.output[1].name = "more"

    with (
        OnnxRuntime(change(put)) as network,
        refused("ONNX Runtime cannot run this model on this input: ", whole=False),
    ):
        network.run({"image": np.zeros((1, 3, 4, 6), np.float32)})


@pytest.mark.parametrize("old", [b"Sum_7", b"ReduceSum", b"scaled", b"keepdims", b"image"])
def test_names_that_are_no_text_are_refused(make_onnx, old):
    path = make_onnx()
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, b"\xff" * len(old)))
    with refused(f"{path}: not a valid ONNX file", whole=False):
        load(path)
    with refused(f"{path}: not a valid ONNX file: it holds names that are no UTF-8; export it again."):
        load(path, check=False)


def test_a_loop_without_end_is_refused_and_not_run(change):
    def repeat(graph):
        going, on = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("going", "on"))
        old, new = (helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in ("old", "new"))
        number = helper.make_tensor_value_info("number", TensorProto.INT64, [])
        nodes = [
            helper.make_node("Identity", ["going"], ["on"]),
            helper.make_node("Identity", ["old"], ["new"]),
        ]
        body = helper.make_graph(nodes, "body", [number, going, old], [on, new])
        graph.initializer.append(numpy_helper.from_array(np.array(2**62), "many"))
        graph.initializer.append(numpy_helper.from_array(np.array(True), "first"))
        graph.node.append(
            helper.make_node("Loop", ["many", "first", "two"], ["end"], name="Loop_10", body=body)
        )

    path = change(repeat)
    with refused(f"{path}: 'Loop_10' is a loop or a function, ", whole=False):
        OnnxRuntime(path)


def test_functions_that_call_others_twice_are_refused_and_not_run(make_onnx):
    path = make_onnx()
    proto = onnx.load(path)
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid("own", 1)]
    proto.functions.append(
        helper.make_function("own", "f0", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], opsets)
    )
    for i in range(40):
        calls = [helper.make_node(f"f{i}", ["x" + k], ["x" + k + "1"], domain="own") for k in ("", "1")]
        proto.functions.append(helper.make_function("own", f"f{i + 1}", ["x"], ["x11"], calls, opsets))
    proto.graph.node[0].op_type, proto.graph.node[0].domain = "f40", "own"
    del proto.graph.node[0].attribute[:]
    proto.opset_import.append(opsets[1])
    proto.ir_version = 8
    onnx.save(proto, path)
    with refused(f"{path}: 'f0' is a loop or a function, ", whole=False):
        OnnxRuntime(path)


def test_an_empty_weight_with_sides_that_no_array_has_is_refused(change):
    def add(graph):
        graph.initializer.append(TensorProto(name="none", data_type=1, dims=[0, 2**62, 2**40], raw_data=b""))

    path = change(add)
    with refused(f"{path}: expected the weight 'none' to hold float ", whole=False):
        load(path)
