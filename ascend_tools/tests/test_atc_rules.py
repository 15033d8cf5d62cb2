"""atc_rules.py: each thing ATC may refuse is told with its reason, and nothing of a file that it takes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ascend_tools.preflight.atc_rules import Remark, remarks
from common.graph.outline import describe, load


def remarks_on(text, opset=11, head='<ir_version: 6, opset_import: ["" : 11]>'):
    model = onnx.parser.parse_model(f"{head} g {text}")
    onnx.checker.check_model(model)
    return {remark.about: remark.says for remark in remarks(model, describe(model), opset)}


def test_a_plain_file_gives_no_remark(make_onnx):
    model = load(make_onnx())
    assert remarks(model, describe(model), 11) == []


@pytest.mark.parametrize(
    ("opset", "asked", "says"),
    [
        (9, 11, []),
        (11, 11, []),
        (13, 13, []),
        (13, 11, ["above 11, with which this model, or the guides' models, are known to convert"]),
        (14, 14, ["CANN documents 9 to 13 before version 7.0, which goes to 18"]),
        (17, 17, ["CANN documents 9 to 13 before version 7.0, which goes to 18"]),
        (18, 11, ["CANN documents 9 to 13 before version 7.0, which goes to 18", "above 11, with which"]),
        (19, 19, ["CANN documents 9 to 13 (5.0.4, 6.0.1) and 9 to 18 (7.0); export it as one of these"]),
        (8, 11, ["CANN documents 9 to 13"]),
    ],
)
def test_an_opset_outside_of_what_is_documented_or_asked_for(opset, asked, says):
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]> g (float[N,2] x) => (float[N,2] y) {{ y = Abs(x) }}'
    )
    found = remarks(model, describe(model), asked)
    assert [remark.about for remark in found] == [f"opset {opset}"] * len(says)
    assert all(remark.says.startswith(words) for remark, words in zip(found, says, strict=True))


def test_types_that_atc_does_not_take_at_the_ends_of_a_network():
    found = remarks_on(
        "(int64[N,2] a, double[N,2] b, uint8[N,2] c, float16[N,2] d, float[N,2] e, string[N,2] f) "
        "=> (int64[N,2] v, double[N,2] w, uint8[N,2] x, float16[N,2] y, float[N,2] z) "
        "{ v = Identity(a) w = Identity(b) x = Identity(c) y = Identity(d) z = Identity(e) }"
    )
    wanted = "of an ONNX file ATC takes float32, float16, or uint8 through AIPP"
    cast = "--output_type knows FP32, FP16, UINT8 and INT8 before CANN 9; cast it in the graph"
    assert found == {
        "input 'a'": f"is int64; {wanted}",
        "input 'b'": f"is float64; {wanted}",
        "input 'c'": "is uint8, which an OM takes only through AIPP (--insert_op_conf)",
        "input 'f'": f"is object; {wanted}",
        "output 'v'": f"is int64; {cast}",
        "output 'w'": f"is float64; {cast}",
    }


def test_dimensions_that_are_dynamic_beyond_the_batch():
    found = remarks_on("(float[N,3,H,8] x) => (float[N,3,H,8] y) { y = Abs(x) }")
    assert list(found) == ["input 'x'"]
    assert found["input 'x'"].startswith(
        "has the shape ('N', 3, 'H', 8), dynamic beyond the batch; ATC of CANN 6.0.1"
    )


def test_operators_of_a_domain_of_their_own():
    found = remarks_on(
        "(float[N,2] x) => (float[N,2] y) { [one] a = our.own.Wobble(x) [two] y = our.own.Wobble(a) }",
        head='<ir_version: 6, opset_import: ["" : 11, "our.own" : 1]>',
    )
    assert found == {
        "domains ai.onnx, our.own": "ATC refuses more than one (E16005: ... [--domain_version] fields, but only one "
        "is allowed)",
        "2 x Wobble": "of the domain 'our.own': E19010, no parser is registered, without a plugin of one's own "
        "(one, two)",
    }


def test_operators_that_are_not_in_the_list_or_have_a_size_that_the_data_decides():
    found = remarks_on(
        "(float[N,2] x) => (float[N,2] y, int64[2,K] z) { [isnan] a = IsNaN(x) [where] y = Where(a, x, x) "
        "[nonzero] z = NonZero(x) }"
    )
    assert found.pop("output 'z'").startswith("is int64")
    assert found == {
        "1 x IsNaN": "not in the list of CANN 5.0.4; check that of your version (isnan)",
        "1 x NonZero": "its output's size depends on the data, which not every chip runs (EZ3002: Dynamic shape is "
        "not supported on this chip) (nonzero)",
    }


def test_the_branches_of_control_flow_are_looked_into():
    found = remarks_on(
        "(float[N,2] x) => (float[N,2] y) <bool yes = {1}> { [if] y = If(yes) <"
        "then_branch = t () => (float[N,2] u) { a = IsNaN(x) u = Where(a, x, x) }, "
        "else_branch = e () => (float[N,2] v) { v = Identity(x) }> }"
    )
    assert found == {"1 x IsNaN": "not in the list of CANN 5.0.4; check that of your version (a)"}


def test_control_flow_that_repeats_is_not_in_the_list():
    found = remarks_on(
        "(float[N,2] x) => (float[N,2] y) <int64 times = {3}, bool yes = {1}> { [loop] y = Loop(times, yes, x) <"
        "body = b (int64 i, bool more, float[N,2] u) => (bool again, float[N,2] v) "
        "{ again = Identity(more) v = Abs(u) }> }"
    )
    assert list(found) == ["1 x Loop"]


def test_constants_of_types_and_sizes_that_the_ai_core_does_not_have():
    found = remarks_on(
        "(float[N,2] x) => (float[N,2] y) "
        "<double pi = {3.14}, int64[2] far = {1, 2147483648}, int64[2] near = {-2147483648, 2147483647}> "
        "{ low = Constant<value = int64[1] {-2147483649}>() y = Identity(x) }"
    )
    assert list(found) == ["constant 'pi'", "constant 'far'", "constant 'low'"]
    assert found["constant 'pi'"] == "is float64; the AI core computes in float16 and float32; cast it"
    assert found["constant 'far'"] == (
        "is int64 and beyond int32, the type in which many of ATC's operators take indices"
    )


def test_a_slice_to_the_end_is_no_large_index():
    assert not remarks_on(
        "(float[N,2] x) => (float[N,1] y) <int64[1] start = {1}, int64[1] end = {9223372036854775807}, "
        "int64[1] axis = {1}> { y = Slice(x, start, end, axis) }"
    )


@pytest.mark.parametrize("form", ["initializer", "constant", "attribute"])
@pytest.mark.parametrize(("value", "told"), [(-np.inf, True), (0.0, False), (-65504.0, False)])
def test_padding_with_infinity(form, value, told):
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 2, 2])
    padded = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1, 3, 3])
    pads = [0, 0, 0, 0, 0, 0, 1, 1]
    fill = numpy_helper.from_array(np.float32(value), "fill")
    nodes = [helper.make_node("Constant", [], ["fill"], value=fill)] if form == "constant" else []
    weights = [numpy_helper.from_array(np.array(pads), "pads"), fill]
    if form == "attribute":
        nodes += [helper.make_node("Pad", ["x"], ["y"], name="Pad_7", pads=pads, value=value)]
        weights = []
    else:
        nodes += [helper.make_node("Pad", ["x", "pads", "fill"], ["y"], name="Pad_7")]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], [padded], weights[: 1 + (form == "initializer")]),
        opset_imports=[helper.make_opsetid("", 10 if form == "attribute" else 11)],
        ir_version=6,
    )
    onnx.checker.check_model(model)
    found = remarks(model, describe(model), 11)
    assert found == (
        [
            Remark(
                "1 x Pad",
                "pads with -inf, which the EfficientDet-D0 guide takes out before ATC. Padding with 0 instead changes "
                "the results; a MaxPool that pads by itself (its attribute `pads`) does not (Pad_7)",
            )
        ]
        if told
        else []
    )


def test_a_pad_whose_number_is_computed_is_not_judged():
    assert not remarks_on(
        "(float[N,1,2,2] x) => (float[N,1,3,3] y) <int64[8] pads = {0,0,0,0,0,0,1,1}, float low = {-1.0}> "
        "{ fill = Abs(low) y = Pad(x, pads, fill) }"
    )
