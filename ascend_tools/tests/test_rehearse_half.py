"""A rehearsal in half precision: OM files that compute as ATC's options say, and say so; others stay what they were."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ascend_tools.rehearse import __main__ as rehearse
from ascend_tools.rehearse import om_file, om_header
from common import rehearsal
from common.backends import om
from common.backends.deployed import Runtime, open_model
from common.backends.emulation import Emulation
from common.files import write_json
from common.npu_tools import om_record

PICTURES = 300 * np.random.default_rng(3).standard_normal((2, 3, 4, 6)).astype(np.float32)


@pytest.fixture
def rehearsed(tmp_path, monkeypatch):
    """Set a rehearsal up, in half precision or not."""

    def set_up(*words):
        assert rehearse.main([str(tmp_path / "rehearsal"), *words]) == 0
        monkeypatch.setenv(rehearsal.VARIABLE, str(tmp_path / "rehearsal"))

    return set_up


def converted(path, model, soc="Ascend310P3", **options):
    """Write an OM and return its outputs for PICTURES."""
    om_file.write(path, model, {"soc_version": soc, "input_shape": "image:2,3,4,6", **options})
    opened = om_file.open_om(path)
    try:
        return opened.run([PICTURES])
    finally:
        opened.close()


def emulated(model, *options, soc=None):
    runtime = Runtime(precision="float16-emulated", emulation=Emulation(soc, options))
    with open_model(model, runtime) as network:
        return network.run({"image": PICTURES})


def same(found, wanted):
    return all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_an_om_computes_in_half_precision_as_its_options_say(rehearsed, make_onnx, tmp_path):
    rehearsed("--half")
    (tmp_path / "list.json").write_text(json.dumps({"black-list": {"to-add": ["Mul", "Add"]}}))
    listed = {"precision_mode": "allow_mix_precision", "modify_mixlist": str(tmp_path / "list.json")}
    model, path = make_onnx(bias=0.1), tmp_path / "half.om"
    assert same(converted(path, model), emulated(model))
    assert same(converted(path, model, **listed), emulated(model, *listed.items()))
    assert not same(converted(path, model, **listed), emulated(model))
    assert om_header.read(path)[0].half == (
        "allow_mix_precision; in float32: Add, Mul; overflow saturates; 3 of 3 nodes in float32: 1 Add, 1 Mul, 1 ReduceSum"
    )


def test_the_chip_decides_what_becomes_of_overflow(rehearsed, make_onnx, tmp_path):
    rehearsed("--half", "--soc", "Ascend910B4")
    model = make_onnx(bias=65504)
    found = converted(tmp_path / "half.om", model, "Ascend910B4")
    assert np.isinf(found[0]).any()
    assert same(found, emulated(model, soc="Ascend910B4"))


def test_what_it_computes_in_is_told_in_every_place(rehearsed, make_onnx, tmp_path):
    model, path = make_onnx(), tmp_path / "tiny.om"
    for words, precision in (((), "float32"), (("--half",), "float16-emulated")):
        rehearsed(*words)
        assert rehearsal.precision_here() == precision
        converted(path, model)
        assert rehearsal.precision(path) == precision
        record = om_record.OmRecord(
            onnx="tiny.onnx",
            onnx_hash="",
            options={},
            files={},
            soc_version="Ascend310P3",
            cann=None,
            batch_size=2,
            tool="atc",
            rehearsal=True,
            bytes=0,
            sha256="",
        )
        write_json(om_record.path_of(path), msgspec.to_builtins(record))
        om.check_precision(path, precision)


def test_an_om_of_another_precision_is_made_anew(rehearsed, make_onnx, tmp_path, monkeypatch):
    path = tmp_path / "tiny.om"
    monkeypatch.setattr(om_record, "read", lambda _: "the same")
    monkeypatch.setattr(om_record, "_of", lambda *_: "the same")
    rehearsed()
    converted(path, make_onnx())
    assert om_record.is_up_to_date(path, None)
    rehearsed("--half")
    assert not om_record.is_up_to_date(path, None)


def test_outside_of_a_rehearsal_and_in_one_without_it_nothing_is_rounded(make_onnx, rehearsed, tmp_path):
    model = make_onnx(bias=0.1)
    with open_model(model) as network:
        wanted = network.run({"image": PICTURES})
    assert same(converted(tmp_path / "outside.om", model), wanted)
    rehearsed()
    assert same(converted(tmp_path / "inside.om", model), wanted)
    assert b'"half"' not in (tmp_path / "inside.om").read_bytes()


def test_atcs_own_operators_are_rounded_too(rehearsed, tmp_path):
    """Boxes for PSROIPooling in half precision, and what it makes; in one piece before it and one after."""
    rehearsed("--half")
    nodes = [
        helper.make_node("Mul", ["image", "factor"], ["maps"]),
        helper.make_node(
            "PSROIPooling",
            ["maps", "rois"],
            ["pooled"],
            "pool",
            group_size=1,
            output_dim=3,
            spatial_scale=1.0,
        ),
        helper.make_node("Mul", ["pooled", "factor"], ["y"], name="last"),
    ]
    rois = np.array(
        [[[0, 0], [0, 1], [0, 1], [2, 4], [3, 3]], [[1, 1], [0, 0], [1, 0], [3, 5], [2, 3]]], np.float32
    )
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [2, 3, 4, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.array(1.0003, np.float32), "factor"),
            numpy_helper.from_array(rois, "rois"),
        ],
    )
    path = tmp_path / "pooling.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), path)
    (found,) = converted(tmp_path / "pooling.om", path)
    assert np.array_equal(found, found.astype(np.float16).astype(np.float32))
    assert found.any()
