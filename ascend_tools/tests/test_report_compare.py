"""`python -m ascend_tools.report A B`: what differs, what flipped, whether it is real, and the exit status."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from ascend_tools.report.__main__ import main
from ascend_tools.report.compare import share
from ascend_tools.report.flips import flips
from common.report import units
from tests.made_up_runs import boxes, detector, pairs, queries, write_run


@pytest.fixture
def told(tmp_path, capsys, monkeypatch):
    """Run the command on directories below tmp_path, and return its exit status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = main([str(word) for word in words])
        printed = capsys.readouterr()
        return status, printed.err.removeprefix(
            "comparing 2 runs ...\n"
        ) if status and "error:" in printed.err else printed.out

    return run


@pytest.fixture
def two(tmp_path):
    """Two runs of one detector, the second with a real drop."""
    first, second = detector(np.random.default_rng(3), 1000, (0.8, 0.7))
    for name, made, more in (("f32", first, {}), ("bf16", second, {"backend": "openvino", "batch size": 4})):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, made, **more)
    return tmp_path


def test_what_differs_and_what_was_measured_stands_side_by_side(two, told):
    status, printed = told("f32/metrics.json", "bf16", "--out", "both")
    assert status == 0
    lines = printed.splitlines()
    assert lines[:4] == [
        "what differs:",
        "              f32          bf16",
        "  backend     onnxruntime  openvino",
        "  batch size  \N{EN DASH}            4",
    ]
    assert "numpy" not in printed
    stored = json.loads((two / "both" / "comparison.json").read_text())
    assert stored["what differs"] == {"backend": ["onnxruntime", "openvino"], "batch size": [None, "4"]}
    (difference,) = stored["compared"]["bf16"]["differences"]
    metrics = [
        json.loads((two / name / "metrics.json").read_text())["metrics"]["AP"] for name in ("f32", "bf16")
    ]
    assert [difference["first"], difference["second"]] == pytest.approx(metrics, abs=1e-12)
    assert difference["is"] == "worse"
    assert difference["low"] <= difference["change"] <= difference["high"] < 0
    assert lines[-1] == "bf16 against f32: AP worse"
    assert lines[-3:-1] == [
        "both/comparison.json, both/flips.csv: all of it",
        "both/comparison.html: the page",
    ]


@pytest.mark.parametrize(
    ("accept", "status", "words"),
    [
        ("1%", 1, "FAIL: a drop of more than 1 % of the first run's figure: AP (95 % from -"),
        ("0.5", 0, "OK: no drop of more than 50 %"),
    ],
)
def test_a_drop_beyond_what_is_accepted_is_the_exit_status(two, told, accept, status, words):
    found, printed = told("f32", "bf16", "--accept", accept)
    assert found == status
    assert f"bf16 against f32: AP worse; {words}" in printed.splitlines()[-1]
    assert told("bf16", "f32", "--accept", accept)[0] == 0


def test_an_interval_that_reaches_beyond_what_is_accepted_is_told(two, told):
    metrics = [
        json.loads((two / name / "metrics.json").read_text())["metrics"]["AP"] for name in ("f32", "bf16")
    ]
    accept = (metrics[0] - metrics[1]) / metrics[0] + 0.001
    status, printed = told("f32", "bf16", "--accept", f"{accept:.6f}")
    assert status == 0
    assert printed.endswith("; the interval reaches beyond that, for AP\n")


def test_a_run_against_itself_shows_no_difference(two, told):
    shutil.copytree(two / "f32", two / "again")
    status, printed = told("f32", "again", "--accept", "0%")
    assert status == 0
    assert "what differs:\n           f32  again\n  nothing\n" in printed
    assert "+0.00000 (+0.00 % of it); 95 % from +0.00000 to +0.00000: same" in printed
    assert "flipped: 0 of 1000 pictures, 0 to the worse, 0 to the better\n" in printed
    assert printed.endswith(
        "again against f32: AP same; OK: no drop of more than 0 % of the first run's figure\n"
    )


def test_two_comparisons_are_the_same_to_the_last_byte(two, told):
    contents = []
    for _ in range(2):
        status, printed = told("f32", "bf16", "f32", "--out", "both")
        contents.append((status, printed, *(path.read_bytes() for path in sorted((two / "both").iterdir()))))
    assert contents[0] == contents[1]
    assert "C against A: AP same\n" in contents[0][1]


def without_units(folder):
    (folder / units.FILE).unlink()


def damaged(folder):
    path = folder / units.FILE
    path.write_bytes(path.read_bytes()[:-100])


def of_another_run(folder):
    report = json.loads((folder / "metrics.json").read_text())
    report["metrics"]["AP"] *= 1 - 1e-9
    (folder / "metrics.json").write_text(json.dumps(report))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            without_units,
            "bf16/details/units.npz: no such file; evaluate.py and postprocess.py write it beside the figures",
        ),
        (damaged, "bf16/details/units.npz: damaged, or not what a figure is computed of: "),
        (of_another_run, "bf16/details are of another run than metrics.json: they give AP 0."),
    ],
)
@pytest.mark.parametrize(("accept", "status"), [("1%", 1), ("90%", 0)])
def test_without_sound_units_the_figures_alone_are_judged(two, told, spoil, words, accept, status):
    spoil(two / "bf16")
    found, printed = told("f32", "bf16", "--accept", accept)
    assert found == status
    assert f"  without an interval: {words}" in printed
    assert "bf16 against f32: no interval; " in printed.splitlines()[-1]


def test_a_figure_that_only_the_first_run_has_is_not_accepted(tmp_path, told):
    for name in ("whole", "lacks"):
        write_run(tmp_path / name, queries(np.linspace(0, 1, 50)))
    report = json.loads((tmp_path / "lacks" / "metrics.json").read_text())
    report["metrics"]["mAP"] = None  # it was NaN
    (tmp_path / "lacks" / "metrics.json").write_text(json.dumps(report))
    status, printed = told("whole", "lacks", "--accept", "1%")
    assert status == 1
    assert printed.splitlines()[-1].endswith("FAIL: without a figure that the first run has: mAP")
    assert told("whole", "lacks")[0] == 0


def other_keys(made):
    return [f"other/{key}" for key in made.keys[:1]] + [*made.keys[1:]]


def test_runs_on_other_pictures_are_not_compared(tmp_path, told):
    made = queries(np.linspace(0, 1, 50))
    renamed = queries(made.arrays["precision"], keys=other_keys(made))
    for name, each in (("one", made), ("two", renamed), ("fewer", queries(np.linspace(0, 1, 49)))):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, each)
    status, printed = told("one", "two", "--accept", "1%")
    words = "other queries: 1 only in the first run (0.jpg); 1 only in the other run (other/0.jpg)"
    assert status == 1
    assert printed.splitlines()[-1] == f"two against one: not comparable: {words}"
    assert told("one", "two")[0] == 0
    status, printed = told("fewer", "one", "--accept", "1%")
    assert status == 1
    assert printed.splitlines()[-1].endswith("other queries: 1 only in the other run (49.jpg)")


def test_runs_against_other_annotations_are_not_compared(tmp_path, told):
    same = np.arange(50) % 2 == 0
    for name, truth in (("one", same), ("two", ~same)):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, pairs(np.linspace(0, 3, 50), truth))
    assert (
        told("one", "two")[1].splitlines()[-1] == "two against one: not comparable: other annotations (same)"
    )


def test_runs_of_two_models_are_refused(two, told):
    write_run(two / "bf16", queries(np.ones(3)), model="other")
    status, printed = told("f32", "bf16")
    assert (status, printed) == (1, "error: expected runs of one model, found other, tiny.\n")


def test_a_directory_without_a_run_is_named(two, told):
    status, printed = told("f32", "nowhere")
    assert status == 1
    assert printed.startswith("error: nowhere/metrics.json: no such file.")


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.01", 0.01), ("0%", 0), ("100%", 1)])
def test_a_share_may_be_given_in_per_cent(text, value):
    assert share(text) == value


@pytest.mark.parametrize("text", ["", "%", "-1%", "10001%", "1.5", "nan", "x"])
def test_what_is_no_share_is_wrong_usage(text, capsys):
    with pytest.raises(SystemExit):
        main(["a", "b", f"--accept={text}"])
    assert "argument --accept: expected a number from 0 to" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--accept", "1%"], ["--out", "both"]])
def test_what_is_for_several_runs_is_wrong_usage_with_one(tmp_path, capsys, words):
    with pytest.raises(SystemExit):
        main([str(tmp_path), *words])
    assert "--out and --accept are for several runs" in capsys.readouterr().err


def told_of(first, second):
    return [(flip.key, flip.before, flip.after, flip.gain) for flip in flips(first, second)]


def test_pictures_flip_by_what_is_right_and_false_at_the_best_score_of_each_run():
    truths, unit, score = [1, 1, 1], np.array([0, 1, 2, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    first = boxes(truths, unit, score, np.array([True, True, True, False]))
    second = boxes(truths, unit, score[[0, 1, 3, 2]], np.array([True, True, False, False]))
    # At 0.8 the second run is best: the box in picture 2 is below.
    assert told_of(first, second) == [("2.jpg", "1 right, 0 false", "0 right, 0 false", -1)]
    assert told_of(second, first) == [("2.jpg", "0 right, 0 false", "1 right, 0 false", 1)]
    assert told_of(first, first) == []
    # What counts neither way is no false box.
    third = boxes(truths, unit, np.array([0.9, 0.8, 0.7, 0.95]), np.array([True, True, True, False]))
    ignored = boxes(truths, unit, third.arrays["score"], np.zeros(4, bool), np.ones(4, bool))
    assert told_of(first, third) == [("0.jpg", "1 right, 0 false", "1 right, 1 false", -1)]
    assert {row[2] for row in told_of(first, ignored)} == {"0 right, 0 false"}


def test_pairs_flip_where_their_fold_s_threshold_says_otherwise():
    same = np.array([True, False] * 10)
    distance = np.where(same, 1.0, 2.0)
    other = np.where(np.arange(20) == 4, 3.5, distance)
    assert told_of(pairs(distance, same), pairs(other, same)) == [
        ("4", "right, distance 1", "wrong, distance 3.5", -1)
    ]


def test_queries_flip_where_they_enter_or_leave_the_nearest():
    first, second = queries([0.5, 0.5, 0.9], [0, 6, 2]), queries([0.4, 0.6, 0.8], [1, 4, 3])
    assert told_of(first, second) == [
        ("0.jpg", "first match at rank 1, average precision 0.5000", "first match at rank 2, average precision 0.4000", pytest.approx(-0.1)),
        ("1.jpg", "first match at rank 7, average precision 0.5000", "first match at rank 5, average precision 0.6000", pytest.approx(0.1)),
    ]  # fmt: skip


def test_all_flips_stand_in_a_table(tmp_path, told):
    for name, ranks in (("one", [0, 6, 2] * 10), ("two", [1, 4, 3] * 10)):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, queries(np.linspace(0, 1, 30), ranks))
    status, printed = told("one", "two", "--out", ".")
    assert status == 0
    assert "flipped: 20 of 30 queries" in printed
    with (tmp_path / "flips.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["run", "name", "one", "this run", "gain"]
    assert len(rows) == 21
    assert {row[0] for row in rows[1:]} == {"two"}


def test_figures_that_say_nothing_was_measured_are_no_drop(tmp_path, told):
    """COCO has -1 where there is no object."""
    nothing = boxes([0, 0], np.array([0]), np.array([0.5]), np.array([False]))
    write_run(tmp_path, nothing)
    status, printed = told(tmp_path / "metrics.json", tmp_path / "metrics.json", "--accept", "0%")
    assert (status, printed.splitlines()[-1]) == (
        0,
        "B against A: AP same; OK: no drop of more than 0 % of the first run's figure",
    )


def test_units_that_no_metric_could_have_decided_are_of_another_run(tmp_path, told):
    """More right boxes than objects."""
    made = boxes([1, 1], np.array([0, 0, 1]), np.array([0.9, 0.8, 0.5]), np.ones(3, bool))
    write_run(tmp_path, made, metrics={"AP": 0.5})
    status, printed = told(tmp_path, tmp_path)
    assert status == 0
    assert "details are of another run than metrics.json" in printed
