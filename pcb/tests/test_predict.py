"""Looking for one's own picture in a directory."""

from __future__ import annotations

import cv2
import pytest

import predict
from pcb_market.sample import write_sample
from tests.conftest import read_json

pytest.importorskip("torch", reason="the ONNX file is exported with torch")


@pytest.fixture
def people(tmp_path):
    return write_sample(tmp_path / "people")


def test_the_ten_nearest_are_drawn_and_listed(seeded_onnx, people, tmp_path, capsys):
    query = people / "query" / "0004_c1s1_000001_00.jpg"
    gallery = people / "bounding_box_test"
    arguments = [str(query), "--gallery", str(gallery), "--model", str(seeded_onnx)]
    assert predict.main([*arguments, "--out", str(tmp_path), "--batch-size", "4"]) == 0
    result = read_json(tmp_path / f"{query.stem}_matches.json")
    distances = [match["squared distance"] for match in result["matches"]]
    assert len(distances) == 10
    assert distances == sorted(distances)
    assert result["images"] == 21
    assert result["matches"][0]["image"] == str(gallery / "0004_c1s1_000002_01.jpg")
    strip = cv2.imread(str(tmp_path / f"{query.stem}_matches.jpg"))
    assert strip.shape == (384 + 50, 11 * 138 + 30, 3)
    assert "the 10 nearest of 21 pictures" in capsys.readouterr().out


def test_a_small_gallery_gives_fewer(seeded_onnx, people, tmp_path):
    query = people / "query" / "0004_c1s1_000001_00.jpg"
    arguments = [str(query), "--gallery", str(people / "query"), "--model", str(seeded_onnx)]
    assert predict.main([*arguments, "--out", str(tmp_path)]) == 0
    matches = read_json(tmp_path / f"{query.stem}_matches.json")["matches"]
    assert len(matches) == 6
    assert matches[0]["image"] == str(query)  # the query itself is in that directory


@pytest.mark.parametrize(
    ("query", "gallery", "words"),
    [
        ("absent.jpg", "query", "absent.jpg: no such picture"),
        ("query/0001_c1s1_000001_00.jpg", "nowhere", "nowhere: no such directory"),
        ("query/0001_c1s1_000001_00.jpg", ".", "holds no .jpg or .jpeg or .png or .bmp file"),
    ],
)
def test_bad_input_is_told_in_one_message(query, gallery, words, seeded_onnx, people, tmp_path, capsys):
    arguments = [str(people / query), "--gallery", str(people / gallery), "--model", str(seeded_onnx)]
    assert predict.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_exist_is_named(people, tmp_path, capsys):
    query = people / "query" / "0001_c1s1_000001_00.jpg"
    arguments = [str(query), "--gallery", str(people / "query"), "--model", "absent.onnx"]
    assert predict.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "absent.onnx: no such ONNX file" in capsys.readouterr().err
