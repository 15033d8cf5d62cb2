"""Reading COCO's annotations and pictures, writing and reading results."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import GuideError
from efficientdet_coco.categories import NAMES
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
    assert (found.total, found.annotations) == (6, annotations_of(data))


def test_a_side_of_32_is_large_enough(tmp_path):
    sizes = {1: (32, 32), 2: (31, 400), 3: (400, 31), 4: (32, 400)}
    images = [(i, f"{i}.png", np.zeros((*size, 3), np.uint8)) for i, size in sizes.items()]
    assert list(read_coco(write_data(tmp_path, images)).pictures) == ["1", "4"]


def test_the_first_pictures_are_those_of_the_lowest_ids(data):
    first = read_coco(data).first(2)
    assert (list(first.pictures), first.total) == (STEMS[:2], 2)
    assert len(read_coco(data).first(99).pictures) == 5


def test_pictures_are_looked_for_only_where_they_are_needed(data):
    for name in ("tall.b.c.jpg", "empty.jpg", "tiny.jpg"):  # the last one is too small to be missed
        (data / "val2017" / name).unlink()
    assert list(read_coco(data, need_pictures=False).pictures) == STEMS
    with pytest.raises(GuideError) as caught:
        read_coco(data)
    message = str(caught.value)
    assert message.startswith("2 of the 5 pictures in ")
    for words in ("val2017/empty.jpg", "val2017/tall.b.c.jpg", "DIR/annotations/instances_val2017.json"):
        assert words in message


def test_no_data_set_is_told_with_the_expected_tree(tmp_path):
    with pytest.raises(GuideError, match="not the COCO data set: no .*instances_val2017.json; expected:"):
        read_coco(tmp_path)


IMAGE = {"id": 1, "file_name": "a.jpg", "width": 50, "height": 40}
TRUTH = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
WHOLE = {"images": [IMAGE], "annotations": [TRUTH], "categories": [{"id": 1}]}


def without(row, key):
    return {k: v for k, v in row.items() if k != key}


BROKEN = {
    "cut": json.dumps(WHOLE)[:-9],
    "no JSON": "<html>",
    "a list": [WHOLE],
    "a number": "5",
    "nothing": "",
    **{f"no {key}": without(WHOLE, key) for key in WHOLE},
    **{f"image without {key}": {**WHOLE, "images": [without(IMAGE, key)]} for key in IMAGE},
    **{f"annotation without {key}": {**WHOLE, "annotations": [without(TRUTH, key)]} for key in TRUTH},
    "id of text and number": {**WHOLE, "images": [IMAGE, {**IMAGE, "id": "2", "file_name": "b.jpg"}]},
    "id a list": {**WHOLE, "images": [{**IMAGE, "id": [1]}]},
    "width of text": {**WHOLE, "images": [{**IMAGE, "width": "50"}]},
    "width of nothing": {**WHOLE, "images": [{**IMAGE, "width": None}]},
    "name a number": {**WHOLE, "images": [{**IMAGE, "file_name": 1}]},
    "box of three": {**WHOLE, "annotations": [{**TRUTH, "bbox": [1, 2, 3]}]},
    "category without id": {**WHOLE, "categories": [{"name": "person"}]},
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
    [([], "lists no image"), ([IMAGE, {**IMAGE, "file_name": "b.jpg"}], "these image ids occur twice: 1")],
)
def test_no_image_and_an_id_that_occurs_twice_are_errors(images, words, tmp_path):
    write_annotations(tmp_path, {**WHOLE, "images": images})
    with pytest.raises(GuideError, match=words):
        read_coco(tmp_path, need_pictures=False)


def test_names_that_share_their_beginning_keep_all_of_it(tmp_path):
    names = ["a.b.jpg", "a.c.jpg", "d.e.jpg", "f.jpg"]
    data = write_data(tmp_path, [(i, name, PIXELS) for i, name in enumerate(names)])
    assert list(read_coco(data).pictures) == ["a_b", "a_c", "d", "f"]


@pytest.mark.parametrize(
    "names", [("a.jpg", "a.png"), ("x/a.jpg", "y/a.jpg"), ("a.b.jpg", "a.c.jpg", "a_b.png")]
)
def test_pictures_whose_files_would_share_a_name_are_an_error(names, tmp_path):
    data = write_data(tmp_path, [(i, name, PIXELS) for i, name in enumerate(names)])
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
    images = [
        {"id": i, "file_name": f"{name}.jpg", "width": 50, "height": 40}
        for i, name in zip(ids, names, strict=True)
    ]
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
    found = np.array([row["bbox"] for row in read_detections(tmp_path / "d.json")], np.float32)
    np.testing.assert_array_equal(found, stored["coco_bbox_xywh"])


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
    assert [row["image_id"] for row in back] == [5] * len(kept)
    assert [row["category_id"] for row in back] == kept[:, 5].tolist()
    assert [row["score"] for row in back] == kept[:, 4].tolist()
    boxes = np.array([row["bbox"] for row in back], np.float32).reshape(-1, 4)
    np.testing.assert_array_equal(boxes[:, :2], kept[:, :2])
    np.testing.assert_array_equal(boxes[:, 2:], kept[:, 2:4] - kept[:, :2])


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
    for row in found:
        assert len(row["bbox"]) == 4
        {row["image_id"], row["category_id"]}  # both can be looked up


def test_detections_that_are_not_there_are_named(tmp_path):
    with pytest.raises(GuideError, match="absent.json: no such file"):
        read_detections(tmp_path / "absent.json")


def test_categories_are_cocos_80(cases):
    assert len(NAMES) == len(set(NAMES.values())) == 80
    assert (min(NAMES), max(NAMES)) == (1, 90)
    for category in read_json(cases / "coco" / "annotations.json")["categories"]:
        assert NAMES[category["id"]] == category["name"]
