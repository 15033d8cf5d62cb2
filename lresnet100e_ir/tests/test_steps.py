"""The guide's steps one after the other, as a user types them, against the streamed evaluation."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from msgspec.structs import replace

import postprocess
from tests.conftest import read_distances, read_json, write_results

STARS = "*" * 50


@pytest.fixture(scope="module")
def scored(steps):
    """The file route's figures."""
    words = ["--results", steps / "bin", "--data", steps / "lfw_list.npy", "--out", steps / "scored"]
    assert postprocess.main(list(map(str, words))) == 0
    return steps / "scored"


def score(results, data, out):
    return postprocess.main(["--results", str(results), "--data", str(data), "--out", str(out)])


def test_results_are_written_as_the_benchmark_tool_writes_them(steps):
    for kind in ("bin", "txt"):
        names = {path.name for path in (steps / kind / "dumpOutput_device0").iterdir()}
        assert names == {f"{i}{end}_1.{kind}" for i in range(24) for end in ("", "_flip")}
    numbers = (steps / "txt" / "dumpOutput_device0" / "7_flip_1.txt").read_text().split()
    assert len(numbers) == 512


def test_the_guides_form(steps, scored, tmp_path, run):
    results, labels = steps / "bin" / "dumpOutput_device0", steps / "lfw_list.npy"
    done = run("postprocess.py", results, labels, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pairs.csv").read_bytes() == (scored / "pairs.csv").read_bytes()
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    figures = f"accuracy: {metrics['accuracy']!r}\nbest_thresholds: {metrics['best threshold']!r}"
    assert f"{STARS}\n{figures}\n{STARS}\n" in done.stdout


@pytest.mark.parametrize("flags", [("--results", "--data"), ("--result", "--data_path")])
def test_flags_old_and_new_say_the_same(flags, steps, scored, tmp_path):
    words = [flags[0], steps / "bin", flags[1], steps / "lfw.bin", "--out", tmp_path]
    assert postprocess.main(list(map(str, words))) == 0
    assert (tmp_path / "pairs.csv").read_bytes() == (scored / "pairs.csv").read_bytes()


@pytest.mark.parametrize("variant", ["txt", "from 0", "txt from 0", "with summary"])
def test_every_form_of_the_results_gives_the_same_figures(variant, steps, scored, tmp_path):
    results = tmp_path / "results"
    kind = "txt" if "txt" in variant else "bin"
    shutil.copytree(steps / kind / "dumpOutput_device0", results)
    if "from 0" in variant:
        for path in list(results.iterdir()):
            path.rename(path.with_name(path.name.replace("_1.", "_0.")))
    if variant == "with summary":
        (results / "perf_vision_batchsize_1_device_0.txt").write_text("[e2e] throughputRate: 78.7504\n")
    assert score(results, steps / "lfw_list.npy", tmp_path / "out") == 0
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
    assert report["model"] == "lresnet100e_ir"
    assert (report["dataset"], report["images"]) == ("LFW", 24)
    assert report["published"] == {"accuracy": 0.998}
    assert (report["comparable"], report["verdict"]) == (False, "not comparable")
    assert report["why"] == "24 of the 12000 pictures of LFW"
    assert (report["backend"], report["precision"]) == ("onnxruntime", "float32")
    assert report["versions"]["numpy"] == np.__version__
    assert set(report["seconds"]) == {"postprocess", "evaluate", "total"}


@pytest.mark.parametrize(("wrong", "code", "verdict"), [(0, 0, "PASS"), (1, 0, "PASS"), (2, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(wrong, code, verdict, tmp_path, monkeypatch, capsys):
    model = postprocess.read_facts(postprocess.HERE)
    whole = replace(model, accuracy=replace(model.accuracy, images=200))
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: whole)
    same = np.arange(100) % 2 == 0
    embeddings = np.zeros((200, 512), np.float32)
    embeddings[:, 0] = 1
    embeddings[1::2][~same] = np.eye(512, dtype=np.float32)[1]
    embeddings[1::2][:wrong] = np.roll(embeddings[1::2], 1, axis=0)[
        :wrong
    ]  # who is whose, the other way round
    np.save(tmp_path / "lfw_list.npy", same)
    results = write_results(tmp_path / "results", embeddings)
    assert score(results, tmp_path / "lfw_list.npy", tmp_path) == code
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["accuracy"] == pytest.approx(1 - wrong / 100, abs=1e-12)
    assert (report["comparable"], report["verdict"]) == (True, verdict)
    assert "why" not in report
    printed = capsys.readouterr().out
    assert f"verdict: {verdict}" in printed
    assert "% relative; a drop of 1 % is accepted" in printed


def test_pairs_of_one_kind_have_no_curve_and_no_warning(tmp_path, capsys):
    results = write_results(tmp_path / "results", np.eye(512, dtype=np.float32)[:20])
    np.save(tmp_path / "lfw_list.npy", np.zeros(10, bool))
    assert score(results, tmp_path / "lfw_list.npy", tmp_path) == 0
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    assert metrics == {
        "accuracy": 1.0,
        "best threshold": 0.0,
        **dict.fromkeys(("AUC", "EER", "TAR at FAR 0.001")),
    }
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
