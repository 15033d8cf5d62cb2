"""The whole guide in one command on the embedded default."""

from __future__ import annotations

import shutil

import pytest

torch = pytest.importorskip("torch", reason="the embedded default compares with torch")

import evaluate  # noqa: E402
from common.export import download  # noqa: E402
from pcb_market import market, sample  # noqa: E402
from tests.conftest import HERE, read_json  # noqa: E402


def test_without_any_checkpoint_seeded_weights_are_announced_and_agree(tmp_path, monkeypatch, capsys):
    def unavailable(checkpoint, folder):
        raise download.UnavailableError("could not download PCB_3_7.pt")

    monkeypatch.setattr(download, "fetch", unavailable)
    assert evaluate.main(["--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "WARNING: could not download PCB_3_7.pt" in captured.err
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in captured.err
    assert "agreement with torch on 27 pictures:\n  output_1: largest difference" in captured.out
    report = read_json(tmp_path / "metrics.json")
    assert report["dataset"] == sample.WHAT
    assert report["why"] == f"{sample.WHAT}; seeded random weights, not the published ones"
    assert report["verdict"] == "not comparable"
    assert report["metrics"]["largest difference from torch, output_1"] <= 1e-5
    assert report["metrics"]["mAP"] == pytest.approx(report["metrics"]["mAP with torch"], abs=1e-9)


def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(tmp_path, monkeypatch, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "PCB_3_7.pt").write_bytes(b"cut")
    shutil.copy(HERE / "model.toml", tmp_path)
    monkeypatch.setattr(evaluate, "HERE", tmp_path)
    assert evaluate.main(["--out", str(tmp_path / "out")]) == 1
    assert "expected md5 c5bc5ddabcbcc45f127ead797fe8cb35, found " in capsys.readouterr().err
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_an_onnx_file_of_another_checkpoint_is_found_out(seeded_onnx, seeded_checkpoint, tmp_path, capsys):
    state = torch.load(seeded_checkpoint, weights_only=True)
    state["instance3.bias"] += 0.01
    torch.save(state, tmp_path / "other.pth")
    arguments = ["--model", str(seeded_onnx), "--checkpoint", str(tmp_path / "other.pth")]
    assert evaluate.main([*arguments, "--out", str(tmp_path)]) == 1
    assert "output 'logits_3' differs from torch by 1.00e-02" in capsys.readouterr().err


def test_limit_takes_the_first_queries_and_their_matches(seeded_onnx, tmp_path):
    data = sample.write_sample(tmp_path / "data")
    arguments = ["--model", str(seeded_onnx), "--data", str(data), "--out", str(tmp_path), "--limit", "2"]
    assert evaluate.main(arguments) == 0
    assert read_json(tmp_path / "metrics.json")["why"] == "10 of the 19281 pictures of Market-1501"


def test_the_sample_has_queries_matches_and_distractors(tmp_path):
    data = market.read_market(sample.write_sample(tmp_path))
    assert (len(data.query), len(data.gallery)) == (6, 21)
    assert market.persons(data.gallery) == 7
    assert {picture.camera for picture in data.query.values()} == {0}
