"""The whole guide in one command, with a twin of the network."""

from __future__ import annotations

import pytest

import evaluate
from common.export import download
from pcb_market import market, sample
from tests.conftest import read_json


@pytest.fixture
def loaded(twin, monkeypatch):
    """The twin, which is loaded in the place of the network."""
    monkeypatch.setattr(evaluate, "load", lambda checkpoint: twin)
    return twin


def test_without_any_checkpoint_seeded_weights_are_announced_and_agree(loaded, tmp_path, monkeypatch, run):
    def unavailable(checkpoint, folder):
        raise download.UnavailableError("could not download PCB_3_7.pt")

    monkeypatch.setattr(download, "fetch", unavailable)
    done = run("evaluate.py", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "WARNING: could not download PCB_3_7.pt" in done.stderr
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in done.stderr
    assert "agreement with torch on 27 inputs:\n  output_1: largest difference" in done.stdout
    report = read_json(tmp_path / "metrics.json")
    assert f"  torch: mAP {report['metrics']['mAP with torch']!r}, top-1 " in done.stdout
    assert report["dataset"] == sample.WHAT
    assert report["why"] == f"{sample.WHAT}; seeded random weights, not the published ones"
    assert report["verdict"] == "not comparable"
    assert report["metrics"]["largest difference from torch, output_1"] <= 1e-5
    assert report["metrics"]["mAP"] == pytest.approx(report["metrics"]["mAP with torch"], abs=1e-9)


def test_limit_takes_the_first_queries_and_their_matches(onnx, tmp_path, run):
    data = sample.write_sample(tmp_path / "data")
    done = run("evaluate.py", "--model", onnx, "--data", data, "--out", tmp_path, "--limit", 2)
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "metrics.json")["why"] == "10 of the 19281 pictures of Market-1501"


def test_an_interrupted_run_goes_on_and_ends_the_same(onnx, tmp_path, run):
    data = sample.write_sample(tmp_path / "data")
    words = ("evaluate.py", "--model", onnx, "--data", data, "--out")
    assert run(*words, tmp_path / "whole").returncode == 0
    last = max((data / "bounding_box_test").iterdir())
    content = last.read_bytes()
    last.write_bytes(b"damaged")
    done = run(*words, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: gallery/{last.stem}: {last}: not a picture")
    last.write_bytes(content)
    done = run(*words, tmp_path / "out")
    assert "26 of 27 results are there already" in done.stdout
    whole, again = (read_json(tmp_path / name / "metrics.json")["metrics"] for name in ("whole", "out"))
    assert again == whole


def test_the_sample_has_queries_matches_and_distractors(tmp_path):
    data = market.read_market(sample.write_sample(tmp_path))
    assert (len(data.query), len(data.gallery)) == (6, 21)
    assert market.persons(data.gallery) == 7
    assert {picture.camera for picture in data.query.values()} == {0}
