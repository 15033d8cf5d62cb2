"""backends/deployed.py: which backend runs a file, and whether it holds the network that model.toml describes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from common import cli
from common.backends.base import run_batch
from common.backends.deployed import add_backend, open_deployed, open_model
from common.errors import GuideError
from common.facts import Tensor, read_facts
from common.graph.outline import Value
from tests.conftest import refused, wrong_usage

SIZE = Tensor("size", ("N", 3), "float32", "added to the sums")


def add_input(path, batch="N"):
    """Give the model a second input, size [batch,3], which is added to the sums."""
    proto = onnx.load(path)
    proto.graph.node[0].output[0] = "channels"
    proto.graph.node.append(helper.make_node("Add", ["channels", "size"], ["sums"]))
    proto.graph.input.append(helper.make_tensor_value_info("size", TensorProto.FLOAT, [batch, 3]))
    onnx.save(proto, path)
    return path


@pytest.fixture
def aipp_less(write_model):
    return write_model(('insert_op_conf = "aipp.config"\n', ""))


@pytest.mark.parametrize("name", [None, "onnxruntime"])
def test_an_onnx_file_runs_with_onnx_runtime(make_onnx, name):
    with open_model(make_onnx(), name) as network:
        assert network.name == "onnxruntime"


def test_another_suffix_or_backend_is_refused(make_onnx, tmp_path):
    with pytest.raises(GuideError) as error:
        open_model(tmp_path / "tiny_bs1.om")
    assert str(error.value).startswith(f"{tmp_path / 'tiny_bs1.om'}: expected an .onnx file.")
    assert "runs on the NPU" in str(error.value)
    with refused("unknown backend 'tensorrt'; there is onnxruntime."):
        open_model(make_onnx(), "tensorrt")


def chosen(*words):
    arguments = cli.parser("Run.")
    add_backend(arguments)
    return arguments.parse_args(words)


@pytest.mark.parametrize(
    ("words", "provider"),
    [
        ("", "CPUExecutionProvider"),
        ("--provider tensorrt", "TensorrtExecutionProvider"),
        ("--provider AzureExecutionProvider", "AzureExecutionProvider"),
        ("--cuda", "CUDAExecutionProvider"),
    ],
)
def test_a_provider_is_chosen_beside_the_backend(words, provider):
    assert vars(chosen(*words.split())) == {"backend": None, "provider": provider}


@pytest.mark.parametrize("words", [["--cuda", "--provider", "cpu"], ["--provider", "cann", "--cuda"]])
def test_only_one_provider_is_chosen(words, capsys):
    with wrong_usage(capsys, "not allowed with argument"):
        chosen(*words)


def test_the_network_of_a_model_directory_is_opened_with_its_aipp_file(make_onnx, write_model):
    folder = write_model()
    with open_deployed(make_onnx(), None, read_facts(folder), folder) as network:
        assert network.inputs == (Value("image", "uint8", ("N", 4, 6, 3)),)
        scaled, _ = run_batch(network, {"image": np.full((1, 4, 6, 3), 104, np.uint8)})
    assert scaled[0, 0].tolist() == [[0] * 6] * 4


@pytest.mark.parametrize(("batch", "count"), [("N", 1), ("N", 3), (4, 4), (4, 3), (1, 1)])
def test_a_second_input_is_taken_by_its_name(make_onnx, aipp_less, batch, count):
    path = add_input(make_onnx(batch=batch), batch)
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 4, 6)).astype(np.float32)
    sizes = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    with open_deployed(path, None, read_facts(aipp_less), aipp_less, [SIZE]) as network:
        assert [value.name for value in network.inputs] == ["image", "size"]
        scaled, sums = run_batch(network, {"size": sizes, "image": images})
    np.testing.assert_array_equal(scaled, 2 * images)
    np.testing.assert_array_equal(sums, images.sum((2, 3)) + sizes)


def test_an_optional_input_may_be_absent(make_onnx, aipp_less):
    with open_deployed(make_onnx(), None, read_facts(aipp_less), aipp_less, [SIZE]) as network:
        assert [value.name for value in network.inputs] == ["image"]


@pytest.mark.parametrize(
    "optional",
    [[], [Tensor("scale", ("N", 3), "float32", "")], [Tensor("size", ("N", 4), "float32", "")]],
    ids=["none", "another name", "another shape"],
)
def test_another_second_input_than_the_known_one_is_refused(make_onnx, aipp_less, optional):
    with pytest.raises(GuideError) as error:
        open_deployed(add_input(make_onnx()), None, read_facts(aipp_less), aipp_less, optional)
    assert str(error.value).startswith(f"{aipp_less / 'tiny.onnx'}: not Tiny: expected inputs and outputs [")
    assert "('size', (3,), 'float32')" in str(error.value).partition("found")[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sums"', '"loc"'),
        ('"image"', '"input"'),
        ('"N", 3, 4, 6', '"N", 3, 4, 5'),
        ('["N", 3]', '["N", 4]'),
        ('["N", 3]', '["N", 3, 1]'),
        ('["N", 3]\ndtype = "float32"', '["N", 3]\ndtype = "float16"'),
    ],
)
def test_another_network_than_model_toml_describes_is_refused_by_name(make_onnx, write_model, old, new):
    folder = write_model((old, new))
    with pytest.raises(GuideError) as error:
        open_deployed(make_onnx(), None, read_facts(folder), folder)
    assert str(error.value).startswith(f"{folder / 'tiny.onnx'}: not Tiny: expected inputs and outputs [")
    outputs = "('scaled', (3, 4, 6), 'float32'), ('sums', (3,), 'float32')"
    assert str(error.value).endswith(f"found [('image', (4, 6, 3), 'uint8'), {outputs}].")
