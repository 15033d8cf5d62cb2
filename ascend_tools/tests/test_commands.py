"""The commands that every model directory has, tried the same way in each, with a tiny twin of the network."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ascend_tools.testing.twin import Twin
from common.compare import known
from common.export import checkpoint, download


@pytest.fixture
def twin(folder, facts, monkeypatch):
    """The twin, which evaluate.py loads and exports in the place of the network."""
    import evaluate

    network = Twin(facts)

    def export_to(out, network, facts, **_):
        from common.export.onnx_file import export

        size = facts.inputs[0].shape[0]
        export(network, facts, out / "twin.onnx", size if isinstance(size, int) else None)
        return out / "twin.onnx"

    monkeypatch.setattr(evaluate, "load", lambda checkpoint: network)
    monkeypatch.setattr(evaluate, "export_to", export_to)
    monkeypatch.setattr(known, "_by_name", lambda *_: {})  # a twin's outputs are not the recorded ones
    return network


@pytest.fixture
def offline(monkeypatch):
    def unavailable(facts, folder):
        raise download.UnavailableError(f"could not download {facts.checkpoint.file}")

    monkeypatch.setattr(checkpoint, "published", unavailable)


def report_of(out):
    return json.loads((out / "metrics.json").read_text())


@pytest.mark.usefixtures("offline", "twin")
def test_without_any_checkpoint_seeded_weights_are_announced_and_agree(facts, run, tmp_path):
    done = run("evaluate.py", "--out", tmp_path, "--limit", 10)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        "seeded random weights stand in: no checkpoint found; section 3.1 of the README"
    )
    report = report_of(tmp_path)
    assert report["agreement"]["verdict"] == "OK"
    assert report["agreement"]["known answers"] == "OK"
    assert report["agreement"]["metric"]["value"] == 1
    assert report["weights"] == "seeded"
    assert not facts.accuracy.published.keys() & report["metrics"].keys()  # of made-up annotations
    assert done.stdout.splitlines()[-1] == f"{facts.title}: export and deployment agree with torch: OK"
    assert report["why"] == f"{report['dataset']}; seeded random weights, not the published ones"
    assert report["verdict"] == "not comparable"
    assert f"{tmp_path / 'metrics.json'}: the figures" in done.stdout
    assert "largest difference" not in done.stdout  # what holds in all is for the report
    for tensor in facts.outputs:
        assert report["metrics"][f"largest difference from torch, {tensor.name}"] <= tensor.tolerance
    stages = {"export", "preprocess", "infer", "postprocess", "evaluate", "run", "total"}
    assert stages <= report["seconds"].keys()


def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(
    folder, facts, run, tmp_path, monkeypatch
):
    import evaluate

    weights = tmp_path / "weights" / facts.checkpoint.file
    weights.parent.mkdir()
    weights.write_bytes(b"cut")
    monkeypatch.setattr(evaluate, "HERE", tmp_path)
    for name in ("model.toml", "aipp.config"):
        if (folder / name).exists():
            shutil.copy(folder / name, tmp_path)
    done = run("evaluate.py", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert f"error: {weights}: " in done.stderr
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_an_onnx_file_of_another_checkpoint_is_found_out(facts, work, twin, run, tmp_path):
    twin.patterns[-1] += 1
    checkpoint = tmp_path / "other.pth"
    checkpoint.touch()
    done = run("evaluate.py", "--model", work / "twin.onnx", "--checkpoint", checkpoint, "--out", tmp_path)
    assert done.returncode == 1
    assert f"error: output {facts.outputs[-1].name!r} differs from torch by " in done.stderr
    assert "Was the ONNX file exported from this checkpoint?" in done.stderr
    agreement = report_of(tmp_path)["agreement"]  # what was measured is written all the same
    assert agreement["verdict"] == "FAIL"
    assert agreement["why"].startswith(f"output {facts.outputs[-1].name!r} differs from torch by ")
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{facts.title}: export and deployment agree with torch: FAIL: output ")


@pytest.mark.usefixtures("offline", "twin")
def test_a_sample_run_that_ends_with_an_error_fails_in_its_last_line(facts, run, tmp_path):
    graph = "(float[N,3,4,4] image) => (float[N,3,4,4] other) { other = Relu(image) }"
    path = tmp_path / "other.onnx"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 7, opset_import: ["" : 11]> other {graph}'), path)
    done = run("evaluate.py", "--model", path, "--out", tmp_path / "out")
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{facts.title}: export and deployment agree with torch: FAIL: {path}: ")
    assert report_of(tmp_path / "out")["agreement"]["verdict"] == "FAIL"


def test_a_checkpoint_that_would_not_be_used_is_wrong_usage(work, run):
    words = ("--checkpoint", "x.pth", "--model", work / "twin.onnx", "--data", work / "sample")
    done = run("evaluate.py", *words)
    assert done.returncode == 2
    assert "--checkpoint beside --model is for comparing without --data" in done.stderr


@pytest.mark.parametrize("script", ["pth2onnx.py", "evaluate.py"])
def test_a_checkpoint_is_held_to_the_hash_that_its_user_knows(run, tmp_path, script):
    own = tmp_path / "own.pth"
    own.write_bytes(b"weights")
    words = ("--checkpoint", own, "--out", tmp_path / ("x.onnx" if script == "pth2onnx.py" else "out"))
    refused = f"error: {own}: expected sha256 {'0' * 64}, which {{}} says, found 9a129038"
    done = run(script, *words, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert refused.format("--sha256") in done.stderr
    (tmp_path / "own.pth.sha256").write_text(f"{'0' * 64}  own.pth\n")
    done = run(script, *words)
    assert done.returncode == 1
    assert refused.format(tmp_path / "own.pth.sha256") in done.stderr


def test_a_model_of_another_network_is_refused(facts, work, run, tmp_path):
    graph = "(float[N,3,4,4] image) => (float[N,3,4,4] other) { other = Relu(image) }"
    path = tmp_path / "other.onnx"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 6, opset_import: ["" : 11]> g {graph}'), path)
    done = run("evaluate.py", "--model", path, "--data", work / "sample", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert f"{path}: not {facts.title}" in done.stderr or "AIPP" in done.stderr


def test_a_part_of_the_data_is_labelled(facts, work, run, tmp_path):
    words = ("--model", work / "twin.onnx", "--data", work / "sample", "--out", tmp_path)
    limit = 10 if facts.name == "lresnet100e_ir" else 2  # as many pairs as folds
    done = run("evaluate.py", *words, "--limit", limit)
    assert done.returncode == 0, done.stderr
    report = report_of(tmp_path)
    assert not report["comparable"]
    assert (
        report["why"]
        == f"{report['images']} of the {facts.accuracy.images} pictures of {facts.accuracy.dataset}"
    )
    assert f"measured on {report['why']}:" in done.stdout


def test_a_mistake_in_the_data_is_told_before_an_export(run, tmp_path, monkeypatch):
    import evaluate

    monkeypatch.delattr(evaluate, "load")
    done = run("evaluate.py", "--data", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}")


@pytest.mark.usefixtures("offline")
def test_without_a_checkpoint_the_file_to_fetch_is_named(facts, run, tmp_path):
    done = run("pth2onnx.py", "--out", tmp_path / "x.onnx")
    assert done.returncode == 1
    assert facts.checkpoint.file in done.stderr
    assert not list(tmp_path.iterdir())


class Malicious:
    def __reduce__(self):
        return Path.write_text, (Path("executed"), "")


def bad_checkpoints(path):
    """Write checkpoints that are none, one after the other, and say what they are."""
    path.write_text("no checkpoint")
    yield "text"
    path.write_bytes(b"")
    yield "empty"
    torch.save({"state_dict": {"a": torch.zeros(2)}}, path)
    yield "another network's"
    path.write_bytes(path.read_bytes()[:-200])
    yield "truncated"
    torch.save({"state_dict": Malicious()}, path)
    yield "malicious"
    path.write_bytes(pickle.dumps(Malicious()))
    yield "malicious pickle"
    path.unlink()
    yield "absent"


def test_a_bad_checkpoint_is_told_in_one_message_and_nothing_in_it_is_executed(run, tmp_path, monkeypatch):
    path = tmp_path / "x.pth"
    for kind in bad_checkpoints(path):
        done = run("pth2onnx.py", "--checkpoint", path, "--out", tmp_path / "x.onnx")
        assert done.returncode == 1, kind
        told = done.stderr.removeprefix(f"starting torch, reading {path} ...\n")
        assert told.startswith(f"error: {path}: "), kind
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--opset", "9"], ["--out", "x.pth"], ["--checkpoint"], ["--unheard"]])
def test_wrong_usage_is_exit_status_2(words, run):
    done = run("pth2onnx.py", *words)
    assert done.returncode == 2
    assert "usage: pth2onnx.py" in done.stderr


def test_without_torch_the_missing_requirement_is_named(folder, run, tmp_path, monkeypatch):
    for name, module in list(sys.modules.items()):
        if name == "torch" or str(getattr(module, "__file__", "")).endswith(("/network.py", "/proposals.py")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    checkpoint = tmp_path / "x.pth"
    checkpoint.touch()
    done = run("pth2onnx.py", "--checkpoint", checkpoint)
    assert done.returncode == 1
    assert "error: the package 'torch' is not installed in " in done.stderr
    assert "requirements-export.txt" in done.stderr


def test_predict_names_a_model_and_a_picture_that_are_not_there(folder, work, run, tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"no picture")
    (tmp_path / "b.png").write_bytes(b"")
    words = [picture, "--gallery", tmp_path] if folder.name == "pcb" else [picture, tmp_path / "b.png"]
    done = run("predict.py", *words, "--model", work / "twin.onnx", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert f"{picture}: not a JPEG, PNG or BMP picture" in done.stderr
    from common.images.read import write_image

    write_image(picture, np.zeros((112, 112, 3), np.uint8))
    write_image(tmp_path / "b.png", np.zeros((112, 112, 3), np.uint8))
    done = run("predict.py", *words, "--model", tmp_path / "none.onnx", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'none.onnx'}: no such ONNX file")
    assert not (tmp_path / "out").exists()
