"""engine/file_route.py: a task's two halves with files between them, made where they are missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from common.engine.file_route import read_predictions, write_inputs
from common.engine.task import Task
from common.errors import GuideError
from common.npu_files.results import open_results
from tests.conftest import refused


def prepare(path):
    text = path.read_text()
    if text == "broken":
        raise GuideError(f"{path}: damaged.")
    return {"image": np.full(3, ord(text[0]), np.uint8), "size": np.zeros(9)}, text


def finish(outputs, context):
    scores, boxes = outputs
    if scores[0] < 0:
        raise GuideError("a score below 0.")
    return float(scores[0]) + boxes.sum(), context


TASK = Task(prepare, finish)


@pytest.fixture
def sources(tmp_path):
    paths = {name: tmp_path / f"{name}.jpg" for name in "abc"}
    for path in paths.values():
        path.write_text(path.stem)
    return paths


def write(out, sources, workers=2):
    """Write the inputs; return which."""
    made = []
    watched = Task(lambda path: made.append(path.stem) or prepare(path), finish)
    write_inputs(watched, sources, out, size=3, workers=workers)
    return sorted(made)


@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_input_of_every_source_becomes_a_file(tmp_path, sources, workers):
    assert write(tmp_path / "prep", sources, workers) == ["a", "b", "c"]
    made = {path.name: path.read_bytes() for path in (tmp_path / "prep").glob("*.bin")}
    assert made == {"a.bin": b"aaa", "b.bin": b"bbb", "c.bin": b"ccc"}


def test_what_is_missing_cut_off_or_of_another_source_is_made(tmp_path, sources):
    out = tmp_path / "prep"
    assert write(out, sources) == ["a", "b", "c"]
    assert write(out, sources) == []
    (out / "a.bin").unlink()
    (out / "b.bin").write_bytes(b"bb")
    assert write(out, sources) == ["a", "b"]
    sources["c"].write_text("d")
    assert write(out, sources) == ["c"]
    assert (out / "c.bin").read_bytes() == b"ddd"


def test_another_folder_of_the_same_names_is_not_taken_for_the_first(tmp_path, sources):
    out = tmp_path / "prep"
    write(out, sources)
    (tmp_path / "other").mkdir()
    others = {name: tmp_path / "other" / path.name for name, path in sources.items()}
    for path in others.values():
        path.write_text("z")
    assert write(out, others) == ["a", "b", "c"]
    assert (out / "a.bin").read_bytes() == b"zzz"


@dataclass(frozen=True)
class Annotated:
    path: Path
    width: int


def test_a_source_whose_annotation_has_changed_is_made_again(tmp_path, sources):
    made = []
    task = Task(lambda source: made.append(source.width) or prepare(source.path), finish)
    for width in (10, 10, 11):
        annotated = {"a": Annotated(sources["a"], width)}
        write_inputs(task, annotated, tmp_path / "prep", size=3, workers=1)
    assert made == [10, 11]


@pytest.mark.parametrize("kind", ["damaged", "a folder"])
def test_a_failure_begins_with_the_key_and_leaves_what_was_made_before(tmp_path, sources, kind):
    out = tmp_path / "prep"
    sources["b"].write_text("broken")
    if kind == "a folder":
        sources["b"].unlink()
        sources["b"].mkdir()
    with pytest.raises(GuideError if kind == "damaged" else IsADirectoryError) as error:
        write(out, sources, workers=1)
    if kind == "damaged":
        assert str(error.value) == f"b: {sources['b']}: damaged."
    assert (out / "a.bin").read_bytes() == b"aaa"
    assert not (out / "b.bin").exists()
    sources["b"].write_text("b") if kind == "damaged" else sources["b"].rmdir() or sources["b"].write_text(
        "b"
    )
    assert "b" in write(out, sources)
    assert write(out, sources) == []


def test_without_a_source_nothing_is_written_but_the_record(tmp_path):
    assert write(tmp_path / "prep", {}) == []
    assert [path.name for path in (tmp_path / "prep").iterdir()] == ["preprocess.json"]


@pytest.fixture
def results(tmp_path):
    """Result files of x and y: one score, and boxes of 2x2."""
    for position, stem in enumerate("xy"):
        np.array([position], np.float32).tofile(tmp_path / f"{stem}_1.bin")
        np.full((2, 2), 10 * position, np.float32).tofile(tmp_path / f"{stem}_2.bin")
    return open_results(tmp_path, "xy", [(1,), (2, 2)])


def test_results_are_finished_in_the_order_of_the_contexts_a_part_of_them_too(results):
    found = read_predictions(TASK, results, {"y": "second", "x": "first"})
    assert list(found) == [("y", (41.0, "second")), ("x", (0.0, "first"))]
    assert list(read_predictions(TASK, results, {"y": None})) == [("y", (41.0, None))]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "a score below 0."),
        (np.nan, "{path}: holds values that are not"),
        (np.inf, "{path}: holds values that"),
    ],
)
def test_an_error_begins_with_the_key_after_the_results_before_it(tmp_path, results, value, message):
    path = tmp_path / "y_1.bin"
    np.array([value], np.float32).tofile(path)
    found = read_predictions(TASK, results, {"x": 0, "y": 0})
    assert next(found)[0] == "x"
    with refused(f"y: {message.format(path=path)}", whole=False):
        next(found)
