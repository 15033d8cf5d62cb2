"""results.py: result files of the inference tools, joined to their inputs, complete and of the right size."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from common.infer import main, write_output
from common.results import made_by, open_results

SHAPES = [(2, 3), (5,)]
# Names as data sets have them: with underscores, dots and digits, not hidden.
STEMS = st.text("ab_.019", min_size=1, max_size=8).filter(lambda text: not text.startswith("."))
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def write(folder, stems, first=1, suffix="bin", shapes=SHAPES):
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for i, stem in enumerate(stems):
        written[stem] = [np.random.default_rng([i, k]).random(s, np.float32) for k, s in enumerate(shapes)]
        for k, array in enumerate(written[stem], first):
            write_output(folder / f"{stem}_{k}.{suffix}", array)
    return written


def refusal(folder, stems, shapes=SHAPES):
    with pytest.raises(GuideError) as error:
        open_results(folder, stems, shapes)
    return str(error.value)


@given(
    stems=st.lists(STEMS, min_size=1, max_size=6, unique=True),
    first=st.sampled_from([0, 1]),
    suffix=st.sampled_from(["bin", "txt"]),
)
def test_outputs_are_found_by_name_whether_numbered_from_0_or_1(tmp_path_factory, stems, first, suffix):
    folder = tmp_path_factory.mktemp("result")
    written = write(folder, stems, first, suffix)
    results = open_results(folder, reversed(stems), SHAPES)
    assert (results.first, results.suffix) == (first, suffix)
    for stem in stems:
        for found, array in zip(results.read(stem), written[stem], strict=True):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, array)


@given(values=st.lists(FLOATS, min_size=1, max_size=40), suffix=st.sampled_from(["bin", "txt"]))
def test_every_float32_comes_back_exactly(tmp_path_factory, values, suffix):
    folder = tmp_path_factory.mktemp("result")
    array = np.array(values, np.float32)
    write_output(folder / f"a_1.{suffix}", array)
    (found,) = open_results(folder, ["a"], [array.shape]).read("a")
    np.testing.assert_array_equal(found, array)
    numbers = ~np.isnan(array)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(array[numbers]))


def test_text_as_ais_bench_writes_it_is_read(tmp_path):
    np.savetxt(tmp_path / "a_0.txt", np.arange(6).reshape(2, 3) / 4, fmt="%f")
    (found,) = open_results(tmp_path, ["a"], [(2, 3)]).read("a")
    np.testing.assert_array_equal(found, np.arange(6, dtype=np.float32).reshape(2, 3) / 4)


def test_summaries_hidden_files_and_other_files_are_no_results(tmp_path):
    write(tmp_path, ["a"])
    for name in (
        "perf_vision_batchsize_1_device_0.txt",
        "sumary.json",
        "2024_01_01_summary.json",
        "infer.json",
        ".a_1.part.txt",
        ".b_1.part.bin",
        "._a_1.bin",
        "FDDB_dets.txt",
    ):
        (tmp_path / name).write_text("0")
    assert len(open_results(tmp_path, ["a"], SHAPES).read("a")) == 2


def test_the_folder_around_the_tools_own_folder_will_do(tmp_path):
    write(tmp_path / "result" / "dumpOutput_device0", ["a"])
    (tmp_path / "result" / "perf_vision_batchsize_1_device_0.txt").touch()
    assert open_results(tmp_path / "result", ["a"], SHAPES).folder.name == "dumpOutput_device0"


def test_missing_and_superfluous_results_are_named_and_counted(tmp_path):
    stems = [f"img_{i}" for i in range(6)]
    write(tmp_path, stems[:2])
    assert refusal(tmp_path, stems) == (
        f"{tmp_path}: no result for img_2, img_3, img_4 and 1 more (4 in all). Run the inference again for them."
    )
    assert refusal(tmp_path, stems[:1]) == (
        f"{tmp_path}: results that belong to no input: img_1 (1 in all). "
        "Remove them, or give the inputs they belong to."
    )


@pytest.mark.parametrize(
    ("first", "remove", "add", "found"),
    [
        (1, ["b_2.bin"], [], "found [1] for 'b'."),
        (0, ["b_0.bin"], [], "found [1] for 'b'."),
        (1, [], ["b_3.bin"], "found [1, 2, 3] for 'b'."),
        (1, [], ["b_0.bin"], "for 'a'."),
        (2, [], [], "found [2, 3] for 'a'."),
        (1, ["b_2.bin"], ["b_7.bin"], "found [1, 7] for 'b'."),
    ],
)
def test_incomplete_and_mixed_numberings_are_shown(tmp_path, first, remove, add, found):
    write(tmp_path, ["a", "b"], first)
    for name in remove:
        (tmp_path / name).unlink()
    for name in add:
        (tmp_path / name).write_bytes(bytes(20))
    message = refusal(tmp_path, ["a", "b"])
    assert message.startswith(f"{tmp_path}: expected 2 outputs per input, numbered from 0 or from 1; ")
    assert message.endswith(found)


@pytest.mark.parametrize(
    ("size", "hint"),
    [(12, " Half the size: was the model converted with --output_type=FP16?"), (23, ""), (0, "")],
)
def test_a_result_of_another_size_is_named_before_anything_is_read(tmp_path, size, hint):
    write(tmp_path, ["a", "b"])
    (tmp_path / "b_1.bin").write_bytes(bytes(size))
    assert refusal(tmp_path, ["a", "b"]) == (
        f"{tmp_path / 'b_1.bin'}: expected 24 bytes (2x3 float32), found {size}.{hint} Run the inference again."
    )


def test_outputs_in_another_order_are_refused_by_their_sizes(tmp_path):
    write(tmp_path, ["a"])
    assert "a_1.bin: expected 20 bytes (5 float32), found 24." in refusal(tmp_path, ["a"], SHAPES[::-1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 3", "expected 5 values, found 3."),
        ("1 2 3 4 5 6", "expected 5 values, found 6."),
        ("", "expected 5 values, found 0."),
        ("1 2 three 4 5", "expected space-separated numbers. Run the inference again."),
        ("1 2 3 4 \u0665", "expected space-separated numbers. Run the inference again."),
    ],
)
def test_damaged_text_is_named_when_it_is_read(tmp_path, content, message):
    write(tmp_path, ["a"], suffix="txt")
    (tmp_path / "a_2.txt").write_text(content, encoding="utf-8")
    results = open_results(tmp_path, ["a"], SHAPES)
    with pytest.raises(GuideError) as error:
        results.read("a")
    assert str(error.value) == f"{tmp_path / 'a_2.txt'}: {message}"


def test_a_folder_without_results_with_both_kinds_or_none_at_all_is_refused(tmp_path):
    assert refusal(tmp_path / "lost", ["a"]) == f"{tmp_path / 'lost'}: no such result directory."
    assert refusal(tmp_path, ["a"]) == f"{tmp_path}: holds no result file `<name>_<k>.bin`."
    write(tmp_path, ["a"])
    write(tmp_path, ["a"], suffix="txt")
    assert refusal(tmp_path, ["a"]) == f"{tmp_path}: holds both .bin and .txt results; remove one kind."
    assert refusal(tmp_path / "a_1.bin", ["a"]) == f"{tmp_path / 'a_1.bin'}: no such result directory."


def test_a_number_with_leading_zeros_is_no_output_number(tmp_path):
    write(tmp_path, ["a"])
    (tmp_path / "a_2.bin").rename(tmp_path / "a_02.bin")
    assert "a_02.bin" in refusal(tmp_path, ["a"])


@pytest.mark.parametrize("suffix", ["bin", "txt"])
def test_what_the_library_infers_is_read_back(tmp_path, monkeypatch, make_onnx, make_inputs, suffix):
    images = make_inputs(3)
    monkeypatch.chdir(tmp_path)
    words = ["--model", make_onnx().name, "--input", "prep", "--out", "result", "--output-format", suffix]
    assert main(words) == 0
    results = open_results(tmp_path / "result", images, [(3, 4, 6), (3,)])
    for stem, image in images.items():
        scaled, sums = results.read(stem)
        np.testing.assert_array_equal(scaled, 2 * image)
        np.testing.assert_array_equal(sums, image.sum((1, 2)))
    assert made_by(tmp_path / "result") == made_by(results.folder) == ("onnxruntime", "float32")


def test_the_backend_of_results_without_a_record_is_unknown(tmp_path):
    folder = tmp_path / "result" / "dumpOutput_device0"
    write(folder, ["a"])
    assert made_by(folder) == (None, None)
    record = tmp_path / "result" / "infer.json"
    record.write_text("{")
    assert made_by(folder) == (None, None)
    record.write_text(json.dumps({"backend": "other", "precision": "float16"}))
    assert made_by(folder) == ("other", "float16")


@pytest.mark.parametrize("suffix", ["bin", "txt"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, suffix, value):
    write(tmp_path, ["a"], suffix=suffix)
    write_output(tmp_path / f"a_2.{suffix}", np.array([1, 2, value, 4, 5], np.float32))
    results = open_results(tmp_path, ["a"], SHAPES)
    with pytest.raises(GuideError, match=rf"a_2\.{suffix}: holds values that are not finite"):
        results.read("a")


@pytest.mark.parametrize("name", ["whatever.bin", "a_.bin"])
def test_files_that_are_no_results_are_refused(tmp_path, name):
    write(tmp_path, ["a"])
    (tmp_path / name).touch()
    assert name in refusal(tmp_path, ["a"])
