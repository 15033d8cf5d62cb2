"""onnx_graph.py: what an ONNX file says about itself."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from common import cli
from common.errors import GuideError
from common.graph.outline import Value, describe, item_shape, load, only_input


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


def test_a_negative_dimension_is_dynamic(make_onnx):
    model = onnx.load(make_onnx())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert describe(model).inputs[0].shape[0] == "?"


def test_weights_listed_among_the_inputs_are_no_inputs(make_onnx):
    model = load(make_onnx())
    model.graph.input.append(helper.make_tensor_value_info("two", onnx.TensorProto.FLOAT, []))
    assert [value.name for value in describe(model).inputs] == ["image"]


def test_an_output_is_found_by_its_position_at_the_node_that_makes_it(make_onnx):
    model = load(make_onnx())
    node = helper.make_node("Split", ["image"], ["front", "rest"], name="Cut_1", axis=1, split=[1, 2])
    model.graph.node.append(node)
    model.graph.output.append(helper.make_tensor_value_info("rest", onnx.TensorProto.FLOAT, ["N", 2, 4, 6]))
    onnx.checker.check_model(model)
    assert describe(model).producers["rest"] == "Cut_1:1"


def test_an_output_that_no_node_makes_has_no_producer(make_onnx):
    model = load(make_onnx())
    model.graph.output.append(model.graph.input[0])
    assert set(describe(model).producers) == {"scaled", "sums"}


def test_every_strict_prefix_of_a_file_is_refused_by_name(tmp_path, make_onnx):
    data = make_onnx().read_bytes()
    for size in range(len(data)):
        path = tmp_path / f"{size}.onnx"
        path.write_bytes(data[:size])
        with pytest.raises(GuideError) as error:
            load(path)
        assert str(error.value).startswith(f"{path}: not a")


def vendor(path):
    """Make a node of the model one of an operator that ONNX does not have."""
    model = onnx.load(path)
    model.graph.node[1].op_type = "PSROIPooling"
    onnx.save(model, path)
    return path


def test_operators_that_onnx_does_not_have_are_read_where_asked_for(make_onnx):
    path = vendor(make_onnx())
    with pytest.raises(GuideError, match=r"tiny\.onnx: not a valid ONNX file: .*PSROIPooling"):
        load(path)
    graph = describe(load(path, check=False))
    assert (graph.opset, graph.producers) == (11, {"scaled": "Add_9:0", "sums": "Sum_7:0"})


def test_every_strict_prefix_of_a_file_that_is_not_checked_is_refused_by_name(tmp_path, make_onnx):
    data = vendor(make_onnx()).read_bytes()
    for size in range(len(data)):
        path = tmp_path / f"{size}.onnx"
        path.write_bytes(data[:size])
        with pytest.raises(GuideError) as error:
            load(path, check=False)
        assert str(error.value).startswith(f"{path}: not an ONNX file")


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", b"\x89PNG\r\n\x1a\n", b"\0" * 99, b"\xff" * 99]
)
def test_another_kind_of_file_is_refused_by_name(tmp_path, content, check):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(GuideError) as error:
        load(path, check=check)
    assert str(error.value).startswith(f"{path}: not a")


def test_an_inconsistent_graph_is_refused_with_the_reason(make_onnx):
    path = make_onnx()
    model = onnx.load(path)
    model.graph.node[1].input[1] = "three"
    onnx.save(model, path)
    with pytest.raises(GuideError, match=r"tiny\.onnx: not a valid ONNX file: .*three"):
        load(path)


def test_a_missing_file_and_a_directory_are_named(tmp_path, capsys):
    with pytest.raises(GuideError) as error:
        load(tmp_path / "lost.onnx")
    assert str(error.value).startswith(f"{tmp_path / 'lost.onnx'}: no such ONNX file.")
    assert cli.command(lambda _: load(tmp_path))([]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: Is a directory\n"


@pytest.mark.parametrize("batch", ["N", 4])
def test_the_shape_of_one_item_is_what_comes_after_the_batch(batch):
    assert item_shape(Value("image", "float32", (batch, 3, 4, 6))) == (3, 4, 6)
    assert item_shape(Value("count", "int64", (batch,))) == ()


def test_a_shape_that_is_dynamic_beyond_the_batch_is_refused():
    with pytest.raises(GuideError) as error:
        item_shape(Value("image", "float32", ("N", 3, "height", 6)))
    assert str(error.value) == (
        "the model's input shape ('N', 3, 'height', 6) is dynamic beyond the batch; export it fixed."
    )


def test_one_input_is_expected():
    one = Value("image", "float32", ("N", 3))
    assert only_input([one], Path("a.onnx")) is one
    for wrong in ([], [one, one]):
        with pytest.raises(GuideError) as error:
            only_input(wrong, Path("a.onnx"))
        assert str(error.value) == f"a.onnx: expected a model with one input, found {len(wrong)}."
