"""report/metrics_json.py: the verdict, metrics.json, and what is printed of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import cli, rehearsal, screen
from common.facts import Accuracy, read_facts
from common.report import page
from common.report.figures import Figures, Origin
from common.report.metrics_json import RUN, begin, caveats_of, conclude, verdict

ACCURACY = Accuracy(
    dataset="NONE",
    images=4,
    published={"AP": 0.8},
    published_by="a paper",
    npu={"AP": 0.79},
    accepted_drop=0.01,
)
SECONDS = {"infer": 1.23456, "score": 0, "total": 2.0}
PAGE = "the report is there"


@dataclass(frozen=True)
class Agreement:
    """What conclude is given of a comparison with torch."""

    metrics: dict = field(default_factory=dict)
    report: dict = field(default_factory=lambda: {"verdict": "OK"})
    lines: tuple = ("outputs: alike",)
    last_line: str = "Tiny: export and deployment agree with torch: OK"


@pytest.fixture(autouse=True)
def page_made(monkeypatch):
    """Make no page, which takes a program of its own."""
    monkeypatch.setattr(page, "make", lambda *_: PAGE)


@pytest.fixture
def facts(write_model):
    return read_facts(write_model())


@pytest.fixture
def concluded(tmp_path, facts):
    """Conclude, and return the exit status and metrics.json."""

    def run(metrics, *caveats, pictures=4, agreement=None, files=None, text="AP: so much\n"):
        figures = Figures(metrics, pictures, text, files or {})
        origin = Origin("sample pictures" if caveats else "NONE", "onnxruntime", "float32", SECONDS, caveats)
        status = conclude(tmp_path / "output", facts, figures, origin, agreement)
        return status, json.loads((tmp_path / "output" / "metrics.json").read_text())

    return run


@pytest.mark.parametrize("caveats", [(), ("sample pictures",)])
@pytest.mark.parametrize("pictures", [4, 3])
def test_a_rehearsal_is_named_in_the_verdict_whatever_else_is(tmp_path, facts, capsys, caveats, pictures):
    figures = Figures({"AP": 0.9}, pictures, "", {})
    others = caveats or caveats_of(facts, figures, Origin("NONE", "om by acl", "float16", {}))
    origin = Origin("NONE", f"om by acl {rehearsal.SUFFIX}", "float32", {}, caveats)
    assert caveats_of(facts, figures, origin) == (*others, rehearsal.CAVEAT)
    assert conclude(tmp_path, facts, figures, origin) == 0
    printed = capsys.readouterr().out
    assert printed.endswith(f"\nverdict: not comparable ({'; '.join((*others, rehearsal.CAVEAT))})\n")


ONE, TWO = {"AP": 0.8}, {"top-1": 0.9, "top-5": 0.8}


@pytest.mark.parametrize(
    ("published", "passing", "failing"),
    [
        (ONE, [(0.8,), (0.99,), (0.7921,)], [(0.7919,), (0,), (float("nan"),)]),
        (TWO, [(0.9, 0.8)], [(0.9, 0.7), (0.8, 0.8), (0.9, None)]),
    ],
)
def test_each_published_figure_may_be_missed_by_one_per_cent(published, passing, failing):
    accuracy = msgspec.structs.replace(ACCURACY, published=published)
    found = {
        figures: verdict(accuracy, dict(zip(published, figures, strict=True)))
        for figures in passing + failing
    }
    assert found == dict.fromkeys(passing, "PASS") | dict.fromkeys(failing, "FAIL")


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


@pytest.mark.parametrize(("measured", "result"), [(0.796, "PASS"), (0.7, "FAIL")])
def test_a_comparable_figure_is_written_and_printed_with_its_difference(
    tmp_path, concluded, measured, result, capsys
):
    status, contents = concluded({"AP": measured, "AP small": None})
    assert status == (result == "FAIL")
    assert contents.keys() >= {"versions", "provenance", "peak memory in MiB"}
    expected = {
        "model": "tiny",
        "dataset": "NONE",
        "images": 4,
        "metrics": {"AP": measured, "AP small": None},
        "published": {"AP": 0.8},
        "published_by": "its README",
        "comparable": True,
        "verdict": result,
        "backend": "onnxruntime",
        "precision": "float32",
        "batch size": None,
        "seconds": {"infer": 1.235, "score": 0, "total": 2.0},
        "images/s": None,
    }
    assert {key: contents[key] for key in expected} == expected
    difference = "-0.0040 (-0.50 %" if result == "PASS" else "-0.1000 (-12.50 %"
    assert capsys.readouterr().out == (
        "AP: so much\n"
        "measured with onnxruntime, float32\n"
        "published: on NONE (its README)\n"
        "                measured  published  difference\n"
        f"  AP              {measured:.4f}     0.8000     {difference} of it)\n"
        "a drop of 1 % of the published figure is accepted\n"
        f"{tmp_path / 'output' / 'metrics.json'}: the figures, with versions, times and what they were made from\n"
        f"{PAGE}\n"
        f"verdict: {result} (AP {measured:.4f}, published 0.8000)\n"
    )


@pytest.mark.parametrize(("measured", "result"), [(0.796, "PASS"), (0.7919, "FAIL")])
def test_another_published_figure_stands_beside_and_is_not_judged_by(
    tmp_path, write_model, measured, result, capsys
):
    more = 'accepted_drop = 0.01\n[accuracy.upstream]\nfigures = { AP = 0.9, recall = 0.5 }\nby = "its authors"\n'
    facts = read_facts(write_model(("accepted_drop = 0.01\n", more)))
    figures = Figures({"AP": measured}, 4, "")
    conclude(tmp_path, facts, figures, Origin("NONE", None, None, {}))
    contents = json.loads((tmp_path / "metrics.json").read_text())
    assert (contents["published"], contents["published_by"]) == ({"AP": 0.8}, "its README")
    assert (contents["upstream"], contents["upstream_by"]) == ({"AP": 0.9, "recall": 0.5}, "its authors")
    assert contents["verdict"] == result
    share = {0.796: "-0.1040 (-11.56 % of it)", 0.7919: "-0.1081 (-12.01 % of it)"}[measured]
    assert (
        "also published: on NONE (its authors)\n"
        f"  AP              {measured:.4f}     0.9000     {share}\n"
        "  recall               -     0.5000\n"
        "a drop of 1 % of the published figure, the first, is accepted\n"
    ) in capsys.readouterr().out


def test_a_figure_that_is_not_comparable_gets_the_reasons_and_no_verdict(concluded, capsys):
    status, contents = concluded({"AP": 0.1}, "sample pictures", "seeded weights")
    assert status == 0
    assert (contents["comparable"], contents["verdict"]) == (False, "not comparable")
    assert contents["why"] == "sample pictures; seeded weights"
    printed = capsys.readouterr().out
    assert printed.startswith("measured on sample pictures; seeded weights:\nAP: so much\nmeasured with ")
    assert printed.endswith("\nverdict: not comparable (sample pictures; seeded weights)\n")
    assert "  AP              0.1000     0.8000\n" in printed


@pytest.mark.parametrize(
    ("caveats", "pictures", "why"),
    [
        ((), 0, "0 of the 4 pictures of NONE"),
        ((), 3, "3 of the 4 pictures of NONE"),
        ((), 5, "5 of the 4 pictures of NONE"),
        (("sample pictures",), 3, "sample pictures"),
        (("sample pictures",), 4, "sample pictures"),
    ],
)
def test_the_number_of_pictures_matters_only_where_nothing_else_does(
    facts, concluded, caveats, pictures, why
):
    assert caveats_of(facts, Figures({}, pictures, ""), Origin("", None, None, {}, caveats)) == (why,)
    status, contents = concluded({"AP": 0.1}, *caveats, pictures=pictures)
    assert (status, contents["verdict"], contents["images"]) == (0, "not comparable", pictures)
    assert contents["why"] == why


NAN = float("nan")


@pytest.mark.parametrize(
    ("metrics", "written"),
    [({}, {}), ({"AP": None}, {"AP": None}), ({"recall": 0.9}, {"recall": 0.9}), ({"AP": NAN}, {"AP": None})],
)
def test_without_the_metric_the_verdict_is_fail(tmp_path, concluded, metrics, written, capsys):
    status, contents = concluded(metrics, files={"more/é.json": "{}\n"})
    assert (status, contents["verdict"], contents["metrics"]) == (1, "FAIL", written)
    assert (tmp_path / "output" / "more" / "é.json").read_text() == "{}\n"
    if contents["metrics"].get("AP") is None:
        printed = capsys.readouterr().out
        assert "  AP                   -     0.8000\n" in printed
        assert printed.endswith("\nverdict: FAIL (AP -, published 0.8000)\n")


@pytest.mark.parametrize(("verdict", "status"), [("OK", 0), ("FAIL", 1)])
def test_a_comparison_with_torch_joins_the_figures_and_ends_what_is_printed(
    concluded, verdict, status, capsys
):
    agreement = Agreement({"largest": NAN}, {"verdict": verdict})
    found, contents = concluded({}, "sample pictures", agreement=agreement, text="")
    assert (found, contents["verdict"], contents["agreement"]) == (
        status,
        "not comparable",
        {"verdict": verdict},
    )
    assert contents["metrics"] == {"largest": None}
    lines = capsys.readouterr().out.splitlines()
    # What was compared is printed where it fails.
    assert lines[:-3] == [*(agreement.lines if status else ())]
    assert lines[-2:] == [PAGE, agreement.last_line]


def test_images_per_second_are_those_of_a_whole_run(tmp_path, facts):
    for seconds, rate in (({RUN: 0.5, "total": 9.0}, 8.0), ({"total": 9.0}, None)):
        conclude(tmp_path, facts, Figures({"AP": 0.8}, 4, ""), Origin("NONE", None, None, seconds))
        assert json.loads((tmp_path / "metrics.json").read_text())["images/s"] == rate


def test_provenance_is_the_runs_and_what_its_maker_knows(tmp_path, facts):
    known = {"checkpoint": {"file": "a.pth", "sha256": "00"}, "git": None}
    conclude(tmp_path, facts, Figures({"AP": 0.8}, 4, ""), Origin("NONE", None, None, {}, provenance=known))
    found = json.loads((tmp_path / "metrics.json").read_text())["provenance"]
    assert found.keys() == {"command", "directory", "date", "host", "cpu", "checkpoint", "git"}
    assert {key: found[key] for key in known} == known


@pytest.mark.parametrize("measured", [0.8, 0.5])
@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_the_screen_shows_the_verdict_alone_or_the_file_byte_for_byte(
    tmp_path, facts, capsys, flag, measured
):
    @cli.command
    def main(argv=None):
        screen.parse(cli.parser("Score."), argv)
        figures = Figures({"AP": measured}, 4, "AP: so much\n")
        return conclude(tmp_path, facts, figures, Origin("é \udcff", None, None, {}))

    assert main([flag]) == (measured < 0.8)
    printed = capsys.readouterr()
    if flag == "--json":
        assert printed.out == (tmp_path / "metrics.json").read_text(encoding="utf-8")
        assert "AP: so much\n" in printed.err
    else:
        result = "PASS" if measured == 0.8 else "FAIL"
        assert printed == (f"verdict: {result} (AP {measured:.4f}, published 0.8000)\n", "")


def test_what_is_not_known_of_the_origin_is_null(tmp_path, facts, capsys):
    conclude(tmp_path, facts, Figures({"AP": 0.8}, 4, ""), Origin("NONE", None, None, {}))
    contents = json.loads((tmp_path / "metrics.json").read_text())
    assert (contents["backend"], contents["precision"], contents["seconds"]) == (None, None, {})
    assert contents["provenance"].keys() >= {"command", "date", "host"}
    assert capsys.readouterr().out.startswith(
        "measured with an unknown backend, unknown precision\npublished"
    )


def test_the_figures_of_earlier_predictions_are_gone_before_new_ones_are_written(tmp_path, concluded):
    concluded({"AP": 0.8})
    begin(tmp_path / "output")
    assert not (tmp_path / "output" / "metrics.json").exists()
    begin(tmp_path / "output")
