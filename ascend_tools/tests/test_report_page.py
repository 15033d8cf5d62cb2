"""ascend_tools.report: a run's page says what metrics.json says, stands alone, and holds whatever it is made of."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from html.parser import HTMLParser

import cv2
import msgspec
import numpy as np
import pytest

from ascend_tools.report.__main__ import main
from common.report import details
from common.report.details import Box, Case, Cases, Details, Mark, Plot, Shown, Total, line

REPORT = {
    "model": "faceboxes",
    "title": "FaceBoxes",
    "dataset": "FDDB",
    "images": 2845,
    "metrics": {"AP": 0.9351234567890123, "AP fold 1": 1.0, "faces": 5171, "none": None},
    "published": {"AP": 0.946},
    "published_by": "a paper",
    "npu": {"AP": 0.9484476599260253},
    "accepted_drop": 0.01,
    "documented images/s": {"310": {"1": 744, "16": 721.6}, "T4": {"1": 1128.576}},
    "comparable": True,
    "verdict": "FAIL",
    "backend": "onnxruntime",
    "precision": "float32",
    "versions": {"numpy": "2.4.6"},
    "seconds": {"preprocess": 34.483, "infer": 375.823, "run": 200.5, "total": 210.25},
    "images/s": 14.251,
    "peak memory in MiB": 259.2,
    "provenance": {"command": "python evaluate.py", "model": {"sha256": "4cdd"}, "chips": []},
}
PLOT = Plot(
    "pr", "Precision", "recall", "precision", (line("all", np.linspace(0, 1, 9), np.linspace(1, 0, 9)),), (Mark("published", y=0.9),)
)  # fmt: skip
NOTHING = Details()
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&$\\frac{1}{2}$ \udcff\x00é"


class Parsed(HTMLParser):
    """The elements of a page, their attributes, and its text; elements that are not closed are a mistake."""

    VOID = ("meta", "br", "img", "link")

    def __init__(self, page):
        super().__init__()
        self.open, self.found, self.text = [], [], ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data + "\n"


@pytest.fixture
def made(tmp_path):
    """Write a run, make its page and return that."""

    def make(report=REPORT, more=NOTHING):
        (tmp_path / "metrics.json").write_text(json.dumps(report))
        details.write(tmp_path, more)
        assert main([str(tmp_path)]) == 0
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return make


def picture(path, height=300, width=450, seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    assert cv2.imwrite(str(path), noise)
    return str(path)


def case(path, key="a/b", **more):
    boxes = (Box("truth", (10, 10, 60, 70), subject=True), Box("found", (30, 10, 90, 70), 0.9))
    return Case("missed faces", "worst", key, (Shown(path, boxes),), "so", **{"cost": 0.001234, **more})


def test_digits_are_those_of_the_metrics(made):
    text = Parsed(made()).text
    assert "AP 0.9351 is 1.15 % below the published 0.9460; a drop of 1 % is accepted." in text
    for words in (
        "0.9351234567890123",
        "5171",
        "0.9484",
        "\N{MINUS SIGN}0.0109 (\N{MINUS SIGN}1.15 %)",
        "34.483",
        "375.823",
        "1,128.6",
        "4cdd",
    ):
        assert words in text, words
    assert "210.250 s in all by the clock, 200.500 s of it from the first picture read" in text


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "not comparable"])
def test_the_verdict_comes_first(made, verdict):
    text = Parsed(made({**REPORT, "verdict": verdict})).text
    assert text.split("<body>")[0].index(f"FaceBoxes on FDDB: {verdict}") < text.index(
        "Curves" if "Curves" in text else "Time"
    )
    assert text.index(f"\n{verdict}\n") < text.index("Time")


def test_agreement_is_the_verdict_where_it_was_measured(made):
    agreement = {"verdict": "FAIL", "why": "class differs", "metric": {"name": "AP", "value": 0.5}}
    report = {
        **REPORT,
        "comparable": False,
        "why": "sample pictures",
        "verdict": "not comparable",
        "metrics": {},
    }
    text = Parsed(made({**report, "agreement": agreement})).text
    assert "\nFAIL\nclass differs\n" in text
    assert "0.5000" in text
    assert "measured on sample pictures" in text


def test_a_page_stands_alone_and_two_runs_are_the_same_bytes(made, tmp_path):
    more = Details(
        (PLOT,), Cases("AP", "so", {"missed faces": Total(1, 0.1)}, (case(picture(tmp_path / "a.jpg")),))
    )
    page = made(more=more)
    for tag, attributes in Parsed(page).found:
        assert tag not in ("script", "link", "iframe", "object")
        for name, value in attributes.items():
            if name in ("href", "src", "xlink:href"):
                assert value.startswith(("data:image/jpeg;base64,", "#")), value
    assert re.findall(r"url\((?!#)[^)]*\)", page) == []
    assert "@import" not in page
    assert "prefers-color-scheme:dark" in page
    assert made(more=more) == page


def test_plots_are_in_the_colours_of_the_page(made):
    page = made(more=Details((PLOT, PLOT)))
    assert page.count("<svg") >= 2
    assert "var(--accent)" in page
    assert not re.search(r"#0(\d)0\1(?:0\1)", page)
    assert not re.search(r"<g id=", page)


def test_named_rows_stand_one_below_the_other_each_with_its_point(made):
    points = line("AP", np.array([0.9, 0.5, 0.5]), np.arange(3), form="points")
    plot = Plot(
        "rows", "AP by class", "AP", "", (points,), (Mark("mean", x=0.7),), rows=("cat $1", "dog", "tie")
    )
    page = made(more=Details((plot,)))
    named = re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>((?:cat \$1|dog|tie) [^<]*)</text>', page)
    assert [name for _, name in named] == ["cat $1 0.900", "dog 0.500", "tie 0.500"]
    drawn = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*fill: var\(--accent\)', page)[:3]
    apart = [float(y) - float(top) for (y, _), (_, top) in zip(named, drawn, strict=True)]
    assert max(apart) - min(apart) < 0.01
    assert abs(apart[0]) < 5
    (first, second, third) = (float(x) for x, _ in drawn)
    assert first > second == third


@pytest.mark.parametrize("log", ["x", "y"])
def test_an_axis_may_be_logarithmic_and_marks_of_one_name_are_named_once(made, log):
    values = np.array([1, 10, 100, 1000, 10_000.0])
    lines = (
        line("steps", values, np.array([0, 3, 0, 200, 0]), form="steps"),
        line("line", values, values, "second", log=log),
    )
    marks = (Mark("thresholds", x=20), Mark("thresholds", x=30), Mark("mean", x=40))
    page = made(more=Details((msgspec.structs.replace(PLOT, lines=lines, marks=marks, log=log),)))
    assert page.count(">thresholds<") == 1
    # A dash each, of the thresholds and of the mean, in the plot and in the legend.
    dashes = Counter(re.findall(r"stroke-dasharray: ([0-9.,]+)", page))
    assert sorted(dashes.values()) == [2, 3]
    powers = re.findall(r"mathdefault{10\^{(\d)}}", page)
    assert {"1", "2", "3"} <= set(powers)


@pytest.mark.parametrize(("pictures", "grid"), [(1, "cases"), (2, "pairs"), (11, "strips")])
def test_cases_are_laid_out_by_how_many_pictures_they_have(made, tmp_path, pictures, grid):
    path = str(tmp_path / "a.png")
    assert cv2.imwrite(path, np.zeros((8, 8, 3), np.uint8))
    case = Case("wrong things", "worst", "k", (Shown(path, caption="own"),) * pictures)
    page = made(more=Details(cases=Cases("AP", "so", {"wrong things": Total(1, 0.5)}, (case,))))
    assert f'<div class="{grid}">' in page
    assert page.count('<svg class="frame') == pictures
    assert "All are shown." in page


def test_text_of_files_is_nothing_but_text(made, tmp_path):
    report = {key: HOSTILE if isinstance(value, str) else value for key, value in REPORT.items()}
    report |= {
        "metrics": {HOSTILE: 0.5, "AP": 0.9},
        "why": HOSTILE,
        "provenance": {HOSTILE: [HOSTILE]},
        "agreement": {HOSTILE: HOSTILE},
    }
    plot = Plot(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        (line(HOSTILE, np.arange(2), np.arange(2)),),
        (Mark(HOSTILE, x=1),),
        HOSTILE,
    )
    bad = Case(HOSTILE, "worst", HOSTILE, (Shown(HOSTILE, caption=HOSTILE), Shown(None)), HOSTILE)
    more = Details(
        (plot,),
        Cases(HOSTILE, HOSTILE, {HOSTILE: Total(1)}, (bad, case(picture(tmp_path / "a.jpg"), HOSTILE))),
    )
    parsed = Parsed(made(report, more))
    allowed = {"html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "figure", "figcaption",
               "table", "thead", "tbody", "tr", "th", "td", "div", "p", "h1", "h2", "h3", "b", "i", "span", "br", "ul", "li", "dl",
               "dt", "dd", "code", "svg", "g", "path", "rect", "circle", "text", "use", "defs", "clippath", "image"}  # fmt: skip
    assert {tag for tag, _ in parsed.found} <= allowed
    assert parsed.text.count("<script>alert(1)</script>") > 12
    assert "cannot be drawn" not in parsed.text
    assert not any(name.startswith("on") for _, attributes in parsed.found for name in attributes)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "no such picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "truncated"),
        (lambda path: path.write_bytes(b"text"), "not a JPEG"),
        (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
    ],
)
def test_a_picture_that_is_gone_or_damaged_is_a_note(made, tmp_path, damage, told):
    path = tmp_path / "a.jpg"
    cases = Cases("AP", "", {}, (case(picture(path)), case(picture(tmp_path / "b.jpg"))))
    damage(path)
    page = made(more=Details(cases=cases))
    assert told in html.unescape(page)
    assert page.count("data:image/jpeg") == 1


@pytest.mark.parametrize(
    "values",
    [
        {"lines": (line("a", np.arange(3), np.arange(3)), details.Line("b", (1.0, 2.0), (1.0,)))},
        {"x_range": (5.0, 5.0)},
        {"x_range": (-1e308, 1e308), "y_range": (1e308, 0.0)},
        {"lines": (details.Line("a", (), ()), details.Line("b", (), (), "main", "steps"))},
        {"lines": (details.Line("a", (1.0, -1e308), (1e308, 0.0)),)},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_numbers_that_make_no_plot_leave_the_page(made, values):
    plot = msgspec.structs.replace(PLOT, **values)
    assert "AP 0.9351" in Parsed(made(more=Details((plot,)))).text


@pytest.mark.parametrize("name", ["plots.json", "cases.json"])
def test_damaged_details_are_told_at_the_foot(made, tmp_path, name):
    made(more=Details((PLOT,), Cases("AP", "", {}, (case(None),))))
    (tmp_path / "details" / name).write_text("[{")
    assert main([str(tmp_path)]) == 0
    assert f"details/{name}: not the details of a report" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "no such file"),
        ("{", "not JSON"),
        ("[]", "under the key 'metrics'"),
        ("[" * 10**6, "not JSON"),
        ("\udcff", "not JSON"),
    ],
)
def test_without_figures_there_is_no_page(tmp_path, capsys, text, told):
    if text is not None:
        (tmp_path / "metrics.json").write_text(text, errors="surrogateescape")
    assert main([str(tmp_path)]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_figures_of_any_kind_are_shown_or_left_out(made):
    odd = {"metrics": {"AP": "x", "b": True, "c": [1]}, "published": [], "npu": {"AP": None}, "seconds": {"a": "b"},
           "documented images/s": {"310": {}, "T4": 3}, "images/s": "fast", "provenance": 7, "agreement": [], "accepted_drop": {}}  # fmt: skip
    Parsed(made({**REPORT, **odd}))
    Parsed(made({"metrics": {}}))


def test_a_page_is_small_however_large_the_pictures_are(made, tmp_path):
    paths = [picture(tmp_path / f"{number}.jpg", 1100, 1300, number) for number in range(4)]
    cases = Cases("AP", "", {}, tuple(case(paths[number % 4], f"k{number}") for number in range(120)))
    page = made(more=Details((PLOT,), cases))
    assert page.count("data:image/jpeg") == 120
    assert len(page) < 3_000_000


def test_metrics_json_may_be_named_itself(made, tmp_path, capsys):
    made()
    (tmp_path / "report.html").unlink()
    assert main([str(tmp_path / "metrics.json")]) == 0
    assert f"{tmp_path}/report.html: the report" in capsys.readouterr().out
