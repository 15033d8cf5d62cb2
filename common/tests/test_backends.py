"""backend.py: running an ONNX model with ONNX Runtime, batch by batch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from common.backends.base import choose_batch_size, fixed_batch, run_batch
from common.backends.deployed import open_deployed, open_model
from common.errors import GuideError
from common.facts import Tensor, read_facts
from common.graph.aipp import Aipp
from common.graph.outline import Value


def pictures(count):
    return np.random.default_rng(count).integers(0, 256, (count, 3, 4, 6)).astype(np.float32)


SIZE = Tensor("size", ("N", 3), "float32", "added to the sums")


def add_input(path, batch="N"):
    """Give the model a second input, size [batch,3], which is added to the sums."""
    model = onnx.load(path)
    model.graph.node[0].output[0] = "channels"
    model.graph.node.append(helper.make_node("Add", ["channels", "size"], ["sums"]))
    model.graph.input.append(helper.make_tensor_value_info("size", TensorProto.FLOAT, [batch, 3]))
    onnx.save(model, path)
    return path


@pytest.fixture
def opened():
    models = []

    def keep(*args, **options):
        models.append(open_model(*args, **options))
        return models[-1]

    yield keep
    for model in models:
        model.close()


@pytest.mark.parametrize("name", [None, "onnxruntime"])
def test_an_open_model_describes_itself_and_runs(make_onnx, opened, name):
    model = opened(make_onnx(bias=0.5), name)
    assert (model.name, model.precision) == ("onnxruntime", "float32")
    assert model.inputs == (Value("image", "float32", ("N", 3, 4, 6)),)
    assert [value.name for value in model.outputs] == ["scaled", "sums"]
    images = pictures(3)
    scaled, sums = model.run({"image": images})
    np.testing.assert_array_equal(scaled, 2 * images + np.float32(0.5))
    np.testing.assert_array_equal(sums, images.sum((2, 3)))


@given(fixed=st.sampled_from([None, 1, 2, 5]), count=st.integers(1, 5))
def test_a_batch_smaller_than_a_fixed_one_is_padded_and_cut_off_again(make_onnx, fixed, count):
    model = open_model(make_onnx(batch=fixed or "N"))
    assert fixed_batch(model) == fixed
    images = pictures(min(count, fixed or count))
    scaled, sums = run_batch(model, images)
    np.testing.assert_array_equal(scaled, 2 * images)
    np.testing.assert_array_equal(sums, images.sum((2, 3)))
    model.close()


@pytest.mark.parametrize(
    ("batch", "asked", "chosen"), [("N", None, 1), ("N", 8, 8), (4, None, 4), (4, 4, 4), (4, 3, 3)]
)
def test_the_batch_size_is_what_was_asked_for_or_the_models_own(make_onnx, opened, batch, asked, chosen):
    assert choose_batch_size(opened(make_onnx(batch=batch)), asked) == chosen


def test_a_padded_batch_repeats_the_last_image(make_onnx, opened, monkeypatch):
    model = opened(make_onnx(batch=4))
    fed = []
    monkeypatch.setattr(model, "run", lambda feeds: fed.append(feeds) or [np.arange(4), np.arange(4)])
    images = pictures(2)
    assert run_batch(model, images)[0].tolist() == [0, 1]
    np.testing.assert_array_equal(fed[0]["image"], images[[0, 1, 1, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_refused_by_name(make_onnx, opened, value):
    images = pictures(2)
    images[1, 0, 0, 0] = value
    with pytest.raises(GuideError, match="output 'scaled' holds values that are not finite"):
        run_batch(opened(make_onnx()), images)


def test_outputs_without_the_batch_first_are_refused(make_onnx, opened, monkeypatch):
    model = opened(make_onnx())
    monkeypatch.setattr(model, "run", lambda feeds: [np.zeros((3, 4)), np.zeros(())])
    with pytest.raises(GuideError, match=r"output 'scaled' has the shape \(3, 4\) for 2 images"):
        run_batch(model, pictures(2))


def test_an_input_that_the_model_does_not_take_is_told_in_one_message(make_onnx, opened):
    with pytest.raises(GuideError, match="ONNX Runtime cannot run this model on this input"):
        run_batch(opened(make_onnx()), np.zeros((1, 3, 5, 5), np.float32))


def test_with_aipp_the_input_is_nhwc_bytes(make_onnx, opened):
    model = opened(make_onnx(), aipp=Aipp(mean=(1, 2, 3)))
    assert model.inputs == (Value("image", "uint8", ("N", 4, 6, 3)),)
    scaled, _ = run_batch(model, np.full((2, 4, 6, 3), 7, np.uint8))
    assert scaled[:, :, 0, 0].tolist() == [[12, 10, 8]] * 2


def test_the_network_of_a_model_directory_is_opened_with_its_aipp_file(make_onnx, write_model):
    folder = write_model()
    model = open_deployed(make_onnx(), None, read_facts(folder), folder)
    assert model.inputs == (Value("image", "uint8", ("N", 4, 6, 3)),)
    assert run_batch(model, np.full((1, 4, 6, 3), 104, np.uint8))[0][0, 0].tolist() == [[0] * 6] * 4
    model.close()


@pytest.mark.parametrize(("batch", "count"), [("N", 1), ("N", 3), (4, 4), (4, 3), (1, 1)])
def test_a_model_with_two_inputs_takes_both_in_order_and_both_are_padded(make_onnx, opened, batch, count):
    model = opened(add_input(make_onnx(batch=batch), batch))
    assert [value.name for value in model.inputs] == ["image", "size"]
    images, sizes = pictures(count), np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    scaled, sums = run_batch(model, images, sizes)
    np.testing.assert_array_equal(scaled, 2 * images)
    np.testing.assert_array_equal(sums, images.sum((2, 3)) + sizes)


def test_padding_repeats_the_last_row_of_every_input(make_onnx, opened, monkeypatch):
    model = opened(add_input(make_onnx(batch=4), 4))
    fed = []
    monkeypatch.setattr(model, "run", lambda feeds: fed.append(feeds) or [np.arange(4), np.arange(4)])
    images, sizes = pictures(2), np.eye(2, 3, dtype=np.float32)
    assert run_batch(model, images, sizes)[0].tolist() == [0, 1]
    np.testing.assert_array_equal(fed[0]["image"], images[[0, 1, 1, 1]])
    np.testing.assert_array_equal(fed[0]["size"], sizes[[0, 1, 1, 1]])


def aipp_less(write_model):
    return write_model(('insert_op_conf = "aipp.config"\n', ""))


@pytest.mark.parametrize("two", [False, True])
def test_a_further_input_may_be_there_or_not(make_onnx, write_model, two):
    folder = aipp_less(write_model)
    path = add_input(make_onnx()) if two else make_onnx()
    model = open_deployed(path, None, read_facts(folder), folder, [SIZE])
    assert [value.name for value in model.inputs] == ["image", "size"][: 1 + two]
    model.close()


@pytest.mark.parametrize(
    "further",
    [[], [Tensor("scale", ("N", 3), "float32", "")], [Tensor("size", ("N", 4), "float32", "")]],
    ids=["none", "another name", "another shape"],
)
def test_another_further_input_than_the_known_one_is_refused(make_onnx, write_model, further):
    folder = aipp_less(write_model)
    with pytest.raises(GuideError) as error:
        open_deployed(add_input(make_onnx()), None, read_facts(folder), folder, further)
    assert str(error.value).startswith(f"{folder / 'tiny.onnx'}: not Tiny: expected inputs and outputs [")
    assert "('size', (3,))" in str(error.value).partition("found")[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sums"', '"loc"'),
        ('"image"', '"input"'),
        ('"N", 3, 4, 6', '"N", 3, 4, 5'),
        ('["N", 3]', '["N", 4]'),
        ('["N", 3]', '["N", 3, 1]'),
    ],
)
def test_another_network_than_model_toml_describes_is_refused_by_name(make_onnx, write_model, old, new):
    folder = write_model((old, new))
    with pytest.raises(GuideError) as error:
        open_deployed(make_onnx(), None, read_facts(folder), folder)
    assert str(error.value).startswith(f"{folder / 'tiny.onnx'}: not Tiny: expected inputs and outputs [")
    assert str(error.value).endswith("found [('image', (4, 6, 3)), ('scaled', (3, 4, 6)), ('sums', (3,))].")


def test_another_suffix_or_backend_is_refused(make_onnx, tmp_path):
    with pytest.raises(GuideError) as error:
        open_model(tmp_path / "tiny_bs1.om")
    assert str(error.value).startswith(f"{tmp_path / 'tiny_bs1.om'}: expected an .onnx file.")
    assert "runs on the NPU" in str(error.value)
    with pytest.raises(GuideError) as error:
        open_model(make_onnx(), "tensorrt")
    assert str(error.value) == "unknown backend 'tensorrt'; there is onnxruntime."


def test_a_model_that_onnx_runtime_cannot_load_is_named_with_the_reason(make_onnx):
    path = make_onnx()
    model = onnx.load(path)
    model.graph.node[1].domain = "org.example"
    model.graph.node[1].op_type = "Unheard"
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    onnx.save(model, path)
    with pytest.raises(GuideError) as error:
        open_model(path)
    assert str(error.value).startswith(f"{path}: ONNX Runtime cannot load this model: ")
    assert "Unheard" in str(error.value)


def test_a_damaged_model_is_named(make_onnx):
    path = make_onnx()
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(GuideError, match=r"tiny\.onnx: not an? "):
        open_model(path)


def test_without_onnx_runtime_the_command_names_the_package(tmp_path, make_onnx, make_inputs):
    make_inputs(1)
    code = (
        "import runpy, sys; sys.modules['onnxruntime'] = None;"
        "runpy.run_module('common.infer', run_name='__main__')"
    )
    words = ["--model", str(make_onnx()), "--input", "prep", "--out", "out"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the package 'onnxruntime' is not installed in ")
