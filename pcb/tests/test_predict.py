"""Looking for one's own picture in a directory."""

from __future__ import annotations

import cv2
import pytest

from pcb_market.sample import write_sample
from tests.conftest import read_json


@pytest.fixture
def people(tmp_path):
    return write_sample(tmp_path / "people")


@pytest.fixture
def predict(onnx, run):
    """Run predict.py with the twin."""
    return lambda query, gallery, out: run(
        "predict.py", query, "--gallery", gallery, "--model", onnx, "--out", out, "--batch-size", 4
    )


@pytest.mark.parametrize(("part", "count", "best"), [("bounding_box_test", 21, 10), ("query", 6, 6)])
def test_the_nearest_are_drawn_and_listed_up_to_ten(part, count, best, people, predict, tmp_path):
    query = people / "query" / "0004_c1s1_000001_00.jpg"
    done = predict(query, people / part, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"the {best} nearest of {count} pictures" in done.stdout
    result = read_json(tmp_path / f"{query.stem}_matches.json")
    distances = [match["squared distance"] for match in result["matches"]]
    assert len(distances) == best
    assert distances == sorted(distances)
    assert result["images"] == count
    nearest = query if part == "query" else people / part / "0004_c1s1_000002_01.jpg"
    assert result["matches"][0]["image"] == str(nearest)  # the query itself, where it is in that directory
    strip = cv2.imread(str(tmp_path / f"{query.stem}_matches.jpg"))
    assert strip.shape == (384 + 50, (best + 1) * 138 + 30, 3)


@pytest.mark.parametrize(
    ("query", "gallery", "words"),
    [
        ("absent.jpg", "query", "absent.jpg: no such picture"),
        ("query/0001_c1s1_000001_00.jpg", "nowhere", "nowhere: no such directory"),
        ("query/0001_c1s1_000001_00.jpg", ".", "holds no .jpg or .jpeg or .png or .bmp file"),
    ],
)
def test_bad_input_is_told_in_one_message(query, gallery, words, people, predict, tmp_path):
    done = predict(people / query, people / gallery, tmp_path / "out")
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
