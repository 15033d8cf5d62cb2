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
from tests.conftest import FACTS, STEMS, read_json, small_data

pytest.importorskip("torch", reason="the twin is a torch network")
ODD = STEMS[1]  # underscores and digits in its name


@pytest.fixture(scope="module")
def steps(tmp_path_factory, twin_onnx):
    """The files of all steps, made once: data, prep, info, results."""
    from common import infer
    from common.npu_files import input_list

    root = tmp_path_factory.mktemp("steps")
    small_data(root / "data")
    assert preprocess.main(["--data", str(root / "data"), "--out", str(root / "prep")]) == 0
    assert input_list.main(["bin", str(root / "prep"), str(root / "coco.info"), "512", "512"]) == 0
    arguments = {"model": twin_onnx, "input": root / "coco.info", "out": root / "result", "batch-size": 4}
    assert infer.main([f"--{name}={value}" for name, value in arguments.items()]) == 0
    return root


def words(results, data, out):
    return ["--results", str(results), "--data", str(data), "--out", str(out)]


@pytest.fixture(scope="module")
def scored(steps):
    """The file route's detections and figures."""
    assert postprocess.main(words(steps / "result", steps / "data", steps / "scored")) == 0
    return steps / "scored"


def linked(steps, folder, first=1):
    """The results under other numbers or in another place, without copying them."""
    folder.mkdir(parents=True)
    for path in (steps / "result" / "dumpOutput_device0").iterdir():
        stem, _, k = path.stem.rpartition("_")
        os.link(path, folder / f"{stem}_{int(k) - 1 + first}.bin")
    return folder


def detections(folder):
    return (folder / "detections.json").read_text()


def test_results_are_written_as_the_benchmark_tool_writes_them(steps):
    names = {path.name for path in (steps / "result" / "dumpOutput_device0").iterdir()}
    assert names == {f"{stem}_{k}.bin" for stem in STEMS for k in range(1, 11)}
    assert (steps / "result" / "perf_vision_batchsize_4_device_0.txt").is_file()


def test_detections_are_in_every_picture_by_id_and_inside_of_it(steps, scored):
    pictures = read_coco(steps / "data").pictures
    rows = read_detections(scored / "detections.json")
    assert list(dict.fromkeys(row["image_id"] for row in rows)) == [p.identity for p in pictures.values()]
    for picture in pictures.values():
        mine = [row for row in rows if row["image_id"] == picture.identity]
        assert len(mine) == 100
        boxes = np.array([row["bbox"] for row in mine])
        assert (boxes >= 0).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= np.array([picture.width, picture.height]) + 1e-3).all()
        scores = [row["score"] for row in mine]
        assert scores == sorted(scores, reverse=True)


def test_guide_flags_and_the_dated_directory_of_ais_infer(steps, scored, tmp_path, run):
    folder = linked(steps, tmp_path / "result" / "2022_09_08-11_22_33", first=0)
    (folder / "sumary.json").write_text("{}")
    results = f"--omfile={tmp_path / 'result'}"
    done = run("postprocess.py", f"--root={steps / 'data'}", results, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert detections(tmp_path) == detections(scored)
    assert f"{tmp_path / 'detections.json'}: the objects in 5 pictures\n" in done.stdout
    assert "\n6 pictures; 1 with a side under 32 pixels left out, as in the original\n" in done.stdout
    assert "published: AP 0.336 on COCO val2017 (README of efficientdet-pytorch)" in done.stdout


def test_the_order_of_a_listing_changes_nothing(steps, scored, tmp_path, monkeypatch):
    listdir, scandir = os.listdir, os.scandir
    monkeypatch.setattr(os, "listdir", lambda path=".": sorted(listdir(path), reverse=True))
    monkeypatch.setattr(
        os, "scandir", lambda path=".": iter(sorted(scandir(path), key=lambda e: e.name[::-1]))
    )
    assert postprocess.main(words(steps / "result", steps / "data", tmp_path)) == 0
    assert detections(tmp_path) == detections(scored)


def test_pictures_are_not_needed_to_score_results(steps, scored, tmp_path):
    shutil.copytree(steps / "data" / "annotations", tmp_path / "coco" / "annotations")
    assert postprocess.main(words(steps / "result", tmp_path / "coco", tmp_path / "out")) == 0
    assert detections(tmp_path / "out") == detections(scored)


def test_stored_detections_are_scored_again(steps, scored, tmp_path):
    arguments = ["--detections", str(scored / "detections.json"), "--data", str(steps / "data")]
    assert postprocess.main([*arguments, "--out", str(tmp_path)]) == 0
    again, before = (read_json(folder / "metrics.json") for folder in (tmp_path, scored))
    assert again["metrics"] == before["metrics"]
    assert (again["backend"], again["precision"]) == (None, None)
    assert (before["backend"], before["precision"]) == ("onnxruntime", "float32")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_streamed_route_gives_the_same_detections(batch_size, steps, scored, twin_onnx, tmp_path):
    arguments = ["--model", str(twin_onnx), "--data", str(steps / "data"), "--out", str(tmp_path)]
    assert evaluate.main([*arguments, "--batch-size", str(batch_size)]) == 0
    found, expected = (read_detections(folder / "detections.json") for folder in (tmp_path, scored))
    assert len(found) == 500
    for key, difference in (("image_id", 0), ("category_id", 0), ("score", 1e-6), ("bbox", 1e-3)):
        mine, other = ([row[key] for row in rows] for rows in (found, expected))
        np.testing.assert_allclose(mine, other, rtol=0, atol=difference)
    assert len({row["score"] for row in expected}) > 100  # no two routes would agree by chance
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"] == pytest.approx(read_json(scored / "metrics.json")["metrics"], abs=1e-6)
    assert {"preprocess", "infer", "postprocess", "evaluate", "total"} <= report["seconds"].keys()


DAMAGES = {
    "another size": "empty: {}: has 64x41 pixels, 40x40 in the annotations. Is it another picture?\n",
    "cut": "empty: {}: the picture is damaged (",
    "no picture": "empty: {}: not a picture that Pillow can read (6 bytes)",
    "too narrow": "empty: {}: the picture is too narrow: 2000x1 pixels.\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("route", ["preprocess.py", "evaluate.py"])
def test_both_routes_refuse_the_same_pictures_in_the_same_words(
    route, damage, data, twin_onnx, tmp_path, run
):
    path = data / "val2017" / "empty.jpg"
    if damage in ("another size", "too narrow"):
        size = (64, 41) if damage == "another size" else (2000, 1)
        Image.new("RGB", size).save(path, format="PNG")
    else:
        path.write_bytes(path.read_bytes()[:1000] if damage == "cut" else b"<html>")
    model = ["--model", twin_onnx] if route == "evaluate.py" else []
    done = run(route, "--data", data, "--out", tmp_path / "out", *model)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {DAMAGES[damage].format(path)}")
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert not {"detections.json", "metrics.json", "empty.bin"} & left
    assert not any(name.startswith(".") for name in left)


@pytest.mark.parametrize("route", ["preprocess.py", "evaluate.py"])
def test_an_annotation_that_changes_afterwards_is_compared_again(route, data, twin_onnx, tmp_path, run):
    model = ["--model", twin_onnx] if route == "evaluate.py" else []
    words = (route, "--data", data, "--out", tmp_path / "out", *model)
    assert run(*words).returncode == 0
    annotations = data / "annotations" / "instances_val2017.json"
    content = read_json(annotations)
    next(image for image in content["images"] if image["file_name"] == "empty.jpg")["width"] += 1
    annotations.write_text(json.dumps(content))
    done = run(*words)
    assert done.returncode == 1
    assert "empty.jpg: has 40x40 pixels, 41x40 in the annotations. Is it another picture?" in done.stderr


def test_a_subset_is_labelled_and_has_no_verdict(scored):
    report = read_json(scored / "metrics.json")
    assert (report["model"], report["dataset"], report["images"]) == ("efficientdet_d0", "COCO val2017", 6)
    assert report["published"] == {"AP": 0.336}
    assert report["comparable"] is False
    assert report["why"] == "6 of the 5000 pictures of COCO val2017"
    assert report["verdict"] == "not comparable"
    assert len(report["metrics"]) == 12
    assert {"python", "numpy", "onnxruntime", "pillow"} <= report["versions"].keys()
    assert report["seconds"].keys() == {"postprocess", "evaluate", "total"}


@pytest.mark.parametrize(("kept", "code", "verdict"), [(99, 0, "PASS"), (1, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(kept, code, verdict, data, tmp_path, monkeypatch, capsys):
    accuracy = replace(FACTS.accuracy, images=6, published={"AP": 0.9})
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: replace(FACTS, accuracy=accuracy))
    rows = [
        {**{key: row[key] for key in ("image_id", "category_id", "bbox")}, "score": 0.9 - row["id"] / 100}
        for row in read_coco(data).annotations["annotations"]
        if not row["iscrowd"]
    ]
    (tmp_path / "perfect.json").write_text(json.dumps(rows[:kept]))
    arguments = ["--detections", str(tmp_path / "perfect.json"), "--data", str(data)]
    assert postprocess.main([*arguments, "--out", str(tmp_path)]) == code
    report = read_json(tmp_path / "metrics.json")
    assert (report["verdict"], report["comparable"]) == (verdict, True)
    assert report["metrics"]["AP"] == pytest.approx(1) or kept == 1
    printed = capsys.readouterr().out
    assert f"verdict: {verdict}" in printed
    assert "% relative; a drop of 1 % is accepted" in printed


UNFITTING = {
    "missing": f"no result for {ODD}",
    "extra": "results that belong to no input: stranger",
    "too small a picture's": "results that belong to no input: tiny",
    "one output less": "expected 10 outputs per input",
    "wrong size": "expected 13271040 bytes (810x64x64 float32), found 100",
    "half precision": "Half the size: was the model converted with --output_type=FP16?",
    "not finite": f"{ODD}_10.bin: holds values that are not finite",
    "boxes first": "expected 13271040 bytes (810x64x64 float32), found 589824",
}


@pytest.mark.parametrize("damage", UNFITTING)
def test_unfitting_results_are_told_in_one_message(damage, steps, tmp_path, capsys):
    results = linked(steps, tmp_path / "results")
    first, last = results / f"{ODD}_1.bin", results / f"{ODD}_10.bin"
    if damage == "missing":
        for path in results.glob(f"{ODD}_*.bin"):
            path.unlink()
    elif damage in ("extra", "too small a picture's"):
        os.link(first, results / ("stranger_1.bin" if damage == "extra" else "tiny_1.bin"))
    elif damage == "one output less":
        last.unlink()
    elif damage in ("wrong size", "half precision"):
        first.unlink()
        first.write_bytes(bytes(100 if damage == "wrong size" else 13271040 // 2))
    elif damage == "not finite":
        last.unlink()
        np.full((36, 4, 4), np.inf, np.float32).tofile(last)
    elif damage == "boxes first":
        for k in range(1, 6):
            one, other = (results / f"{ODD}_{number}.bin" for number in (k, k + 5))
            one.rename(tmp_path / "held")
            other.rename(one)
            (tmp_path / "held").rename(other)
    assert postprocess.main(words(results, steps / "data", tmp_path / "out")) == 1
    message = capsys.readouterr().err
    assert UNFITTING[damage] in message
    assert message.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_no_results_and_those_of_two_runs_are_errors(data, tmp_path, capsys):
    assert postprocess.main(words(tmp_path / "result", data, tmp_path / "out")) == 1
    assert "no such result directory" in capsys.readouterr().err
    for second in (33, 34):
        (tmp_path / "result" / f"2022_09_08-11_22_{second}").mkdir(parents=True)
    assert postprocess.main(words(tmp_path / "result", data, tmp_path / "out")) == 1
    assert "holds the results of 2 runs, 2022_09_08-11_22_33" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--results", "a", "--detections", "b"]])
def test_one_source_of_detections_must_be_named(arguments, run):
    done = run("postprocess.py", *arguments, "--data", "coco")
    assert done.returncode == 2
    assert "--detections" in done.stderr
