"""external.py: weights in files beside an ONNX file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from common.errors import GuideError
from common.files import file_hash
from common.graph.constants import constants
from common.graph.external import network_hash, weight_files
from common.graph.outline import load
from tests.conftest import refused


@pytest.fixture
def beside(make_onnx, tmp_path):
    """The model with its weights in `weights.bin` beside it, and a function that changes what it says of the bias."""
    path = make_onnx(bias=0.5)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)

    def change(**entries):
        proto = onnx.load(path, load_external_data=False)
        bias = next(tensor for tensor in proto.graph.initializer if tensor.name == "bias")
        known = {entry.key: entry.value for entry in bias.external_data} | entries
        del bias.external_data[:]
        for key, value in known.items():
            if value is not None:
                bias.external_data.add(key=key, value=value)
        onnx.save(proto, path)
        return path

    return path, change


def test_weights_beside_a_model_are_read_with_it(beside, tmp_path):
    path, _ = beside
    bias = constants(load(path).graph)["bias"]
    assert onnx.numpy_helper.to_array(bias) == np.float32(0.5)
    assert weight_files(path, onnx.load(path, load_external_data=False)) == [tmp_path / "weights.bin"]


def test_a_network_is_told_by_all_its_files(beside, make_onnx, tmp_path):
    path, _ = beside
    first, weights = network_hash(path), tmp_path / "weights.bin"
    assert network_hash(path) == first
    data = weights.read_bytes()
    weights.write_bytes(data[::-1])
    assert network_hash(path) != first
    weights.write_bytes(data)
    assert network_hash(path) == first
    plain = make_onnx("plain.onnx")
    assert network_hash(plain) == file_hash(plain)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("where", "link"),
    [("../secret.bin", None), ("/{folder}/secret.bin", None), ("a/../../secret.bin", None), ("link", "../secret.bin"),
     ("nul\0", None), ("here/secret.bin", "..")],
)  # fmt: skip
def test_files_outside_the_directory_are_never_read(tmp_path, make_onnx, beside, where, link, check):
    _, change = beside
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    if link:
        (folder / where.split("/")[0]).symlink_to(link)
    moved = change(location=where.format(folder=tmp_path)).rename(folder / "tiny.onnx")
    (tmp_path / "weights.bin").rename(folder / "weights.bin")
    for read in (lambda: load(moved, check=check), lambda: network_hash(moved)):
        with refused(f"{moved}: has weights in files outside its own directory, ", whole=False):
            read()


@pytest.mark.parametrize("check", [True, False])
def test_a_missing_and_a_short_file_are_named(beside, tmp_path, check):
    path, _ = beside
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    with refused(f"{weights}: expected the weights of {path}, ", whole=False):
        load(path, check=check)
    weights.unlink()
    with refused(
        f"{path}: 1 of the 1 files beside it that hold its weights are missing: weights.bin. "
        "Copy them with the model, under the same names."
    ):
        load(path, check=check)
    weights.mkdir()
    with refused(f"{path}: 1 of the 1 files beside it that hold its weights are missing", whole=False):
        load(path, check=check)


@pytest.mark.parametrize(
    "entries",
    [
        {"location": None},
        {"location": ""},
        {"offset": "-1"},
        {"offset": "x"},
        {"length": "\u00b2"},
        {"length": "9" * 99},
    ],
)
def test_an_entry_that_names_no_place_is_refused(beside, entries):
    path, change = beside
    change(**entries)
    with refused(f"{path}: the weight 'bias' says no place in a file, but ", whole=False):
        load(path)


@pytest.mark.parametrize("entries", [{"offset": str(2**40)}, {"length": str(2**40)}])
def test_a_place_beyond_the_file_is_refused(beside, tmp_path, entries):
    _, change = beside
    with refused(f"{tmp_path / 'weights.bin'}: expected the weights of ", whole=False):
        load(change(**entries))


def test_a_small_file_is_not_read_again_and_again(beside, tmp_path):
    path, _ = beside
    (tmp_path / "weights.bin").write_bytes(bytes(4096))
    proto = onnx.load(path, load_external_data=False)
    for number in range(100):
        tensor = proto.graph.initializer.add(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[1024])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
        tensor.external_data.add(key="length", value="4096")
    onnx.save(proto, path)
    with refused(f"{path}: several of its weights are the same bytes of weights.bin; export it again."):
        load(path)


def test_tensors_within_nodes_and_their_branches_are_found(make_onnx, tmp_path):
    path = make_onnx()
    proto = onnx.load(path)
    value = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="../far.bin")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=value)], "inner", [], [])
    proto.graph.node.append(helper.make_node("If", ["image"], ["z"], then_branch=inner, else_branch=inner))
    onnx.save(proto, path)
    with pytest.raises(GuideError, match=r"outside its own directory, \.\./far\.bin; none of them is read"):
        network_hash(path)
