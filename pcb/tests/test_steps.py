"""The guide's steps one after the other, as a user types them, against the streamed evaluation; with a twin."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from msgspec.structs import replace

import postprocess
import preprocess
from common import infer
from common.errors import GuideError
from common.npu_files import input_list
from common.report import details
from pcb_market import market
from pcb_market.details import FAILED
from pcb_market.sample import write_sample
from tests.conftest import FACTS, read_json

PARTS = ("query", "gallery")


@pytest.fixture(scope="module")
def steps(tmp_path_factory, onnx):
    """The files of all steps, made once: data, the .bin files, the lists, the results."""
    root = tmp_path_factory.mktemp("steps")
    write_sample(root / "data")
    assert preprocess.main(["--data", str(root / "data"), "--out", str(root)]) == 0
    for part in PARTS:
        source, listed = str(root / f"{part}_preproc_data_Ascend310"), str(root / f"{part}.info")
        assert input_list.main(["bin", source, listed, "128", "384"]) == 0
        words = ["--model", str(onnx), "--input", listed, "--out", str(root / part), "--batch-size", "4"]
        assert infer.main(words) == 0
    return root


def score(steps, out, query=None, gallery=None):
    return postprocess.main(
        [
            *("-q", str(query or steps / "query"), "-g", str(gallery or steps / "gallery")),
            *("--data", str(steps / "data"), "--out", str(out)),
        ]
    )


@pytest.fixture(scope="module")
def scored(steps):
    assert score(steps, steps / "scored") == 0
    return read_json(steps / "scored" / "metrics.json")


def test_the_guides_command_prints_and_writes_the_guides_table(steps, scored, tmp_path, run):
    for part in PARTS:  # as the guide renames them by hand
        shutil.copytree(steps / part / "dumpOutput_device0", tmp_path / f"dumpOutput_device0_{part}")
    done = run(
        "postprocess.py",
        *("-q", tmp_path / "dumpOutput_device0_query", "-g", tmp_path / "dumpOutput_device0_gallery"),
        *("-d", "market", "--data-dir", steps / "data", "--out", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    table = read_json(tmp_path / "PCB_inference_result.json")
    assert "Overall statistical evaluation\n  Number of images        21\n" in done.stdout
    assert table["title"] == "Overall statistical evaluation"
    figures = {row["key"]: row["value"] for row in table["value"]}
    assert figures["Number of images"] == "21"
    assert "Number of classes" not in figures  # there is no training set to count
    assert figures["Top-1 accuracy"] == f"{scored['metrics']['top-1']:.1%}"
    assert f"CMC Scores  market1501\n  top-1   {scored['metrics']['top-1']:12.4f}\n" in done.stdout


@pytest.mark.parametrize("variant", ["from 0", "features only", "txt"])
def test_every_form_of_the_results_gives_the_same_figures(variant, steps, scored, tmp_path):
    for part in PARTS:
        (tmp_path / part).mkdir()
        for path in (steps / part / "dumpOutput_device0").iterdir():
            stem, _, k = path.stem.rpartition("_")
            if variant == "from 0":
                shutil.copy(path, tmp_path / part / f"{stem}_{int(k) - 1}.bin")
            elif k == "1" and variant == "features only":
                shutil.copy(path, tmp_path / part)
            elif k == "1":
                values = np.fromfile(path, np.float32)
                np.savetxt(tmp_path / part / f"{path.stem}.txt", values[None], fmt="%.9g")
    assert score(steps, tmp_path / "out", tmp_path / "query", tmp_path / "gallery") == 0
    assert read_json(tmp_path / "out" / "metrics.json")["metrics"] == scored["metrics"]


def test_the_streamed_route_gives_the_same_figures(steps, scored, onnx, tmp_path, run):
    words = ("--model", onnx, "--data", steps / "data", "--out", tmp_path, "--batch-size", 3)
    done = run("evaluate.py", *words)
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "metrics.json")["metrics"] == pytest.approx(scored["metrics"], abs=1e-9)


def test_a_subset_is_labelled_and_has_no_verdict(scored):
    assert scored["images"] == 27
    assert scored["why"] == "27 of the 19281 pictures of Market-1501"
    assert (scored["comparable"], scored["verdict"]) == (False, "not comparable")


def test_limit_takes_the_first_queries_and_their_matches(steps, onnx, tmp_path, run):
    words = ("--model", onnx, "--data", steps / "data", "--out", tmp_path, "--limit", 2)
    done = run("evaluate.py", *words)
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "metrics.json")["why"] == "10 of the 19281 pictures of Market-1501"


def test_the_sample_has_queries_matches_and_distractors(steps):
    data = market.read_market(steps / "data")
    assert (len(data.query), len(data.gallery)) == (6, 21)
    assert market.persons(data.gallery) == 7
    assert {picture.camera for picture in data.query.values()} == {0}


def perfect(steps, folder, wrong=()):
    """Results in which every person has features of its own, but for the queries in `wrong`."""
    data = market.read_market(steps / "data")
    for part in PARTS:
        (folder / part).mkdir(parents=True)
        for name, picture in getattr(data, part).items():
            features = np.zeros(12288, np.float32)
            features[0 if name in wrong else picture.person] = 1
            features.tofile(folder / part / f"{name}_0.bin")
    return folder / "query", folder / "gallery"


@pytest.mark.parametrize(("wrong", "code", "verdict"), [(0, 0, "PASS"), (1, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(wrong, code, verdict, steps, tmp_path, monkeypatch, capsys):
    whole = replace(FACTS, accuracy=replace(FACTS.accuracy, images=27, counts={"queries": 6}, names=None))
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: whole)
    names = list(market.read_market(steps / "data").query)[:wrong]
    assert score(steps, tmp_path / "out", *perfect(steps, tmp_path, names)) == code
    report = read_json(tmp_path / "out" / "metrics.json")
    assert (report["verdict"], report["comparable"]) == (verdict, True)
    assert f"verdict: {verdict}" in capsys.readouterr().out
    assert details.read_cases(tmp_path / "out").kinds[FAILED].count == wrong
    marks = details.read_plots(tmp_path / "out")[0].marks
    assert {mark.x: mark.y for mark in marks} == {1: 0.921, 5: 0.969, 10: 0.981}


def test_as_many_failed_queries_as_asked_for_are_shown_also_without_their_pictures(steps, tmp_path):
    """Nothing is published of some persons, and a picture that is gone is told of on the page."""
    query, gallery = perfect(steps, tmp_path, list(market.read_market(steps / "data").query)[:5])
    data = shutil.copytree(steps / "data", tmp_path / "data")
    for path in (data / "query").iterdir():
        path.write_bytes(b"")
    words = [*("-q", str(query), "-g", str(gallery), "--data", str(data), "--out", str(tmp_path / "out"))]
    assert postprocess.main([*words, "--worst", "2"]) == 0
    cases = details.read_cases(tmp_path / "out")
    assert cases.kinds[FAILED].count == 5
    assert [case.which for case in cases.cases] == ["worst", "worst", "median", "random"]
    assert details.read_plots(tmp_path / "out")[0].marks == ()
    assert "0001_c1s1_000001_00.jpg" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no result for 0003_c1s1_000001_00"),
        (bytes(100), "expected 49152 bytes (2048x6x1 float32), found 100"),
        (b"\xff" * 49152, "0003_c1s1_000001_00_0.bin: holds values that are not finite"),
    ],
)
def test_unfitting_results_are_told_in_one_message(content, words, steps, tmp_path, capsys):
    query, gallery = perfect(steps, tmp_path)
    path = query / "0003_c1s1_000001_00_0.bin"
    path.unlink() if content is None else path.write_bytes(content)
    assert score(steps, tmp_path / "out", query, gallery) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert words in message
    assert not (tmp_path / "out").exists()


def test_results_of_the_other_part_are_found_out(steps, tmp_path, capsys):
    query, gallery = perfect(steps, tmp_path)
    assert score(steps, tmp_path / "out", gallery, query) == 1
    assert "no result for 0001_c1s1_000001_00" in capsys.readouterr().err


def test_names_with_several_suffixes_go_all_the_way(data, onnx, tmp_path, run):
    assert run("preprocess.py", "--data", data, "--out", tmp_path).returncode == 0
    for part in PARTS:
        source = tmp_path / f"{part}_preproc_data_Ascend310"
        done = run("common.infer", "--model", onnx, "--input", source, "--out", tmp_path / part)
        assert done.returncode == 0, done.stderr
    results = ("-q", tmp_path / "query", "-g", tmp_path / "gallery")
    done = run("postprocess.py", *results, "--data", data, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "out" / "metrics.json")["metrics"]["queries counted"] == 3


def test_results_of_two_networks_are_not_compared(tmp_path):
    folders = [tmp_path / part / "dumpOutput_device0" for part in ("query", "gallery")]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        postprocess.check_same_network(*folders)  # not known of both
        run = {"backend": "onnxruntime", "precision": "float32", "model": f"hash {number}"}
        (folder.parent / "infer.json").write_text(json.dumps(run))
    postprocess.check_same_network(folders[0], folders[0])
    with pytest.raises(GuideError, match="are results of two networks"):
        postprocess.check_same_network(*folders)
