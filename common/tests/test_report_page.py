"""report/page.py and markdown.py: what is written beside metrics.json, and that it never costs a figure."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from common.errors import GuideError
from common.facts import read_facts
from common.report import beside, markdown, page, units
from common.report.details import Cases, Details, Plot, line, read_plots
from common.report.figures import Figures, Origin
from common.report.metrics_json import begin, conclude
from common.report.units import Units

ORIGIN = Origin("NONE", "onnxruntime", "float32", {"infer": 1.5, "total": 2.0})
PLOT = Plot("a", "A", "x", "y", (line("a", np.arange(3), np.arange(3)),))


@pytest.fixture(autouse=True)
def no_page():
    """Let pages be made here."""


@pytest.fixture
def concluded(tmp_path, write_model):
    """Conclude with what makes the details; return the exit status and metrics.json."""

    def run(more=None, ap=0.75, origin=ORIGIN, pictures=4):
        figures = Figures({"AP": ap, "faces": 3}, pictures, "AP: so much\n", details=more)
        status = conclude(tmp_path, read_facts(write_model()), figures, origin, worst=2)
        return status, json.loads((tmp_path / "metrics.json").read_text())

    return run


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Put a program in the place of the one that makes pages: a line of Python."""

    def write(body):
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "maker.py").write_text(f"import sys, time, pathlib\n{body}\n")
        monkeypatch.syspath_prepend(tmp_path / "modules")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
        monkeypatch.setattr(page, "TOOL", "maker")

    return write


@pytest.fixture
def nothing(monkeypatch):
    monkeypatch.setattr(page, "TOOL", "no_such_package.report")


@pytest.mark.usefixtures("nothing")
def test_without_the_tools_the_one_command_is_told(concluded, tmp_path, capsys):
    concluded()
    assert (
        f"{tmp_path}/report.md: the report; as a page with plots and pictures, where the guides' tools are installed: "
        f"python -m no_such_package.report {tmp_path}\n" in capsys.readouterr().out
    )
    assert (tmp_path / "report.md").is_file()


def test_the_program_is_given_the_directory(concluded, tool, tmp_path, capsys):
    tool("(pathlib.Path(sys.argv[1]) / 'report.html').write_text('made')")
    concluded()
    assert (tmp_path / "report.html").read_text() == "made"
    assert f"{tmp_path}/report.html: the report\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("sys.exit('error: no colours')", "ended with status 1: error: no colours"),
        ("raise ValueError('a bug')", "ended with status 1: ValueError: a bug"),
        ("sys.exit(3)", "ended with status 3: -"),
        ("time.sleep(60)", "has not ended after 1.5 seconds and was given up"),
    ],
)
def test_a_page_that_fails_costs_neither_figures_nor_status(
    concluded, tool, tmp_path, capsys, monkeypatch, body, told
):
    tool(body)
    monkeypatch.setattr(page, "SECONDS", 1.5)
    begun = time.monotonic()
    status, report = concluded(ap=0.9)
    assert time.monotonic() - begun < 30
    assert (status, report["metrics"]["AP"], report["verdict"]) == (0, 0.9, "PASS")
    printed = capsys.readouterr().out
    assert "note: the report is not complete: " in printed
    assert told in printed
    assert f"Once that is mended: python -m maker {tmp_path}\n" in printed
    assert (tmp_path / "report.md").is_file()


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(
    "error", [ZeroDivisionError("by zero"), MemoryError(), OSError(28, "No space left", "x")]
)
def test_details_that_fail_cost_neither_figures_nor_status(concluded, capsys, error):
    def fail(published, worst):
        raise error

    status, report = concluded(fail, ap=0.9)
    assert (status, report["metrics"]["AP"]) == (0, 0.9)
    printed = capsys.readouterr().out
    assert "note: the report is not complete: " in printed
    # The page alone would be made without them.
    assert "Once that is mended: this command again\n" in printed


@pytest.mark.usefixtures("nothing")
def test_a_full_disk_under_what_figures_are_computed_of_costs_neither_figures_nor_status(
    concluded, capsys, monkeypatch
):
    def full(out, computed):
        raise GuideError("details/units.npz: No space left on device.")

    monkeypatch.setattr(units, "write", full)
    status, report = concluded(ap=0.9)
    assert (status, report["metrics"]["AP"]) == (0, 0.9)
    printed = capsys.readouterr().out
    assert "not complete: details/units.npz: No space left on device. Once that is mended" in printed
    assert printed.splitlines()[-1].startswith("verdict: ")


@pytest.mark.usefixtures("nothing")
def test_details_are_asked_for_with_the_number_of_worst_cases_once_figures_are_there(concluded, tmp_path):
    def details(published, worst):
        assert published is not None
        assert (tmp_path / "metrics.json").is_file()
        return Details((PLOT,), Cases(metric=f"{worst}"))

    concluded(details)
    assert read_plots(tmp_path) == (PLOT,)
    assert json.loads((tmp_path / "details/cases.json").read_text())["metric"] == "2"
    begin(tmp_path)
    assert not (tmp_path / "report.md").exists()
    assert not (tmp_path / "details" / "plots.json").exists()


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(("pictures", "caveats"), [(4, ("seeded random weights",)), (3, ())])
def test_what_is_published_is_not_shown_beside_figures_that_are_not_comparable(concluded, pictures, caveats):
    asked = []
    origin = Origin("NONE", None, None, {}, caveats)
    concluded(lambda *words: asked.append(words) or Details(), origin=origin, pictures=pictures)
    assert asked == [(None, 2)]


@pytest.mark.usefixtures("nothing")
def test_the_text_says_verdict_figures_times_and_origin(concluded, tmp_path):
    _, report = concluded()
    text = (tmp_path / "report.md").read_text()
    lines = text.splitlines()
    published, npu = report["published"]["AP"], report["npu"]["AP"]
    assert lines[0] == f"# {report['title']} on NONE: {report['verdict']}"
    apart = 100 * (0.75 - published) / published
    assert f"AP 0.7500 is {-apart:.2f} % below the published {published:.4f}" in lines[2]
    assert f"| AP | 0.7500 | {published:.4f} | {0.75 - published:+.4f} ({apart:+.2f} %) | {npu:.4f} |" in text
    assert "| infer | 1.500 |" in text
    assert "- backend: onnxruntime" in text
    assert markdown.page(report) == text  # what is read from the file says the same


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(("precision", "is_told"), [("float16-emulated", True), ("float32", False)])
def test_the_text_says_that_half_precision_is_emulated(concluded, tmp_path, precision, is_told):
    _, report = concluded(origin=Origin("NONE", "onnxruntime", precision, {}))
    sentences = [beside.verdict(each)[1] for each in (report, {**report, "agreement": {"verdict": "OK"}})]
    told = "; half precision emulated, not measured on an NPU."
    assert [sentence.endswith(told) for sentence in sentences] == [is_told] * 2
    assert ("half precision emulated" in (tmp_path / "report.md").read_text()) == is_told


@pytest.mark.usefixtures("nothing")
def test_names_cannot_change_what_the_text_is(concluded, tmp_path):
    strange = Origin("a|b\n# c <script> [x](y) é \udcff", "*x*", None, {}, caveats=("`so`|",))
    concluded(origin=strange)
    text = (tmp_path / "report.md").read_text(encoding="utf-8", errors="surrogateescape")
    assert text.splitlines()[0].startswith("# ")
    assert text.count("\n# ") == 0
    assert "a\\|b \\# c \\<script\\> \\[x\\](y) é" in text
    assert "\\`so\\`\\|" in text


def test_the_command_can_be_pasted_into_a_shell():
    assert page.command(Path("a b")) == "python -m ascend_tools.report 'a b'"


MANY = {"published": {"a": 0.9, "b": 0.8}, "comparable": True, "accepted_drop": 0.01, "why": "a part"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"metrics": {"a": 0.95, "b": 0.76}},
            "b 0.7600 is 5.00 % below the published 0.8000; a drop of 1 % is accepted",
        ),
        (
            {"metrics": {"a": 0.95, "b": 0.88}},
            "a 0.9500 is 5.56 % above the published 0.9000; a drop of 1 % is accepted",
        ),
        ({"metrics": {"a": 0.95, "b": None}}, "b could not be measured"),
        ({"metrics": {"a": 0.95}, "comparable": False}, "a 0.9500, measured on a part"),
        ({"metrics": {}, "comparable": False}, "No figure of which something is published"),
    ],
)
def test_the_headline_is_the_figure_that_decides(change, expected):
    assert beside.headline({**MANY, **change}) == expected


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), True, "1", None])
def test_what_no_figure_can_be_is_none_on_a_report(value):
    assert beside.number(value) is None
    assert markdown.page({"metrics": {"AP": value}, "published": {"AP": value}, "images/s": value})


@pytest.mark.usefixtures("nothing")
def test_what_runs_are_compared_by_stands_beside_the_figures_and_goes_with_them(tmp_path, write_model):
    facts = read_facts(write_model())
    arrays = {"precision": np.array([0.5]), "rank": np.array([3]), "tops": np.array([1])}
    made = Units("queries", ["top-1", "mAP"], ["a.jpg"], arrays)
    conclude(tmp_path, facts, Figures({"mAP": 0.5}, 4, "", units=made), Origin("NONE", None, None, {}))
    assert units.read(tmp_path).keys == ["a.jpg"]
    conclude(tmp_path, facts, Figures({"mAP": 0.5}, 4, ""), Origin("NONE", None, None, {}))
    assert not (tmp_path / units.FILE).exists()
    units.write(tmp_path, made)
    begin(tmp_path)
    assert not (tmp_path / units.FILE).exists()
