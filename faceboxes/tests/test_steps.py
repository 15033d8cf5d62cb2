"""The guide's steps one after the other, as a user types them, against the streamed evaluation; with a twin."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from msgspec.structs import replace

import postprocess
import preprocess
from common import infer
from common.images.read import read_image
from common.npu_files import input_list
from faceboxes_fddb import fddb
from faceboxes_fddb.ellipses import face_boxes
from faceboxes_fddb.sample import write_sample
from faceboxes_fddb.task import ANY_PICTURE
from tests.conftest import FACTS, HERE, read_json


@pytest.fixture(scope="module")
def steps(tmp_path_factory, onnx):
    """The files of all steps, made once: data, prep, info, results."""
    root = tmp_path_factory.mktemp("steps")
    write_sample(root / "data")
    assert preprocess.main(["--data", str(root / "data"), "--out", str(root / "prep")]) == 0
    assert input_list.main(["bin", str(root / "prep"), str(root / "prep.info"), "1024", "1024"]) == 0
    for kind in infer.FORMATS:
        words = ["--model", str(onnx), "--input", str(root / "prep.info"), "--out", str(root / kind)]
        words += ["--batch-size", "4", "--output-format", kind, "--aipp", str(HERE / "aipp.config")]
        assert infer.main(words) == 0
    return root


@pytest.fixture
def postprocess_in(steps, run):
    """Run postprocess.py on the results and the data of the steps."""

    def postprocess_in(out, *words, results=steps / "bin"):
        return run("postprocess.py", "--results", results, "--data", steps / "data", "--out", out, *words)

    return postprocess_in


@pytest.fixture(scope="module")
def scored(steps):
    """The file route's figures."""
    folders = {
        "--results": steps / "bin",
        "--data": steps / "data",
        "--prep": steps / "prep",
        "--out": steps / "scored",
    }
    assert postprocess.main([str(word) for pair in folders.items() for word in pair]) == 0
    return steps / "scored"


def detections(folder):
    return (folder / "FDDB_dets.txt").read_text()


def test_guide_flags_are_aliases(steps, scored, tmp_path, run):
    done = run(
        "postprocess.py",
        *("--save_folder", tmp_path / "FDDB_Evaluation", "--prep_info", steps / "prep"),
        *("--prep_folder", steps / "bin" / "dumpOutput_device0", "--data", steps / "data"),
    )
    assert done.returncode == 0, done.stderr
    assert detections(tmp_path / "FDDB_Evaluation") == detections(scored)
    assert "FDDB-fold-1 Val AP: " in done.stdout
    assert "FDDB Dataset Average AP: " in done.stdout
    assert (tmp_path / "FDDB_Evaluation" / "results.txt").read_text() in done.stdout


@pytest.mark.parametrize("variant", ["txt", "from 0", "without prep"])
def test_every_form_of_the_results_gives_the_same_faces(variant, steps, scored, tmp_path, postprocess_in):
    results = steps / ("txt" if variant == "txt" else "bin")
    if variant == "from 0":
        results = tmp_path / "from0"
        results.mkdir()
        for path in (steps / "bin" / "dumpOutput_device0").iterdir():
            stem, _, k = path.stem.rpartition("_")
            shutil.copy(path, results / f"{stem}_{int(k) - 1}.bin")
    prep = [] if variant == "without prep" else ["--prep", steps / "prep"]
    assert postprocess_in(tmp_path / "out", *prep, results=results).returncode == 0
    assert detections(tmp_path / "out") == detections(scored)


def test_stored_detections_are_scored_again_without_pictures(steps, scored, tmp_path, run):
    shutil.copytree(steps / "data" / "FDDB-folds", tmp_path / "FDDB" / "FDDB-folds")
    words = ("--detections", scored / "FDDB_dets.txt", "--data", tmp_path / "FDDB", "--out", tmp_path / "out")
    assert run("postprocess.py", *words).returncode == 0
    again, before = (read_json(folder / "metrics.json") for folder in (tmp_path / "out", scored))
    assert again["metrics"] == before["metrics"]
    assert (before["backend"], before["precision"]) == ("onnxruntime", "float32")
    assert (again["backend"], again["precision"]) == ("onnxruntime", "float32")
    shutil.copy(scored / "FDDB_dets.txt", tmp_path / "of unknown origin.txt")
    words = ("--detections", tmp_path / "of unknown origin.txt", *words[2:])
    assert run("postprocess.py", *words).returncode == 0
    again = read_json(tmp_path / "out" / "metrics.json")
    assert (again["backend"], again["precision"]) == (None, None)


def test_the_streamed_route_stores_the_same_faces_with_the_factors_of_fddb_txt(
    steps, scored, onnx, tmp_path, monkeypatch, run
):
    words = ("evaluate.py", "--model", onnx, "--data", steps / "data", "--batch-size", 4, "--out")
    done = run(*words, tmp_path / "rounded")
    assert done.returncode == 0, done.stderr
    assert detections(tmp_path / "rounded") == detections(scored)
    # Factors with all their decimals would give others.
    monkeypatch.setattr("evaluate.TASK", ANY_PICTURE)
    assert run(*words, tmp_path / "exact").returncode == 0
    assert detections(tmp_path / "exact") != detections(scored)


def test_a_subset_is_labelled_and_has_no_verdict(scored):
    report = read_json(scored / "metrics.json")
    assert (report["images"], report["metrics"]["faces"]) == (10, 10)
    assert report["why"] == "10 of the 2845 pictures of FDDB"
    assert (report["comparable"], report["verdict"]) == (False, "not comparable")


def perfect(folds):
    """Detections that find every face, one box each, the scores all different."""
    found, score = {}, 1.0
    for fold in folds:
        for picture in fold:
            boxes = face_boxes(picture.faces).astype(np.float32)
            score -= 1e-4
            found[picture.stem] = np.column_stack((boxes, np.full(len(boxes), score))).astype(np.float32)
    return found


@pytest.mark.parametrize(("kept", "code", "verdict"), [(10, 0, "PASS"), (9, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(kept, code, verdict, steps, tmp_path, monkeypatch, run):
    whole = replace(FACTS, accuracy=replace(FACTS.accuracy, images=10, counts={}, names=None))
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: whole)
    found = perfect(fddb.read_folds(steps / "data"))
    for stem in list(found)[kept:]:
        found[stem] = np.array([[900, 900, 950, 950, 0.9]], np.float32)
    fddb.write_detections(tmp_path / "dets.txt", found)
    words = ("--detections", tmp_path / "dets.txt", "--data", steps / "data", "--out", tmp_path)
    done = run("postprocess.py", *words)
    assert done.returncode == code
    report = read_json(tmp_path / "metrics.json")
    assert (report["verdict"], report["comparable"]) == (verdict, True)
    assert f"verdict: {verdict}" in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no result for sample_hopper_dark"),
        (bytes(100), "expected 349184 bytes (21824x4 float32), found 100"),
        (
            bytes(21824 * 2 * 4),
            "expected 349184 bytes (21824x4 float32), found 174592",
        ),  # of the other output
        (b"\xff" * 349184, "sample_hopper_dark_1.bin: holds values that are not finite"),
    ],
)
def test_unfitting_results_are_told_in_one_message(content, words, steps, tmp_path, postprocess_in):
    results = shutil.copytree(steps / "bin" / "dumpOutput_device0", tmp_path / "results")
    first, second = (results / f"sample_hopper_dark_{k}.bin" for k in (1, 2))
    if content is None:
        first.unlink()
        second.unlink()
    else:
        first.write_bytes(content)
    done = postprocess_in(tmp_path / "out", "--prep", steps / "prep", results=results)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert not (tmp_path / "out" / "FDDB_dets.txt").exists()


def test_prep_of_another_data_set_is_an_error(tmp_path, postprocess_in):
    (tmp_path / "FDDB.txt").write_text("other 1024.000 1024.000 1.000\n")
    done = postprocess_in(tmp_path / "out", "--prep", tmp_path)
    assert done.returncode == 1
    assert "FDDB.txt: lacks sample_astronaut_crop" in done.stderr


def test_limit_takes_the_first_pictures_of_the_folds(steps, onnx, tmp_path, run):
    done = run("evaluate.py", "--model", onnx, "--data", steps / "data", "--out", tmp_path, "--limit", 3)
    assert done.returncode == 0, done.stderr
    assert list(fddb.read_detections(tmp_path / "FDDB_dets.txt")) == [
        f"sample_astronaut_{variant}" for variant in ("original", "mirrored", "half")
    ]
    assert "folds without faces are left out of the average: 4, 5, 6, 7, 8, 9, 10" in done.stdout
    assert read_json(tmp_path / "metrics.json")["why"] == "3 of the 2845 pictures of FDDB"


def test_sample_pictures_have_their_faces_inside(steps):
    folds = fddb.read_folds(steps / "data")
    pictures = fddb.find_pictures(steps / "data", (picture for fold in folds for picture in fold))
    assert len(pictures) == 10
    for fold in folds:
        (picture,) = fold
        height, width = read_image(pictures[picture.stem]).shape[:2]
        xmin, ymin, xmax, ymax = picture.boxes[0]
        assert 0 < xmin < xmax < width
        assert 0 < ymin < ymax < height
