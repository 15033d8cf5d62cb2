"""Writing and reading VOC's result files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from rfcn_voc.detections import read_detections, result_file, write_detections
from rfcn_voc.voc import CLASSES, read_voc
from tests.conftest import reference_detections, write_list

NONE = np.empty((0, 6), np.float32)


@pytest.fixture
def data(tmp_path):
    write_list(tmp_path / "voc", "000002\n000001\n2008_a.b\n")
    return read_voc(tmp_path / "voc", need_pictures=False)


def test_the_reference_files_are_written_byte_for_byte(cases, tmp_path):
    data = read_voc(cases / "voc" / "VOCdevkit2007", need_pictures=False)
    write_detections(tmp_path, data, reference_detections(cases, data))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"comp4_det_test_{name}.txt" for name in CLASSES
    ]
    stored = sorted((cases / "voc" / "results").iterdir())
    assert len(stored) == 4
    for path in stored:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_lines_come_by_picture_and_then_as_given(data, tmp_path):
    found = {
        "000001": np.array([[0, 0.04, 9.96, 20.25, 0.5, 12], [-1, -1.5, 0, 0, 0.9996, 12]], np.float32),
        # 3.05 in float32 is a little less; 1 added in float32, too, would make it more than 4.05.
        "2008_a": np.array([[3.05, 2, 3, 4, 0.00049, 12], [5, 6, 7, 8, 1, 20]], np.float32),
        "000002": np.array([[1234.56, 1, 1343, 1343, 0.1, 12]], np.float32),
    }
    write_detections(tmp_path / "results", data, found)
    assert result_file(tmp_path / "results", "dog").read_bytes() == (
        b"000002 0.100 1235.6 2.0 1344.0 1344.0\n"
        b"000001 0.500 1.0 1.0 11.0 21.2\n"
        b"000001 1.000 0.0 -0.5 1.0 1.0\n"
        b"2008_a.b 0.000 4.0 3.0 4.0 5.0\n"
    )
    assert result_file(tmp_path / "results", "tvmonitor").read_bytes() == b"2008_a.b 1.000 6.0 7.0 8.0 9.0\n"
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "results").iterdir()}
    assert len(sizes) == 20
    assert sum(size > 0 for size in sizes.values()) == 2


def test_what_is_written_replaces_earlier_files_and_may_be_a_part_of_the_pictures(data, tmp_path):
    full = np.array([[1, 2, 3, 4, 0.5, 3]], np.float32)
    with pytest.raises(KeyError, match="000001"):  # without an entry is not without objects
        write_detections(tmp_path, data, {"000002": NONE, "2008_a": NONE})
    write_detections(tmp_path, data, dict.fromkeys(data.pictures, full))
    part = replace(data, pictures={"000001": data.pictures["000001"]})
    write_detections(tmp_path, part, {"000001": full})
    found = read_detections(tmp_path, part)
    assert (found.picture.tolist(), found.category.tolist()) == ([0], [2])
    assert read_detections(tmp_path, data).picture.tolist() == [1]
    nothing = replace(data, pictures={})
    write_detections(tmp_path, nothing, {})
    assert read_detections(tmp_path, nothing).boxes.shape == (0, 4)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2),
            *[st.floats(-100, 4000, width=32)] * 4,
            st.floats(0, 1, width=32),
            st.integers(1, 20),
        ),
        max_size=30,
    )
)
def test_what_is_written_is_read_again_rounded(rows, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "results"
    write_list(folder / "voc", "b\nc\na\n")
    data = read_voc(folder / "voc", need_pictures=False)
    table = np.array(rows, np.float64).reshape(-1, 7)
    given_rows = {
        stem: table[table[:, 0] == i, 1:].astype(np.float32) for i, stem in enumerate(data.pictures)
    }
    write_detections(folder, data, given_rows)
    back = read_detections(folder, data)
    table = table[np.lexsort((table[:, 0], table[:, 6]))]
    np.testing.assert_array_equal(back.picture, table[:, 0])
    np.testing.assert_array_equal(back.category + 1, table[:, 6])
    np.testing.assert_allclose(back.score, table[:, 5], rtol=0, atol=0.00051)
    np.testing.assert_allclose(back.boxes, table[:, 1:5] + 1, rtol=0, atol=0.051)
    kinds = [array.dtype for array in (back.picture, back.category, back.score, back.boxes)]
    assert kinds == [np.int64, np.int64, np.float64, np.float64]


@pytest.fixture
def results(data, tmp_path):
    write_detections(tmp_path / "results", data, dict.fromkeys(data.pictures, NONE))
    return tmp_path / "results"


def test_files_of_other_tools_are_read_too(results, data):
    text = "\n000001\t0.25  1 2 3e0 4.5 \r\n   \n\n2008_a.b 1e-3 -1 +2 .5 4."
    result_file(results, "bird").write_bytes(text.encode())
    result_file(results, "cow").write_text(" \n\n")
    found = read_detections(results, data)
    assert (found.picture.tolist(), found.category.tolist()) == ([1, 2], [2, 2])
    np.testing.assert_array_equal(found.score, [0.25, 0.001])
    np.testing.assert_array_equal(found.boxes, [[1, 2, 3, 4.5], [-1, 2, 0.5, 4]])
    result_file(results, "bird").write_bytes(b"000001 0.5 \xff")
    with pytest.raises(GuideError, match="bird.txt: not a text file in UTF-8"):
        read_detections(results, data)


def test_names_are_compared_whole(tmp_path):
    long = "x" * 300
    write_list(tmp_path, f"{long}\n{long}y\n#1\n1\n")
    data = read_voc(tmp_path, need_pictures=False)
    write_detections(tmp_path, data, dict.fromkeys(data.pictures, NONE))
    result_file(tmp_path, "cat").write_text(f"{long}y 1 2 3 4 5\n#1 1 2 3 4 5\n1 1 2 3 4 5\n")
    assert read_detections(tmp_path, data).picture.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "line",
    [
        *("000001", "000001 0.5 1 2 3", "000001 0.5 1 2 3 4 5", "0.5 1 2 3 4"),
        *("000001 0.5 1 2 3 x", "000001 0.5 1 2 3 1_0", "000001 0.5 1 2 3 0x10"),
        *("000001,0.5,1,2,3,4", "000001 0,5 1 2 3 4", '"000001 a" 0.5 1 2 3 4', "000001 0.5 1 2 3 4\0"),
        *("000001 nan 1 2 3 4", "000001 0.5 1 2 3 inf", "000001 0.5 -inf 2 3 4"),
        *("000001 0.5 1 2 3 1e999", "000001 0.5 1 2 3 1e7", "# a comment", "[[1, 2]]"),
    ],
)
def test_the_first_damaged_line_is_told_with_file_and_number(line, results, data):
    path = result_file(results, "sheep")
    for after in ("000001 0.5 1 2 3 4", "000001 0.5 1", "000001 0.5 1 2 3 4 5", "000001 nan 2 3 4 5"):
        path.write_text(f"\n000001 0.5 1 2 3 4\n \n{line}\n{after}\n")
        with pytest.raises(GuideError) as caught:
            read_detections(results, data)
        assert str(caught.value) == (
            f"{path}:4: expected `name score xmin ymin xmax ymax`, numbers up to 1000000, found {line!r}."
        )


def test_pictures_of_other_data_are_told(results, data):
    path = result_file(results, "bus")
    path.write_text("000001 0.5 1 2 3 4\n\n000003 0.5 1 2 3 4\n1 0.5 1 2 3 4\n000002 0.5 1 2 3 4\n")
    with pytest.raises(GuideError) as caught:
        read_detections(results, data)
    assert str(caught.value).startswith(
        f"{path}:3: the picture '000003' is none of the 3 in ImageSets/Main/test.txt; 2 lines of this file"
    )


def test_missing_files_are_counted_and_named(results, data, tmp_path):
    for name in ("cat", "sofa"):
        result_file(results, name).unlink()
    with pytest.raises(GuideError) as caught:
        read_detections(results, data)
    assert str(caught.value) == (
        f"2 of the 20 result files are missing in {results}: comp4_det_test_cat.txt, comp4_det_test_sofa.txt; "
        "a class without detections has an empty one."
    )
    for place in (tmp_path / "absent", result_file(results, "dog")):
        with pytest.raises(
            GuideError, match="20 of the 20 result files are missing in .*tvmonitor.txt; a class"
        ):
            read_detections(place, data)


@given(text=st.text(alphabet="01 .-\n\r\tne+i#\"'\x0b\x1c\u2028", max_size=60))
def test_any_text_is_read_or_told_with_its_line(text, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "any"
    write_list(folder, "1\n")
    data = read_voc(folder, need_pictures=False)
    write_detections(folder, data, {"1": NONE})
    path = result_file(folder, "dog")
    path.write_text(text)
    try:
        found = read_detections(folder, data)
    except GuideError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017
        return
    assert len(found.score) == len([line for line in text.splitlines() if line.strip()])
    assert np.isfinite(found.boxes).all()
