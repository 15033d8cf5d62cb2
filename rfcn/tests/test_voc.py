"""Reading VOC's list of pictures, their sizes, their annotated objects."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from common.errors import GuideError
from rfcn_voc.voc import CLASSES, DATA, Picture, read_objects, read_voc
from tests.conftest import object_xml, read_json, write_annotation, write_data, write_list

NAMES = ["000003", "000001", "2008_000002"]
GOOD = object_xml("dog", (1, 2, 30, 40))
# Entities that grow out of proportion, and one that is another file's content.
ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
BOMB = f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 100}">{ENTITIES}]><annotation>&e11;</annotation>'.encode()
SECRET = f'<!DOCTYPE a [<!ENTITY x SYSTEM "secret">]><annotation>{GOOD.replace("dog", "&x;")}</annotation>'.encode()


def write_pictures(folder, names=NAMES, size=(50, 40)):
    (folder / "JPEGImages").mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size).save(folder / "JPEGImages" / f"{name}.jpg")


@pytest.fixture
def data(tmp_path):
    folder = write_data(tmp_path / "VOC2007", {name: [] for name in NAMES})
    write_pictures(folder)
    return folder


def test_pictures_come_in_the_order_of_the_list(data):
    found = read_voc(data)
    assert list(found.pictures) == NAMES
    assert found.pictures["000001"] == Picture("000001", data / "JPEGImages" / "000001.jpg")
    first = found.first(2)
    assert (list(first.pictures), first.folder) == (NAMES[:2], data)
    assert found.first(99) == found


@pytest.mark.parametrize("inside", ["VOC2007", "VOCdevkit2007/VOC2007", "VOCdevkit/VOC2007"])
@pytest.mark.parametrize("given_as", [".", "parent", "folder", "JPEGImages"])
def test_the_data_set_is_found_in_each_form(inside, given_as, data, tmp_path):
    place = tmp_path / "place"
    folder = place / inside
    folder.parent.mkdir(parents=True)
    shutil.move(data, folder)
    places = {".": place, "parent": folder.parent, "folder": folder, "JPEGImages": folder / "JPEGImages"}
    found = read_voc(places[given_as])
    assert (found.folder, list(found.pictures)) == (folder, NAMES)


@pytest.mark.parametrize("place", ["JPEGImages", "./JPEGImages/", "JPEGImages/../JPEGImages"])
def test_the_guides_file_path_may_be_relative_and_a_link(place, data, tmp_path, monkeypatch):
    monkeypatch.chdir(data)
    assert list(read_voc(Path(place)).pictures) == NAMES
    (data / "JPEGImages").rename(tmp_path / "elsewhere")
    (data / "JPEGImages").symlink_to(tmp_path / "elsewhere")
    assert read_voc(data / "JPEGImages").folder == data


@pytest.mark.parametrize("place", [".", "absent", "JPEGImages"])
def test_no_data_set_is_told_with_the_expected_tree(place, tmp_path):
    place = tmp_path / place
    words = f"{place}: not the VOC2007 data set: no {place}/ImageSets/Main/test.txt; expected:"
    with pytest.raises(GuideError, match=f"(?s)^{words}.*DIR/Annotations/000001.xml"):
        read_voc(place)


def test_pictures_are_looked_for_only_where_they_are_needed(data):
    for name in NAMES[:2]:
        (data / "JPEGImages" / f"{name}.jpg").unlink()
    assert list(read_voc(data, need_pictures=False).pictures) == NAMES
    with pytest.raises(GuideError) as caught:
        read_voc(data)
    message = str(caught.value)
    assert message.startswith(f"2 of the 3 pictures in {data}/ImageSets/Main/test.txt are missing: ")
    for words in ("JPEGImages/000003.jpg", "JPEGImages/000001.jpg", "DIR/JPEGImages/000001.jpg"):
        assert words in message


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("\n 000002 \r\n\n\t000001\n  \n", ["000002", "000001"]),  # blanks do not count
        ("a.b\na.c\nd.e\nf\n", ["a_b", "a_c", "d", "f"]),  # who shares a beginning keeps all of the name
    ],
)
def test_a_list_of_names_becomes_stems(text, stems, tmp_path):
    write_list(tmp_path, text)
    assert list(read_voc(tmp_path, need_pictures=False).pictures) == stems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists no picture"),
        (" \n\n", "lists no picture"),
        ("1\n2\n1\n2\n3\n", "these pictures are listed twice: 1, 2."),
        ("1\n../2\n", "expected one name of a picture a line, such as 000001, found '../2'"),
        ("/etc/passwd\n", "found '/etc/passwd'"),
        ("a\\b\n", r"found 'a\\b'".replace("\\", "\\\\")),
        ("000001 -1\n000002  1\n", "found '000001 -1', '000002  1'"),
        (".hidden\n", "found '.hidden'"),
        ("a\tb\n", r"found 'a\\tb'"),
        ("a\0b\n", r"found 'a\\x00b'"),
        ("000001\n\ufeff000002\n", r"found '\\ufeff000002'"),
        ("a\u3000b\n", "expected one name"),
    ],
)
def test_what_is_no_list_of_pictures_is_told(text, words, tmp_path):
    write_list(tmp_path, text)
    with pytest.raises(GuideError, match=words) as caught:
        read_voc(tmp_path, need_pictures=False)
    assert str(caught.value).startswith(f"{tmp_path}/ImageSets/Main/test.txt: ")


def test_a_list_that_is_no_text_is_told(data):
    (data / "ImageSets/Main/test.txt").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(GuideError, match="test.txt: not a text file in UTF-8"):
        read_voc(data)


def test_pictures_whose_files_would_share_a_name_are_an_error(tmp_path):
    write_list(tmp_path, "a.b\na.c\na_b\n")
    with pytest.raises(
        GuideError, match=r"a_b.jpg: its .bin file would have another picture's name, a_b\.bin"
    ):
        read_voc(tmp_path, need_pictures=False)


@given(
    names=st.lists(
        st.text(alphabet="ab._1", min_size=1, max_size=6).filter(lambda name: name[0] != "."),
        min_size=1,
        max_size=5,
        unique=True,
    )
)
def test_every_picture_gets_a_name_of_its_own_or_none_does(names, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "stems"
    write_list(folder, "\n".join(names))
    try:
        found = read_voc(folder, need_pictures=False).pictures
    except GuideError as error:
        assert "another picture's name" in str(error)  # noqa: PT017
        return
    assert [picture.name for picture in found.values()] == names
    assert all("." not in stem for stem in found)
    assert [picture.path.name for picture in found.values()] == [f"{name}.jpg" for name in names]


@pytest.mark.parametrize(
    ("size", "same"), [("50x40", 1), ("40x50", 0), ("500x400", 0), ("0x0", 1), ("x", 1), (None, 1)]
)
def test_another_picture_than_the_annotated_one_is_told_by_its_size(size, same, data):
    path = data / "Annotations" / "000001.xml"
    if size is not None:
        width, height = size.split("x")
        text = path.read_text().replace(
            "<annotation>", f"<annotation><size><width>{width}</width><height>{height}</height></size>"
        )
        path.write_text(text)
    if same:
        read_objects(read_voc(data))
        return
    with pytest.raises(GuideError) as caught:
        read_objects(read_voc(data))
    assert str(caught.value) == (
        f"{path}: {data / 'JPEGImages' / '000001.jpg'} has 50x40 pixels, {size} in the annotation. "
        "Is it another picture?"
    )
    shutil.rmtree(data / "JPEGImages")
    read_objects(read_voc(data, need_pictures=False))


def test_the_reference_objects_are_all_read(cases, capsys):
    data = read_voc(cases / "voc" / "VOCdevkit2007", need_pictures=False)
    assert list(data.pictures)[:2] == ["000507", "001239"]
    assert len(data.pictures) == 20
    objects = read_objects(data)
    easy = Counter(CLASSES[i] for i in objects.category[~objects.difficult])
    expected = read_json(cases / "voc" / "expected.json")["easy_objects"]
    assert {name: easy[name] for name in CLASSES} == expected
    assert list(CLASSES) == sorted(expected)
    annotations = sorted((data.folder / "Annotations").iterdir())
    assert len(objects.picture) == sum(path.read_text().count("<object>") for path in annotations) - 1
    assert objects.difficult.sum() == len(objects.picture) - sum(expected.values()) > 0
    np.testing.assert_array_equal(objects.boxes[:2], [[95, 31, 272, 67], [266, 229, 328, 336]])
    assert capsys.readouterr().out == (
        "note: objects of classes that VOC does not have are left out, as in the original: head (1)\n"
    )


def test_objects_come_flat_and_as_annotated(tmp_path, data, capsys):
    truth = {
        "b": [("dog", (1, 2, 3, 4), 1), ("person", (10.5, 20.25, 30, 40), 0)],
        "empty": [],
        "a": [("aeroplane", (5, 5, 5, 5), 0)],
    }
    objects = read_objects(read_voc(write_data(tmp_path / "other", truth), need_pictures=False))
    np.testing.assert_array_equal(objects.picture, [0, 0, 2])
    np.testing.assert_array_equal(objects.category, [11, 14, 0])
    np.testing.assert_array_equal(objects.boxes, [[1, 2, 3, 4], [10.5, 20.25, 30, 40], [5, 5, 5, 5]])
    np.testing.assert_array_equal(objects.difficult, [True, False, False])
    nothing = read_objects(read_voc(data))
    for found, count in ((objects, 3), (nothing, 0)):
        assert found.boxes.shape == (count, 4)
        kinds = [array.dtype for array in (found.picture, found.category, found.boxes, found.difficult)]
        assert kinds == [np.int64, np.int64, np.float64, bool]
    assert capsys.readouterr().out == ""


def test_only_the_pictures_at_hand_are_read_anew_each_time_and_nothing_is_left_behind(data):
    voc, before = read_voc(data), sorted(data.rglob("*"))
    assert len(read_objects(voc).picture) == 0
    write_annotation(data, NAMES[2], object_xml("cat", (1, 1, 9, 9)))
    assert read_objects(voc).picture.tolist() == [2]
    (data / "Annotations" / f"{NAMES[0]}.xml").write_text("damaged")
    last = replace(voc, pictures={NAMES[2]: voc.pictures[NAMES[2]]})
    assert read_objects(last).picture.tolist() == [0]
    with pytest.raises(GuideError, match=f"{NAMES[0]}.xml: damaged XML"):
        read_objects(voc)
    assert sorted(data.rglob("*")) == before


PART = (
    "<part><name>head</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>2</xmax><ymax>9</ymax></bndbox></part>"
)
TURNED = "<ymax> 40\n</ymax><xmax>3e1</xmax><ymin>\t2</ymin><xmin>1</xmin>"


@pytest.mark.parametrize(
    "xml",
    [
        GOOD.replace("<name>", f"{PART}<name>"),  # an object's part is no object
        f"<object><name>\n dog </name><bndbox>{TURNED}</bndbox></object><object_count>1</object_count>",
        "<a>" * 20000 + "</a>" * 20000 + GOOD,
    ],
    ids=["with a part", "turned, with blanks", "deeply nested"],
)
def test_objects_in_other_words_are_read(xml, data):
    write_annotation(data, NAMES[0], xml)
    objects = read_objects(read_voc(data))
    assert (objects.category.tolist(), objects.difficult.tolist()) == ([11], [False])
    np.testing.assert_array_equal(objects.boxes, [[1, 2, 30, 40]])


def test_other_classes_are_counted_by_name_in_one_note(data, capsys):
    box = (1, 1, 9, 9)
    names = ["head", "foot", "dog", "head", "Dog"]
    write_annotation(data, NAMES[0], "".join(object_xml(name, box) for name in names))
    write_annotation(data, NAMES[1], object_xml("hand", box) + object_xml("cat", box))
    assert len(read_objects(read_voc(data)).picture) == 2
    assert capsys.readouterr().out.endswith("as in the original: Dog (1), foot (1), hand (1), head (2)\n")
    write_annotation(data, NAMES[0], "".join(object_xml(f"c{i}", box) for i in range(500)))
    read_objects(read_voc(data))
    assert capsys.readouterr().out.endswith("c106 (1) and 491 more\n")


EXPECTED = "dog: expected xmin <= xmax and ymin <= ymax in <bndbox>, pixels up to 1000000, "
DAMAGE = [
    ("<name>dog</name>", "", "has no <name>."),
    ("dog", " ", "has no <name>."),
    ("bndbox", "box", "dog: has no <bndbox>."),
    *(
        ("<difficult>0", f"<difficult>{value}", f"dog: expected 0 or 1 in <difficult>, found {value!r}.")
        for value in ("yes", "2", "")
    ),
    *(
        ("<xmax>30", f"<xmax>{value}", f"found xmin '1', ymin '2', xmax '{value}', ymax '40'.")
        for value in ("", "a", "nan", "inf", "-inf", "1e7", "1,5", "0x10", "0.9")
    ),
    ("ymin>", "y>", "found xmin '1', ymin '', xmax '30', ymax '40'."),
    ("<ymax>40", "<ymax>1", "found xmin '1', ymin '2', xmax '30', ymax '1'."),
    ("<xmin>1", "<xmin>nan", "found xmin 'nan'"),
    ("<xmin>1", "<xmin>-1e300", "found xmin '-1e300'"),
]


@pytest.mark.parametrize(("old", "new", "words"), DAMAGE)
def test_damaged_objects_are_told_with_file_and_number(old, new, words, data):
    path = write_annotation(data, NAMES[1], GOOD + GOOD.replace(old, new))
    with pytest.raises(GuideError) as caught:
        read_objects(read_voc(data))
    assert str(caught.value).startswith(
        f"{path}: object 2: {EXPECTED if words.startswith('found') else words}"
    )
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged XML (no element found"),
        (b"<annotation><object>", "damaged XML (no element found"),
        (b"<annotation></object></annotation>", "damaged XML (mismatched tag"),
        (b"\xff\xd8\xff\xe0", "damaged XML (not well-formed"),
        (b"<annotation>\xff</annotation>", "damaged XML (not well-formed"),
        (b"<?xml version='1.0' encoding='gb2312'?><annotation/>", "damaged XML (multi-byte encodings"),
        (b"<?xml version='1.0' encoding='nonsense'?><annotation/>", "damaged XML (unknown encoding"),
        (b"<html><body>404</body></html>", "expected VOC's <annotation>, found <html>"),
        (b"<annotation>&nothing;</annotation>", "damaged XML (undefined entity"),
        (BOMB, "expected VOC's XML, found a document type definition"),
        (BOMB.decode().encode("utf-16"), "expected VOC's XML, found a document type definition"),
        (SECRET, "expected VOC's XML, found a document type definition"),
    ],
    ids=range(12),
)
def test_damaged_xml_is_told_with_the_files_name_and_nothing_else_is_read(content, words, data, monkeypatch):
    monkeypatch.chdir(data)
    Path("secret").write_text("dog")
    path = data / "Annotations" / f"{NAMES[1]}.xml"
    path.write_bytes(content)
    with pytest.raises(GuideError) as caught:
        read_objects(read_voc(data))
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "download it again" in str(caught.value)


def test_other_encodings_are_read_as_declared(data):
    text = (
        f"<?xml version='1.0' encoding='ISO-8859-1'?><annotation><owner>Jos\u00e9</owner>{GOOD}</annotation>"
    )
    (data / "Annotations" / f"{NAMES[0]}.xml").write_bytes(text.encode("latin-1"))
    assert len(read_objects(read_voc(data)).picture) == 1


def test_without_data_the_guides_place_is_found_too(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GuideError, match="^data: not the VOC2007 data set: no data/ImageSets"):
        read_voc(DATA)
    place = Path("RFCN-pytorch.1.0/data/VOCdevkit2007")
    place.mkdir(parents=True)
    (place / "VOC2007").symlink_to(data)
    assert read_voc(DATA).folder == place / "VOC2007"
    with pytest.raises(GuideError, match="^other: not the VOC2007 data set"):
        read_voc(Path("other"))
    Path("data").symlink_to(data)
    assert read_voc(DATA).folder == Path("data")  # our place goes first


def test_missing_annotations_are_counted(data):
    for name in NAMES[1:]:
        (data / "Annotations" / f"{name}.xml").unlink()
    words = f"2 of the 3 annotations are missing: {data}/Annotations/000001.xml, {data}/.* and so on"
    with pytest.raises(GuideError, match=f"(?s)^{words}"):
        read_objects(read_voc(data))
