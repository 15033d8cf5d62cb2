"""From detections to the figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rfcn_voc.detections import read_detections, write_detections
from rfcn_voc.scoring import score
from rfcn_voc.voc import CLASSES, read_objects, read_voc
from tests.conftest import read_json, reference_detections, write_data

NONE = np.empty((0, 6), np.float32)


def scored(data, found, folder):
    """The figures of detections that are stored and read again."""
    write_detections(folder, data, found)
    return score(data, read_objects(data), read_detections(folder, data))


@pytest.fixture
def small(tmp_path):
    """Two pictures; both dogs are found, behind them a box that is wrong."""
    truth = {"a": [("dog", (1, 1, 20, 20), 0)], "b": [("dog", (5, 5, 40, 40), 0), ("cat", (1, 1, 9, 9), 1)]}
    data = read_voc(write_data(tmp_path / "voc", truth), need_pictures=False)
    return data, {
        "a": np.array([[0, 0, 19, 19, 0.5, 12], [99, 99, 150, 150, 0.25, 12]], np.float32),
        "b": np.array([[4, 4, 39, 39, 0.75, 12]], np.float32),
    }


def test_the_reference_gives_the_figures_and_lines_of_the_original(cases, tmp_path):
    data = read_voc(cases / "voc" / "VOCdevkit2007", need_pictures=False)
    figures = scored(data, reference_detections(cases, data), tmp_path)
    expected = read_json(cases / "voc" / "expected.json")
    lines = figures.text.splitlines()
    assert expected["printed"] == "Mean AP = 0.4698"
    assert lines.count("Mean AP = 0.4698") == 1
    assert "bird               3          0.7273          0.7500" in lines
    assert "cow                0          0.0000               -" in lines
    assert list(figures.metrics) == ["mAP", "mAP all points", *(f"AP {name}" for name in CLASSES)]
    wanted = {f"AP {name}": ap for name, ap in expected["ap_11_point"].items()}
    wanted["mAP"] = expected["mean_ap_11_point"]
    assert {name: figures.metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-9)
    assert figures.pictures == 20
    assert not figures.files


def test_everything_said_about_a_small_set(small, tmp_path, capsys):
    figures = scored(*small, tmp_path)
    empty = [f"{name:12}       0          0.0000               -" for name in CLASSES]
    empty[11] = "dog                2          1.0000          1.0000"
    lines = figures.text.splitlines()
    assert lines[:21] == ["class        objects   AP, 11 points  AP, all points", *empty]
    assert lines[21:23] == [
        "Mean AP = 0.0500",
        "Mean AP over all points = 1.0000, as VOC measures since 2010; not the published metric",
    ]
    assert lines[23].startswith("classes without objects that are not difficult count as 0 in the first mean")
    assert lines[23].endswith(
        ", diningtable, horse, motorbike, person, pottedplant, sheep, sofa, train, tvmonitor"
    )
    assert lines[24:] == ["2 pictures, 2 objects that are not difficult, 3 detections"]
    assert figures.metrics["mAP"] == 0.05
    assert figures.pictures == 2
    assert capsys.readouterr().out == ""


def test_the_pictures_of_the_data_alone_are_counted(small, tmp_path):
    data, found = small
    assert scored(data.first(1), found, tmp_path).pictures == 1
    assert scored(replace(data, pictures={"b": data.pictures["b"]}), found, tmp_path).metrics["AP dog"] == 1


def test_no_detections_are_0_and_no_objects_are_no_figure(small, tmp_path):
    data, _ = small
    figures = scored(data, {"a": NONE, "b": NONE}, tmp_path / "none")
    assert figures.metrics["mAP all points"] == 0
    assert "2 pictures, 2 objects that are not difficult, 0 detections" in figures.text

    write_data(data.folder, {"a": [], "b": []})
    figures = scored(data, {"a": NONE, "b": NONE}, tmp_path / "none")
    assert figures.metrics["mAP"] == 0
    assert np.isnan(figures.metrics["mAP all points"])
    assert "Mean AP = 0.0000\nMean AP over all points = -, as" in figures.text
