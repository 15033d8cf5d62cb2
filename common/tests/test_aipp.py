"""aipp.py: reading AIPP files, and the same arithmetic as an ONNX graph."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import cli
from common.errors import GuideError
from common.facts import read_facts
from common.graph.aipp import Aipp, add_aipp, apply, chosen_aipp, fold, named_aipp, read_aipp
from common.graph.outline import Value, describe, load
from tests.conftest import refused

MEANS = st.integers(0, 255).map(float)
MINIMA = st.floats(0, 255, width=32)
SCALES = st.floats(2**-10, 4, width=32)


def three(values):
    return st.tuples(values, values, values)


BLOCKS = st.builds(
    Aipp,
    mean=three(MEANS),
    min=three(MINIMA),
    var_reci=three(SCALES),
    swap_rb=st.booleans(),
    size=st.none() | st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
)


def sizeless(aipp):
    return dataclasses.replace(aipp, size=None)


def lines_of(aipp):
    lines = ["aipp_mode : static", "input_format : RGB888_U8"]
    for group in ("mean", "min", "var_reci"):
        lines += [f"{group}_chn_{c} : {value!r}" for c, value in enumerate(getattr(aipp, group))]
    lines.append(f"rbuv_swap_switch : {str(aipp.swap_rb).lower()}")
    if aipp.size:
        lines += [f"src_image_size_{side} : {value}" for side, value in zip("wh", aipp.size, strict=True)]
    return [line.replace(".0", "") if line.startswith("mean") else line for line in lines]


@given(aipp=BLOCKS, data=st.data())
def test_a_block_is_read_back_in_any_order_spacing_and_with_comments(tmp_path, aipp, data):
    lines = data.draw(st.permutations(lines_of(aipp)))
    colon = data.draw(st.sampled_from([":", " : ", ": ", " :\t"]))
    end = data.draw(st.sampled_from(["\n", " ", ";\n", " # comment : 5 }\n", "\r\n", ", "]))
    head = data.draw(st.sampled_from(["aipp_op {", "aipp_op{", "# about it\n\naipp_op: {\n"]))
    path = tmp_path / "aipp.config"
    path.write_text(head + "".join(line.replace(" : ", colon) + end for line in lines) + "}\n")
    assert read_aipp(path) == aipp


PIECES = [
    "aipp_op",
    "{",
    "}",
    ":",
    "a",
    "mean_chn_0",
    "aipp_mode",
    "static",
    "nan",
    "-1",
    "1e9",
    "\f",
    "\v",
    "\x85",
    '"',
]


@given(pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12), data=st.data())
def test_any_text_is_read_or_refused_in_one_message(tmp_path, pieces, data):
    text = " ".join(lines_of(Aipp()))
    at = data.draw(st.integers(0, len(text)))
    path = tmp_path / "aipp.config"
    path.write_text(
        f"aipp_op {{ {text[:at]}{' '.join(pieces)}{text[at:]} }}", encoding="utf-8", errors="replace"
    )
    try:
        read_aipp(path)
    except GuideError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


def test_all_white_space_of_the_format_may_stand_anywhere(tmp_path):
    path = tmp_path / "aipp.config"
    path.write_bytes(b"\f" + "\v\f".join(["aipp_op {", *lines_of(Aipp()), "}"]).encode() + b"\f\n")
    assert read_aipp(path) == Aipp()


def test_a_long_file_is_read_in_time_that_follows_its_length(tmp_path):
    path = tmp_path / "aipp.config"
    path.write_text("aipp_op { " + "a" * 10**6 + " }")
    with refused(f"{path}: expected `key : value`, found 'aaa", whole=False):
        read_aipp(path)


def test_a_picture_of_another_size_than_the_file_says_is_refused(make_onnx):
    with refused("AIPP src_image_size is (4, 6), input 'image' has the width and height (6, 4)."):
        fold(load(make_onnx()), Aipp(size=(4, 6)))
    fold(load(make_onnx()), Aipp(size=(6, 4)))


def test_the_smallest_block_and_steps_that_are_switched_off(tmp_path):
    path = tmp_path / "aipp.config"
    path.write_text("aipp_op { aipp_mode: static input_format: RGB888_U8 }")
    assert read_aipp(path) == Aipp()
    off = "crop: false csc_switch: false resize: false padding: false related_input_rank: 0 ax_swap_switch: false"
    path.write_text(f"aipp_op {{ aipp_mode: static input_format: RGB888_U8 {off} mean_chn_1: 117 }}")
    assert read_aipp(path) == Aipp(mean=(0, 117, 0))


STATIC, RGB = (
    "expected `aipp_mode : static`; nothing else",
    "expected `input_format : RGB888_U8`; nothing else",
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected exactly one block `aipp_op { key : value ... }`."),
        ("aipp_op { aipp_mode : static", "expected exactly one block"),
        ("aipp_mode : static", "expected exactly one block"),
        ("aipp_op { BOTH } aipp_op { BOTH }", "expected `key : value`, found "),
        ("aipp_op { BOTH mean_chn_0 104 }", "expected `key : value`, found 'mean_chn_0'."),
        ("aipp_op { BOTH mean_chn_0 : 1 mean_chn_0 : 1 }", "mean_chn_0 is given twice, which ATC refuses."),
        ("aipp_op { input_format : RGB888_U8 }", STATIC),
        ("aipp_op { aipp_mode : dynamic input_format : RGB888_U8 }", STATIC),
        ("aipp_op { aipp_mode : static }", RGB),
        ("aipp_op { aipp_mode : static input_format : YUV420SP_U8 }", RGB),
        ("aipp_op { BOTH crop : true }", "`crop : true` is not supported here; only `false` is."),
        ("aipp_op { BOTH padding : true }", "`padding : true` is not supported here; only `false` is."),
        ("aipp_op { BOTH mean_chanel_0 : 1 }", "`mean_chanel_0 : 1` is not supported here."),
        ("aipp_op { BOTH matrix_r0c0 : 256 }", "`matrix_r0c0 : 256` is not supported here."),
        ("aipp_op { BOTH mean_chn_0 : abc }", "mean_chn_0 cannot have the value 'abc'."),
        ("aipp_op { BOTH var_reci_chn_2 : }", "expected `key : value`, found 'var_reci_chn_2'."),
        ("aipp_op { BOTH src_image_size_w : 1.5 }", "src_image_size_w cannot have the value '1.5'."),
        ("aipp_op { BOTH src_image_size_h : -4 }", "src_image_size_h cannot have the value '-4'."),
        ("aipp_op { BOTH src_image_size_h : 4097 }", "src_image_size_h cannot have the value '4097'."),
        (
            "aipp_op { BOTH src_image_size_h : 4 }",
            "src_image_size_w and src_image_size_h: expected both, found one.",
        ),
        ("aipp_op { BOTH mean_chn_0 : nan }", "mean_chn_0 cannot have the value 'nan'."),
        ("aipp_op { BOTH mean_chn_1 : -1 }", "mean_chn_1 cannot have the value '-1'."),
        ("aipp_op { BOTH min_chn_2 : inf }", "min_chn_2 cannot have the value 'inf'."),
        ("aipp_op { BOTH var_reci_chn_0 : 1e5 }", "var_reci_chn_0 cannot have the value '1e5'."),
        ("aipp_op { BOTH var_reci_chn_0 : 1_0 }", "var_reci_chn_0 cannot have the value '1_0'."),
        ("aipp_op { BOTH mean_chn_0 : \u00b2 }", "mean_chn_0 cannot have the value '\u00b2'."),
        ("aipp_op { BOTH \u00a0 }", r"expected `key : value`, found '\xa0'."),
        ("aipp_op { BOTH a : { }", "expected `key : value`, found 'a'."),
        ("aipp_op { BOTH rbuv_swap_switch : maybe }", "rbuv_swap_switch cannot have the value 'maybe'."),
    ],
)
def test_a_mistake_is_named_with_the_file(tmp_path, text, message):
    path = tmp_path / "aipp.config"
    path.write_text(text.replace("BOTH", "aipp_mode : static input_format : RGB888_U8"))
    with refused(f"{path}: {message}", whole=False):
        read_aipp(path)


def test_the_file_that_a_model_names_is_read_beside_it(write_model):
    line = 'insert_op_conf = "aipp.config"\n'
    assert named_aipp(read_facts(folder := write_model()), folder) == Aipp(mean=(104, 117, 123))
    assert named_aipp(read_facts(folder := write_model((line, ""))), folder) is None
    folder = write_model((line, 'insert_op_conf = "lost.config"\n'))
    with pytest.raises(GuideError, match=r"lost\.config: no such AIPP file"):
        named_aipp(read_facts(folder), folder)


def test_what_is_no_text_file_is_named(tmp_path, capsys):
    path = tmp_path / "aipp.config"
    with refused(f"{path}: no such AIPP file."):
        read_aipp(path)
    path.write_bytes(b"aipp_op { aipp_mode : static input_format : RGB888_U8 } # \xd6\xd0\xce\xc4")
    with refused(f"{path}: not a text file in UTF-8."):
        read_aipp(path)
    assert cli.command(lambda _: read_aipp(tmp_path))([]) == 1
    assert (
        capsys.readouterr().err == f"error: {tmp_path}: not a regular file, which is needed here; name one.\n"
    )


def run(model, images):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(["scaled", "sums"], {"image": images})


@given(aipp=BLOCKS.map(sizeless), seed=st.integers(0, 999), count=st.integers(1, 3))
def test_the_folded_graph_computes_what_atc_documents(make_onnx, aipp, seed, count):
    pictures = np.random.default_rng(seed).integers(0, 256, (count, 4, 6, 3), dtype=np.uint8)
    stored = pictures.astype(np.float64)[..., ::-1] if aipp.swap_rb else pictures.astype(np.float64)
    values = (stored - np.array(aipp.mean) - np.array(aipp.min)) * np.array(aipp.var_reci)
    scaled, sums = run(fold(load(make_onnx()), aipp), pictures)
    largest = np.abs(values).max() + 512 * max(aipp.var_reci)
    np.testing.assert_allclose(scaled / 2, values.transpose(0, 3, 1, 2), rtol=0, atol=1e-6 * largest)
    np.testing.assert_allclose(sums, values.sum((1, 2)), rtol=0, atol=24e-6 * largest)


@given(aipp=BLOCKS.map(sizeless), seed=st.integers(0, 999), count=st.integers(1, 3))
def test_numpy_computes_what_the_folded_graph_does(make_onnx, aipp, seed, count):
    pictures = np.random.default_rng(seed).integers(0, 256, (count, 4, 6, 3), dtype=np.uint8)
    found = apply(aipp, pictures)
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.float32, (count, 3, 4, 6), True)
    scaled, _ = run(fold(load(make_onnx()), aipp), pictures)
    np.testing.assert_array_max_ulp(found, scaled / 2, maxulp=2)


def test_whole_means_are_subtracted_exactly(make_onnx):
    pictures = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    scaled, _ = run(fold(load(make_onnx()), Aipp(mean=(104, 117, 123))), pictures)
    expected = 2 * (pictures.astype(np.float32) - np.array((104, 117, 123), np.float32))
    np.testing.assert_array_equal(scaled, expected.transpose(0, 3, 1, 2))


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


def test_models_without_one_image_of_three_channels_are_refused(make_onnx):
    with pytest.raises(GuideError, match=r"needs 3 channels, found 1 in input 'image'"):
        fold(load(make_onnx(channels=1)), Aipp())
    model = load(make_onnx())
    other = onnx.helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, ["N", 3, 4, 6])
    model.graph.input.append(other)
    with pytest.raises(GuideError, match="needs a model with one input, found 2"):
        fold(model, Aipp())


def test_the_command_lines_block_goes_before_that_of_model_toml(write_model, monkeypatch):
    parser = cli.parser("")
    add_aipp(parser)
    folder = write_model()
    (folder / "other.config").write_text("aipp_op { aipp_mode: static input_format: RGB888_U8 }")
    monkeypatch.chdir(folder)
    for words, expected in (
        ([], Aipp(mean=(104, 117, 123))),
        (["--aipp", "other.config"], Aipp()),
        (["--aipp", "none"], None),
    ):
        assert chosen_aipp(parser.parse_args(words).aipp) == expected
    (folder / "model.toml").unlink()
    assert chosen_aipp(None) is None
    with pytest.raises(GuideError, match=r"lost\.config: no such AIPP file"):
        chosen_aipp("lost.config")
