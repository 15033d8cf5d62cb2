"""comparison.html: the verdict first, the figures' digits, curves laid over one another, what flipped drawn; whatever it is made of."""

from __future__ import annotations

import html
import json
import re
import shutil

import numpy as np
import pytest

from ascend_tools.report.__main__ import main
from common.report import details, units
from common.report.details import Case, Cases, Details, Shown
from tests.made_up_runs import (
    boxes,
    detector,
    pairs,
    picture,
    queries,
    shown_pairs,
    with_arrays,
    write_run,
)
from tests.test_report_page import HOSTILE, PLOT, Parsed

BOX = (20.0, 20.0, 60.0, 70.0)


@pytest.fixture
def page(tmp_path):
    """Compare runs in directories below tmp_path; return the exit status and the page."""

    def make(*words):
        runs = [str(tmp_path / word) if (tmp_path / word).is_dir() else word for word in words]
        status = main([*runs, "--out", str(tmp_path / "both")])
        return status, (tmp_path / "both" / "comparison.html").read_text(encoding="utf-8")

    return make


@pytest.fixture
def two(tmp_path):
    """Two runs of one detector, the second with a real drop."""
    first, second = detector(np.random.default_rng(3), 300, (0.8, 0.65))
    for name, made, more in (("f32", first, {}), ("bf16", second, {"backend": "openvino", "batch size": 4})):
        write_run(tmp_path / name, made, **more)
        details.write(tmp_path / name, Details((PLOT,)))
        units.write(tmp_path / name, made)
    return tmp_path


def metric(folder):
    return json.loads((folder / "metrics.json").read_text())["metrics"]["AP"]


def test_the_verdict_comes_first_and_the_digits_are_those_of_the_metrics(two, page):
    status, made = page("f32", "bf16")
    text = Parsed(made).text
    first, second = metric(two / "f32"), metric(two / "bf16")
    assert status == 0
    assert "<title>tiny on NONE: bf16 against f32</title>" in made
    assert f"\nworse\nAP {first:.4f} to {second:.4f}, worse.\n" in text.split("What differs")[0]
    for words in (f"{first:.6g}", f"{second:.6g}", "openvino", "batch size", "1.500"):
        assert f"\n{words}\n" in text, words
    assert f"\n{second - first:+.5f}\n".replace("-", "\N{MINUS SIGN}") in text


@pytest.mark.parametrize(
    ("accept", "status", "words"),
    [("1%", 1, "\nFAIL\n"), ("90%", 0, "\nOK\n")],
)
def test_what_is_accepted_is_the_verdict_and_the_exit_status(two, page, accept, status, words):
    found, made = page("f32", "bf16", "--accept", accept)
    assert found == status
    text = Parsed(made).text
    assert text.index(words) < text.index("Is the difference real?")
    assert "the shaded part is not accepted" in text


def test_a_page_stands_alone_and_is_always_the_same(two, page):
    _, made = page("f32", "bf16", "f32")
    assert page("f32", "bf16", "f32")[1] == made
    for tag, attributes in Parsed(made).found:
        assert tag not in ("script", "link", "iframe", "object")
        for name, value in attributes.items():
            if name in ("href", "src", "xlink:href"):
                assert value.startswith(("data:image/jpeg;base64,", "#")), value
    assert "tiny on NONE: 3 runs" in made
    assert len(made) < 3_000_000


def test_a_metrics_json_may_have_another_name(two, page):
    (two / "f32" / "metrics.json").rename(two / "f32" / "f32.json")
    _, made = page(str(two / "f32" / "f32.json"), "bf16")
    assert f"<code>{two}/f32/f32.json</code>" in made


def test_a_run_against_itself_shows_no_difference(two, page):
    shutil.copytree(two / "f32", two / "again")
    _, made = page("f32", "again")
    text = Parsed(made).text
    assert "\nno difference\n" in text
    assert "Nothing that metrics.json tells of." in text
    assert "Flipped: 0 of 300 pictures, 0 to the worse, 0 to the better." in text
    assert "To the worse" not in text
    assert 'class="other"' not in made


def test_curves_that_both_have_are_laid_over_one_another(two, page):
    _, made = page("f32", "bf16")
    assert "Curves" in Parsed(made).text
    assert {"var(--accent)", "var(--second)"} <= {*re.findall(r"var\(--\w+\)", made)}
    details.remove(two / "bf16")
    units.write(two / "bf16", detector(np.random.default_rng(3), 300, (0.8, 0.65))[1])
    assert "Curves" not in Parsed(page("f32", "bf16")[1]).text


def found_in(tmp_path, places, seed=0):
    """A detector's run: pictures with one face each, which it finds in these places, and elsewhere something else."""
    count = 12
    right = np.isin(np.arange(count), places)
    corners = np.where(right[:, None], BOX, (70.0, 5.0, 90.0, 25.0))
    made = boxes([1] * count, np.arange(count), np.linspace(0.9, 0.8, count), right)
    return with_arrays(
        made,
        paths=np.array(
            [picture(tmp_path / "pictures" / f"{number}.png", seed=number) for number in range(count)]
        ),
        corners=corners.astype(np.float32),
        truth_corners=np.tile(np.float32(BOX), (count, 1)),
    )


def test_a_planted_difference_is_found_and_drawn(tmp_path, page):
    write_run(tmp_path / "good", found_in(tmp_path, range(12)))
    write_run(tmp_path / "bad", found_in(tmp_path, range(2, 12)))
    _, made = page("good", "bad")
    text = Parsed(made).text
    assert "Flipped: 2 of 12 pictures, 2 to the worse, 0 to the better." in text
    part = made[made.index("To the worse") :]
    # Two pictures, each once in the page and shown twice, the second time without the face that was found.
    assert (part.count("<image "), part.count("<use ")) == (2, 2)
    assert part.count('class="box truth"') == 4
    assert part.count('class="box right subject"') == 2
    assert part.count('class="box false subject"') == 2
    assert text.count("\n0 right, 1 false\n") + text.count("0 right, 1 false") >= 2


def test_boxes_are_where_they_are_in_the_picture(tmp_path, page):
    """The cut begins at an offset by which the boxes are moved."""
    made = found_in(tmp_path, range(12))
    place = picture(tmp_path / "large.png", 1000, 1000)
    for name, found in (("good", range(12)), ("bad", range(1, 12))):
        run = found_in(tmp_path, found)
        moved = {key: run.arrays[key] + np.float32(800) for key in ("corners", "truth_corners")}
        write_run(tmp_path / name, with_arrays(run, paths=np.array([place] * len(made.keys)), **moved))
    _, text = page("good", "bad")
    left, top = map(int, re.search(r'<g transform="translate\(-(\d+) -(\d+)\)">', text).groups())
    width, height = map(int, re.search(r'class="frame" viewBox="0 0 (\d+) (\d+)"', text).groups())
    assert left <= 820
    assert 890 <= left + width <= 1000
    assert top <= 805
    assert 870 <= top + height <= 1000
    assert 'x="820" y="820" width="40" height="50"' in text


def test_pairs_are_drawn_once_with_what_both_runs_said(tmp_path, page):
    same = np.arange(20) % 2 == 0
    distance = np.where(same, 1.0, 2.0)
    write_run(tmp_path / "one", shown_pairs(tmp_path / "p", distance, same))
    write_run(
        tmp_path / "two", shown_pairs(tmp_path / "p", np.where(np.arange(20) == 4, 3.5, distance), same)
    )
    _, made = page("one", "two")
    assert made.count("<image ") == 2
    assert "right, distance 1" in made
    assert "wrong, distance 3.5" in made


def test_queries_are_drawn_with_the_nearest_of_each_run(tmp_path, page):
    shown = {
        "paths": np.array([picture(tmp_path / f"q{number}.png") for number in range(2)]),
        "gallery": np.array([picture(tmp_path / f"g{number}.png") for number in range(4)]),
    }
    for name, rank, nearest in (("one", 0, [0, 1, 2]), ("two", 1, [3, 0, 1])):
        matches = np.array([np.array(nearest) == 0] * 2)
        made = queries([1.0 / (1 + rank)] * 2, [rank, 0])
        write_run(
            tmp_path / name, with_arrays(made, nearest=np.array([nearest] * 2), matches=matches, **shown)
        )
    _, made = page("one", "two")
    part = made[made.index("To the worse") :]
    assert part.count("<svg ") == 1 + 3 + 3
    assert part.count("<image ") == 1 + 4  # the query, and what is near it
    assert part.count('class="frame right"') == 2
    assert part.count('class="frame wrong"') == 4


def test_pictures_that_only_the_cases_know_are_drawn_of_these(tmp_path, page):
    same = np.arange(20) % 2 == 0
    distance = np.where(same, 1.0, 2.0)
    for name, changed in (("one", distance), ("two", np.where(np.arange(20) == 4, 3.5, distance))):
        write_run(tmp_path / name, pairs(changed, same))
    place = picture(tmp_path / "4.png")
    case = Case("wrong pairs", "worst", "4", (Shown(place), Shown(place)))
    made = units.read(tmp_path / "two")
    details.write(tmp_path / "two", Details(cases=Cases("accuracy", "", {}, (case,))))
    units.write(tmp_path / "two", made)
    assert page("one", "two")[1].count("<image ") == 1


def test_a_picture_that_is_gone_is_told_of_in_its_place(tmp_path, page):
    write_run(tmp_path / "good", found_in(tmp_path, range(12)))
    write_run(tmp_path / "bad", found_in(tmp_path, range(1, 12)))
    (tmp_path / "pictures" / "0.png").unlink()
    _, made = page("good", "bad")
    assert "no such picture" in html.unescape(made)
    assert "<image " not in made


def other_data(folder):
    write_run(folder, queries(np.ones(5)))


def without_units(folder):
    (folder / units.FILE).unlink()


def damaged_plots(folder):
    (folder / "details" / "plots.json").write_text("[{")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_data, "Not of the same data: other figures."),
        (without_units, "Without an interval: "),
        (damaged_plots, "details/plots.json: not the details of a report"),
    ],
)
def test_what_is_wrong_with_a_run_is_told_on_the_page(two, page, spoil, words):
    spoil(two / "bf16")
    assert words in Parsed(page("f32", "bf16")[1]).text


@pytest.mark.parametrize("content", ["{", "[]", "\udcff", None])
def test_without_figures_of_a_run_there_is_no_page(two, tmp_path, capsys, content):
    path = two / "bf16" / "metrics.json"
    path.unlink()
    if content is not None:
        path.write_text(content, errors="surrogateescape")
    assert main([str(two / "f32"), str(two / "bf16"), "--out", str(tmp_path / "both")]) == 1
    assert str(path) in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


def test_text_of_files_is_nothing_but_text(tmp_path, page):
    report = {
        "dataset": HOSTILE,
        "why": HOSTILE,
        "backend": HOSTILE,
        "title": HOSTILE,
        "provenance": {HOSTILE: [HOSTILE]},
    }
    name = "<b>&'\"$_"
    for folder, ranks in (("one", [0, 6]), (name, [6, 0])):
        run = queries([0.5, 0.7], ranks, keys=[HOSTILE.replace("\x00", ""), "b"])
        write_run(tmp_path / folder, run, **{**report, "weights": folder})
        plot = details.Plot(HOSTILE, HOSTILE, HOSTILE, HOSTILE, PLOT.lines, note=HOSTILE)
        details.write(tmp_path / folder, Details((plot,)))
        units.write(tmp_path / folder, run)
    parsed = Parsed(page("one", name)[1])
    assert not {tag for tag, _ in parsed.found} & {"script", "img"}
    assert parsed.text.count("<script>alert(1)</script>") > 5
    assert name in parsed.text
    assert "cannot be drawn" not in parsed.text
