"""The whole guide in one command."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate
from common import evaluation
from common.facts import read_facts
from rfcn_voc import sample
from tests.conftest import HERE, read_json, write_data
from tests.fake import FakeModel, made_outputs


@pytest.fixture
def data(tmp_path):
    """Two pictures with a dog each, one of which is where the fake model finds one."""
    folder = tmp_path / "VOC2007"
    (folder / "JPEGImages").mkdir(parents=True)
    for name in ("second", "first"):
        Image.new("RGB", (64, 64), (90, 80, 70)).save(folder / "JPEGImages" / f"{name}.jpg")
    return write_data(folder, {"second": [("dog", (14, 8, 52, 58), 0)], "first": [("dog", (1, 1, 9, 9), 0)]})


def named(folder, name):
    """A file that an argument may name; what is in it is not looked at here."""
    (folder / name).touch()
    return folder / name


@pytest.fixture
def opened(monkeypatch):
    """What is opened whatever file is named, in one of the forms."""

    def set_up(*, original=False):
        model = FakeModel(original=original)
        monkeypatch.setattr(evaluation, "open_anywhere", lambda *_, **__: model)
        return model

    return set_up


class FakeNetwork(torch.nn.Module):
    """torch's side of the fake model, its outputs changed as the test says; `given` is what it was fed."""

    def __init__(self, change=lambda outputs: None):
        super().__init__()
        self.change, self.given = change, []

    def forward(self, *inputs):
        self.given.append(inputs)
        outputs = made_outputs(float(inputs[0].numpy().mean()))
        self.change(outputs)
        return tuple(map(torch.from_numpy, outputs))


def test_the_original_form_is_exported_and_compared_with_im_info(opened, run, tmp_path, monkeypatch):
    network, asked = FakeNetwork(), []
    opened(original=True)
    monkeypatch.setattr(evaluate, "load", lambda checkpoint: network)
    monkeypatch.setattr(evaluate, "export_form", lambda *words: asked.append(words[2:]))
    monkeypatch.setattr(evaluate, "adapt", lambda *_: pytest.fail("the original form is not for ATC"))
    done = run(
        "evaluate.py", "--form", "original", "--checkpoint", named(tmp_path, "a.pth"), "--out", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert asked == [(tmp_path / "rfcn_1.onnx", "original")]
    sizes = [info.tolist()[0][:2] for _, info in network.given]
    assert sizes == [[512, 512], [512, 770]]
    report = read_json(tmp_path / "metrics.json")
    assert report["why"] == sample.WHAT
    assert report["metrics"]["agreement with torch"] == 1
    assert report["metrics"]["regions as torch's"] == 1
    assert report["metrics"]["largest difference from torch, rois"] == 0
    assert report["agreement"]["found"] == {"torch": 4, "deployed": 4, "both": 4}
    assert report["agreement"]["metric"] == {"name": "mAP", "value": 1.0, "accepted": 0.99}
    assert report["weights"] == "a.pth"
    assert done.stdout.endswith("R-FCN: export and deployment agree with torch: OK\n")
    drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert drawn == [f"{name}_objects.jpg" for name in sorted(sample.OBJECTS)]


def test_the_guides_form_is_exported_with_that_for_atc(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(evaluate, "export_form", lambda *words: asked.append(words[2:]))
    monkeypatch.setattr(evaluate, "adapt", lambda *words: asked.append(words))
    plain, for_atc = tmp_path / "rfcn_1.onnx", tmp_path / "rfcn_final.onnx"
    assert evaluate.export_to(tmp_path, FakeNetwork(), read_facts(HERE)) == plain
    assert asked == [(plain, "guide"), (plain, for_atc)]


def test_an_onnx_file_that_finds_other_regions_is_found_out(opened, run, tmp_path, monkeypatch):
    def change(outputs):
        outputs[0][0, :299] += np.float32(700)

    opened()
    monkeypatch.setattr(evaluate, "load", lambda checkpoint: FakeNetwork(change))
    done = run(
        "evaluate.py",
        "--model",
        named(tmp_path, "a.onnx"),
        "--checkpoint",
        named(tmp_path, "a.pth"),
        "--out",
        tmp_path,
    )
    assert done.returncode == 1
    assert "error: 0.3 % of torch's regions are the same, fewer than 90 %" in done.stderr
    assert "Was the ONNX file exported from this checkpoint?" in done.stderr
    # The figures are there all the same.
    assert "agreement with torch on 2 inputs" in done.stdout
    report = read_json(tmp_path / "metrics.json")
    assert (report["verdict"], report["agreement"]["verdict"]) == ("not comparable", "FAIL")
    last = "R-FCN: export and deployment agree with torch: FAIL: 0.3 % of torch's regions are the same, fewer than 90 %"
    assert done.stdout.splitlines()[-1] == last


def measure(run, data, out, *more):
    return run("evaluate.py", "--model", named(data, "a.onnx"), "--data", data, "--out", out, *more)


def test_detections_and_figures_are_written(opened, data, run, tmp_path):
    model = opened()
    done = measure(run, data, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = (tmp_path / "out" / "comp4_det_test_dog.txt").read_text()
    line = "0.900 13.8 7.4 52.3 58.7\n"
    assert found == f"second {line}first {line}"
    report = read_json(tmp_path / "out" / "metrics.json")
    # The dog that is found comes first among equal scores; recall 0.5 is half of the way.
    assert report["metrics"]["AP dog"] == pytest.approx(6 / 11)
    assert (report["backend"], report["why"]) == ("fake", "2 of the 4952 pictures of VOC2007 test")
    assert not any("torch" in name for name in report["metrics"])
    assert model.closed
    assert model.fed == [{}, {}]
    assert "out: the objects in 2 pictures, comp4_det_test_<class>.txt\n" in done.stdout


def test_limit_takes_the_first_pictures_of_the_list(opened, data, run, tmp_path):
    opened()
    assert measure(run, data, tmp_path / "out", "--limit", 1).returncode == 0
    assert (tmp_path / "out" / "comp4_det_test_dog.txt").read_text() == "second 0.900 13.8 7.4 52.3 58.7\n"


def test_every_picture_is_given_with_its_own_im_info(opened, data, run, tmp_path):
    Image.new("RGB", (300, 50)).save(data / "JPEGImages" / "first.jpg")
    model = opened(original=True)
    done = measure(run, data, tmp_path / "out")
    scale = np.float32(512 / 50)
    assert [fed["im_info"].tolist() for fed in model.fed] == [[[512, 512, 8]], [[512, 3072, scale]]]
    assert "note: 1 of 2 pictures are cut on the right or at the bottom" in done.stdout


def test_a_damaged_picture_is_named_and_the_rest_is_not_computed_again(opened, data, run, tmp_path):
    path = data / "JPEGImages" / "first.jpg"
    Image.effect_noise((200, 200), 90).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:3000])
    opened()
    done = measure(run, data, tmp_path / "out")
    assert done.returncode == 1
    assert f"error: first: {path}: the picture is truncated: " in done.stderr
    path.write_bytes(content)
    model = opened()
    assert "1 of 2 results are there already" in measure(run, data, tmp_path / "out").stdout
    assert len(model.fed) == 1


def test_a_form_beside_a_model_is_wrong_usage(run, tmp_path):
    done = run("evaluate.py", "--model", named(tmp_path, "a.onnx"), "--form", "original")
    assert done.returncode == 2
    assert "--form is for an export; the file of --model has its" in done.stderr
