"""report/units.py: what is written is read again; a damaged file, or arrays that do not belong together, are told."""

from __future__ import annotations

import contextlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import GuideError
from common.report import units
from common.report.units import Units
from tests.conftest import refused

PAIRS = {
    "distance": np.array([0.5, 1.5, 2.5], np.float32),
    "same": np.array([True, False, False]),
    "fold": np.array([0, 0, 1], np.int16),
    "thresholds": np.arange(0, 4, 0.5),
}
BOXES = {
    "truth_unit": np.array([0, 1, 1]),
    "truth_class": np.array([0, 0, 1]),
    "unit": np.array([1, 0, 1]),
    "class": np.array([0, 1, 1], np.int16),
    "score": np.array([0.9, 0.8, 0.1]),
    "right": np.array([[True, False, True]] * 2),
    "ignored": np.array([[False, False, False]] * 2),
    "classes": np.array(["cat", "dog"]),
    "recalls": np.linspace(0, 1, 11),
    "empty_counts": np.array(False),
}


SHOWN = {
    "paths": np.array(["/a.jpg", ""]),
    "corners": np.zeros((3, 4), np.float32),
    "truth_corners": np.ones((3, 4), np.float32),
}
QUERIES = {
    "precision": np.array([0.5, 1.0]),
    "rank": np.array([1, 0]),
    "tops": np.array([1]),
    "paths": np.array(["/q.jpg", "/r.jpg"]),
    "gallery": np.array(["/g.jpg", "/h.jpg", "/i.jpg"]),
    "nearest": np.array([[0, 2], [1, 0]]),
    "matches": np.array([[False, True], [True, False]]),
}


def queries(**changed):
    return Units("queries", ["top-1", "mAP"], ["q", "r"], {**QUERIES, **changed})


def pairs(**changed):
    return Units("pairs", ["accuracy"], ["a", "é", "\udcff"], {**PAIRS, **changed})


def boxes(**changed):
    return Units("boxes", ["AP"], ["a", "b"], {**BOXES, **changed})


def without(made, *names):
    return Units(made.kind, made.figures, made.keys, {k: v for k, v in made.arrays.items() if k not in names})


@pytest.mark.parametrize(
    "made",
    [
        pairs(),
        boxes(),
        boxes(**SHOWN),
        pairs(paths=np.array([["/a", "/b"]] * 3)),
        queries(),
        without(queries(), "gallery", "nearest", "matches"),
    ],
)
def test_what_is_written_is_read_again_and_the_bytes_are_always_the_same(tmp_path, made):
    units.write(tmp_path, made)
    content = (tmp_path / units.FILE).read_bytes()
    found = units.read(tmp_path)
    assert (found.kind, found.figures, found.keys) == (made.kind, made.figures, made.keys)
    assert found.arrays.keys() == made.arrays.keys()
    for name, array in made.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    units.write(tmp_path, made)
    assert (tmp_path / units.FILE).read_bytes() == content
    assert np.load(tmp_path / units.FILE, allow_pickle=False)["figures"].tolist() == made.figures


def test_without_units_those_of_an_earlier_run_are_removed(tmp_path):
    units.write(tmp_path, None)
    units.write(tmp_path, pairs())
    units.write(tmp_path, None)
    assert not (tmp_path / units.FILE).exists()
    with refused(f"{tmp_path / units.FILE}: no such file", whole=False):
        units.read(tmp_path)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (pairs(fold=np.array([0, 1])), "fold has 2 units, expected 3"),
        (pairs(fold=np.array([0, -1, 1])), "fold has numbers from -1 to 1"),
        (pairs(same=np.array([1, 0, 0])), "same is int64 of (3,)"),
        (
            pairs(fold=np.array([0, 1, 2**31])),
            "fold has numbers from 0 to 2147483648, expected less than 1000",
        ),
        (Units("pairs", ["AP", "AR"], [*"abc"], PAIRS), "has 3 units and 2 figures, expected 1"),
        (pairs(distance=np.array([0, 1, np.nan])), "distance holds a number that is none"),
        (pairs(more=np.array(1)), "holds 'pairs' with distance, fold, more, same, thresholds"),
        (Units("trees", ["AP"], ["a"], {}), "holds 'trees' with nothing"),
        (boxes(unit=np.array([1, 2, 1])), "unit has numbers from 1 to 2, expected less than 2"),
        (boxes(truth_class=np.array([0, 0, 2])), "truth_class has numbers from 0 to 2"),
        (boxes(ignored=np.zeros((3, 3), bool)), "ignored has 3 limits, expected 2"),
        (boxes(right=np.ones(3, bool)), "right is bool of (3,)"),
        (boxes(**{"class": np.array([1, 0, 1])}), "the boxes are not in the order of their classes"),
        (without(boxes(**SHOWN), "truth_corners"), "holds 'boxes' with class, classes, corners"),
        (boxes(**{**SHOWN, "corners": np.zeros((3, 3), np.float32)}), "corners has 3 corners, expected 4"),
        (boxes(**{**SHOWN, "corners": np.zeros((2, 4), np.float32)}), "corners has 2 boxes, expected 3"),
        (pairs(paths=np.full((3, 2), 0x110000, np.uint32).view("U1")), "a text holds what is no character"),
        (pairs(paths=np.array([["/a"]] * 3)), "paths has 1 sides, expected 2"),
        (
            queries(nearest=np.array([[0, 3], [1, 0]])),
            "nearest has numbers from 0 to 3, expected less than 3",
        ),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(tmp_path, made, message):
    units.write(tmp_path, made)
    with refused(
        f"{tmp_path / units.FILE}: damaged, or not what a figure is computed of: {message}", whole=False
    ):
        units.read(tmp_path)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    units.write(folder, boxes())
    return folder


@settings(max_examples=300)
@given(data=st.data())
def test_a_file_that_is_cut_or_changed_is_read_or_told_never_more(stored, tmp_path_factory, data):
    content = bytearray((stored / units.FILE).read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / units.FILE).parent.mkdir()
    (folder / units.FILE).write_bytes(content)
    with contextlib.suppress(GuideError):
        units.read(folder)


def npz(path, member, *, compression=zipfile.ZIP_STORED, times=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as file:
        for _ in range(times):
            file.writestr("kind.npy", member)


def header(text):
    content = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


BIG = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (header(BIG % (1 << 50)), "an array of \\(1125899906842624,\\) float64 has 0 bytes"),
        (header(BIG % 1) + bytes(9), "an array of \\(1,\\) float64 has 9 bytes"),
        (header(BIG.replace("<f8", "|O") % 1), "expected plain values in C order, found object"),
        (header(BIG.replace("<f8", "<U0") % (1 << 50)), "expected plain values in C order, found <U0"),
        (header(BIG.replace("False", "True") % 0), "in another order"),
        (header(BIG.replace("<f8", "|b1") % 1) + b"\2", "a truth value is neither 0 nor 1"),
        (header(BIG % 0).replace(b"\x01\x00", b"\x02\x00", 1), "expected version 1.0 of numpy's format"),
        (b"nothing", "magic string"),
    ],
)
def test_no_array_is_taken_by_its_word(tmp_path, member, message):
    npz(tmp_path / units.FILE, member)
    with pytest.raises(GuideError, match=message):
        units.read(tmp_path)


def test_neither_compressed_nor_repeated_arrays_are_read(tmp_path):
    array = io.BytesIO()
    np.save(array, np.zeros(10**6))
    npz(tmp_path / units.FILE, array.getvalue(), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(GuideError, match="holds a compressed array"):
        units.read(tmp_path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        npz(tmp_path / units.FILE, b"", times=2)
    with pytest.raises(GuideError, match="names an array twice"):
        units.read(tmp_path)
