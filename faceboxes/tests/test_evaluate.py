"""The whole guide in one command on the embedded default, with and without the published weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the embedded default compares with torch")

import evaluate  # noqa: E402
from common.export import download  # noqa: E402
from common.images.read import read_image  # noqa: E402
from faceboxes_fddb import agreement, fddb, sample  # noqa: E402
from tests.conftest import HERE, read_json, write_data  # noqa: E402


def test_published_weights_agree_with_torch_and_find_every_sample_face(published, tmp_path, capsys):
    assert evaluate.main(["--checkpoint", str(published), "--out", str(tmp_path)]) == 0
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["agreement with torch"] == 1.0
    assert report["metrics"]["AP"] == 1.0
    assert 0 <= report["metrics"]["largest difference from torch, class"] <= 1e-4
    assert 0 <= report["metrics"]["largest difference from torch, loc"] <= 5e-5
    assert report["dataset"] == sample.WHAT
    assert report["verdict"] == "not comparable"
    assert "not comparable with the published figure: ten sample pictures" in capsys.readouterr().out


def test_reference_pictures_give_the_reference_detections(published, cases, library_pictures, tmp_path):
    names = read_json(cases / "real" / "real.json")["images"]
    data = write_data(tmp_path / "FDDB", {name: library_pictures[name] for name in names})
    assert evaluate.main(["--checkpoint", str(published), "--data", str(data), "--out", str(tmp_path)]) == 0
    found = fddb.read_detections(tmp_path / "FDDB_dets.txt")
    expected = fddb.read_detections(cases / "real" / "FDDB_dets.txt")
    assert found.keys() == expected.keys()
    for stem, rows in expected.items():
        np.testing.assert_allclose(found[stem][:, :4], rows[:, :4], rtol=0, atol=0.01)
        np.testing.assert_allclose(found[stem][:, 4], rows[:, 4], rtol=0, atol=1e-3)


def test_without_any_checkpoint_seeded_weights_are_announced(tmp_path, monkeypatch, capsys):
    def unavailable(checkpoint, folder):
        raise download.UnavailableError("could not download FaceBoxesProd.pth")

    monkeypatch.setattr(download, "fetch", unavailable)
    assert evaluate.main(["--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "WARNING: could not download FaceBoxesProd.pth" in captured.err
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in captured.err
    assert "seeded random weights" in read_json(tmp_path / "metrics.json")["why"]


def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(tmp_path, monkeypatch, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "FaceBoxesProd.pth").write_bytes(b"cut")
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    monkeypatch.setattr(evaluate, "HERE", tmp_path)
    assert evaluate.main(["--out", str(tmp_path / "out")]) == 1
    assert "expected 4072492 bytes, found 3" in capsys.readouterr().err
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_checkpoint_that_would_not_be_used_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--model", "a.onnx", "--checkpoint", "b.pth", "--data", "FDDB"])
    assert stop.value.code == 2
    assert "--checkpoint beside --model" in capsys.readouterr().err


def test_an_onnx_file_of_another_checkpoint_is_found_out(seeded_onnx, tmp_path, capsys):
    state = torch.load(seeded_onnx.with_name("seeded.pth"), weights_only=True)
    state["loc.0.bias"] += 0.01
    torch.save(state, tmp_path / "other.pth")
    arguments = [
        "--model",
        str(seeded_onnx),
        "--checkpoint",
        str(tmp_path / "other.pth"),
        "--out",
        str(tmp_path),
    ]
    assert evaluate.main(arguments) == 1
    assert "output 'class' differs from torch by 1.00e-02" in capsys.readouterr().err


def test_sample_pictures_have_their_faces_inside(tmp_path):
    folds = sample.write_sample(tmp_path)
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
    assert agreement.count_same(faces, moved) == 2
    assert agreement.count_same(faces, far) == 0
    assert agreement.count_same(faces, np.concatenate((moved[:1], moved[:1]))) == 1
    assert agreement.count_same(faces, np.empty((0, 5), np.float32)) == 0


@pytest.mark.parametrize(("counts", "share"), [((0, 0, 0), 1.0), ((4, 4, 4), 1.0), ((4, 2, 2), 0.5)])
def test_agreement_is_a_share_of_all_faces(counts, share):
    assert agreement.Agreement(1, (0.0, 0.0), *counts).share == share
