"""The whole guide in one command, with a tiny twin in the place of the network; test_full_size.py has its figures."""

from __future__ import annotations

import numpy as np
import pytest

import evaluate
from common import evaluation
from common.backends.null import Null
from common.graph.outline import describe, load
from lresnet_lfw import lfw, sample
from tests.conftest import read_distances, read_json


def test_without_data_the_model_is_compared_with_torch_on_sample_pairs(
    twin, twin_onnx, tmp_path, monkeypatch, run
):
    checkpoints, named = [], twin_onnx  # a file; what is in it is not looked at here
    monkeypatch.setattr(evaluate, "load", lambda checkpoint: checkpoints.append(checkpoint) or twin)
    done = run("evaluate.py", "--checkpoint", named, "--out", tmp_path, "--batch-size", 4)
    assert done.returncode == 0, done.stderr
    assert checkpoints == [named]
    report = read_json(tmp_path / "metrics.json")
    agreement = report["agreement"]
    assert (agreement["verdict"], agreement["known answers"]) == ("OK", "OK")
    assert (agreement["metric"]["name"], agreement["metric"]["value"]) == ("accuracy", 1.0)
    assert 0 <= report["metrics"]["largest difference from torch, features"] <= 2e-5
    assert 0 < report["metrics"]["accuracy"] <= 1  # the weights are somebody's: the sample pairs are scored
    assert (report["dataset"], report["images"], report["weights"]) == (sample.WHAT, 20, named.name)
    assert (report["verdict"], report["why"]) == ("not comparable", sample.WHAT)
    assert "largest difference" not in done.stdout  # what holds in all is for the report
    assert done.stdout.endswith("\nLResNet100E-IR: export and deployment agree with torch: OK\n")
    assert {path.name for path in tmp_path.iterdir()} - {"report.html"} == {
        *("model_ir_se100.onnx", "model_ir_se100_sim.onnx"),
        *("sample", "pairs.csv", "metrics.json", "report.md", "details"),
    }
    assert np.ptp(read_distances(tmp_path)) > 0.01


def test_too_few_pairs_are_told_before_anything_is_exported_or_run(lfw_bin, tmp_path, run):
    (tmp_path / "empty.onnx").touch()
    words = ("--model", tmp_path / "empty.onnx", "--data", lfw_bin, "--out", tmp_path / "out", "--limit", 9)
    done = run("evaluate.py", *words)
    assert done.returncode == 1
    assert "expected at least 10 pairs, one for each fold, found 9" in done.stderr


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
    monkeypatch.setattr(evaluation, "open_anywhere", lambda *arguments, **options: null)
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
