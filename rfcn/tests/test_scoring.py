"""From result files to the printed figures and metrics.json."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from common.errors import GuideError
from common.facts import Accuracy, Atc, Checkpoint, Facts
from rfcn_voc.detections import write_detections
from rfcn_voc.scoring import score
from rfcn_voc.voc import CLASSES, read_voc
from tests.conftest import read_json, reference_detections, write_data

NONE = np.empty((0, 6), np.float32)


def model_of(images=4952, published=0.6986):
    return Facts(
        name="rfcn",
        title="R-FCN",
        onnx="rfcn.onnx",
        opset=11,
        checkpoint=Checkpoint("a.pth", "none", ()),
        inputs=(),
        outputs=(),
        accuracy=Accuracy("VOC2007 test", images, {"mAP": published}, "the guide", {"mAP": 0.6993}, 0.01),
        atc=Atc("rfcn", "NCHW", "error"),
        throughput={},
    )


@pytest.fixture
def golden(cases, tmp_path):
    data = read_voc(cases / "voc" / "VOCdevkit2007", need_pictures=False)
    write_detections(tmp_path / "results", data, reference_detections(cases, data))
    return data, tmp_path / "results"


@pytest.fixture
def small(tmp_path):
    """Two pictures; both dogs are found, behind them a box that is wrong."""
    truth = {"a": [("dog", (1, 1, 20, 20), 0)], "b": [("dog", (5, 5, 40, 40), 0), ("cat", (1, 1, 9, 9), 1)]}
    data = read_voc(write_data(tmp_path / "voc", truth), need_pictures=False)
    found = {
        "a": np.array([[0, 0, 19, 19, 0.5, 12], [99, 99, 150, 150, 0.25, 12]], np.float32),
        "b": np.array([[4, 4, 39, 39, 0.75, 12]], np.float32),
    }
    write_detections(tmp_path / "results", data, found)
    return data, tmp_path / "results"


def test_the_reference_is_printed_as_the_original_prints_it(golden, cases, tmp_path, capsys):
    data, results = golden
    assert score(data, results, tmp_path / "out", model_of()) == "not comparable"
    expected = read_json(cases / "voc" / "expected.json")
    printed = capsys.readouterr().out.splitlines()
    assert expected["printed"] == "Mean AP = 0.4698"
    assert printed.count("Mean AP = 0.4698") == 1
    assert printed[1] == "measured on 20 of the 4952 pictures of VOC2007 test:"
    assert "bird               3          0.7273          0.7500" in printed
    assert "cow                0          0.0000               -" in printed
    report = read_json(tmp_path / "out" / "metrics.json")
    assert list(report["metrics"]) == ["mAP", "mAP all points", *(f"AP {name}" for name in CLASSES)]
    assert report["metrics"]["mAP"] == pytest.approx(expected["mean_ap_11_point"], abs=1e-9)
    for name in CLASSES:
        assert report["metrics"][f"AP {name}"] == pytest.approx(expected["ap_11_point"][name], abs=1e-9)
    assert (report["images"], report["dataset"]) == (20, "VOC2007 test")
    assert report["why"] == "20 of the 4952 pictures of VOC2007 test"


def test_everything_printed_about_a_small_set(small, tmp_path, capsys):
    data, results = small
    assert score(data, results, tmp_path / "out", model_of(2, 0.05)) == "PASS"
    empty = [f"{name:12}       0          0.0000               -" for name in CLASSES]
    empty[11] = "dog                2          1.0000          1.0000"
    printed = capsys.readouterr().out.splitlines()
    assert printed[:21] == ["class        objects   AP, 11 points  AP, all points", *empty]
    assert printed[21:23] == [
        "Mean AP = 0.0500",
        "Mean AP over all points = 1.0000, as VOC measures since 2010; not the published metric",
    ]
    assert printed[23].startswith(
        "classes without objects that are not difficult count as 0 in the first mean"
    )
    assert printed[23].endswith(
        ", diningtable, horse, motorbike, person, pottedplant, sheep, sofa, train, tvmonitor"
    )
    assert printed[24] == "2 pictures, 2 objects that are not difficult, 3 detections"
    assert "published: mAP 0.05 on VOC2007 test (the guide)" in printed
    assert printed[-2:] == [
        "verdict: PASS",
        f"{tmp_path / 'out' / 'metrics.json'}: the figures above, with versions and times",
    ]


def test_a_drop_of_more_than_a_hundredth_fails(small, tmp_path):
    data, results = small
    assert score(data, results, tmp_path / "out", model_of(2, 0.0504)) == "PASS"
    assert score(data, results, tmp_path / "out", model_of(2, 0.0506)) == "FAIL"
    assert read_json(tmp_path / "out" / "metrics.json")["comparable"] is True


def test_part_of_the_pictures_is_never_comparable(small, tmp_path):
    data, _ = small
    for number, part in enumerate([data.first(1), replace(data, pictures={"a": data.pictures["a"]})]):
        folder = tmp_path / f"part{number}"
        write_detections(folder, part, {"a": NONE})
        assert score(part, folder, tmp_path / "out", model_of(2, 0.05)) == "not comparable"
        assert read_json(tmp_path / "out" / "metrics.json")["why"] == "1 of the 2 pictures of VOC2007 test"


def test_what_the_caller_adds_is_written(small, tmp_path, capsys):
    data, results = small
    verdict = score(
        data,
        results,
        tmp_path / "out",
        model_of(2),
        dataset="two pictures",
        why_not_comparable="seeded weights",
        more={"agreement": 0.5},
        backend="onnxruntime",
        precision="fp32",
        seconds={"infer": 1.5},
    )
    report = read_json(tmp_path / "out" / "metrics.json")
    assert verdict == report["verdict"] == "not comparable"
    assert (report["dataset"], report["why"]) == ("two pictures", "seeded weights")
    assert report["metrics"]["agreement"] == 0.5
    assert (report["backend"], report["precision"], report["seconds"]["infer"]) == (
        "onnxruntime",
        "fp32",
        1.5,
    )
    assert report["seconds"]["evaluate"] >= 0
    assert capsys.readouterr().out.startswith("measured on seeded weights:\nclass ")


def test_no_detections_are_0_and_no_objects_are_no_figure(small, tmp_path, capsys):
    data, _ = small
    write_detections(tmp_path / "none", data, {"a": NONE, "b": NONE})
    assert score(data, tmp_path / "none", tmp_path / "out", model_of(2)) == "FAIL"
    assert read_json(tmp_path / "out" / "metrics.json")["metrics"]["mAP all points"] == 0
    assert "2 pictures, 2 objects that are not difficult, 0 detections" in capsys.readouterr().out

    write_data(data.folder, {"a": [], "b": []})
    assert score(data, tmp_path / "none", tmp_path / "out", model_of(2)) == "FAIL"
    figures = read_json(tmp_path / "out" / "metrics.json")["metrics"]
    assert (figures["mAP"], figures["mAP all points"]) == (0, None)
    assert "Mean AP = 0.0000\nMean AP over all points = -, as" in capsys.readouterr().out


def test_bad_input_leaves_no_metrics(small, tmp_path):
    data, results = small
    (results / "comp4_det_test_dog.txt").write_text("c 0.5 1 2 3 4\n")
    with pytest.raises(GuideError, match="dog.txt:1: the picture 'c' is none of the 2"):
        score(data, results, tmp_path / "out", model_of(2))
    assert not (tmp_path / "out").exists()
