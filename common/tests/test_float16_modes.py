"""Which nodes compute in half precision: ATC's precision modes and lists, and the chips that saturate."""

from __future__ import annotations

import json

import pytest

from common.graph.float16 import emulate
from common.graph.float16_modes import FLOAT, HALF, INTO, Modes, modes, saturates
from tests.conftest import refused
from tests.test_float16 import model_of, node, normal

CONV, ADD, MEAN = (
    node("Conv", "xw", name="c"),
    node("Add", "xw", name="a"),
    node("ReduceMean", name="m", axes=[2]),
)


@pytest.mark.parametrize(
    ("mode", "conv", "add"),
    [
        ("force_fp16", HALF, HALF),
        ("fp16", HALF, HALF),
        ("allow_mix_precision", HALF, FLOAT),
        ("allow_mix_precision_fp16", HALF, FLOAT),
        ("mixed_float16", HALF, FLOAT),
        ("allow_fp32_to_fp16", HALF, FLOAT),
        ("force_fp32", INTO, FLOAT),
        ("cube_fp16in_fp32out", INTO, FLOAT),
        ("must_keep_origin_dtype", FLOAT, FLOAT),
        ("origin", FLOAT, FLOAT),
    ],
)
def test_each_mode_that_atc_documents(mode, conv, add):
    """Behind a node in float32; in a mixed precision, an operator on no list follows what is before it."""
    found = Modes(mode)
    assert (found.rounding(CONV, before=False), found.rounding(ADD, before=False)) == (conv, add)
    assert found.rounding(ADD, before=True) == (HALF if "mix" in mode else add)


@pytest.mark.parametrize(
    "mode", ["allow_mix_precision_bf16", "mixed_bfloat16", "cube_hif8", "allow_fp32_to_bf16"]
)
def test_a_mode_of_another_precision_is_refused(mode):
    with refused(
        f"--precision float16-emulated: ATC's precision mode {mode} is not emulated, but force_fp16,",
        whole=False,
    ):
        Modes(mode)


def written(path, lists):
    path.write_text(json.dumps(lists) if isinstance(lists, dict) else lists)
    return str(path)


def test_the_lists_of_a_mixed_precision(tmp_path):
    lists = {
        "black-list": {"to-add": ["ReduceMeanD", "Conv2D"]},
        "white-list": {"to-add": ["Add"], "to-remove": ["BatchMatMulV2"]},
    }
    options = {"precision_mode": "allow_mix_precision", "modify_mixlist": written(tmp_path / "l.json", lists)}
    found = modes(options, "Ascend310P3")
    for before in (False, True):
        assert found.rounding(MEAN, before) == found.rounding(CONV, before) == FLOAT
        assert found.rounding(node("GlobalAveragePool"), before) == FLOAT  # ATC makes a ReduceMeanD of it
        assert found.rounding(ADD, before) == HALF
        assert found.rounding(node("MatMul", "xw"), before) == (HALF if before else FLOAT)
    assert str(found) == (
        "allow_mix_precision; in float32: Conv2, ReduceMean; in float16: Add; not on the white list: BatchMatMul; "
        "overflow saturates"
    )


def test_a_depthwise_convolution_has_a_type_of_its_own(tmp_path):
    lists = {"black-list": {"to-add": ["DepthwiseConv2D"]}}
    options = {"precision_mode": "allow_mix_precision", "modify_mixlist": written(tmp_path / "l.json", lists)}
    found = modes(options, "Ascend310P3")
    assert found.rounding(CONV, before=True) == HALF
    assert found.rounding(node("Conv", "xw", group=4), before=True) == FLOAT


def test_keep_dtype_by_name_and_by_type_does_nothing_where_all_is_kept(tmp_path):
    options = {"keep_dtype": written(tmp_path / "keep.cfg", "c\n\nOpType::ReduceMeanD\n")}
    found = modes(options, "Ascend310P3")
    assert [found.rounding(each, before=True) for each in (CONV, MEAN, ADD)] == [FLOAT, FLOAT, HALF]
    assert found.mode == "force_fp16"
    with refused(
        f"{tmp_path / 'none.cfg'}: names no operator; expected one in each line, by its name or as OpType::Relu."
    ):
        modes({"keep_dtype": written(tmp_path / "none.cfg", "\n")}, "Ascend310P3")


def test_a_list_that_is_none_is_told(tmp_path):
    path = tmp_path / "l.json"
    options = {
        "precision_mode": "allow_mix_precision",
        "modify_mixlist": written(path, {"black-list": {"to-add": ["Cnv2D"]}}),
    }
    with refused(f"{path}: 'Cnv2D' is not known here as one of ATC's operator types; did you mean 'Conv2D'?"):
        modes(options, "Ascend310P3")


@pytest.mark.parametrize(
    ("chips", "expected"),
    [
        ("310 310P3 310P1 310B4 310B1 710 610 910 910A 910ProA 910ProB 910PremiumA", True),
        ("910B 910B1 910B3 910B4 910B4-1 910B2C 910_9391 910_9362 950", False),
    ],
)
def test_chips_that_saturate(chips, expected):
    assert [saturates(f"Ascend{chip}") for chip in chips.split()] == [expected] * len(chips.split())


def test_what_follows_what_in_a_mixed_precision():
    """The input is float32, and so is what follows it; the product is not, nor what follows that."""
    nodes = [
        node("Relu", outputs="r"),
        node("Conv", "rw", "c"),
        node("Relu", "c", "d"),
        node("Add", "dr", "y"),
    ]
    model = model_of(nodes, {"w": normal(4, 4, 1, 1)}, shape=(1, 4, 3, 3))
    emulated = emulate(model, Modes("allow_mix_precision"))
    assert (emulated.kept, emulated.nodes, str(emulated)) == (
        {"Relu": 1},
        4,
        "1 of 4 nodes in float32: 1 Relu",
    )
    everything = emulate(model, Modes("origin"))
    assert everything.kept == {"Relu": 2, "Conv": 1, "Add": 1}
    assert everything.proto == model
