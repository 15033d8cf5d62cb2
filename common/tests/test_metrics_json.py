"""report.py: the verdict and metrics.json."""

from __future__ import annotations

import importlib.metadata
import json
import platform

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.facts import Accuracy, read_facts
from common.report.metrics_json import verdict, write_metrics
from common.report.versions import versions

ACCURACY = Accuracy(
    dataset="NONE",
    images=4,
    published={"AP": 0.8},
    published_by="a paper",
    npu={"AP": 0.79},
    accepted_drop=0.01,
)


@pytest.fixture
def report(tmp_path, write_model):
    def write(metrics, why=None):
        return write_metrics(
            tmp_path / "output",
            read_facts(write_model()),
            dataset="NONE",
            images=4,
            metrics=metrics,
            why_not_comparable=why,
            backend="onnxruntime",
            precision="float32",
            seconds={"infer": 1.23456, "score": 0},
        )

    return write


@pytest.mark.parametrize(
    ("measured", "expected"),
    [(0.8, "PASS"), (0.99, "PASS"), (0.7921, "PASS"), (0.7919, "FAIL"), (0, "FAIL"), (float("nan"), "FAIL")],
)
def test_the_verdict_is_about_one_per_cent_of_the_published_figure(measured, expected):
    assert verdict(ACCURACY, {"AP": measured}) == expected


@pytest.mark.parametrize(
    ("measured", "expected"),
    [((0.9, 0.8), "PASS"), ((0.9, 0.7), "FAIL"), ((0.8, 0.8), "FAIL"), ((0.9, None), "FAIL")],
)
def test_every_published_figure_must_hold(measured, expected):
    accuracy = msgspec.structs.replace(ACCURACY, published={"top-1": 0.9, "top-5": 0.8})
    assert verdict(accuracy, dict(zip(("top-1", "top-5"), measured, strict=True))) == expected


@given(published=st.floats(0.01, 100), measured=st.floats(0, 100), drop=st.floats(0, 1))
def test_the_verdict_is_relative_and_one_sided(published, measured, drop):
    accuracy = msgspec.structs.replace(ACCURACY, published={"AP": published}, accepted_drop=drop)
    result = verdict(accuracy, {"AP": measured})
    assert result in ("PASS", "FAIL")
    if measured >= published:
        assert result == "PASS"
    elif (published - measured) / published > drop + 1e-9:
        assert result == "FAIL"
    elif (published - measured) / published < drop - 1e-9:
        assert result == "PASS"


def test_versions_are_those_of_python_and_of_the_packages_installed():
    found = versions()
    assert found["python"] == platform.python_version()
    for package in ("numpy", "onnx", "onnxruntime", "ascend-guides-common"):
        assert found[package] == importlib.metadata.version(package)
    assert all(isinstance(version, str) for version in found.values())


@pytest.mark.parametrize(("measured", "result"), [(0.796, "PASS"), (0.7, "FAIL")])
def test_a_comparable_figure_is_written_and_printed_with_its_difference(
    tmp_path, report, measured, result, capsys
):
    contents = report({"AP": measured, "AP small": None})
    path = tmp_path / "output" / "metrics.json"
    assert json.loads(path.read_text()) == contents
    assert {key: value for key, value in contents.items() if key != "versions"} == {
        "model": "tiny",
        "dataset": "NONE",
        "images": 4,
        "metrics": {"AP": measured, "AP small": None},
        "published": {"AP": 0.8},
        "comparable": True,
        "verdict": result,
        "backend": "onnxruntime",
        "precision": "float32",
        "seconds": {"infer": 1.235, "score": 0},
    }
    difference = "-0.00400 absolute, -0.500 %" if result == "PASS" else "-0.10000 absolute, -12.500 %"
    tools, _, verdict = capsys.readouterr().out.partition("\n")
    assert tools.startswith(
        f"measured with onnxruntime, float32, python {platform.python_version()}, platform "
    )
    assert verdict == (
        "published: AP 0.8 on NONE (its README)\n"
        f"difference: {difference} relative; a drop of 1 % is accepted\n"
        f"verdict: {result}\n"
        f"{path}: the figures above, with versions and times\n"
    )


def test_a_figure_that_is_not_comparable_gets_the_reason_and_no_verdict(report, capsys):
    contents = report({"agreement": 1.0}, why="measured on 4 pictures")
    assert (contents["comparable"], contents["verdict"]) == (False, "not comparable")
    assert contents["why"] == "measured on 4 pictures"
    printed = capsys.readouterr().out
    assert "not comparable with the published figure: measured on 4 pictures\n" in printed
    assert "verdict: not comparable\n" in printed
    assert "difference" not in printed


@pytest.mark.parametrize("metrics", [{}, {"AP": None}, {"recall": 0.9}])
def test_without_the_metric_the_verdict_is_fail(report, metrics, capsys):
    contents = report(metrics)
    assert (contents["verdict"], contents["metrics"]) == ("FAIL", metrics)
    assert "difference" not in capsys.readouterr().out


def test_a_figure_that_is_not_a_number_is_null_and_fails(report):
    contents = report({"AP": float("nan")})
    assert (contents["verdict"], contents["metrics"]) == ("FAIL", {"AP": None})
