"""The guide's steps one after the other, as a user types them, against the streamed evaluation; with a twin."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from msgspec.structs import replace

import postprocess
import preprocess
from common import infer
from common.npu_files import input_list
from faceboxes_fddb import fddb
from faceboxes_fddb.ellipses import face_boxes
from faceboxes_fddb.sample import write_sample
from faceboxes_fddb.task import ANY_PICTURE
from tests.conftest import FACTS, HERE, read_json


@pytest.fixture(scope="module")
def steps(tmp_path_factory, onnx):
    """The files of all steps, made once: data, prep, info, results."""
    root = tmp_path_factory.mktemp("steps")
    write_sample(root / "data")
    assert preprocess.main(["--data", str(root / "data"), "--out", str(root / "prep")]) == 0
    assert input_list.main(["bin", str(root / "prep"), str(root / "prep.info"), "1024", "1024"]) == 0
    for kind in infer.FORMATS:
        words = ["--model", str(onnx), "--input", str(root / "prep.info"), "--out", str(root / kind)]
        words += ["--batch-size", "4", "--output-format", kind, "--aipp", str(HERE / "aipp.config")]
        assert infer.main(words) == 0
    return root


def results_of(steps, out, results=None, prep=True):
    """Return the arguments of postprocess.py."""
    words = ["--results", results or steps / "bin", "--data", steps / "data", "--out", out]
    return [*words, *(["--prep", steps / "prep"] if prep else [])]


@pytest.fixture(scope="module")
def scored(steps):
    """The file route's figures."""
    out = steps / "scored"
    assert postprocess.main([str(word) for word in results_of(steps, out)]) == 0
    return out


def detections(folder):
    return (folder / "FDDB_dets.txt").read_text()


def test_results_are_written_as_the_benchmark_tool_writes_them(steps):
    names = {path.name for path in (steps / "bin" / "dumpOutput_device0").iterdir()}
    stems = {path.stem for path in (steps / "prep").glob("*.bin")}
    assert names == {f"{stem}_{k}.bin" for stem in stems for k in (1, 2)}
    assert (steps / "bin" / "perf_vision_batchsize_4_device_0.txt").is_file()


def test_guide_flags_are_aliases(steps, scored, tmp_path, run):
    done = run(
        "postprocess.py",
        *("--save_folder", tmp_path / "FDDB_Evaluation", "--prep_info", steps / "prep"),
        *("--prep_folder", steps / "bin" / "dumpOutput_device0", "--data", steps / "data"),
    )
    assert done.returncode == 0, done.stderr
    assert detections(tmp_path / "FDDB_Evaluation") == detections(scored)
    assert "FDDB-fold-1 Val AP: " in done.stdout
    assert "FDDB Dataset Average AP: " in done.stdout
    assert (tmp_path / "FDDB_Evaluation" / "results.txt").read_text() in done.stdout


@pytest.mark.parametrize("variant", ["txt", "from 0", "without prep"])
def test_every_form_of_the_results_gives_the_same_faces(variant, steps, scored, tmp_path, run):
    results = steps / "txt" if variant == "txt" else None
    if variant == "from 0":
        results = tmp_path / "from0"
        results.mkdir()
        for path in (steps / "bin" / "dumpOutput_device0").iterdir():
            stem, _, k = path.stem.rpartition("_")
            shutil.copy(path, results / f"{stem}_{int(k) - 1}.bin")
    words = results_of(steps, tmp_path / "out", results, prep=variant != "without prep")
    assert run("postprocess.py", *words).returncode == 0
    assert detections(tmp_path / "out") == detections(scored)


def test_stored_detections_are_scored_again_without_pictures(steps, scored, tmp_path, run):
    shutil.copytree(steps / "data" / "FDDB-folds", tmp_path / "FDDB" / "FDDB-folds")
    words = ("--detections", scored / "FDDB_dets.txt", "--data", tmp_path / "FDDB", "--out", tmp_path / "out")
    assert run("postprocess.py", *words).returncode == 0
    again, before = (read_json(folder / "metrics.json") for folder in (tmp_path / "out", scored))
    assert again["metrics"] == before["metrics"]
    assert (again["backend"], again["precision"]) == (None, None)
    assert (before["backend"], before["precision"]) == ("onnxruntime", "float32")


def test_the_streamed_route_stores_the_same_faces_with_the_factors_of_fddb_txt(
    steps, scored, onnx, tmp_path, monkeypatch, run
):
    words = ("evaluate.py", "--model", onnx, "--data", steps / "data", "--batch-size", 4, "--out")
    done = run(*words, tmp_path / "rounded")
    assert done.returncode == 0, done.stderr
    assert detections(tmp_path / "rounded") == detections(scored)
    # Factors with all their decimals would give others.
    monkeypatch.setattr("evaluate.TASK", ANY_PICTURE)
    assert run(*words, tmp_path / "exact").returncode == 0
    assert detections(tmp_path / "exact") != detections(scored)


def test_a_subset_is_labelled_and_has_no_verdict(steps, scored):
    report = read_json(scored / "metrics.json")
    assert report["images"] == 10
    assert report["metrics"]["faces"] == 10
    assert report["published"] == {"AP": 0.946}
    assert report["comparable"] is False
    assert report["why"] == "10 of the 2845 pictures of FDDB"
    assert report["verdict"] == "not comparable"
    assert {"python", "numpy", "onnxruntime"} <= report["versions"].keys()


def perfect(folds):
    """Detections that find every face, one box each, the scores all different."""
    found, score = {}, 1.0
    for fold in folds:
        for picture in fold:
            boxes = face_boxes(picture.faces).astype(np.float32)
            score -= 1e-4
            found[picture.stem] = np.column_stack((boxes, np.full(len(boxes), score))).astype(np.float32)
    return found


@pytest.mark.parametrize(("kept", "code", "verdict"), [(10, 0, "PASS"), (9, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(kept, code, verdict, steps, tmp_path, monkeypatch, run):
    whole = replace(FACTS, accuracy=replace(FACTS.accuracy, images=10))
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: whole)
    found = perfect(fddb.read_folds(steps / "data"))
    for stem in list(found)[kept:]:
        found[stem] = np.array([[900, 900, 950, 950, 0.9]], np.float32)
    fddb.write_detections(tmp_path / "dets.txt", found)
    words = ("--detections", tmp_path / "dets.txt", "--data", steps / "data", "--out", tmp_path)
    done = run("postprocess.py", *words)
    assert done.returncode == code
    report = read_json(tmp_path / "metrics.json")
    assert report["verdict"] == verdict
    assert report["comparable"] is True
    assert f"verdict: {verdict}" in done.stdout
    assert "% relative; a drop of 1 % is accepted" in done.stdout


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("missing", "no result for sample_hopper_dark"),
        ("extra", "results that belong to no input: stranger"),
        ("one output", "expected 2 outputs per input"),
        ("wrong size", "expected 349184 bytes (21824x4 float32), found 100"),
        ("not finite", "sample_hopper_dark_1.bin: holds values that are not finite"),
        ("swapped", "expected 349184 bytes (21824x4 float32), found 174592"),
    ],
)
def test_unfitting_results_are_told_in_one_message(damage, words, steps, tmp_path, run):
    results = shutil.copytree(steps / "bin" / "dumpOutput_device0", tmp_path / "results")
    first, second = (results / f"sample_hopper_dark_{k}.bin" for k in (1, 2))
    if damage == "missing":
        first.unlink()
        second.unlink()
    elif damage == "extra":
        shutil.copy(first, results / "stranger_1.bin")
    elif damage == "one output":
        second.unlink()
    elif damage == "wrong size":
        first.write_bytes(bytes(100))
    elif damage == "not finite":
        np.full((21824, 4), np.nan, np.float32).tofile(first)
    elif damage == "swapped":
        shutil.copy(second, first)
    done = run("postprocess.py", *results_of(steps, tmp_path / "out", results))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert not (tmp_path / "out" / "FDDB_dets.txt").exists()


def test_detections_that_lack_a_picture_are_an_error(steps, scored, tmp_path, run):
    found = fddb.read_detections(scored / "FDDB_dets.txt")
    del found["sample_hopper_dark"]
    (tmp_path / "dets.txt").write_text("".join(f"{stem}\n0.0\n" for stem in found))
    words = ("--detections", tmp_path / "dets.txt", "--data", steps / "data", "--out", tmp_path)
    done = run("postprocess.py", *words)
    assert done.returncode == 1
    assert "1 annotated pictures have no entry in the detections: sample/hopper_dark" in done.stderr


def test_prep_of_another_data_set_is_an_error(steps, tmp_path, run):
    (tmp_path / "FDDB.txt").write_text("other 1024.000 1024.000 1.000\n")
    words = results_of(steps, tmp_path / "out", prep=False)
    done = run("postprocess.py", *words, "--prep", tmp_path)
    assert done.returncode == 1
    assert "FDDB.txt: lacks sample_astronaut_crop" in done.stderr
