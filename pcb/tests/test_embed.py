"""The features of a directory of pictures, here a tiny twin's, stored and searched as predict.py searches the directory."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pcb_market.sample import write_sample
from tests.conftest import read_json


@pytest.fixture
def people(tmp_path):
    return write_sample(tmp_path / "people")


@pytest.mark.parametrize("kind", ["npy", "parquet"])
def test_the_stored_features_have_the_same_nearest_as_the_directory(kind, people, onnx, tmp_path, run):
    gallery, out = people / "bounding_box_test", tmp_path / f"people.{kind}"
    done = run("embed.py", gallery, "--model", onnx, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"{out}: 21 rows of 12288 float32; 21 pictures in" in done.stdout
    query, results = people / "query" / "0004_c1s1_000001_00.jpg", []
    for place in (gallery, out):
        done = run(
            "predict.py", query, "--gallery", place, "--model", onnx, "--out", tmp_path / "out", "--top", 12
        )
        assert done.returncode == 0, done.stderr
        assert "the 12 nearest of 21 pictures, with onnxruntime, float32" in done.stdout
        result = read_json(tmp_path / "out" / f"{query.stem}_matches.json")
        assert result["gallery"] == str(place)
        strip = cv2.imread(str(tmp_path / "out" / f"{query.stem}_matches.jpg"))
        results.append(
            ({match["image"]: match["squared distance"] for match in result["matches"]}, strip.shape)
        )
    (of_folder, shape), (of_stored, other) = results
    assert list(of_folder) == list(of_stored)
    assert of_stored == pytest.approx(of_folder, abs=0.01)  # of lengths of some 4000, summed in another order
    assert shape == other == (384 + 50, 13 * 138 + 30, 3)


def test_a_row_is_the_networks_features_in_float32(people, onnx, tmp_path, run):
    from common.backends.base import run_batch
    from common.backends.onnxruntime import OnnxRuntime
    from pcb_market.task import ANY_PICTURE

    out = tmp_path / "people.npy"
    assert run("embed.py", people, "--model", onnx, "--out", out).returncode == 0
    rows = np.load(out)
    paths = sorted(people.rglob("*.jpg"))
    assert (rows.shape, rows.dtype) == ((len(paths), 12288), np.float32)
    with OnnxRuntime(onnx) as network:
        for path, row in zip(paths, rows, strict=True):
            inputs, _ = ANY_PICTURE.prepare(path)
            (features, *_) = run_batch(network, {name: array[None] for name, array in inputs.items()})
            assert np.array_equal(features[0].ravel(), row)


def test_a_stored_gallery_that_is_not_there_is_told(people, onnx, tmp_path, run):
    query = next((people / "query").glob("*.jpg"))
    done = run(
        "predict.py", query, "--gallery", tmp_path / "none.npy", "--model", onnx, "--out", tmp_path / "out"
    )
    assert done.returncode == 1
    assert f"error: {tmp_path / 'none.npy'}: no such file of features; make it with embed.py." in done.stderr
    assert not (tmp_path / "out").exists()
