"""Looking for one's own picture in a directory."""

from __future__ import annotations

import cv2
import pytest

from pcb_market.sample import write_sample
from tests.conftest import read_json


@pytest.fixture
def people(tmp_path):
    return write_sample(tmp_path / "people")


def test_the_ten_nearest_are_drawn_and_listed(onnx, people, tmp_path, run):
    query = people / "query" / "0004_c1s1_000001_00.jpg"
    gallery = people / "bounding_box_test"
    words = (query, "--gallery", gallery, "--model", onnx, "--out", tmp_path, "--batch-size", 4)
    done = run("predict.py", *words)
    assert done.returncode == 0, done.stderr
    assert "the 10 nearest of 21 pictures" in done.stdout
    result = read_json(tmp_path / f"{query.stem}_matches.json")
    distances = [match["squared distance"] for match in result["matches"]]
    assert len(distances) == 10
    assert distances == sorted(distances)
    assert result["images"] == 21
    assert result["matches"][0]["image"] == str(gallery / "0004_c1s1_000002_01.jpg")
    strip = cv2.imread(str(tmp_path / f"{query.stem}_matches.jpg"))
    assert strip.shape == (384 + 50, 11 * 138 + 30, 3)


def test_a_small_gallery_gives_fewer(onnx, people, tmp_path, run):
    query = people / "query" / "0004_c1s1_000001_00.jpg"
    done = run("predict.py", query, "--gallery", people / "query", "--model", onnx, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    matches = read_json(tmp_path / f"{query.stem}_matches.json")["matches"]
    assert len(matches) == 6
    assert matches[0]["image"] == str(query)  # the query itself is in that directory


@pytest.mark.parametrize(
    ("query", "gallery", "model", "words"),
    [
        ("absent.jpg", "query", None, "absent.jpg: no such picture"),
        ("query/0001_c1s1_000001_00.jpg", "nowhere", None, "nowhere: no such directory"),
        ("query/0001_c1s1_000001_00.jpg", ".", None, "holds no .jpg or .jpeg or .png or .bmp file"),
        ("query/0001_c1s1_000001_00.jpg", "query", "absent.onnx", "absent.onnx: no such ONNX file"),
    ],
)
def test_bad_input_is_told_in_one_message(query, gallery, model, words, onnx, people, tmp_path, run):
    arguments = (people / query, "--gallery", people / gallery, "--model", model or onnx)
    done = run("predict.py", *arguments, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
