"""report/details.py: what pages are made of, written and read again."""

from __future__ import annotations

import argparse

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.report import details
from common.report.details import Box, Case, Cases, Details, Mark, Plot, Shown, Total, chosen, line
from tests.conftest import refused

PLOT = Plot(
    "pr", "A", "x", "y", (line("a", np.arange(3), np.arange(3.0)),), (Mark("published", y=0.5),), "so"
)
CASE = Case(
    "missed", "worst", "a/b", (Shown("/p.jpg", (Box("truth", (1, 2, 3, 4), subject=True),), "c"),), cost=0.1
)
FOUND = Details(
    (PLOT,),
    Cases("AP", "so", {"missed": Total(3, 0.5)}, (CASE,)),
    ("name", "n"),
    [("a", 1), ("=b", None), ('c"', 0.1)],
)


def test_what_is_written_is_read_again_and_twice_the_same_bytes(tmp_path):
    for out in (tmp_path / "a", tmp_path / "b"):
        details.write(out, FOUND)
        assert details.read_plots(out) == (PLOT,)
        assert details.read_cases(out) == FOUND.cases
    for name in (details.PLOTS, details.CASES, details.PICTURES):
        assert (tmp_path / "a/details" / name).read_bytes() == (tmp_path / "b/details" / name).read_bytes()
    assert (tmp_path / "a/details/pictures.csv").read_text() == 'name,n\na,1\n\'=b,\n"c""",0.1\n'


def test_names_that_are_no_utf8_are_read_again(tmp_path):
    plot = msgspec.structs.replace(PLOT, name="\udcff")
    details.write(tmp_path, Details((plot,)))
    assert details.read_plots(tmp_path) == (plot,)


def test_nothing_written_is_nothing_read(tmp_path):
    assert details.read_plots(tmp_path) == ()
    assert details.read_cases(tmp_path) == Cases()


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"cases": [{"kind": 3}]}', "[" * 10**6, "\xff", '{"cases": 1e999}', "[NaN]"]
)
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "details").mkdir()
    for name, read in ((details.CASES, details.read_cases), (details.PLOTS, details.read_plots)):
        (tmp_path / "details" / name).write_text(text, encoding="latin-1")
        with refused(f"{tmp_path}/details/{name}: not the details of a report: ", whole=False):
            read(tmp_path)


def test_only_what_is_its_own_is_removed(tmp_path):
    details.write(tmp_path, FOUND)
    (tmp_path / "details" / "mine").write_text("")
    details.remove(tmp_path)
    assert [path.name for path in (tmp_path / "details").iterdir()] == ["mine"]
    (tmp_path / "details" / "mine").unlink()
    details.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []
    details.remove(tmp_path)


def test_a_line_keeps_its_ends_and_its_shape():
    x = np.linspace(0, 1, 10_000)
    found = line("a", x, np.where(x < 0.5, 0.0, 1.0))
    assert 100 < len(found.x) == len(found.y) <= details.POINTS
    assert (found.x[0], found.x[-1]) == (0, 1)
    assert set(found.y) == {0, 1}


def test_a_line_on_a_logarithmic_axis_keeps_points_evenly_along_that():
    x = np.arange(1, 100_001)
    found = line("a", x, x / 100_000, log="x")
    assert len(found.x) <= details.POINTS
    assert (found.x[0], found.x[-1]) == (1, 100_000)
    for low in (1, 10, 100, 1000, 10_000):
        assert sum(low <= value < 10 * low for value in found.x) >= 9
    even = line("a", x, x / 100_000)
    assert sum(value < 1000 for value in even.x) < 9
    zero = line("a", np.append(0, x), np.append(0, x / 100_000), log="x")
    assert zero.x[:2] == (0, 2)


def test_pictures_that_are_no_files_are_kept_with_the_case(tmp_path):
    shown = Shown(None, caption="picture 3", data=bytes(range(256)))
    case = msgspec.structs.replace(CASE, pictures=(shown, Shown(None)))
    details.write(tmp_path, Details(cases=Cases(cases=(case,))))
    assert details.read_cases(tmp_path).cases == (case,)
    path = tmp_path / "details" / details.CASES
    path.write_text(path.read_text().replace("AAECAw", "?AECAw"))
    with refused(f"{path}: not the details of a report: ", whole=False):
        details.read_cases(tmp_path)


def test_a_line_leaves_out_what_is_no_number():
    found = line("a", np.array([0, 1, np.nan, 3]), np.array([0, np.inf, 2, 3]))
    assert (found.x, found.y) == ((0, 3), (0, 3))
    assert line("a", np.empty(0), np.empty(0)).x == ()


@given(st.lists(st.floats(-1, 1), max_size=60), st.integers(1, 12))
def test_chosen_cases_are_worst_median_and_random_and_none_twice(costs, worst):
    found = chosen(costs, worst)
    places = [place for place, _ in found]
    assert len(set(places)) == len(places)
    assert set(places) <= set(range(len(costs)))
    groups = {
        which: [costs[place] for place, each in found if each == which]
        for which in ("worst", "median", "random")
    }
    assert groups["worst"] == sorted(costs, reverse=True)[:worst]
    few = -(-worst // 3)
    assert len(groups["median"]) == min(few, max(len(costs) - worst, 0))
    assert len(groups["random"]) == min(few, max(len(costs) - worst - few, 0))
    assert chosen(costs, worst) == found


def test_the_middle_is_the_middle():
    (place,) = (place for place, which in chosen(list(range(101)), 1) if which == "median")
    assert place == 50


def test_no_number_that_json_lacks_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        details.write(tmp_path, Details(cases=Cases(cases=(Case("k", "worst", "a", (), cost=float("nan")),))))
    assert not (tmp_path / "details" / "cases.json").exists()


@pytest.mark.parametrize("text", ["0", "-1", "x", "1001", "1" + 30 * "0"])
def test_as_many_worst_cases_as_can_be_shown_are_taken(text, capsys):
    arguments = argparse.ArgumentParser()
    details.add_worst(arguments)
    assert arguments.parse_args(["--worst", "1000"]).worst == 1000
    with pytest.raises(SystemExit):
        arguments.parse_args(["--worst", text])
    assert "expected a whole number of at" in capsys.readouterr().err
