"""The guide's steps one after the other, as a user types them, against the streamed evaluation."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from msgspec.structs import replace

import evaluate
import postprocess
from faceboxes_fddb import fddb
from faceboxes_fddb.sample import write_sample
from tests.conftest import read_json

pytest.importorskip("torch", reason="the ONNX file is exported with torch")


@pytest.fixture(scope="module")
def steps(tmp_path_factory, seeded_onnx):
    """The files of all steps, made once: data, prep, info, results."""
    import preprocess
    from common import infer
    from common.npu_files import input_list as info

    root = tmp_path_factory.mktemp("steps")
    write_sample(root / "data")
    assert preprocess.main(["--data", str(root / "data"), "--out", str(root / "prep")]) == 0
    assert info.main(["bin", str(root / "prep"), str(root / "prep.info"), "1024", "1024"]) == 0
    for kind in infer.FORMATS:
        code = infer.main(
            [
                *("--model", str(seeded_onnx), "--input", str(root / "prep.info"), "--out", str(root / kind)),
                *("--batch-size", "4", "--output-format", kind, "--aipp", "aipp.config"),
            ]
        )
        assert code == 0
    return root


@pytest.fixture(scope="module")
def scored(steps):
    """The file route's figures: --results and --prep."""
    out = steps / "scored"
    arguments = [
        "--results",
        str(steps / "bin"),
        "--prep",
        str(steps / "prep"),
        "--data",
        str(steps / "data"),
    ]
    assert postprocess.main([*arguments, "--out", str(out)]) == 0
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
def test_every_form_of_the_results_gives_the_same_faces(variant, steps, scored, tmp_path):
    results, prep = steps / "bin", ["--prep", str(steps / "prep")]
    if variant == "txt":
        results = steps / "txt"
    elif variant == "from 0":
        results = tmp_path / "from0"
        results.mkdir()
        for path in (steps / "bin" / "dumpOutput_device0").iterdir():
            stem, _, k = path.stem.rpartition("_")
            shutil.copy(path, results / f"{stem}_{int(k) - 1}.bin")
    else:
        prep = []
    arguments = [
        "--results",
        str(results),
        *prep,
        "--data",
        str(steps / "data"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert postprocess.main(arguments) == 0
    assert detections(tmp_path / "out") == detections(scored)


def test_stored_detections_are_scored_again_without_pictures(steps, scored, tmp_path):
    shutil.copytree(steps / "data" / "FDDB-folds", tmp_path / "FDDB" / "FDDB-folds")
    arguments = ["--detections", str(scored / "FDDB_dets.txt"), "--data", str(tmp_path / "FDDB")]
    assert postprocess.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    again, before = (read_json(folder / "metrics.json") for folder in (tmp_path / "out", scored))
    assert again["metrics"] == before["metrics"]
    assert (again["backend"], again["precision"]) == (None, None)
    assert (before["backend"], before["precision"]) == ("onnxruntime", "float32")


def test_the_streamed_route_gives_the_same_faces(steps, scored, seeded_onnx, tmp_path, run):
    done = run(
        "evaluate.py", "--model", seeded_onnx, "--data", steps / "data", "--out", tmp_path, "--batch-size", 3
    )
    assert done.returncode == 0, done.stderr
    found, expected = (fddb.read_detections(folder / "FDDB_dets.txt") for folder in (tmp_path, scored))
    assert list(found) == list(expected)
    for stem, rows in expected.items():
        np.testing.assert_allclose(found[stem], rows, rtol=0, atol=0.01)


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
    from faceboxes_fddb.ellipses import face_boxes

    found, score = {}, 1.0
    for fold in folds:
        for picture in fold:
            boxes = face_boxes(picture.faces).astype(np.float32)
            score -= 1e-4
            found[picture.stem] = np.column_stack((boxes, np.full(len(boxes), score))).astype(np.float32)
    return found


@pytest.mark.parametrize(("kept", "code", "verdict"), [(10, 0, "PASS"), (9, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(kept, code, verdict, steps, tmp_path, monkeypatch, capsys):
    model = postprocess.read_facts(postprocess.HERE)
    whole = replace(model, accuracy=replace(model.accuracy, images=10))
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: whole)
    found = perfect(fddb.read_folds(steps / "data"))
    for stem in list(found)[kept:]:
        found[stem] = np.array([[900, 900, 950, 950, 0.9]], np.float32)
    fddb.write_detections(tmp_path / "dets.txt", found)
    arguments = [
        "--detections",
        str(tmp_path / "dets.txt"),
        "--data",
        str(steps / "data"),
        "--out",
        str(tmp_path),
    ]
    assert postprocess.main(arguments) == code
    report = read_json(tmp_path / "metrics.json")
    assert report["verdict"] == verdict
    assert report["comparable"] is True
    printed = capsys.readouterr().out
    assert f"verdict: {verdict}" in printed
    assert "% relative; a drop of 1 % is accepted" in printed


def copy_results(steps, tmp_path):
    target = tmp_path / "results"
    shutil.copytree(steps / "bin" / "dumpOutput_device0", target)
    return target


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
def test_unfitting_results_are_told_in_one_message(damage, words, steps, tmp_path, capsys):
    results = copy_results(steps, tmp_path)
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
    arguments = ["--results", str(results), "--prep", str(steps / "prep"), "--data", str(steps / "data")]
    assert postprocess.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert words in message
    assert message.startswith("error: ")
    assert not (tmp_path / "out" / "FDDB_dets.txt").exists()


def test_detections_that_lack_a_picture_are_an_error(steps, scored, tmp_path, capsys):
    found = fddb.read_detections(scored / "FDDB_dets.txt")
    del found["sample_hopper_dark"]
    lines = "".join(f"{stem}\n0.0\n" for stem in found)
    (tmp_path / "dets.txt").write_text(lines)
    arguments = [
        "--detections",
        str(tmp_path / "dets.txt"),
        "--data",
        str(steps / "data"),
        "--out",
        str(tmp_path),
    ]
    assert postprocess.main(arguments) == 1
    assert (
        "1 annotated pictures have no entry in the detections: sample/hopper_dark" in capsys.readouterr().err
    )


def test_prep_of_another_data_set_is_an_error(steps, tmp_path, capsys):
    (tmp_path / "FDDB.txt").write_text("other 1024.000 1024.000 1.000\n")
    arguments = ["--results", str(steps / "bin"), "--prep", str(tmp_path), "--data", str(steps / "data")]
    assert postprocess.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "FDDB.txt: lacks sample_astronaut_crop" in capsys.readouterr().err


def test_limit_takes_the_first_pictures_of_the_folds(steps, seeded_onnx, tmp_path, capsys):
    arguments = [
        "--model",
        str(seeded_onnx),
        "--data",
        str(steps / "data"),
        "--out",
        str(tmp_path),
        "--limit",
        "3",
    ]
    assert evaluate.main(arguments) == 0
    assert list(fddb.read_detections(tmp_path / "FDDB_dets.txt")) == [
        f"sample_astronaut_{variant}" for variant in ("original", "mirrored", "half")
    ]
    assert "folds without faces are left out of the average: 4, 5, 6, 7, 8, 9, 10" in capsys.readouterr().out
    assert read_json(tmp_path / "metrics.json")["why"] == "3 of the 2845 pictures of FDDB"
