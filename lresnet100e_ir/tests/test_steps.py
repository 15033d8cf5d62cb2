"""The guide's steps one after the other, as a user types them, against the streamed evaluation."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from msgspec.structs import replace

import postprocess
from common.report import details
from common.report.details import Mark
from tests.conftest import FACTS, encode, random_faces, read_distances, read_json, write_lfw, write_results

STARS = "*" * 50


def score(results, data, out):
    return postprocess.main(["--results", str(results), "--data", str(data), "--out", str(out)])


@pytest.fixture(scope="module")
def scored(steps):
    """The file route's figures."""
    assert score(steps / "bin", steps / "lfw_list.npy", steps / "scored") == 0
    return steps / "scored"


@pytest.mark.parametrize("script", ["postprocess.py", "LResNet_postprocess.py"])
@pytest.mark.parametrize("words", [(), ("--results", "--data"), ("--result", "--data_path")])
def test_the_guides_form_and_flags_old_and_new_say_the_same(words, script, steps, scored, tmp_path, run):
    values = (steps / "bin" / "dumpOutput_device0", steps / "lfw_list.npy")
    typed = [word for couple in zip(words, values, strict=True) for word in couple] if words else values
    done = run(script, *typed, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pairs.csv").read_bytes() == (scored / "pairs.csv").read_bytes()
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    figures = f"accuracy: {metrics['accuracy']!r}\nbest_thresholds: {metrics['best threshold']!r}"
    assert f"{STARS}\n{figures}\n{STARS}\n" in done.stdout


@pytest.mark.parametrize("kind", ["bin", "txt"])
@pytest.mark.parametrize("first", [0, 1])
def test_every_form_of_the_results_gives_the_same_figures(kind, first, steps, scored, tmp_path):
    results = shutil.copytree(steps / kind / "dumpOutput_device0", tmp_path / "results")
    paths = list(results.iterdir())
    assert {path.name for path in paths} == {f"{i}{e}_1.{kind}" for i in range(24) for e in ("", "_flip")}
    for path in paths:
        path.rename(path.with_name(path.name.replace("_1.", f"_{first}.")))
    assert score(results, steps / "lfw.bin", tmp_path / "out") == 0
    assert (tmp_path / "out" / "pairs.csv").read_bytes() == (scored / "pairs.csv").read_bytes()


def test_the_streamed_route_gives_the_same_distances(steps, scored, twin_onnx, tmp_path, run):
    words = ("--model", twin_onnx, "--data", steps / "lfw.bin", "--out", tmp_path, "--batch-size", 7)
    done = run("evaluate.py", *words)
    assert done.returncode == 0, done.stderr
    assert np.ptp(read_distances(scored)) > 0.1
    np.testing.assert_allclose(read_distances(tmp_path), read_distances(scored), rtol=0, atol=1e-5)
    streamed, files = (read_json(folder / "metrics.json") for folder in (tmp_path, scored))
    assert streamed["metrics"] == pytest.approx(files["metrics"], abs=1e-9)


def test_pairs_csv_says_how_each_pair_was_judged(scored):
    with (scored / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pair"]) for row in rows] == list(range(12))
    assert [int(row["same"]) for row in rows] == [1, 0] * 6
    assert [int(row["fold"]) for row in rows] == [1, 1, 2, 2, *range(3, 11)]
    for row in rows:
        said = float(row["distance"]) < float(row["threshold"])
        assert int(row["correct"]) == (said == (row["same"] == "1"))
    right = [[int(row["correct"]) for row in rows if int(row["fold"]) == fold] for fold in range(1, 11)]
    accuracy = np.mean([np.mean(fold) for fold in right])
    assert read_json(scored / "metrics.json")["metrics"]["accuracy"] == pytest.approx(accuracy, abs=1e-12)


def test_metrics_json_holds_the_figures_and_what_made_them(scored):
    report = read_json(scored / "metrics.json")
    assert list(report["metrics"]) == ["accuracy", "best threshold", "AUC", "EER", "TAR at FAR 0.001"]
    assert (report["model"], report["dataset"], report["images"]) == ("lresnet100e_ir", "LFW", 24)
    assert report["published"] == {"accuracy": 0.998}
    assert (report["comparable"], report["verdict"]) == (False, "not comparable")
    assert report["why"] == "24 of the 12000 pictures of LFW"
    assert (report["backend"], report["precision"]) == ("onnxruntime", "float32")
    assert set(report["seconds"]) == {"postprocess", "evaluate", "total"}


@pytest.mark.parametrize(("wrong", "code", "verdict"), [(0, 0, "PASS"), (1, 0, "PASS"), (2, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(wrong, code, verdict, tmp_path, monkeypatch, capsys):
    whole = replace(FACTS, accuracy=replace(FACTS.accuracy, images=200, counts={"pairs": 100}, names=None))
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: whole)
    same = np.arange(100) % 2 == 0
    alike = same.copy()
    alike[:wrong] = ~same[:wrong]
    embeddings = np.zeros((200, 512), np.float32)
    embeddings[0::2, 0] = 1
    embeddings[1::2, 0], embeddings[1::2, 1] = alike, ~alike
    np.save(tmp_path / "lfw_list.npy", same)
    results = write_results(tmp_path / "results", embeddings)
    assert score(results, tmp_path / "lfw_list.npy", tmp_path) == code
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["accuracy"] == pytest.approx(1 - wrong / 100, abs=1e-12)
    assert (report["comparable"], report["verdict"]) == (True, verdict)
    assert f"verdict: {verdict}" in capsys.readouterr().out
    totals = details.read_cases(tmp_path).kinds.values()
    assert sum(total.count for total in totals) == wrong
    assert sum(total.cost for total in totals) == pytest.approx(wrong / 100, abs=1e-12)
    assert details.read_plots(tmp_path)[-1].marks[-1] == Mark("published", y=0.998)


def test_as_many_worst_pairs_as_asked_for_are_shown_if_the_data_set_is_there(steps, tmp_path):
    out, results = tmp_path / "out", str(steps / "bin")
    for data, is_shown in ((steps / "lfw.bin", True), (steps / "lfw_list.npy", False)):
        words = ["--results", results, "--data", str(data), "--out", str(out), "--worst", "1"]
        assert postprocess.main(words) == 0
        found = details.read_cases(out)
        assert all(
            sum(case.which == "worst" for case in found.cases if case.kind == kind) <= 1
            for kind in found.kinds
        )
        assert len(found.cases) >= 1
        assert {shown.data is not None for case in found.cases for shown in case.pictures} == {is_shown}
        assert [mark.label for mark in details.read_plots(out)[-1].marks] == [
            "mean"
        ]  # not of the whole data set


def test_pairs_of_one_kind_have_no_curve_and_no_warning(tmp_path, capsys):
    results = write_results(tmp_path / "results", np.eye(512, dtype=np.float32)[:20])
    np.save(tmp_path / "lfw_list.npy", np.zeros(10, bool))
    assert score(results, tmp_path / "lfw_list.npy", tmp_path) == 0
    none = dict.fromkeys(("AUC", "EER", "TAR at FAR 0.001"))
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    assert metrics == {"accuracy": 1.0, "best threshold": 0.0, **none}
    assert "10 pairs, 0 of the same person" in capsys.readouterr().out


def test_reference_embeddings_give_the_reference_printout(cases, tmp_path, capsys):
    folder = cases / "lfw_tiny"
    facts = read_json(folder / "expected.json")["end_to_end_with_recipe_weights"]
    results = write_results(tmp_path / "results", np.load(folder / "embeddings.npz")["embeddings"])
    assert score(results, folder / "lfw_tiny.bin", tmp_path) == 0
    assert facts["printed_by_original_postprocess"] in capsys.readouterr().out
    np.testing.assert_allclose(read_distances(tmp_path), facts["pair_distances"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("arguments", [[], ["results"], ["--data", "lfw_list.npy"]])
def test_wrong_usage_is_exit_status_2(arguments, run):
    done = run("postprocess.py", *arguments)
    assert done.returncode == 2
    assert "both --results DIR and --data DATA are needed" in done.stderr


PLAIN, MIRRORED = "13_1.bin", "13_flip_1.bin"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda results: (results / PLAIN).unlink(), "no result for 13 (1 in all)"),
        (lambda results: (results / MIRRORED).unlink(), "no result for 13_flip (1 in all)"),
        (
            lambda results: shutil.copy(results / PLAIN, results / "24_1.bin"),
            "results that belong to no input: 24 (1 in all)",
        ),
        (
            lambda results: (results / MIRRORED).write_bytes(bytes(1024)),
            "13_flip_1.bin: expected 2048 bytes (512 float32), found 1024. Half the size",
        ),
        (
            lambda results: (-np.fromfile(results / PLAIN, np.float32)).tofile(results / MIRRORED),
            "the embedding of face 13 is zero; run the inference again",
        ),
    ],
    ids=["missing", "missing flip", "extra", "half precision", "zero"],
)
def test_unfitting_results_are_told_in_one_message(damage, words, steps, tmp_path, capsys):
    results = shutil.copytree(steps / "bin" / "dumpOutput_device0", tmp_path / "results")
    damage(results)
    assert score(results, steps / "lfw_list.npy", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert words in message
    assert not (tmp_path / "out").exists()


def test_results_of_fewer_than_ten_pairs_are_told(tmp_path, capsys):
    results = write_results(tmp_path / "results", np.eye(512, dtype=np.float32)[:18])
    np.save(tmp_path / "lfw_list.npy", np.ones(9, bool))
    assert score(results, tmp_path / "lfw_list.npy", tmp_path / "out") == 1
    assert "expected at least 10 pairs, one for each fold, found 9" in capsys.readouterr().err


DAMAGED = {
    "not a JPEG, PNG or BMP picture (5 bytes)": b"hello",
    "the picture is truncated: ": encode(random_faces(1)[0], ".jpg")[:-200],
    "expected an aligned face of 112x112 pixels, found 250x250": encode(np.zeros((250, 250, 3), np.uint8)),
}


@pytest.mark.parametrize("words", DAMAGED)
@pytest.mark.parametrize("route", ["preprocess.py", "evaluate.py"])
def test_both_routes_name_a_bad_picture_by_its_number(route, words, twin_onnx, tmp_path, run):
    pictures = [encode(picture) for picture in random_faces(20)]
    pictures[13] = DAMAGED[words]
    path, out = write_lfw(tmp_path / "lfw.bin", pictures), tmp_path / "out"
    model = ["--model", twin_onnx] if route == "evaluate.py" else []
    done = run(route, "--data", path, "--out", out, *model)
    assert done.returncode == 1
    assert f"error: 13: {path}: picture 13: {words}" in done.stderr
    assert not {"13.bin", "pairs.csv", "metrics.json"} & {file.name for file in out.iterdir()}
    assert not (tmp_path / "lfw_list.npy").exists()
