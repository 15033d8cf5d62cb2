"""The whole guide in one command: on the reference's pairs with its weights, and on the embedded default."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="the embedded default compares with torch")

import evaluate  # noqa: E402
from lresnet_lfw import lfw, sample  # noqa: E402
from tests.conftest import HERE, encode, random_faces, read_distances, read_json, write_lfw  # noqa: E402

SEEDED = "seeded random weights, not the published ones"


def run_evaluate(*words):
    return evaluate.main(list(map(str, words)))


@pytest.fixture
def nothing_published(tmp_path, monkeypatch):
    """A model directory without weights, as it is after a clone."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    monkeypatch.setattr(evaluate, "HERE", folder)
    return folder


def test_recipe_weights_give_the_reference_figures_on_the_reference_pairs(
    recipe_checkpoint, cases, tmp_path, capsys
):
    facts = read_json(cases / "lfw_tiny" / "expected.json")["end_to_end_with_recipe_weights"]
    data = cases / "lfw_tiny" / "lfw_tiny.bin"
    assert run_evaluate("--checkpoint", recipe_checkpoint, "--data", data, "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    assert facts["printed_by_original_postprocess"] in printed
    assert "measured on 40 of the 12000 pictures of LFW:" in printed
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["accuracy"] == 0.95
    assert report["metrics"]["best threshold"] == 1.0400000000000003
    assert (report["verdict"], report["images"]) == ("not comparable", 40)
    assert set(report["seconds"]) == {"export", "preprocess", "infer", "evaluate"}
    found = read_distances(tmp_path)
    np.testing.assert_allclose(
        found, facts["pair_distances"], rtol=0, atol=facts["tolerance"]["pair_distances_abs"]
    )
    nodes = Counter(node.op_type for node in onnx.load(tmp_path / "model_ir_se100.onnx").graph.node)
    wanted = {"Conv": 200, "PRelu": 50, "GlobalAveragePool": 49, "MaxPool": 46, "Gemm": 1, "ReduceL2": 1}
    assert {name: nodes[name] for name in wanted} == wanted


@pytest.mark.usefixtures("tiny_network")
def test_without_data_the_model_is_compared_with_torch_on_sample_pairs(tiny_checkpoint, tmp_path, capsys):
    assert run_evaluate("--checkpoint", tiny_checkpoint, "--out", tmp_path, "--batch-size", 4) == 0
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["accuracy with torch"] == report["metrics"]["accuracy"]
    assert 0 <= report["metrics"]["largest difference from torch, features"] <= 2e-5
    assert (report["dataset"], report["images"]) == (sample.WHAT, 20)
    assert (report["verdict"], report["why"]) == ("not comparable", sample.WHAT)
    printed = capsys.readouterr().out
    assert "agreement with torch on 40 inputs:\n  features: largest difference " in printed
    assert f"not comparable with the published figure: {sample.WHAT}" in printed
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("model_ir_se100.onnx", "model_ir_se100_sim.onnx"),
        *("sample", "pairs.csv", "metrics.json"),
    }
    assert np.ptp(read_distances(tmp_path)) > 0.01


@pytest.mark.usefixtures("tiny_network", "nothing_published")
def test_without_any_checkpoint_seeded_weights_are_announced(tmp_path, capsys):
    assert run_evaluate("--out", tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert "WARNING: could not download model_ir_se100.pth" in captured.err
    assert SEEDED.upper() in captured.err
    assert f"measured on {sample.WHAT}; {SEEDED}:" in captured.out
    assert read_json(tmp_path / "out" / "metrics.json")["why"] == f"{sample.WHAT}; {SEEDED}"


@pytest.mark.usefixtures("tiny_network", "nothing_published")
def test_seeded_weights_on_a_data_set_are_not_comparable(lfw_bin, tiny_onnx, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "export_simplified", lambda *arguments: tiny_onnx)
    assert run_evaluate("--data", lfw_bin, "--out", tmp_path / "out") == 0
    report = read_json(tmp_path / "out" / "metrics.json")
    assert (report["comparable"], report["why"]) == (False, SEEDED)
    assert SEEDED.upper() in capsys.readouterr().err


@pytest.mark.usefixtures("tiny_network")
def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(
    nothing_published, tmp_path, capsys
):
    (nothing_published / "weights").mkdir()
    path = nothing_published / "weights" / "model_ir_se100.pth"
    path.write_bytes(b"cut")
    assert run_evaluate("--out", tmp_path / "out") == 1
    assert f"error: {path}: " in capsys.readouterr().err


@pytest.mark.usefixtures("tiny_network")
def test_an_onnx_file_is_compared_with_its_checkpoint(tiny_onnx, tiny_checkpoint, tmp_path):
    assert run_evaluate("--model", tiny_onnx, "--checkpoint", tiny_checkpoint, "--out", tmp_path) == 0
    assert not list(tmp_path.glob("*.onnx"))
    assert read_json(tmp_path / "metrics.json")["metrics"]["largest difference from torch, features"] <= 2e-5


@pytest.mark.usefixtures("tiny_network")
def test_an_onnx_file_of_another_checkpoint_is_found_out(tiny_onnx, tiny_checkpoint, tmp_path, capsys):
    state = torch.load(tiny_checkpoint, weights_only=True)
    state["output_layer.3.bias"] += 0.1
    torch.save(state, tmp_path / "other.pth")
    words = ("--model", tiny_onnx, "--checkpoint", tmp_path / "other.pth", "--out", tmp_path / "out")
    assert run_evaluate(*words) == 1
    message = capsys.readouterr().err
    assert "output 'features' differs from torch by " in message
    assert "Was the ONNX file exported from this checkpoint?" in message
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_checkpoint_that_would_not_be_used_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        run_evaluate("--model", "a.onnx", "--checkpoint", "b.pth", "--data", "lfw.bin")
    assert stop.value.code == 2
    assert "--checkpoint beside --model" in capsys.readouterr().err


def test_limit_takes_the_first_pairs(tiny_onnx, tmp_path, capsys):
    data = write_lfw(tmp_path / "lfw.bin", random_faces(24))
    for out, limit in (("all", ()), ("first", ("--limit", 10))):
        assert run_evaluate("--model", tiny_onnx, "--data", data, "--out", tmp_path / out, *limit) == 0
    everything, first = (read_distances(tmp_path / out) for out in ("all", "first"))
    assert (len(everything), len(first)) == (12, 10)
    np.testing.assert_allclose(everything[:10], first, rtol=0, atol=1e-6)
    assert read_json(tmp_path / "first" / "metrics.json")["why"] == "20 of the 12000 pictures of LFW"


def test_too_few_pairs_are_told_before_anything_is_exported_or_run(lfw_bin, tmp_path, capsys):
    words = ("--model", tmp_path / "absent.onnx", "--data", lfw_bin, "--out", tmp_path / "out", "--limit", 9)
    assert run_evaluate(*words) == 1
    assert "expected at least 10 pairs, one for each fold, found 9" in capsys.readouterr().err


def test_a_bad_picture_is_named_by_its_number(tiny_onnx, tmp_path, capsys):
    pictures = [encode(picture) for picture in random_faces(20)]
    pictures[13] = encode(np.zeros((250, 250, 3), np.uint8))
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((pictures, [True] * 10), 4))
    assert run_evaluate("--model", tiny_onnx, "--data", path, "--out", tmp_path / "out") == 1
    assert f"error: {path}: picture 13: expected an aligned face of 112x112 pixels, found 250x250" in (
        capsys.readouterr().err
    )


def test_another_network_is_told(tmp_path, lfw_bin, capsys):
    value = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("Flatten", ["image"], ["features"])]
    graph = onnx.helper.make_graph(
        nodes, "flat", [value("image", 1, ["N", 3, 2, 2])], [value("features", 1, ["N", 12])]
    )
    opset = [onnx.helper.make_opsetid("", 11)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "other.onnx")
    assert run_evaluate("--model", tmp_path / "other.onnx", "--data", lfw_bin, "--out", tmp_path / "out") == 1
    assert "other.onnx: not LResNet100E-IR: expected inputs and outputs" in capsys.readouterr().err


def test_sample_pairs_are_ten_of_different_pictures_every_time_the_same(tmp_path):
    path = sample.write_sample(tmp_path / "a")
    pairs = lfw.read_pairs(path)
    assert pairs.same.tolist() == [True, False] * 5
    assert {face.read().shape for face in pairs.faces.values()} == {(112, 112, 3)}
    assert len({face.data for face in pairs.faces.values()}) == 20
    assert sample.write_sample(tmp_path / "b").read_bytes() == path.read_bytes()
