"""--find-list --metric: the model directory's evaluate.py is asked, and decides."""

from __future__ import annotations

import json
import math
import re

import pytest

from ascend_tools.preflight.__main__ import main
from ascend_tools.preflight.list_metric import drops
from ascend_tools.testing.planted import write_inputs
from ascend_tools.testing.planted import write_model as write_network

# In the place of a model's script: its metric needs some operators in float32.
EVALUATE = """
import argparse, json, pathlib, sys

arguments = argparse.ArgumentParser()
for name in ("model", "out", "data", "checkpoint", "limit", "precision", "soc-version"):
    arguments.add_argument(f"--{name}")
arguments.add_argument("--option", action="append", default=[])
options = arguments.parse_args()
given = dict(word.split("=", 1) for word in options.option)
kept, needed = [], %(needed)r
if given.get("modify_mixlist"):
    kept = json.loads(pathlib.Path(given["modify_mixlist"]).read_text())["black-list"]["to-add"]
with open("calls.txt", "a") as calls:
    print(json.dumps({**vars(options), "kept": kept}), file=calls)
good = not options.precision or set(needed) <= set(kept)
if not good and %(bad)r is None:
    sys.exit("error: output 'y' holds values that are not finite.")
if not good and %(bad)r == "broken":
    sys.exit("error: somebody took the pictures away")
value = 0.8 if good else %(bad)r
report = {"published": {"AP": 0.9}, "metrics": {"AP": value if options.data else None}}
if not options.data:
    report["agreement"] = {"metric": {"name": "AP", "value": value, "accepted": 0.2}}
pathlib.Path(options.out, "metrics.json").write_text(json.dumps(report))
sys.exit(0 if good else 1)
"""


@pytest.fixture
def search(tmp_path, monkeypatch, write_model):
    """Search in a model directory whose metric needs some operators; return status, report and evaluate.py's calls."""
    monkeypatch.chdir(tmp_path)
    write_model()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").write_bytes(b"a")

    def run(needed, *words, planted=("overflow", "cancel"), bad=0.4):
        (tmp_path / "evaluate.py").write_text(EVALUATE % {"needed": needed, "bad": bad})
        network = write_network(tmp_path / "net.onnx", ["Relu"], planted)
        given = [
            "--find-list",
            "--metric",
            "--model",
            network,
            "--input",
            write_inputs(tmp_path / "in"),
            *words,
        ]
        status = main([*map(str, given), "--aipp", "none", "--out", "out"])
        report, calls = tmp_path / "out" / "find_list.json", tmp_path / "calls.txt"
        told = json.loads(report.read_text()) if report.exists() else None
        return status, told, [json.loads(line) for line in calls.read_text().splitlines()]

    return run


def test_the_metric_decides_what_of_the_outputs_list_is_needed(search, capsys):
    status, report, calls = search(
        ["ReduceSumD"], "--data", "data", "--pictures", "7", "--soc-version", "Ascend910A"
    )
    assert (status, report["list"], report["decided_by"]) == (0, ["ReduceSumD"], "metric")
    assert report["bounds"] == {"outputs": 0.1, "metric": 0.01}
    assert report["figures"] == {"AP": 0.0}
    assert report["without"] == {"ReduceSumD": 0.5}
    assert (calls[0]["precision"], calls[0]["option"]) == (None, [])
    assert {call["limit"] for call in calls} == {"7"}
    assert {
        (call["precision"], call["soc-version" if "soc-version" in call else "soc_version"])
        for call in calls[1:]
    } == {("float16-emulated", "Ascend910A")}
    # ATC's default first, without what model.toml has of options; then the list that the outputs ask for.
    assert calls[1]["option"] == ["modify_mixlist=", "keep_dtype=", "precision_mode_v2=", "precision_mode="]
    assert calls[2]["option"][3] == "precision_mode=allow_mix_precision"
    assert sorted(calls[2]["kept"]) == ["Add", "ReduceSumD"]
    printed = capsys.readouterr().out
    assert "the metric in float32: AP 0.8000 (" in printed
    assert re.search(
        r"step \d+: allow_mix_precision, ReduceSumD in float32: the metric drops by 0.0000 of itself; holds",
        printed,
    )
    assert "\nwithout ReduceSumD: the metric drops by 0.5000 of itself, accepted 0.01\n" in printed


def test_what_the_outputs_do_not_show_is_found_by_the_metric(search):
    status, report, _ = search(["Sigmoid"], "--data", "data")
    assert (status, report["list"]) == (0, ["Sigmoid"])


def test_a_metric_that_holds_needs_no_list_whatever_the_outputs_say(search, capsys):
    status, report, calls = search([], "--data", "data")
    assert (status, report["list"], len(calls)) == (0, [], 2)
    assert report["steps"][0]["figure"] > report["bounds"]["outputs"]
    last = "no operator has to stay in float32: the metric drops by 0.0000 of itself, accepted 0.01; ATC's default mode will do"
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_on_sample_pictures_it_is_the_metric_against_torch(search):
    status, report, calls = search(["Add"], "--accepted-drop", "0.1")
    assert (status, report["list"], calls[0]["data"]) == (0, ["Add"], None)
    assert report["bounds"]["metric"] == 0.1


def test_outputs_that_are_not_finite_have_no_metric(search):
    status, report, _ = search(["Add"], "--data", "data", bad=None)
    assert (status, report["list"], report["without"]) == (0, ["Add"], {"Add": None})


def test_run_again_it_asks_nothing_and_with_other_data_all(search, tmp_path):
    _, first, calls = search(["Add"], "--data", "data")
    _, again, after = search(["Add"], "--data", "data")
    assert again["list"] == first["list"]
    assert len(after) == len(calls)
    (tmp_path / "data" / "b.jpg").write_bytes(b"b")
    _, _, changed = search(["Add"], "--data", "data")
    assert len(changed) == 2 * len(calls)


def test_that_no_list_helps_the_metric_is_told(search, capsys):
    status, report, _ = search(["nothing has this name"], "--data", "data")
    assert (status, report["list"], report["figure"]) == (1, None, 0.5)
    assert "no list helps: with the best that was tried, nothing in float32, the metric drops by 0.5000" in (
        capsys.readouterr().err
    )


def test_a_script_that_fails_is_told_with_its_words(search, tmp_path, capsys):
    status, report, _ = search(["Add"], "--data", "data", bad="broken")
    assert (status, report) == (1, None)
    printed = capsys.readouterr().err
    assert (
        "evaluate.py has computed no metric; out/metric/evaluate.log has all that it said, at the end:"
        in printed
    )
    assert "somebody took the pictures away" in printed


def test_elsewhere_there_is_no_metric(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network = write_network(tmp_path / "net.onnx", [], [])
    words = ["--find-list", "--metric", "--model", network, "--input", write_inputs(tmp_path / "in")]
    assert main([*map(str, words)]) == 1
    assert (
        "error: --metric: no evaluate.py here; run this in the model's directory." in capsys.readouterr().err
    )


def test_drops_are_shares_of_the_figure_in_float32():
    found = drops({"AP": 0.8, "rank 1": 0.5, "none": 0.0}, {"AP": 0.6, "rank 1": 0.6})
    assert found == {"AP": pytest.approx(0.25), "rank 1": pytest.approx(-0.2)}
    assert drops({"AP": 0.8}, {"AP": math.nan}) == drops({"AP": 0.8}, {}) == {"AP": math.inf}
