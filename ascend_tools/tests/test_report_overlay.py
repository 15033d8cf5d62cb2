"""The curves of several runs in one plot: which, how they look, and what is marked."""

from __future__ import annotations

from msgspec.structs import replace

from ascend_tools.report.overlay import Curves, overlaid
from ascend_tools.report.plots import svg
from common.report.details import Line, Mark, Plot

FAINT = Line("each fold", (0.0, 1.0), (1.0, 0.4), "faint")
MAIN = Line("all", (0.0, 1.0), (1.0, 0.5))
PLOT = Plot("pr", "Precision", "recall", "precision", (FAINT, MAIN), x_range=(0, 1), y_range=(0.2, 1))


def test_each_run_s_curve_has_its_name_colour_and_dashes_and_faint_lines_are_left_out():
    other = replace(PLOT, lines=(FAINT, replace(MAIN, y=(1.0, 0.3))), y_range=(0.1, 0.9))
    ((plot, looks),) = overlaid([Curves("f32", (PLOT,)), Curves("bf16", (other,)), Curves("none", ())])
    assert [(line.label, line.y) for line in plot.lines] == [("f32", (1.0, 0.5)), ("bf16", (1.0, 0.3))]
    assert [(look.colour, look.run) for look in looks] == [("accent", 0), ("second", 1)]
    assert (plot.x_range, plot.y_range) == ((0, 1), (0.1, 1))
    assert svg(plot, looks).count("stroke-dasharray") > svg(plot).count("stroke-dasharray")


def test_several_lines_of_a_run_keep_their_colours():
    both = replace(PLOT, lines=(MAIN, replace(MAIN, label="others", shade="second")))
    ((plot, looks),) = overlaid([Curves("a", (both,)), Curves("b", (both,))])
    assert [line.label for line in plot.lines] == ["a: all", "a: others", "b: all", "b: others"]
    assert [(look.colour, look.run) for look in looks] == [
        ("accent", 0),
        ("second", 0),
        ("accent", 1),
        ("second", 1),
    ]


def test_what_only_one_run_has_is_not_drawn():
    assert overlaid([Curves("a", (PLOT,)), Curves("b", (replace(PLOT, name="other"),))]) == []
    assert overlaid([Curves("a", (replace(PLOT, lines=(FAINT,)),))] * 2) == []


def test_marks_that_all_have_are_named_once():
    runs = [
        Curves(name, (replace(PLOT, marks=(Mark("mean", y=mean), Mark("published", y=0.9))),))
        for name, mean in (("a", 0.5), ("b", 0.6))
    ]
    ((plot, _),) = overlaid(runs)
    assert [mark.label for mark in plot.marks] == ["published", "a: mean", "b: mean"]
    ((plot, _),) = overlaid([*runs, *runs])
    assert [mark.label for mark in plot.marks] == ["published"]


def test_named_rows_are_those_of_the_first_run():
    def run(rows, y):
        return Plot("ap", "AP", "AP", "", (Line("AP", (0.5, 0.6, 0.7), y),), rows=rows)

    first, second = run(("cat", "dog", "cow"), (0.0, 1.0, 2.0)), run(("dog", "cat", "elk"), (0.0, 1.0, 2.0))
    ((plot, looks),) = overlaid([Curves("a", (first,)), Curves("b", (second,))])
    assert plot.rows == ("cat", "dog", "cow")
    assert (plot.lines[1].x, plot.lines[1].y) == ((0.5, 0.6), (1.0, 0.0))
    assert "cow" in svg(plot, looks)


def test_a_long_name_is_cut_in_the_legend():
    long = Curves("a_name_of_a_directory_that_is_long", (PLOT,))
    ((plot, _),) = overlaid([long, Curves("b", (PLOT,))])
    assert plot.lines[0].label == "a_name_of_a_dir..."
