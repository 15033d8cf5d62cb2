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
from rfcn_voc.voc import CLASSES, Picture, picture_size, read_objects, read_voc
from tests.conftest import object_xml, read_json, write_annotation, write_data, write_list

NAMES = ["000003", "000001", "2008_000002"]


def write_pictures(folder, names=NAMES, size=(50, 40)):
    (folder / "JPEGImages").mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size).save(folder / "JPEGImages" / f"{name}.jpg")


@pytest.fixture
def data(tmp_path):
    folder = write_data(tmp_path / "VOC2007", {name: [] for name in NAMES})
    write_pictures(folder)
    return folder


def test_classes_are_vocs_twenty_in_the_order_of_the_alphabet(cases):
    assert len(CLASSES) == 20
    assert (
        list(CLASSES) == sorted(CLASSES) == sorted(read_json(cases / "voc" / "expected.json")["easy_objects"])
    )


def test_pictures_come_in_the_order_of_the_list(data):
    found = read_voc(data)
    assert list(found.pictures) == NAMES
    assert found.pictures["000001"] == Picture("000001", data / "JPEGImages" / "000001.jpg")
    assert found.folder == data


def test_the_reference_is_read_without_pictures(cases):
    found = read_voc(cases / "voc" / "VOCdevkit2007", need_pictures=False)
    assert list(found.pictures)[:2] == ["000507", "001239"]
    assert len(found.pictures) == 20


@pytest.mark.parametrize("inside", ["VOC2007", "VOCdevkit2007/VOC2007", "VOCdevkit/VOC2007"])
@pytest.mark.parametrize("given_as", [".", "VOC2007's parent", "VOC2007", "VOC2007/JPEGImages"])
def test_the_data_set_is_found_in_each_form(inside, given_as, data, tmp_path):
    folder = tmp_path / "place" / inside
    folder.parent.mkdir(parents=True)
    shutil.move(data, folder)
    places = {
        ".": tmp_path / "place",
        "VOC2007's parent": folder.parent,
        "VOC2007": folder,
        "VOC2007/JPEGImages": folder / "JPEGImages",
    }
    found = read_voc(places[given_as])
    assert (found.folder, list(found.pictures)) == (folder, NAMES)


@pytest.mark.parametrize("place", ["JPEGImages", "./JPEGImages/", "JPEGImages/../JPEGImages"])
def test_the_guides_file_path_may_be_relative(place, data, monkeypatch):
    monkeypatch.chdir(data)
    path = Path(place)
    assert list(read_voc(path).pictures) == NAMES
    monkeypatch.chdir(data / "JPEGImages")
    assert list(read_voc(Path()).pictures) == NAMES


def test_pictures_in_another_place_may_be_linked(data, tmp_path):
    (data / "JPEGImages").rename(tmp_path / "elsewhere")
    (data / "JPEGImages").symlink_to(tmp_path / "elsewhere")
    assert read_voc(data / "JPEGImages").folder == data


def test_no_data_set_is_told_with_the_expected_tree(tmp_path):
    for place in (tmp_path, tmp_path / "absent", tmp_path / "JPEGImages"):
        with pytest.raises(GuideError) as caught:
            read_voc(place)
        message = str(caught.value)
        assert message.startswith(
            f"{place}: not the VOC2007 data set: no {place}/ImageSets/Main/test.txt; expected:"
        )
        assert "DIR/Annotations/000001.xml" in message


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


def test_blank_lines_and_blanks_around_names_do_not_count(tmp_path):
    write_list(tmp_path, "\n 000002 \r\n\n\t000001\n  \n")
    assert list(read_voc(tmp_path, need_pictures=False).pictures) == ["000002", "000001"]


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
        ("\ufeff000001\n", r"found '\\ufeff000001'"),
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


def test_the_first_pictures_are_those_the_list_begins_with(data):
    found = read_voc(data)
    first = found.first(2)
    assert (list(first.pictures), first.folder) == (NAMES[:2], data)
    assert found.first(99) == found


def test_names_that_share_their_beginning_keep_all_of_it(tmp_path):
    write_list(tmp_path, "a.b\na.c\nd.e\nf\n")
    assert list(read_voc(tmp_path, need_pictures=False).pictures) == ["a_b", "a_c", "d", "f"]


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


def test_sizes_are_width_and_height_as_stored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("L", (7, 9)).save(tmp_path / "grey.jpg")
    Image.new("RGBA", (5, 300)).save(tmp_path / "really_png.jpg", format="PNG")
    assert picture_size(tmp_path / "turned.jpg") == (60, 40)
    assert picture_size(tmp_path / "grey.jpg") == (7, 9)
    assert picture_size(tmp_path / "really_png.jpg") == (5, 300)


def test_only_the_header_is_read(tmp_path):
    path = tmp_path / "cut.jpg"
    Image.effect_noise((640, 480), 50).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    assert picture_size(path) == (640, 480)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x10JFIF\0", b"\0" * 99]
)
def test_what_is_no_picture_is_told(content, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(GuideError) as caught:
        picture_size(path)
    assert str(caught.value).startswith(f"{path}: not a picture that Pillow can read.")


def test_a_header_that_announces_too_much_is_told(tmp_path, monkeypatch):
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(GuideError, match="a.jpg: not a picture that Pillow can read"):
        picture_size(tmp_path / "a.jpg")


def test_an_absent_picture_is_told_and_a_directory_stays_an_oserror(tmp_path):
    with pytest.raises(GuideError, match="a.jpg: no such picture"):
        picture_size(tmp_path / "a.jpg")
    with pytest.raises(IsADirectoryError):
        picture_size(tmp_path)


def test_the_reference_objects_are_all_read(cases, capsys):
    data = read_voc(cases / "voc" / "VOCdevkit2007", need_pictures=False)
    objects = read_objects(data)
    easy = Counter(CLASSES[i] for i in objects.category[~objects.difficult])
    expected = read_json(cases / "voc" / "expected.json")["easy_objects"]
    assert {name: easy[name] for name in CLASSES} == expected
    annotations = sorted((data.folder / "Annotations").iterdir())
    assert len(objects.picture) == sum(path.read_text().count("<object>") for path in annotations) - 1
    assert objects.difficult.sum() == len(objects.picture) - sum(expected.values()) > 0
    np.testing.assert_array_equal(objects.boxes[:2], [[95, 31, 272, 67], [266, 229, 328, 336]])
    assert capsys.readouterr().out == (
        "note: objects of classes that VOC does not have are left out, as in the original: head (1)\n"
    )


def test_objects_come_flat_and_as_annotated(tmp_path, capsys):
    data = {
        "b": [("dog", (1, 2, 3, 4), 1), ("person", (10.5, 20.25, 30, 40), 0)],
        "empty": [],
        "a": [("aeroplane", (5, 5, 5, 5), 0)],
    }
    objects = read_objects(read_voc(write_data(tmp_path, data), need_pictures=False))
    np.testing.assert_array_equal(objects.picture, [0, 0, 2])
    np.testing.assert_array_equal(objects.category, [11, 14, 0])
    np.testing.assert_array_equal(objects.boxes, [[1, 2, 3, 4], [10.5, 20.25, 30, 40], [5, 5, 5, 5]])
    np.testing.assert_array_equal(objects.difficult, [True, False, False])
    kinds = [array.dtype for array in (objects.picture, objects.category, objects.boxes, objects.difficult)]
    assert kinds == [np.int64, np.int64, np.float64, bool]
    assert capsys.readouterr().out == ""


def test_no_objects_at_all_are_empty_arrays(data):
    objects = read_objects(read_voc(data))
    assert (objects.picture.shape, objects.category.shape, objects.difficult.shape) == ((0,),) * 3
    assert objects.boxes.shape == (0, 4)


def test_only_the_pictures_at_hand_are_read(data):
    write_annotation(data, NAMES[2], object_xml("cat", (1, 1, 9, 9)))
    (data / "Annotations" / f"{NAMES[0]}.xml").write_text("damaged")
    voc = read_voc(data)
    last = replace(voc, pictures={NAMES[2]: voc.pictures[NAMES[2]]})
    assert read_objects(last).picture.tolist() == [0]
    with pytest.raises(GuideError, match=f"{NAMES[0]}.xml: damaged XML"):
        read_objects(voc)


def test_a_changed_annotation_is_read_anew_and_nothing_is_left_behind(data):
    before = sorted(data.rglob("*"))
    assert len(read_objects(read_voc(data)).picture) == 0
    write_annotation(data, NAMES[0], object_xml("cat", (1, 1, 9, 9)))
    assert len(read_objects(read_voc(data)).picture) == 1
    assert sorted(data.rglob("*")) == before


def test_parts_of_objects_are_no_objects(data):
    whole = object_xml("person", (1, 1, 90, 90))
    part = "<part><name>head</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>2</xmax><ymax>9</ymax></bndbox></part>"
    write_annotation(data, NAMES[0], whole.replace("<name>", f"{part}<name>"))
    objects = read_objects(read_voc(data))
    np.testing.assert_array_equal(objects.boxes, [[1, 1, 90, 90]])
    assert objects.category.tolist() == [14]


def test_sides_come_by_name_and_blanks_do_not_count(data):
    sides = "<ymax> 40\n</ymax><xmax>3e1</xmax><ymin>\t2</ymin><xmin>1</xmin>"
    write_annotation(
        data,
        NAMES[0],
        f"<object><name>\n dog </name><bndbox>{sides}</bndbox></object><object_count>1</object_count>",
    )
    objects = read_objects(read_voc(data))
    np.testing.assert_array_equal(objects.boxes, [[1, 2, 30, 40]])
    assert (objects.category.tolist(), objects.difficult.tolist()) == ([11], [False])


def test_other_classes_are_counted_by_name_in_one_note(data, capsys):
    box = (1, 1, 9, 9)
    names = ["head", "foot", "dog", "head", "Dog"]
    write_annotation(data, NAMES[0], "".join(object_xml(name, box) for name in names))
    write_annotation(data, NAMES[1], object_xml("hand", box) + object_xml("cat", box))
    assert len(read_objects(read_voc(data)).picture) == 2
    assert capsys.readouterr().out.endswith("as in the original: Dog (1), foot (1), hand (1), head (2)\n")


def test_many_other_classes_are_shortened(data, capsys):
    write_annotation(data, NAMES[0], "".join(object_xml(f"c{i}", (1, 1, 9, 9)) for i in range(500)))
    read_objects(read_voc(data))
    assert capsys.readouterr().out.endswith("c106 (1) and 490 more\n")


GOOD = object_xml("dog", (1, 2, 30, 40))
EXPECTED = "expected xmin <= xmax and ymin <= ymax in <bndbox>, pixels up to 1000000"
DAMAGE = {
    "no name": (GOOD.replace("<name>dog</name>", ""), "object 2: has no <name>."),
    "empty name": (GOOD.replace("dog", " "), "object 2: has no <name>."),
    "no box": (GOOD.replace("bndbox", "box"), "object 2: dog: has no <bndbox>."),
    "difficult of text": (
        GOOD.replace("<difficult>0", "<difficult>yes"),
        "object 2: dog: expected 0 or 1 in <difficult>, found 'yes'.",
    ),
    "difficult 2": (GOOD.replace("<difficult>0", "<difficult>2"), "found '2'."),
    "difficult of nothing": (GOOD.replace("<difficult>0", "<difficult>"), "found ''."),
    **{
        f"xmax {value!r}": (
            GOOD.replace("<xmax>30", f"<xmax>{value}"),
            f"dog: {EXPECTED}, found xmin '1', ymin '2', xmax '{value}', ymax '40'.",
        )
        for value in ("", "a", "nan", "inf", "-inf", "1e7", "1,5", "0x10", "0.9")
    },
    "no ymin": (GOOD.replace("ymin>", "y>"), "found xmin '1', ymin '', xmax '30', ymax '40'."),
    "upside down": (GOOD.replace("<ymax>40", "<ymax>1"), "found xmin '1', ymin '2', xmax '30', ymax '1'."),
    "left is nan": (GOOD.replace("<xmin>1", "<xmin>nan"), "found xmin 'nan'"),
    "far off": (GOOD.replace("<xmin>1", "<xmin>-1e300"), "found xmin '-1e300'"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_objects_are_told_with_file_and_number(damage, data):
    text, words = DAMAGE[damage]
    path = write_annotation(data, NAMES[1], GOOD + text)
    with pytest.raises(GuideError) as caught:
        read_objects(read_voc(data))
    assert str(caught.value).startswith(f"{path}: object 2: ")
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
    ],
)
def test_damaged_xml_is_told_with_the_files_name(content, words, data):
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


def test_missing_annotations_are_counted(data):
    for name in NAMES[1:]:
        (data / "Annotations" / f"{name}.xml").unlink()
    with pytest.raises(GuideError) as caught:
        read_objects(read_voc(data))
    message = str(caught.value)
    assert message.startswith(f"2 of the 3 annotations are missing: {data}/Annotations/000001.xml, {data}/")
    assert "DIR/Annotations/000001.xml and so on" in message


def test_entities_that_grow_out_of_proportion_are_refused(data):
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 100}">{entities}]><annotation>&e11;</annotation>'
    (data / "Annotations" / f"{NAMES[0]}.xml").write_text(bomb)
    with pytest.raises(GuideError, match=r"000003\.xml: damaged XML \(limit on input amplification"):
        read_objects(read_voc(data))


def test_external_entities_are_not_read(data, tmp_path):
    (tmp_path / "secret").write_text("dog")
    content = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
    content += f"<annotation>{GOOD.replace('dog', '&x;')}</annotation>"
    (data / "Annotations" / f"{NAMES[0]}.xml").write_text(content)
    with pytest.raises(GuideError, match="damaged XML .undefined entity"):
        read_objects(read_voc(data))


def test_a_deeply_nested_annotation_is_read(data):
    write_annotation(data, NAMES[0], "<a>" * 20000 + "</a>" * 20000 + GOOD)
    assert len(read_objects(read_voc(data)).picture) == 1
