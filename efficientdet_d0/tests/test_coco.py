"""Reading COCO's annotations and pictures, writing and reading results."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from common.errors import GuideError
from common.images.draw import colour_of
from efficientdet_coco import sample
from efficientdet_coco.categories import NAMES, name_of
from efficientdet_coco.coco import Picture, read_coco, read_detections, write_detections
from tests.conftest import STEMS, read_json, write_annotations, write_data

PIXELS = np.zeros((40, 50, 3), np.uint8)


def annotations_of(data):
    return read_json(data / "annotations" / "instances_val2017.json")


def test_pictures_come_by_id_and_small_ones_are_left_out(data):
    found = read_coco(data)
    assert list(found.pictures) == STEMS
    assert [picture.identity for picture in found.pictures.values()] == [5, 7, 12, 21, 30]
    assert found.pictures["tall"] == Picture(21, data / "val2017" / "tall.b.c.jpg", 90, 700)
    content = annotations_of(data)
    assert (found.total, found.listed.tolist()) == (6, sorted(row["id"] for row in content["images"]))
    assert found.categories == tuple(row["id"] for row in content["categories"])
    columns = {
        "picture": "image_id",
        "category": "category_id",
        "boxes": "bbox",
        "area": "area",
        "crowd": "iscrowd",
    }
    for column, key in columns.items():
        assert getattr(found.objects, column).tolist() == [row[key] for row in content["annotations"]]


def test_a_side_of_32_is_large_enough(tmp_path):
    sizes = [(32, 32), (31, 400), (400, 31), (32, 400)]
    images = [(i, f"{i}.png", np.zeros((*size, 3), np.uint8)) for i, size in enumerate(sizes, 1)]
    assert list(read_coco(write_data(tmp_path, images)).pictures) == ["1", "4"]


def test_the_first_pictures_are_those_of_the_lowest_ids(data):
    first = read_coco(data).first(2)
    assert (list(first.pictures), first.total) == (STEMS[:2], 2)
    assert len(read_coco(data).first(99).pictures) == 5


def test_pictures_are_looked_for_only_where_they_are_needed(data):
    for name in ("tall.b.c.jpg", "empty.jpg", "tiny.jpg"):  # the last one is too small to be missed
        (data / "val2017" / name).unlink()
    assert list(read_coco(data, need_pictures=False).pictures) == STEMS
    missing = "are missing: .*/empty.jpg, .*/tall.b.c.jpg; expected:\n  DIR/annotations/"
    with pytest.raises(GuideError, match=f"^2 of the 5 pictures in .* {missing}"):
        read_coco(data)


def test_no_data_set_is_told_with_the_expected_tree(tmp_path):
    with pytest.raises(GuideError, match="not the COCO data set: no .*instances_val2017.json; expected:"):
        read_coco(tmp_path)


IMAGE = {"id": 1, "file_name": "a.jpg", "width": 50, "height": 40}
TRUTH = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
WHOLE = {"images": [IMAGE], "annotations": [TRUTH], "categories": [{"id": 1}]}


def without(row, key):
    return {k: v for k, v in row.items() if k != key}


def annotated(image=IMAGE, truth=TRUTH, category=None):
    return {"images": [image], "annotations": [truth], "categories": [category or {"id": 1}]}


BROKEN = {
    "cut": json.dumps(WHOLE)[:-9],
    "no JSON": "<html>",
    "a list": [WHOLE],
    "a number": "5",
    "nothing": "",
    **{f"no {key}": without(WHOLE, key) for key in WHOLE},
    **{f"image without {key}": annotated(image=without(IMAGE, key)) for key in IMAGE},
    **{f"annotation without {key}": annotated(truth=without(TRUTH, key)) for key in TRUTH},
    "id of text": annotated(image={**IMAGE, "id": "2"}),
    "id a list": annotated(image={**IMAGE, "id": [1]}),
    "width of text": annotated(image={**IMAGE, "width": "50"}),
    "width of nothing": annotated(image={**IMAGE, "width": None}),
    "name a number": annotated(image={**IMAGE, "file_name": 1}),
    "box of three": annotated(truth={**TRUTH, "bbox": [1, 2, 3]}),
    "category without id": annotated(category={"name": "person"}),
    **{
        f"{key} {value!r}": annotated(image={**IMAGE, key: value})
        for key in ("id", "width")
        for value in (-1, 1e30)
    },
    "no height": annotated(image={**IMAGE, "height": 0}),
    **{
        f"iscrowd {value!r}": annotated(truth={**TRUTH, "iscrowd": value})
        for value in (-1, 2, 256, 0.5, "0", None)
    },
    **{
        f"box {box}": annotated(truth={**TRUTH, "bbox": box})
        for box in ([1, 2, -3, 4], [1, 2, 3, -4], [1e7, 2, 3, 4], [1, 2, 1e300, 4], "1234", [1, 2, 3, 4, 5])
    },
    "not finite": json.dumps(WHOLE).replace("[1, 2, 3, 4]", "[1, 2, 3, 1e999]"),
    "NaN": json.dumps(WHOLE).replace("[1, 2, 3, 4]", "[1, NaN, 3, 4]"),
    "area below 0": annotated(truth={**TRUTH, "area": -1}),
    "deep": json.dumps(WHOLE).replace(
        '"categories"', '"more": ' + "[" * 10**5 + "]" * 10**5 + ', "categories"'
    ),
    "categories without end": {**WHOLE, "categories": [{"id": i} for i in range(91)]},
}


@pytest.mark.parametrize("damage", BROKEN)
def test_broken_annotations_are_told_with_the_files_name(damage, tmp_path):
    write_annotations(tmp_path, BROKEN[damage])
    with pytest.raises(GuideError) as caught:
        read_coco(tmp_path, need_pictures=False)
    assert str(caught.value).startswith(
        f"{tmp_path / 'annotations' / 'instances_val2017.json'}: not COCO annotations of objects ("
    )


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "lists no image"),
        ([IMAGE, {**IMAGE, "file_name": "b.jpg"}], "these image ids occur twice: 1"),
        *(
            ([{**IMAGE, "file_name": name}], r"expected names of pictures in val2017/, found '")
            for name in ("", "/etc/passwd", "../a.jpg", "a/../b.jpg", "a//b.jpg", "a\0b.jpg", "a\nb.jpg")
        ),
    ],
)
def test_no_image_and_an_id_that_occurs_twice_are_errors(images, words, tmp_path):
    write_annotations(tmp_path, {**WHOLE, "images": images})
    with pytest.raises(GuideError, match=words):
        read_coco(tmp_path, need_pictures=False)


@pytest.mark.parametrize(
    ("key", "rows", "words"),
    [
        ("annotations", [TRUTH, TRUTH], "these annotation ids occur twice: 1;"),
        ("categories", [{"id": 1}, {"id": 1}], "these category ids occur twice: 1;"),
        ("annotations", [{**TRUTH, "category_id": 2}], "objects are of categories that it does not list: 2."),
    ],
)
def test_ids_that_repeat_or_stand_for_nothing_are_errors(key, rows, words, tmp_path):
    write_annotations(tmp_path, {**WHOLE, key: rows})
    with pytest.raises(GuideError, match=f"instances_val2017.json: {words}"):
        read_coco(tmp_path, need_pictures=False)


def test_objects_in_pictures_that_are_not_listed_are_noted(tmp_path, capsys):
    write_annotations(tmp_path, {**WHOLE, "annotations": [TRUTH, {**TRUTH, "id": 2, "image_id": 7}]})
    read_coco(tmp_path, need_pictures=False)
    assert "note: 1 of the annotated objects are in pictures that are not listed" in capsys.readouterr().out


def test_a_byte_order_mark_is_taken_and_a_pipe_refused(tmp_path):
    write_annotations(tmp_path, "\ufeff" + json.dumps(WHOLE))
    assert list(read_coco(tmp_path, need_pictures=False).pictures) == ["a"]
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(GuideError, match="not a regular file"):
        read_coco(tmp_path, need_pictures=False)


def test_names_that_share_their_beginning_keep_all_of_it(tmp_path):
    names = ["a.b.jpg", "a.c.jpg", "d.e.jpg", "f.jpg"]
    data = write_data(tmp_path, [(i, name, PIXELS) for i, name in enumerate(names)])
    assert list(read_coco(data).pictures) == ["a_b", "a_c", "d", "f"]


@pytest.mark.parametrize("names", ["a.jpg a.png", "x/a.jpg y/a.jpg", "a.b.jpg a.c.jpg a_b.png"])
def test_pictures_whose_files_would_share_a_name_are_an_error(names, tmp_path):
    data = write_data(tmp_path, [(i, name, PIXELS) for i, name in enumerate(names.split())])
    with pytest.raises(GuideError, match=r"its .bin file would have another picture's name, a(_b)?\.bin"):
        read_coco(data)


@given(
    names=st.lists(
        st.text(alphabet="ab._1", min_size=1, max_size=6).filter(lambda name: name[0] != "."),
        min_size=1,
        max_size=5,
        unique=True,
    ),
    data=st.data(),
)
def test_every_picture_gets_a_name_of_its_own_or_none_does(names, data, tmp_path_factory):
    ids = data.draw(st.permutations(range(len(names))))
    folder = tmp_path_factory.getbasetemp() / "stems"
    images = [{**IMAGE, "id": i, "file_name": f"{name}.jpg"} for i, name in zip(ids, names, strict=True)]
    write_annotations(folder, {**WHOLE, "images": images, "annotations": []})
    try:
        found = read_coco(folder, need_pictures=False).pictures
    except GuideError as error:
        assert "another picture's name" in str(error)  # noqa: PT017
        return
    assert [picture.identity for picture in found.values()] == sorted(ids)
    assert all("." not in stem and "/" not in stem for stem in found)
    assert {picture.path.name for picture in found.values()} == {f"{name}.jpg" for name in names}


def pictures(*identities):
    return {f"p{i}": Picture(i, None, 640, 480) for i in identities}


def test_detections_are_written_as_coco_results(tmp_path):
    rows = np.array(
        [[10, 20, 30.5, 60, 0.75, 90], [0, 0, 640, 480, 0.001, 1], [1, 1, 2, 2, 0.00099, 1]], np.float32
    )
    write_detections(tmp_path / "d.json", pictures(7, 3), {"p3": rows, "p7": rows[:0]})
    assert read_json(tmp_path / "d.json") == [
        {"image_id": 3, "bbox": [10, 20, 20.5, 40], "score": 0.75, "category_id": 90},
        {"image_id": 3, "bbox": [0, 0, 640, 480], "score": pytest.approx(0.001), "category_id": 1},
    ]


def test_boxes_are_those_of_the_reference_in_float32(cases, tmp_path):
    stored = np.load(cases / "image_china.npz")
    write_detections(tmp_path / "d.json", pictures(1), {"p1": stored["detections"]})
    found = read_detections(tmp_path / "d.json").boxes
    np.testing.assert_array_equal(found.astype(np.float32), stored["coco_bbox_xywh"])


@given(
    rows=st.lists(
        st.tuples(*[st.floats(0, 4000, width=32)] * 4, st.floats(0, 1, width=32), st.integers(1, 90)),
        max_size=20,
    )
)
def test_what_is_written_is_read_again(rows, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "detections.json"
    found = np.array(rows, np.float32).reshape(-1, 6)
    found[:, 2:4] += found[:, :2]
    write_detections(path, pictures(5), {"p5": found})
    kept = found[found[:, 4] >= 0.001]
    back = read_detections(path)
    assert back.picture.tolist() == [5] * len(kept)
    assert back.category.tolist() == kept[:, 5].tolist()
    assert back.score.tolist() == kept[:, 4].tolist()
    np.testing.assert_array_equal(back.boxes[:, :2], kept[:, :2])
    np.testing.assert_array_equal(back.boxes[:, 2:], kept[:, 2:4] - kept[:, :2])


ROW = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    "content",
    [
        *("", "[", "5", "null", '"text"', '{"annotations": []}', "[[1, 2]]"),
        *([without(ROW, key)] for key in ROW),
        *([{**ROW, "bbox": box}] for box in ([1, 2, 3], [1, 2, 3, 4, 5], "1234", None, [1, 2, 3, "x"])),
        *([{**ROW, "score": score}] for score in ("0.5", None, [0.5])),
        *(
            [{**ROW, key: value}]
            for key in ("image_id", "category_id")
            for value in ([1], {}, None, "1", 1.5)
        ),
        *(json.dumps([ROW]).replace("0.5", value) for value in ("NaN", "Infinity", "1e999")),
    ],
)
def test_broken_detections_are_told_with_the_files_name(content, tmp_path):
    path = tmp_path / "detections.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(GuideError) as caught:
        read_detections(path)
    assert str(caught.value).startswith(f"{path}: expected a list of image_id, bbox, score and category_id (")
    path.unlink()
    with pytest.raises(GuideError, match="detections.json: no such file"):
        read_detections(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["image_id", "category_id", "bbox", "score"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(content=values)
@example(content=[])
def test_any_json_is_a_list_of_detections_or_named(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    try:
        found = read_detections(path)
    except GuideError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
        return
    count = len(found.score)
    assert found.boxes.shape == (count, 4)
    assert len(found.picture) == len(found.category) == count


def test_categories_are_cocos_80_with_names_and_colours_of_their_own():
    assert len(NAMES) == len(set(NAMES.values())) == 80
    assert (name_of(1), name_of(90), name_of(12)) == ("person", "toothbrush", "unused category 12")
    assert len({name_of(category) for category in range(1, 91)}) == 90
    assert len({colour_of(category) for category in range(1, 91)}) == 90


def test_categories_have_the_names_of_the_reference(cases):
    for category in read_json(cases / "coco" / "annotations.json")["categories"]:
        assert NAMES[category["id"]] == category["name"]


def test_sample_boxes_lie_inside_their_pictures(tmp_path):
    found = read_coco(sample.write_sample(tmp_path))
    assert list(found.pictures) == list(sample.OBJECTS)
    rows = zip(found.objects.boxes.tolist(), found.objects.category.tolist(), strict=True)
    for picture, ((x, y, width, height), category) in zip(found.pictures.values(), rows, strict=True):
        with Image.open(picture.path) as image:
            assert image.size == (picture.width, picture.height)
        assert 0 <= x < x + width <= picture.width
        assert 0 <= y < y + height <= picture.height
        assert NAMES[category] == sample.OBJECTS[picture.path.stem][0]
