"""The whole guide in one command, with a tiny twin in the place of the network; test_full_size.py has its figures."""

from __future__ import annotations

import numpy as np
import pytest

import evaluate
from common.backends.null import Null
from common.graph.outline import describe, load
from lresnet_lfw import lfw, sample
from tests.conftest import HERE, encode, random_faces, read_distances, read_json, write_lfw

SEEDED = "seeded random weights, not the published ones"


@pytest.fixture
def loaded(twin, monkeypatch):
    """Load the twin in the place of every checkpoint, and return what was asked for."""
    checkpoints = []
    monkeypatch.setattr(evaluate, "load", lambda checkpoint: checkpoints.append(checkpoint) or twin)
    return checkpoints


@pytest.fixture
def nothing_published(tmp_path, monkeypatch):
    """A model directory without weights, as it is after a clone."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    monkeypatch.setattr(evaluate, "HERE", folder)
    return folder


def test_without_data_the_model_is_compared_with_torch_on_sample_pairs(loaded, tmp_path, run):
    done = run("evaluate.py", "--checkpoint", "tiny.pth", "--out", tmp_path, "--batch-size", 4)
    assert done.returncode == 0, done.stderr
    assert list(map(str, loaded)) == ["tiny.pth"]
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["accuracy with torch"] == report["metrics"]["accuracy"]
    assert 0 <= report["metrics"]["largest difference from torch, features"] <= 2e-5
    assert (report["dataset"], report["images"]) == (sample.WHAT, 20)
    assert (report["verdict"], report["why"]) == ("not comparable", sample.WHAT)
    assert {"export", "preprocess", "infer", "evaluate"} <= set(report["seconds"])
    assert "agreement with torch on 40 inputs:\n  features: largest difference " in done.stdout
    assert f"\n  accuracy: torch {report['metrics']['accuracy']!r}\n" in done.stdout
    assert f"not comparable with the published figure: {sample.WHAT}" in done.stdout
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("model_ir_se100.onnx", "model_ir_se100_sim.onnx"),
        *("sample", "predictions.sqlite", "pairs.csv", "metrics.json"),
    }
    assert np.ptp(read_distances(tmp_path)) > 0.01


@pytest.mark.usefixtures("nothing_published")
def test_seeded_weights_on_a_data_set_are_not_comparable(loaded, lfw_bin, tmp_path, run):
    done = run("evaluate.py", "--data", lfw_bin, "--out", tmp_path / "out")
    assert (done.returncode, loaded) == (0, [None])
    report = read_json(tmp_path / "out" / "metrics.json")
    assert (report["comparable"], report["why"]) == (False, SEEDED)
    assert SEEDED.upper() in done.stderr


@pytest.mark.usefixtures("loaded")
def test_an_onnx_file_is_compared_with_its_checkpoint(twin_onnx, tmp_path, run):
    words = ("--model", twin_onnx, "--checkpoint", "tiny.pth", "--out", tmp_path)
    assert run("evaluate.py", *words).returncode == 0
    assert not list(tmp_path.glob("*.onnx"))
    assert read_json(tmp_path / "metrics.json")["metrics"]["largest difference from torch, features"] <= 2e-5


def test_limit_takes_the_first_pairs(twin_onnx, tmp_path, run):
    data = write_lfw(tmp_path / "lfw.bin", random_faces(24))
    for out, limit in (("all", ()), ("first", ("--limit", 10))):
        words = ("--model", twin_onnx, "--data", data, "--out", tmp_path / out, *limit)
        assert run("evaluate.py", *words).returncode == 0
    everything, first = (read_distances(tmp_path / out) for out in ("all", "first"))
    assert (len(everything), len(first)) == (12, 10)
    np.testing.assert_allclose(everything[:10], first, rtol=0, atol=1e-6)
    assert read_json(tmp_path / "first" / "metrics.json")["why"] == "20 of the 12000 pictures of LFW"


def test_too_few_pairs_are_told_before_anything_is_exported_or_run(lfw_bin, tmp_path, run):
    words = ("--model", tmp_path / "absent.onnx", "--data", lfw_bin, "--out", tmp_path / "out", "--limit", 9)
    done = run("evaluate.py", *words)
    assert done.returncode == 1
    assert "expected at least 10 pairs, one for each fold, found 9" in done.stderr


def test_a_bad_picture_is_named_by_its_number(twin_onnx, tmp_path, run):
    pictures = [encode(picture) for picture in random_faces(20)]
    pictures[13] = encode(np.zeros((250, 250, 3), np.uint8))
    path = write_lfw(tmp_path / "lfw.bin", pictures)
    done = run("evaluate.py", "--model", twin_onnx, "--data", path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert f"error: 13: {path}: picture 13: expected an aligned face of 112x112 pixels, found 250x250" in (
        done.stderr
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "the embedding of face 0 is zero"),
        (np.nan, "0: output 'features' holds values that are not finite"),
    ],
)
def test_features_that_are_none_are_told(value, words, twin_onnx, lfw_bin, tmp_path, monkeypatch, run):
    graph = describe(load(twin_onnx))
    null = Null(graph.inputs, graph.outputs, [np.full(512, value, np.float32)], seconds=0)
    monkeypatch.setattr(evaluate, "open_deployed", lambda *arguments: null)
    done = run("evaluate.py", "--model", twin_onnx, "--data", lfw_bin, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_sample_pairs_are_ten_of_different_pictures_every_time_the_same(tmp_path):
    path = sample.write_sample(tmp_path / "a")
    pairs = lfw.read_pairs(path)
    assert pairs.same.tolist() == [True, False] * 5
    assert {face.read().shape for face in pairs.faces.values()} == {(112, 112, 3)}
    assert len({face.data for face in pairs.faces.values()}) == 20
    assert sample.write_sample(tmp_path / "b").read_bytes() == path.read_bytes()
