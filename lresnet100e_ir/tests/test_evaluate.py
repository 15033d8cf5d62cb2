"""The whole guide in one command, with a tiny twin in the place of the network; test_full_size.py has its figures."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import evaluate
from common.backends.null import Null
from common.graph.outline import describe, load
from lresnet_lfw import lfw, sample
from tests.conftest import HERE, encode, make_twin, random_faces, read_distances, read_json, write_lfw

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
def test_without_any_checkpoint_seeded_weights_are_announced(loaded, tmp_path, run):
    done = run("evaluate.py", "--out", tmp_path / "out")
    assert (done.returncode, loaded) == (0, [None])
    assert "WARNING: could not download model_ir_se100.pth" in done.stderr
    assert SEEDED.upper() in done.stderr
    assert f"measured on {sample.WHAT}; {SEEDED}:" in done.stdout
    assert read_json(tmp_path / "out" / "metrics.json")["why"] == f"{sample.WHAT}; {SEEDED}"


@pytest.mark.usefixtures("nothing_published")
def test_seeded_weights_on_a_data_set_are_not_comparable(loaded, lfw_bin, tmp_path, run):
    done = run("evaluate.py", "--data", lfw_bin, "--out", tmp_path / "out")
    assert (done.returncode, loaded) == (0, [None])
    report = read_json(tmp_path / "out" / "metrics.json")
    assert (report["comparable"], report["why"]) == (False, SEEDED)
    assert SEEDED.upper() in done.stderr


def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(nothing_published, tmp_path, run):
    (nothing_published / "weights").mkdir()
    path = nothing_published / "weights" / "model_ir_se100.pth"
    path.write_bytes(b"cut")
    done = run("evaluate.py", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert f"error: {path}: " in done.stderr


@pytest.mark.usefixtures("loaded")
def test_an_onnx_file_is_compared_with_its_checkpoint(twin_onnx, tmp_path, run):
    words = ("--model", twin_onnx, "--checkpoint", "tiny.pth", "--out", tmp_path)
    assert run("evaluate.py", *words).returncode == 0
    assert not list(tmp_path.glob("*.onnx"))
    assert read_json(tmp_path / "metrics.json")["metrics"]["largest difference from torch, features"] <= 2e-5


def test_an_onnx_file_of_another_checkpoint_is_found_out(twin_onnx, tmp_path, monkeypatch, run):
    monkeypatch.setattr(evaluate, "load", lambda checkpoint: make_twin(seed=1))
    done = run("evaluate.py", "--model", twin_onnx, "--checkpoint", "other.pth", "--out", tmp_path)
    assert done.returncode == 1
    assert "output 'features' differs from torch by " in done.stderr
    assert "Was the ONNX file exported from this checkpoint?" in done.stderr
    assert read_json(tmp_path / "metrics.json")["metrics"]["largest difference from torch, features"] > 0.01


def test_a_checkpoint_that_would_not_be_used_is_wrong_usage(run):
    done = run("evaluate.py", "--model", "a.onnx", "--checkpoint", "b.pth", "--data", "lfw.bin")
    assert done.returncode == 2
    assert "--checkpoint beside --model" in done.stderr


def test_limit_takes_the_first_pairs(twin_onnx, tmp_path, run):
    data = write_lfw(tmp_path / "lfw.bin", random_faces(24))
    for out, limit in (("all", ()), ("first", ("--limit", 10))):
        words = ("--model", twin_onnx, "--data", data, "--out", tmp_path / out, *limit)
        assert run("evaluate.py", *words).returncode == 0
    everything, first = (read_distances(tmp_path / out) for out in ("all", "first"))
    assert (len(everything), len(first)) == (12, 10)
    np.testing.assert_allclose(everything[:10], first, rtol=0, atol=1e-6)
    assert read_json(tmp_path / "first" / "metrics.json")["why"] == "20 of the 12000 pictures of LFW"


def test_what_was_computed_is_used_again_and_nothing_else_is(twin_onnx, tmp_path, run):
    data = write_lfw(tmp_path / "lfw.bin", random_faces(24))
    words = ("--model", twin_onnx, "--data", data, "--out", tmp_path)
    store = tmp_path / "predictions.sqlite"
    assert f"{store}: " not in run("evaluate.py", *words, "--limit", 10).stdout
    done = run("evaluate.py", *words)
    assert f"{store}: 40 of 48 results are there already\n" in done.stdout
    whole = (tmp_path / "pairs.csv").read_bytes()
    assert f"{store}: 48 of 48 results are there already\n" in run("evaluate.py", *words).stdout
    assert (tmp_path / "pairs.csv").read_bytes() == whole
    write_lfw(data, random_faces(24, seed=1))
    done = run("evaluate.py", *words)
    assert (done.returncode, "are there already" in done.stdout) == (0, False)
    assert (tmp_path / "pairs.csv").read_bytes() != whole


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


def test_another_network_is_told(tmp_path, lfw_bin, run):
    value = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("Flatten", ["image"], ["features"])]
    graph = onnx.helper.make_graph(
        nodes, "flat", [value("image", 1, ["N", 3, 2, 2])], [value("features", 1, ["N", 12])]
    )
    opset = [onnx.helper.make_opsetid("", 11)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "other.onnx")
    done = run(
        "evaluate.py", "--model", tmp_path / "other.onnx", "--data", lfw_bin, "--out", tmp_path / "out"
    )
    assert done.returncode == 1
    assert "other.onnx: not LResNet100E-IR: expected inputs and outputs" in done.stderr


def test_sample_pairs_are_ten_of_different_pictures_every_time_the_same(tmp_path):
    path = sample.write_sample(tmp_path / "a")
    pairs = lfw.read_pairs(path)
    assert pairs.same.tolist() == [True, False] * 5
    assert {face.read().shape for face in pairs.faces.values()} == {(112, 112, 3)}
    assert len({face.data for face in pairs.faces.values()}) == 20
    assert sample.write_sample(tmp_path / "b").read_bytes() == path.read_bytes()
