"""COCO's twelve figures of stored detections, through postprocess.py and straight."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from efficientdet_coco import metric
from efficientdet_coco.coco import read_coco, read_detections
from tests.conftest import read_json, write_annotations


@pytest.fixture
def golden(cases, tmp_path):
    """The reference's annotations as a data set without pictures, and its detections."""
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    shutil.copy(cases / "coco" / "annotations.json", tmp_path / "coco/annotations/instances_val2017.json")
    return tmp_path / "coco", cases / "coco" / "detections.json"


def test_the_reference_detections_give_the_reference_figures_without_pictures(golden, cases, tmp_path, run):
    data, detections = golden
    expected = read_json(cases / "coco" / "expected.json")
    done = run("postprocess.py", "--detections", detections, "--data", data, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = read_json(tmp_path / "out" / "metrics.json")
    figures = [report["metrics"][name] for name in metric.NAMES]
    np.testing.assert_allclose(figures, expected["images_of_at_least_32_pixels"], rtol=0, atol=1e-9)
    assert figures[0] == pytest.approx(expected["effdet_evaluator_AP_float32_boxes"], abs=1e-9)
    assert (report["images"], report["verdict"]) == (22, "not comparable")
    table = "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.290\n"
    assert f"measured on 22 of the 5000 pictures of COCO val2017:\n {table}" in done.stdout
    note = "22 pictures; 1 with a side under 32 pixels left out, as in the original\n"
    assert f"mAP: {figures[0]:.4f}\n{note}" in done.stdout
    assert not (tmp_path / "out" / "detections.json").exists()


def test_detections_in_the_small_picture_do_not_count(golden, cases):
    data, detections = golden
    (small,) = read_json(cases / "coco" / "expected.json")["image_ids_effdet_leaves_out"]
    coco = read_coco(data, need_pictures=False)
    assert {row["id"] for row in coco.annotations["images"]} == {
        small,
        *(picture.identity for picture in coco.pictures.values()),
    }
    rows = read_detections(detections)
    more = [{**row, "image_id": small} for row in rows]
    assert metric.evaluate(coco, [*rows, *more]) == metric.evaluate(coco, rows)


def test_what_lies_in_a_crowd_is_neither_right_nor_wrong(data):
    """A wrong box of highest score costs nothing there."""
    coco = read_coco(data)
    large = {picture.identity for picture in coco.pictures.values()}
    rows = [
        {"image_id": row["image_id"], "category_id": row["category_id"], "bbox": row["bbox"], "score": 0.5}
        for row in coco.annotations["annotations"]
        if not row["iscrowd"] and row["image_id"] in large
    ]
    rows.append({"image_id": 30, "category_id": 1, "bbox": [60, 2, 12, 12], "score": 0.9})
    assert metric.evaluate(coco, [dict(row) for row in rows])[0]["AP"] == pytest.approx(1)
    for row in coco.annotations["annotations"]:
        row["iscrowd"] = 0
    assert metric.evaluate(coco, [dict(row) for row in rows])[0]["AP"] < 0.9


@pytest.mark.parametrize("first", [0, 1, 1001])
def test_the_figures_do_not_depend_on_the_ids_of_annotations(first, data):
    """To pycocotools a detection of the object 0 is one of nothing."""
    content = read_json(data / "annotations" / "instances_val2017.json")
    rows = [
        {key: row[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5}
        for row in content["annotations"]
        if not row["iscrowd"] and row["image_id"] != 3
    ]
    for number, row in enumerate(content["annotations"]):
        row["id"] = first + number
    write_annotations(data, content)
    assert metric.evaluate(read_coco(data), rows)[0]["AP"] == pytest.approx(1)


def test_figures_without_anything_to_measure_are_minus_one_and_nothing_is_printed(data, capsys):
    coco = read_coco(data)
    coco.annotations["annotations"] = []
    row = {"image_id": 5, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}
    assert set(metric.evaluate(coco, [row])[0].values()) == {-1.0}
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("identities", "annotations", "words"),
    [
        ([], None, "there is no detection to measure"),
        ([30, 999], None, "in pictures that the data set does not have: ids [999]"),
        ([30], "[]", "not COCO annotations of objects"),
    ],
)
def test_bad_input_is_told_in_one_message(identities, annotations, words, data, tmp_path, run):
    detections = tmp_path / "d.json"
    row = {"category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}
    detections.write_text(json.dumps([{**row, "image_id": identity} for identity in identities]))
    if annotations:
        write_annotations(data, annotations)
    done = run("postprocess.py", "--detections", detections, "--data", data, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
