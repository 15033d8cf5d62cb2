"""The guide's steps one after the other, with a tiny twin of the network, against the streamed evaluation."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

import evaluate
import postprocess
import preprocess
from efficientdet_coco.coco import read_coco, read_detections
from efficientdet_coco.task import prepare_picture
from tests.conftest import FACTS, STEMS, read_json, small_data

pytest.importorskip("torch", reason="the twin is a torch network")
ODD = STEMS[1]  # underscores and digits in its name


@pytest.fixture(scope="module")
def steps(tmp_path_factory, twin_onnx):
    """The files of all steps, made once: data, prep, info, results, and in scored/ detections and figures."""
    from common import infer
    from common.npu_files import input_list

    root = tmp_path_factory.mktemp("steps")
    small_data(root / "data")
    assert preprocess.main([f"--root={root / 'data'}", f"--bin-save={root / 'prep'}"]) == 0
    assert input_list.main(["bin", str(root / "prep"), str(root / "coco.info"), "512", "512"]) == 0
    arguments = {"model": twin_onnx, "input": root / "coco.info", "out": root / "result", "batch-size": 4}
    assert infer.main([f"--{name}={value}" for name, value in arguments.items()]) == 0
    assert score("--results", root / "result", root / "data", root / "scored") == 0
    return root


def score(source, path, data, out):
    return postprocess.main([source, str(path), "--data", str(data), "--out", str(out)])


def linked(steps, folder, first=1):
    """The results under other numbers or in another place, without copying them."""
    folder.mkdir(parents=True)
    for path in (steps / "result" / "dumpOutput_device0").iterdir():
        stem, _, k = path.stem.rpartition("_")
        os.link(path, folder / f"{stem}_{int(k) - 1 + first}.bin")
    return folder


def check_detections(folder, steps):
    """Compare the detections in a folder with those of the file route, to the letter."""
    found, expected = (path / "detections.json" for path in (folder, steps / "scored"))
    assert found.read_text() == expected.read_text()


def test_every_picture_has_a_bin_and_ten_results_named_up_to_its_first_dot(steps):
    assert {path.name for path in (steps / "prep").glob("*.bin")} == {f"{stem}.bin" for stem in STEMS}
    inputs, _ = prepare_picture(steps / "data" / "val2017" / "tall.b.c.jpg")
    assert (steps / "prep" / "tall.bin").read_bytes() == inputs["x.1"].tobytes()
    names = {path.name for path in (steps / "result" / "dumpOutput_device0").iterdir()}
    assert names == {f"{stem}_{k}.bin" for stem in STEMS for k in range(1, 11)}


def test_detections_are_in_every_picture_by_id_and_inside_of_it(steps):
    pictures = read_coco(steps / "data").pictures
    found = read_detections(steps / "scored" / "detections.json")
    assert list(dict.fromkeys(found.picture.tolist())) == [p.identity for p in pictures.values()]
    for picture in pictures.values():
        mine = found.only(found.picture == picture.identity)
        assert len(mine.score) == 100
        boxes = mine.boxes
        assert (boxes >= 0).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= np.array([picture.width, picture.height]) + 1e-3).all()
        assert (np.diff(mine.score) <= 0).all()


def test_guide_flags_and_the_dated_directory_of_ais_infer(steps, tmp_path, run):
    folder = linked(steps, tmp_path / "result" / "2022_09_08-11_22_33", first=0)
    (folder / "sumary.json").write_text("{}")
    results = f"--omfile={tmp_path / 'result'}"
    done = run("postprocess.py", f"--root={steps / 'data'}", results, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    check_detections(tmp_path, steps)
    assert f"{tmp_path / 'detections.json'}: the objects in 5 pictures\n" in done.stdout
    assert "\n6 pictures; 1 with a side under 32 pixels left out, as in the original\n" in done.stdout
    assert "published: on COCO val2017 (README of efficientdet-pytorch, as the guide quotes it" in done.stdout


def test_pictures_are_not_needed_to_score_results(steps, tmp_path):
    shutil.copytree(steps / "data" / "annotations", tmp_path / "coco" / "annotations")
    assert score("--results", steps / "result", tmp_path / "coco", tmp_path / "out") == 0
    check_detections(tmp_path / "out", steps)


def test_metrics_json_says_what_was_measured_and_scored_again_it_is_the_same(steps, tmp_path):
    before = read_json(steps / "scored" / "metrics.json")
    assert (before["model"], before["dataset"], before["images"]) == ("efficientdet_d0", "COCO val2017", 6)
    assert (before["published"], before["upstream"]) == ({"AP": 0.336}, {"AP": 0.342})
    assert (before["comparable"], before["verdict"]) == (False, "not comparable")
    assert before["why"] == "6 of the 5000 pictures of COCO val2017"
    assert (before["backend"], before["precision"]) == ("onnxruntime", "float32")
    assert before["seconds"].keys() == {"postprocess", "evaluate", "total"}

    assert score("--detections", steps / "scored" / "detections.json", steps / "data", tmp_path) == 0
    again = read_json(tmp_path / "metrics.json")
    assert again["metrics"] == before["metrics"]
    assert len(again["metrics"]) == 12
    assert (again["backend"], again["precision"]) == ("onnxruntime", "float32")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_streamed_route_gives_the_same_detections(batch_size, steps, twin_onnx, tmp_path):
    arguments = ["--model", str(twin_onnx), "--data", str(steps / "data"), "--out", str(tmp_path)]
    assert evaluate.main([*arguments, "--batch-size", str(batch_size)]) == 0
    found, expected = (read_detections(folder / "detections.json") for folder in (tmp_path, steps / "scored"))
    assert len(found.score) == 500
    for column, difference in (("picture", 0), ("category", 0), ("score", 1e-6), ("boxes", 1e-3)):
        mine, other = (getattr(each, column) for each in (found, expected))
        np.testing.assert_allclose(mine, other, rtol=0, atol=difference)
    assert len(np.unique(expected.score)) > 100  # no two routes would agree by chance
    streamed, files = (
        read_json(folder / "metrics.json")["metrics"] for folder in (tmp_path, steps / "scored")
    )
    assert streamed == pytest.approx(files, abs=1e-6)


DAMAGES = {
    "another size": "empty: {}: has 64x41 pixels, 40x40 in the annotations. Is it another picture?\n",
    "cut": "empty: {}: the picture is truncated: ",
    "no picture": "empty: {}: not a JPEG, PNG or BMP picture (6 bytes)",
    "too narrow": "empty: {}: the picture is too narrow: 2000x1 pixels.\n",
}


@pytest.fixture(params=["preprocess.py", "evaluate.py"])
def route(request, data, twin_onnx, tmp_path, run):
    """Take the first step of either route on the small data set."""
    model = ["--model", twin_onnx] if request.param == "evaluate.py" else []
    return lambda: run(request.param, "--data", data, "--out", tmp_path / "out", *model)


@pytest.mark.parametrize("damage", DAMAGES)
def test_both_routes_refuse_the_same_pictures_in_the_same_words(damage, route, data, tmp_path):
    path = data / "val2017" / "empty.jpg"
    if damage in ("another size", "too narrow"):
        size = (64, 41) if damage == "another size" else (2000, 1)
        Image.new("RGB", size).save(path, format="PNG")
    else:
        path.write_bytes(path.read_bytes()[:1000] if damage == "cut" else b"<html>")
    done = route()
    assert done.returncode == 1
    assert f"error: {DAMAGES[damage].format(path)}" in done.stderr
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert not {"detections.json", "metrics.json", "empty.bin"} & left
    assert not any(name.startswith(".") for name in left)


def test_a_picture_replaced_by_one_of_another_size_is_refused_though_its_result_is_stored(
    data, twin_onnx, tmp_path, run
):
    arguments = ("--data", data, "--out", tmp_path / "out", "--model", twin_onnx)
    assert run("evaluate.py", *arguments).returncode == 0
    path = data / "val2017" / "empty.jpg"
    Image.new("RGB", (20, 20)).save(path)
    done = run("evaluate.py", *arguments)
    assert done.returncode == 1
    assert f"{path}: has 20x20 pixels, 40x40 in the annotations. Is it another picture?" in done.stderr


def test_both_routes_tell_a_missing_picture_before_anything_is_written(route, data, tmp_path):
    (data / "val2017" / "empty.jpg").unlink()
    done = route()
    assert done.returncode == 1
    assert done.stderr.startswith("error: 1 of the 5 pictures in ")
    assert not (tmp_path / "out").exists()


def test_both_routes_compare_again_with_an_annotation_that_changes_afterwards(route, data):
    assert route().returncode == 0
    annotations = data / "annotations" / "instances_val2017.json"
    content = read_json(annotations)
    next(image for image in content["images"] if image["file_name"] == "empty.jpg")["width"] += 1
    annotations.write_text(json.dumps(content))
    done = route()
    assert done.returncode == 1
    assert "empty.jpg: has 40x40 pixels, 41x40 in the annotations. Is it another picture?" in done.stderr


@pytest.mark.parametrize(("kept", "code", "verdict"), [(99, 0, "PASS"), (1, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(kept, code, verdict, data, tmp_path, monkeypatch, capsys):
    accuracy = replace(FACTS.accuracy, images=6, counts={}, names=None, published={"AP": 0.9})
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: replace(FACTS, accuracy=accuracy))
    rows = [
        {**{key: row[key] for key in ("image_id", "category_id", "bbox")}, "score": 0.9 - row["id"] / 100}
        for row in read_json(data / "annotations" / "instances_val2017.json")["annotations"]
        if not row["iscrowd"]
    ]
    (tmp_path / "perfect.json").write_text(json.dumps(rows[:kept]))
    assert score("--detections", tmp_path / "perfect.json", data, tmp_path) == code
    report = read_json(tmp_path / "metrics.json")
    assert (report["verdict"], report["comparable"]) == (verdict, True)
    assert report["metrics"]["AP"] == pytest.approx(1) or kept == 1
    assert f"verdict: {verdict}" in capsys.readouterr().out


def give_to_the_picture_that_is_too_small(results):
    os.link(results / f"{ODD}_1.bin", results / "tiny_1.bin")


def halve(results):
    (results / f"{ODD}_1.bin").unlink()
    (results / f"{ODD}_1.bin").write_bytes(bytes(13271040 // 2))


def put_boxes_first(results):
    for k in range(1, 6):
        one, other = (results / f"{ODD}_{number}.bin" for number in (k, k + 5))
        held = one.rename(results.parent / "held")
        other.rename(one)
        held.rename(other)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda results: (results / f"{ODD}_10.bin").unlink(), "expected 10 outputs per input"),
        (give_to_the_picture_that_is_too_small, "results that belong to no input: tiny"),
        (halve, "Half the size: was the model converted with --output_type=FP16?"),
        (put_boxes_first, "expected 13271040 bytes (810x64x64 float32), found 589824"),
    ],
    ids=["one output less", "too small a picture's", "half precision", "boxes first"],
)
def test_unfitting_results_are_told_in_one_message(damage, words, steps, tmp_path, capsys):
    results = linked(steps, tmp_path / "results")
    damage(results)
    assert score("--results", results, steps / "data", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert words in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("preprocess.py",), "--data"),
        (("postprocess.py", "--data", "coco"), "--detections"),
        (("postprocess.py", "--data", "coco", "--results", "a", "--detections", "b"), "--detections"),
    ],
)
def test_wrong_usage_is_exit_status_2(words, missing, run):
    done = run(*words)
    assert done.returncode == 2
    assert missing in done.stderr
