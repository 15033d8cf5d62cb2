"""The LFW data set: lfw.bin of either Python, person directories with pairs.txt, the labels of the pairs."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import GuideError
from lresnet_lfw import lfw
from tests.conftest import read_json

PICTURES = [b"\xff\xd8 it's\n", b'\x00"\\x41"\r', b"\x80\x02.", bytes(range(256))]
SAME = [True, False]


def python2_pickle(pictures, same, protocol):
    """What Python 2 writes of two lists: its str, which is bytes, has opcodes of its own."""
    if protocol == 0:
        texts = b"".join(b"S" + repr(picture)[1:].encode() + b"\na" for picture in pictures)
        return b"((l" + texts + b"(l" + b"".join(b"I%02d\na" % kind for kind in same) + b"t."
    texts = b"".join(b"T" + struct.pack("<i", len(picture)) + picture for picture in pictures)
    kinds = (
        [b"\x88" if kind else b"\x89" for kind in same] if protocol == 2 else [b"I%02d\n" % k for k in same]
    )
    body = b"](" + texts + b"e](" + b"".join(kinds) + b"e"
    return b"\x80\x02" + body + b"\x86." if protocol == 2 else b"(" + body + b"t."


def read(folder, content):
    path = folder / "lfw.bin"
    path.write_bytes(content)
    return lfw.read_pairs(path)


def refusal(folder, content):
    with pytest.raises(GuideError) as error:
        read(folder, content)
    message = str(error.value)
    assert message.startswith(f"{folder / 'lfw.bin'}: ")
    return message.removeprefix(f"{folder / 'lfw.bin'}: ")


def test_the_reference_file_of_python_2_is_read(cases):
    path = cases / "lfw_tiny" / "lfw_tiny.bin"
    facts = read_json(path.with_name("expected.json"))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == facts["file_sha256"]
    pairs = lfw.read_pairs(path)
    assert list(pairs.faces) == [str(i) for i in range(facts["images"])]
    assert pairs.same.dtype == bool
    assert pairs.same.tolist() == facts["issame"]
    assert {face.read().shape for face in pairs.faces.values()} == {(112, 112, 3)}


@pytest.mark.parametrize("outer", [tuple, list])
def test_the_two_lists_may_be_in_a_tuple_or_a_list_and_pictures_know_their_place(outer, tmp_path):
    pairs = read(tmp_path, pickle.dumps(outer((PICTURES, SAME)), 4))
    assert [face.data for face in pairs.faces.values()] == PICTURES
    assert str(pairs.faces["3"]) == f"{tmp_path / 'lfw.bin'}: picture 3"
    first = pairs.first(1)
    assert (list(first.faces), first.same.tolist()) == (["0", "1"], [True])


@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9), st.booleans()), min_size=1))
@example([(*PICTURES[:2], True), (*PICTURES[2:], False)])
def test_what_either_python_wrote_by_any_protocol_is_read_as_it_was(tmp_path_factory, rows):
    pictures = [picture for first, second, _ in rows for picture in (first, second)]
    same = [kind for _, _, kind in rows]
    folder = tmp_path_factory.mktemp("lfw")
    older = [python2_pickle(pictures, same, protocol) for protocol in (0, 1, 2)]
    assert all(pickle.loads(content, encoding="bytes") == (pictures, same) for content in older)
    for content in (*older, *(pickle.dumps((pictures, same), protocol) for protocol in range(6))):
        pairs = read(folder, content)
        assert [face.data for face in pairs.faces.values()] == pictures
        assert pairs.same.tolist() == same


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (([b"a", "b"], [True]), "expected only bytes in a list, found str"),
        (([b"a", None], [True]), "expected only bytes in a list, found NoneType"),
        (([b"a", bytearray(b"b")], [True]), "expected only bytes in a list, found bytearray"),
        (([b"a", [b"b"]], [True]), "expected only bytes in a list, found list of bytes"),
        (([b"a", b"b"], [1]), "expected only bool in a list, found int"),
        (([b"a", b"b", b"c"], [True]), "expected two pictures for each pair, found 3 for 1"),
        (([b"a", b"b"], [True, False]), "expected two pictures for each pair, found 2 for 2"),
        (([], []), "expected two pictures for each pair, found 0 for 0"),
        (([b"a", b"b"],), "expected a list of bytes and a list of booleans, found tuple of list."),
        ((), "expected a list of bytes and a list of booleans, found tuple of ."),
        (((b"a", b"b"), [True]), "found tuple of tuple, list"),
        (([b"a"], [True], [], []), "found tuple of list, list, list and 1 more"),
        ({"images": [b"a", b"b"], "issame": [True]}, "found dict"),
        (None, "found NoneType"),
    ],
)
def test_anything_else_in_the_pickle_is_told(content, words, tmp_path):
    assert words in refusal(tmp_path, pickle.dumps(content, protocol=5))


def test_a_file_that_was_cut_anywhere_is_told(tmp_path):
    whole = pickle.dumps(([b"abc", b"def"], [True]), protocol=4)
    for size in range(len(whole)):
        message = refusal(tmp_path, whole[:size])
        assert message.startswith("not a pickle, or damaged (")
        assert message.endswith(
            "). Expected a pickle of a list of bytes and a list of booleans. Download it again."
        )


@given(st.data())
def test_a_damaged_file_is_read_or_told(tmp_path_factory, data):
    content = bytearray(pickle.dumps((PICTURES, SAME), data.draw(st.integers(0, 5))))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[position] = data.draw(st.integers(0, 255))
    try:
        pairs = read(tmp_path_factory.mktemp("lfw"), bytes(content))
    except GuideError:
        return
    assert len(pairs.faces) == 2 * len(pairs.same)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\x1f.",  # a memo entry far away, nine bytes
        b"\x80\x02r\xff\xff\xff\x1f.",
        b"\x80\x05\x96\xff\xff\xff\xff\x0f\x00\x00\x00.",
        b"\x80\x04\x95\xff\xff\xff\xff\x0f\x00\x00\x00B\xff\xff\xff\xff.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
    ],
)
def test_no_memory_is_taken_for_what_a_file_only_names(content, tmp_path):
    tracemalloc.start()
    try:
        refusal(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0 a picture", b"1 2 3\n", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_file_that_is_no_pickle_is_told(content, tmp_path):
    assert "not a pickle, or damaged" in refusal(tmp_path, content)


def test_a_directory_that_holds_the_file_serves_as_well(lfw_bin):
    assert lfw.read_pairs(lfw_bin.parent).faces == lfw.read_pairs(lfw_bin).faces
    assert lfw.read_labels(lfw_bin).same.tolist() == [True, False] * 5


def test_names_of_inputs_and_faces_belong_together(lfw_bin):
    pairs = lfw.read_pairs(lfw_bin)
    names, mirrored = lfw.input_names(len(pairs.same))
    assert names == list(pairs.faces)
    assert mirrored == [f"{name}_flip" for name in names]
    together = dict(lfw.both(pairs.faces))
    assert sorted(together) == sorted(names + mirrored)
    assert together["7"] == pairs.faces["7"]
    assert together["7_flip"] == replace(pairs.faces["7"], mirrored=True)
    assert not together["7"].mirrored


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_labels_survive_writing_and_reading(tmp_path_factory, same):
    path = tmp_path_factory.mktemp("labels") / "lfw_list.npy"
    np.save(path, np.array(same))
    found = lfw.read_labels(path).same
    assert (found.dtype, found.tolist()) == (bool, same)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (np.array([0, 1]), "int64 of shape (2,)"),
        (np.array([0.0, 1.0], np.float32), "float32 of shape (2,)"),
        (np.array([[True], [False]]), "bool of shape (2, 1)"),
        (np.array(True), "bool of shape ()"),
        (np.array([], bool), "bool of shape (0,)"),
        (np.array(["True"]), "<U4 of shape (1,)"),
    ],
)
def test_labels_of_another_kind_are_told(labels, found, tmp_path):
    path = tmp_path / "lfw_list.npy"
    np.save(path, labels)
    with pytest.raises(GuideError) as error:
        lfw.read_labels(path)
    assert str(error.value) == f"{path}: expected a list of booleans, found {found}."


def archive():
    stream = io.BytesIO()
    np.savez(stream, same=np.array(SAME))
    return stream.getvalue()


def npy(header):
    """A .npy file with a header of our own."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0 1 1\n",
        b"\x93NUMPY",
        archive(),
        npy(b"{'descr': '|b1', 'fortran_order': False, 'shape': (9,), }\n") + bytes(3),
        npy(b"{'descr': '|b1', 'fortran_order': False, 'shape': (90071992547409,), }\n"),
        npy(b"{'descr': '|b1', 'fortran_order': False, 'shape': (9,\n"),
        pickle.dumps(SAME),
    ],
    ids=["empty", "text", "cut", "npz", "short", "huge", "header", "pickle"],
)
def test_a_file_that_holds_no_labels_is_told(content, tmp_path):
    path = tmp_path / "lfw_list.npy"
    with pytest.raises(GuideError, match=f"{path}: no such file; make it with preprocess.py"):
        lfw.read_labels(path)
    path.write_bytes(content)
    message = f"{path}: not a .npy file of plain values; make it with preprocess.py"
    with pytest.raises(GuideError, match=message):
        lfw.read_labels(path)


def test_a_value_that_holds_itself_many_times_is_not_shown(tmp_path):
    nested = b"]q\x00" + b"".join(b"(h%ch%clq%c" % (i, i, i + 1) for i in range(60))
    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x02(" + nested + b"c_codecs\nencode\nX\x01\x00\x00\x00ah\x3c\x86Rl.")
    with pytest.raises(GuideError, match="a text in another encoding"):
        lfw.read_pairs(path)
