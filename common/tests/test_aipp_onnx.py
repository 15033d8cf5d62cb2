"""aipp_numpy.py and aipp_onnx.py: both compute what is documented, bit for bit the same."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from common.graph.aipp import FORMATS, Aipp, Crop, Csc, Padding, Resize
from common.graph.aipp_check import chip_inputs, fitted
from common.graph.aipp_numpy import apply
from common.graph.aipp_onnx import fold
from common.graph.outline import Value, describe, load
from tests.conftest import refused

BT601 = ((298, 0, 409), (298, -100, -208), (298, 516, 0))
GRAY = ((76, 150, 30), (0, 0, 0), (0, 0, 0))


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def network(*inputs, opset=11, batch="N"):
    """A model that hands its inputs on; each is a (channels, height, width)."""
    ends = [
        [
            helper.make_tensor_value_info(f"{kind}{i}", TensorProto.FLOAT, [batch, *shape])
            for i, shape in enumerate(inputs)
        ]
        for kind in ("in", "out")
    ]
    nodes = [helper.make_node("Identity", [f"in{i}"], [f"out{i}"]) for i in range(len(inputs))]
    graph = helper.make_graph(nodes, "tiny", *ends)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


def outcome(aipp):
    """The shape that a block with all sizes makes, without the batch."""
    width, height = aipp.size
    for step in (aipp.crop, aipp.resize):
        width, height = (step.width, step.height) if step else (width, height)
    pad = aipp.padding or Padding()
    return (aipp.channels, height + pad.top + pad.bottom, width + pad.left + pad.right)


def pictures(aipp, count=2, seed=0):
    shape = aipp.input_shape((count, aipp.channels, *aipp.size[::-1]))
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def bytes_of(picture, aipp, y, x):
    """The three values of a pixel, from where the formats' descriptions say that its bytes are."""
    data, (width, height) = picture.ravel().tolist(), aipp.size
    at, pair = y * width + x, x // 2 * 2
    uv = {"YUV420SP_U8": (y // 2) * width + pair, "YUV422SP_U8": y * width + pair}
    match aipp.format:
        case "YUV400_U8":
            return [data[at]]
        case "RGB888_U8":
            found = data[3 * at : 3 * at + 3]
        case "YUV420SP_U8" | "YUV422SP_U8":
            found = [data[at], *data[height * width + uv[aipp.format] :][:2]]
        case "YUYV_U8":
            first, second = data[2 * (y * width + pair) :][1:4:2]
            found = [data[2 * at], first, second]
        case _:
            found = data[4 * at :][1:4] if aipp.swap_ax else data[4 * at :][:3]
    if aipp.swap_rb:
        one = 1 if "Y" in aipp.format else 0
        found[one], found[2] = found[2], found[one]
    return found


def documented(aipp, picture):
    """One picture, pixel by pixel in whole numbers as far as they go; without resize."""
    crop, pad = aipp.crop or Crop(0, 0, *aipp.size), aipp.padding or Padding()
    made = np.full(outcome(aipp), pad.value)
    for y, x in itertools.product(range(crop.height), range(crop.width)):
        values = bytes_of(picture, aipp, crop.top + y, crop.left + x)
        if aipp.csc:
            inputs = [v - b for v, b in zip(values, aipp.csc.input_bias, strict=True)]
            sums = [sum(m * v for m, v in zip(row, inputs, strict=True)) >> 8 for row in aipp.csc.matrix]
            values = [min(max(s + b, 0), 255) for s, b in zip(sums, aipp.csc.output_bias, strict=True)]
        for c in range(aipp.channels):
            made[c, pad.top + y, pad.left + x] = (values[c] - aipp.mean[c] - aipp.min[c]) * aipp.var_reci[c]
    return made


WHOLE = st.integers(0, 255)
COEFFICIENT = st.integers(-32677, 32676) | st.integers(-600, 600)


def three(values):
    return st.tuples(values, values, values)


@st.composite
def blocks(draw, *, resize=False):
    source = draw(st.sampled_from(sorted(FORMATS)))
    layout = FORMATS[source]
    sides = st.integers(8, 12) if resize else st.integers(1, 5)  # in pairs, so that all formats have them
    width, height = (2 * draw(sides) for _ in "wh")
    wide, high = (2 * draw(st.integers(8 if resize else 1, side // 2)) for side in (width, height))
    crop = Crop(
        2 * draw(st.integers(0, (width - wide) // 2)),
        2 * draw(st.integers(0, (height - high) // 2)),
        wide,
        high,
    )
    colours = draw(three(three(COEFFICIENT)) | st.sampled_from([BT601, GRAY]))
    biases = draw(three(WHOLE))
    csc = Csc(colours, biases, (0, 0, 0)) if layout.yuv else Csc(colours, (0, 0, 0), biases)
    pads = [draw(st.integers(0, 3)) for _ in range(4)]
    gray = source == "YUV400_U8"
    return Aipp(
        format=source,
        size=(width, height),
        mean=draw(three(WHOLE.map(float))),
        min=draw(three(st.floats(0, 255, width=16))),
        var_reci=draw(three(st.floats(-2, 2, width=16))),
        swap_rb=not gray and draw(st.booleans()),
        swap_ax=layout.channels == 4 and draw(st.booleans()),
        crop=draw(st.none() | st.just(crop)),
        csc=None if gray else draw(st.none() | st.just(csc)),
        resize=Resize(draw(st.integers(16, 40)), draw(st.integers(16, 40))) if resize else None,
        padding=draw(st.none() | st.just(Padding(*pads, value=draw(st.floats(-9, 9, width=16))))),
    )


@given(aipp=blocks(), seed=st.integers(0, 99))
def test_numpy_computes_what_is_documented(aipp, seed):
    images = pictures(aipp, 1, seed)
    found = apply(aipp, images)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(found[0], documented(aipp, images[0]), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("channels_last", [False, True])
@given(aipp=blocks() | blocks(resize=True), count=st.integers(1, 3), seed=st.integers(0, 99))
def test_the_folded_graph_computes_bit_for_bit_what_numpy_does(channels_last, aipp, count, seed):
    images = pictures(aipp, count, seed)
    model = fold(network(outcome(aipp)), aipp, channels_last=channels_last)
    onnx.checker.check_model(model, full_check=True)
    (found,) = session(model).run(None, {"in0": images})
    np.testing.assert_array_equal(found, apply(aipp, images))


@given(aipp=blocks(resize=True), seed=st.integers(0, 99))
def test_resizing_is_onnx_own_bilinear_one_with_half_pixel_centres(aipp, seed):
    plain = dataclasses.replace(aipp, padding=None, mean=(0, 0, 0), min=(0, 0, 0), var_reci=(1, 1, 1))
    images = pictures(plain, 1, seed)
    before = apply(dataclasses.replace(plain, resize=None), images)
    sizes = onnx.numpy_helper.from_array(np.array([1, *outcome(plain)]), "sizes")
    node = helper.make_node("Resize", ["in0", "", "", "sizes"], ["out0"], mode="linear")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("in0", "out0")]
    graph = helper.make_graph([node], "resize", ends[:1], ends[1:], [sizes])
    resizing = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    (expected,) = session(resizing).run(None, {"in0": before})
    np.testing.assert_allclose(apply(plain, images), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [((16, 128, 128), (0, 0, 0)), ((235, 128, 128), (254, 254, 254)), ((81, 90, 240), (254, 0, 0))],
)
def test_known_colours_of_television_are_what_they_are(yuv, rgb):
    aipp = Aipp(format="YUV420SP_U8", csc=Csc(BT601, (16, 128, 128), (0, 0, 0)))
    picture = np.array([yuv[0]] * 4 + [*yuv[1:]], np.uint8).reshape(1, 3, 2, 1)
    np.testing.assert_array_equal(apply(aipp, picture)[0, :, 1, 1], rgb)
    turned = np.array([yuv[0]] * 4 + [*yuv[:0:-1]], np.uint8).reshape(1, 3, 2, 1)  # NV21
    np.testing.assert_array_equal(apply(dataclasses.replace(aipp, swap_rb=True), turned)[0, :, 1, 1], rgb)


def test_whole_means_are_subtracted_exactly(make_onnx):
    images = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    expected = (images.astype(np.float32) - np.array((104, 117, 123), np.float32)).transpose(0, 3, 1, 2)
    aipp = Aipp(mean=(104, 117, 123))
    np.testing.assert_array_equal(apply(aipp, images), expected)
    (scaled,) = session(fold(load(make_onnx()), aipp)).run(["scaled"], {"image": images})
    np.testing.assert_array_equal(scaled, 2 * expected)


@pytest.mark.parametrize("batch", ["N", 2])
@pytest.mark.parametrize("swap_rb", [False, True])
def test_the_folded_input_is_nhwc_uint8_and_the_model_given_is_left_alone(make_onnx, batch, swap_rb):
    model = load(make_onnx(batch=batch))
    before = model.SerializeToString()
    folded = fold(model, Aipp(swap_rb=swap_rb))
    onnx.checker.check_model(folded, full_check=True)
    assert describe(folded).inputs == (Value("image", "uint8", (batch, 4, 6, 3)),)
    assert describe(folded).outputs == describe(model).outputs
    assert describe(folded).producers == describe(model).producers
    assert model.SerializeToString() == before


def test_several_blocks_are_for_several_inputs():
    second = Aipp(format="YUV400_U8", mean=(7, 0, 0), rank=1)
    aipp = Aipp(format="YUV420SP_U8", rank=2, others=(second,))
    model = network((3, 2, 2), (1, 4, 4), (3, 4, 4))
    folded = fold(model, aipp)
    taken = (
        Value("in0", "float32", ("N", 3, 2, 2)),
        Value("in1", "uint8", ("N", 4, 4, 1)),
        Value("in2", "uint8", ("N", 6, 4, 1)),
    )
    assert describe(folded).inputs == taken == chip_inputs(aipp, describe(model).inputs)
    rng = np.random.default_rng(0)
    feeds = {"in0": np.ones((1, 3, 2, 2), np.float32)}
    feeds |= {
        name: rng.integers(0, 256, (1, *shape), np.uint8)
        for name, shape in (("in1", (4, 4, 1)), ("in2", (6, 4, 1)))
    }
    found = session(folded).run(None, feeds)
    for array, expected in zip(
        found, (feeds["in0"], apply(second, feeds["in1"]), apply(aipp, feeds["in2"])), strict=True
    ):
        np.testing.assert_array_equal(array, expected)


def test_an_input_that_a_condition_takes_gets_the_same_pixels():
    plain = network((3, 2, 2))
    bodies = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("Neg" if name == "else" else "Identity", ["in0"], [f"{name}0"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}0", TensorProto.FLOAT, None)],
        )
        for name in ("then", "else")
    }
    plain.graph.node[0].CopyFrom(helper.make_node("If", ["yes"], ["out0"], **bodies))
    plain.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "yes"))
    images = np.full((1, 2, 2, 3), 5, np.uint8)
    (found,) = session(fold(plain, Aipp(mean=(2, 2, 2)))).run(None, {"in0": images})
    assert (found == 3).all()


def test_what_is_left_to_the_network_is_taken_from_it():
    aipp = Aipp(size=(8, 6), crop=Crop(2, 1))
    images = pictures(aipp)
    with refused("AIPP leaves a size to the network, which is not known here; write it into the file."):
        apply(aipp, images)
    full = fitted(aipp, ("N", 3, 4, 5))
    assert full == dataclasses.replace(aipp, crop=Crop(2, 1, 5, 4))
    (found,) = session(fold(network((3, 4, 5)), aipp)).run(None, {"in0": images})
    np.testing.assert_array_equal(found, apply(full, images))
    np.testing.assert_array_equal(found, images[:, 1:5, 2:7].transpose(0, 3, 1, 2))


def test_a_model_whose_size_changes_is_folded_where_the_format_allows_it():
    model = network((3, "H", "W"))
    assert describe(fold(model, Aipp())).inputs == (Value("in0", "uint8", ("N", "H", "W", 3)),)
    text = "needs the height and width of input 'in0' fixed, found ('H', 'W')."
    with refused(f"AIPP YUYV_U8 {text}"):
        fold(model, Aipp(format="YUYV_U8"))
    with refused(f"AIPP RGB888_U8 {text}"):
        fold(model, Aipp(size=(8, 6), crop=Crop(2, 1)))


def test_padding_needs_the_operator_of_opset_11():
    aipp = Aipp(size=(2, 2), padding=Padding(1, 1, 0, 0))
    with refused("AIPP with padding needs a model of opset 11 or later, found 10."):
        fold(network((3, 2, 4), opset=10), aipp)
    for opset in (11, 18):
        (found,) = session(fold(network((3, 2, 4), opset=opset), aipp)).run(
            None, {"in0": np.ones((1, 2, 2, 3), np.uint8)}
        )
        np.testing.assert_array_equal(found[0, 0], [[0, 1, 1, 0]] * 2)


@pytest.mark.parametrize(
    ("aipp", "shape", "dtype", "expected"),
    [
        (Aipp(), (1, 3, 4, 4), "uint8", "(1, 3, 4, 3)"),
        (Aipp(), (3, 4, 3), "uint8", "(3, 0, 0, 3)"),
        (Aipp(), (1, 4, 4, 3), "float32", "(1, 4, 4, 3)"),
        (Aipp(size=(4, 4)), (1, 4, 5, 3), "uint8", "(1, 4, 4, 3)"),
        (Aipp(format="YUV420SP_U8"), (1, 5, 4, 1), "uint8", "(1, 4, 4, 1)"),
    ],
)
def test_other_pictures_than_the_block_takes_are_refused(aipp, shape, dtype, expected):
    with refused(f"AIPP {aipp.format} takes uint8 pictures of the shape {expected}, found {shape} {dtype}."):
        apply(aipp, np.zeros(shape, dtype))
    with refused("AIPP: YUV420SP_U8 needs even numbers, the source's width and height are (3, 2)."):
        apply(Aipp(format="YUV420SP_U8"), np.zeros((1, 3, 3, 1), np.uint8))
