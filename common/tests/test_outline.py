"""onnx_graph.py: what an ONNX file says about itself."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from common import cli
from common.errors import GuideError
from common.graph.outline import Value, describe, item_shape, load, only_input
from tests.conftest import refused


@pytest.mark.parametrize(("batch", "shown"), [("N", "N"), (4, 4), (None, "?")])
def test_the_outside_of_a_graph(make_onnx, batch, shown):
    graph = describe(load(make_onnx(batch=batch)))
    assert graph.opset == 11
    assert graph.inputs == (Value("image", "float32", (shown, 3, 4, 6)),)
    assert graph.outputs == (
        Value("scaled", "float32", (shown, 3, 4, 6)),
        Value("sums", "float32", (shown, 3)),
    )
    assert graph.producers == {"scaled": "Add_9:0", "sums": "Sum_7:0"}


def test_values_that_are_not_as_usual_are_described_too(make_onnx):
    model = load(make_onnx())
    node = helper.make_node("Split", ["image"], ["front", "rest"], name="Cut_1", axis=1, split=[1, 2])
    model.graph.node.append(node)
    model.graph.output.append(helper.make_tensor_value_info("rest", onnx.TensorProto.FLOAT, ["N", 2, 4, 6]))
    onnx.checker.check_model(model)
    assert describe(model).producers["rest"] == "Cut_1:1"  # the second output of its node
    model.graph.output.append(model.graph.input[0])  # which no node makes
    assert set(describe(model).producers) == {"scaled", "sums", "rest"}
    model.graph.input.append(helper.make_tensor_value_info("two", onnx.TensorProto.FLOAT, []))  # a weight
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1  # dynamic
    assert describe(model).inputs == (Value("image", "float32", ("?", 3, 4, 6)),)


@pytest.mark.parametrize(
    ("check", "message"), [(True, "not a"), (False, "not an ONNX file")], ids=["checked", "unchecked"]
)
def test_every_strict_prefix_of_a_file_is_refused_by_name(tmp_path, make_onnx, check, message):
    data = (make_onnx() if check else vendor(make_onnx())).read_bytes()
    for size in range(len(data)):
        path = tmp_path / f"{size}.onnx"
        path.write_bytes(data[:size])
        with refused(f"{path}: {message}", whole=False):
            load(path, check=check)


def vendor(path):
    """Make a node of the model one of an operator that ONNX does not have."""
    model = onnx.load(path)
    model.graph.node[1].op_type = "PSROIPooling"
    onnx.save(model, path)
    return path


def test_a_graph_that_onnx_would_not_take_is_read_where_asked_for(make_onnx):
    path = vendor(make_onnx())
    with pytest.raises(GuideError, match=r"tiny\.onnx: not a valid ONNX file: .*PSROIPooling"):
        load(path)
    graph = describe(load(path, check=False))
    assert (graph.opset, graph.producers) == (11, {"scaled": "Add_9:0", "sums": "Sum_7:0"})
    model = onnx.load(make_onnx())
    model.graph.node[1].input[1] = "three"
    onnx.save(model, path)
    with pytest.raises(GuideError, match=r"tiny\.onnx: not a valid ONNX file: .*three"):
        load(path)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", b"\x89PNG\r\n\x1a\n", b"\0" * 99, b"\xff" * 99]
)
def test_another_kind_of_file_is_refused_by_name(tmp_path, content, check):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with refused(f"{path}: not a", whole=False):
        load(path, check=check)


def test_a_missing_file_and_a_directory_are_named(tmp_path, capsys):
    with refused(f"{tmp_path / 'lost.onnx'}: no such ONNX file.", whole=False):
        load(tmp_path / "lost.onnx")
    assert cli.command(lambda _: load(tmp_path))([]) == 1
    assert (
        capsys.readouterr().err == f"error: {tmp_path}: not a regular file, which is needed here; name one.\n"
    )


@pytest.mark.parametrize("batch", ["N", 4])
def test_the_shape_of_one_item_is_what_comes_after_the_batch(batch):
    assert item_shape(Value("image", "float32", (batch, 3, 4, 6))) == (3, 4, 6)
    assert item_shape(Value("count", "int64", (batch,))) == ()


def test_a_shape_that_is_dynamic_beyond_the_batch_is_refused():
    with refused(
        "the model's input shape ('N', 3, 'height', 6) is dynamic beyond the batch; export it fixed."
    ):
        item_shape(Value("image", "float32", ("N", 3, "height", 6)))


def test_one_input_is_expected():
    one = Value("image", "float32", ("N", 3))
    assert only_input([one], Path("a.onnx")) is one
    for wrong in ([], [one, one]):
        with refused(f"a.onnx: expected a model with one input, found {len(wrong)}."):
            only_input(wrong, Path("a.onnx"))
