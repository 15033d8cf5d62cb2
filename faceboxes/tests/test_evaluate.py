"""The whole guide in one command, with a twin of the network."""

from __future__ import annotations

import numpy as np

from common.images.read import read_image
from faceboxes_fddb import fddb, sample
from faceboxes_fddb.task import SAME_FACES
from tests.conftest import read_json


def test_limit_takes_the_first_pictures_of_the_folds(onnx, tmp_path, run):
    data = sample.write_sample(tmp_path / "data")
    done = run("evaluate.py", "--model", onnx, "--data", data, "--out", tmp_path, "--limit", 3)
    assert done.returncode == 0, done.stderr
    assert list(fddb.read_detections(tmp_path / "FDDB_dets.txt")) == [
        f"sample_astronaut_{variant}" for variant in ("original", "mirrored", "half")
    ]
    assert "folds without faces are left out of the average: 4, 5, 6, 7, 8, 9, 10" in done.stdout
    assert read_json(tmp_path / "metrics.json")["why"] == "3 of the 2845 pictures of FDDB"


def test_an_interrupted_run_goes_on_and_ends_the_same(onnx, tmp_path, run):
    data = sample.write_sample(tmp_path / "data")
    words = ("evaluate.py", "--model", onnx, "--data", data, "--out")
    assert run(*words, tmp_path / "whole").returncode == 0
    last = data / "originalPics" / "sample" / "hopper_dark.jpg"
    content = last.read_bytes()
    last.write_bytes(content[:2000])
    done = run(*words, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: sample_hopper_dark: {last}: the picture is truncated")
    last.write_bytes(content)
    done = run(*words, tmp_path / "out")
    assert "9 of 10 results are there already" in done.stdout
    whole, again = ((tmp_path / name / "FDDB_dets.txt").read_text() for name in ("whole", "out"))
    assert again == whole


def test_sample_pictures_have_their_faces_inside(tmp_path):
    folds = fddb.read_folds(sample.write_sample(tmp_path))
    pictures = fddb.find_pictures(tmp_path, (picture for fold in folds for picture in fold))
    assert len(pictures) == 10
    for fold in folds:
        (picture,) = fold
        height, width = read_image(pictures[picture.stem]).shape[:2]
        xmin, ymin, xmax, ymax = picture.boxes[0]
        assert 0 < xmin < xmax < width
        assert 0 < ymin < ymax < height


def test_equal_faces_are_counted_once_each():
    faces = np.array([[0, 0, 10, 10, 0.9], [50, 50, 60, 60, 0.8]], np.float32)
    moved = faces + np.float32([0.01, 0, 0, 0, 0.0005])
    far = faces + np.float32([1, 0, 0, 0, 0])
    assert SAME_FACES(faces, moved) == 2
    assert SAME_FACES(faces, far) == 0
    assert SAME_FACES(faces, np.concatenate((moved[:1], moved[:1]))) == 1
    assert SAME_FACES(faces, np.empty((0, 5), np.float32)) == 0
