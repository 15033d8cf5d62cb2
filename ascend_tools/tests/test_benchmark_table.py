"""The tables in Markdown: what they hold, what is left out, and what is said below."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ascend_tools.benchmark import page as pages
from ascend_tools.benchmark import record, table
from ascend_tools.benchmark.figures import figure
from ascend_tools.benchmark.measurements import Candidate, LeftOut
from ascend_tools.benchmark.rows import rows_of
from common import rehearsal
from common.facts import read_facts
from tests.conftest import DIRECTORIES, ROOT
from tests.quiet_rounds import CPU, OM, outputs, rounds

PCB = read_facts(ROOT / "pcb")
EFFICIENTDET = read_facts(ROOT / "efficientdet_d0")
GPU = Candidate("onnxruntime-tensorrt", "T4", "float16", {None: OM.models[1]})


def cells(lines):
    """Return the rows of a table in Markdown, its header first."""
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(line) for line in lines}) == 1  # one width, for terminals
    return [split[0], *split[2:]]


def test_a_row_has_all_that_was_measured():
    rows = rows_of([*rounds(), *rounds(batch_size=8, rate=120.0)], [outputs()], PCB)
    header, first, _ = cells(table.measured_table(rows, PCB))
    named = dict(zip(header, first, strict=True))
    assert named == {
        "backend": "onnxruntime (CPU)",
        "batch": "1",
        "images/s": "100 ±5.0%",
        "ms median": "10",
        "p90": "10.1",
        "p95": "10.1",
        "end to end": "80 ±5.0%",
        "limited by": "preprocess",
        "/ 310": "0.182",
        "/ 310P": "0.284",
        "/ 310P AOE": "0.0968",
        "/ T4": "0.134",
        "verdict": "VALID",
    }


def test_columns_that_no_row_fills_are_left_out():
    rows = rows_of(rounds(replace(OM, rehearsal=True), end_to_end=False, calls=10), [], PCB)
    header, _ = cells(table.measured_table(rows, PCB))
    assert header == ["backend", "precision", "batch", "images/s", "ms median", "verdict"]


def test_calls_that_share_the_cores_are_counted_and_a_reduced_precision_is_named():
    shared = [replace(each, pure=replace(each.pure, at_once=2)) for each in rounds()]
    (row,) = rows_of(shared, [], PCB)
    header, found = cells(table.measured_table([row], PCB))
    assert found[header.index("at once")] == "2"
    assert "precision" not in header
    assert record.row_as_data(row)["pure"]["at_once"] == 2
    assert "At once: so many calls share the cores" in " ".join(pages.page([row], [], PCB, []))
    (alone,) = rows_of(rounds(), [], PCB)
    assert "at once" not in cells(table.measured_table([alone], PCB))[0]
    (reduced,) = rows_of(rounds(replace(CPU, backend="openvino-bfloat16", precision="bfloat16")), [], PCB)
    header, found = cells(table.measured_table([reduced], PCB))
    assert found[header.index("precision")] == "bfloat16"


def test_several_backends_show_their_precision_and_several_chips_their_card():
    quad = replace(OM, device="310")
    rows = rows_of([*rounds(), *rounds(quad, 300.0), *rounds(GPU, 700.0)], [], PCB)
    header, *found = cells(table.measured_table(rows, PCB))
    assert header[:3] == ["backend", "precision", "batch"]
    assert [row[header.index("per card")] for row in found] == ["100", "1200", "700"]
    assert [row[header.index("/ 310")] for row in found] == ["0.182", "2.18", "1.27"]


@pytest.mark.parametrize("folder", DIRECTORIES, ids=lambda path: path.name)
def test_the_guides_table_has_a_column_for_each_backend(folder):
    facts = read_facts(folder)
    size = min(facts.throughput.cards["310"])
    rows = rows_of([*rounds(batch_size=size), *rounds(GPU, 50.0, size, count=2)], [], facts)
    header, *found = cells(table.guide_table(rows, facts))
    assert header[1 : 1 + len(facts.throughput.cards)] == list(facts.throughput.cards)
    assert header[-2:] == ["onnxruntime (CPU)", "onnxruntime-tensorrt (T4)"]
    assert found[0][-2:] == ["100", "50.25 !"]
    assert [row[0] for row in found][-1] == "best"
    assert found[-1][-2:] == ["100", "-"]


@pytest.mark.parametrize("folder", DIRECTORIES, ids=lambda path: path.name)
def test_a_page_fits_a_terminal(folder):
    facts = read_facts(folder)
    measured = [each for size in (1, 4, 16, 64) for each in rounds(CPU, 1234.5, size)]
    lines = pages.page(rows_of(measured, [], facts), [LeftOut("torch", None, "no " * 60)], facts, ["head"])
    assert max(map(len, lines)) <= 150


def page(rows, facts=EFFICIENTDET, left_out=()):
    lines = pages.page(rows, list(left_out), facts, ["head"])
    return " ".join(" ".join(lines).split())


def test_below_stand_the_reasons_the_notes_and_what_was_left_out():
    bad = replace(CPU, notes=("a note of it",))
    measured = [*rounds(bad, count=2), *rounds(bad, batch_size=8, rate=120.0)]
    left = [
        LeftOut("om", None, "no ATC"),
        LeftOut("trtexec", None, "no GPU"),
        LeftOut("onnxruntime-cuda", None, "no GPU"),
        LeftOut("onnxruntime", 64, "too slow"),
        LeftOut("onnxruntime", 32, "too slow"),
    ]
    text = page(rows_of(measured, [outputs()], PCB), PCB, left)
    assert "INVALID: - onnxruntime (CPU), batch 1: too few samples: 2 rounds, 3 at least are needed" in text
    assert "To know: - onnxruntime (CPU), batch 1, 8: a note of it" in text
    assert (
        "Left out: - om: no ATC - trtexec, onnxruntime-cuda: no GPU - onnxruntime, batch 32, 64: too slow"
        in text
    )
    assert "- onnxruntime (CPU): best at batch size 8, 120 images/s; best to best 0.085 times 310," in text
    assert "the guide asks for no ratio" in text


def test_what_the_guide_asks_for():
    text = page(rows_of([*rounds(OM, 66.0), *rounds(CPU, 5.0)], [], EFFICIENTDET))
    assert "the guide accepts 1.2 times 310 on 310P, best to best" in text
    assert "om (310P): PASS, 1.205 times 310, 1.2 is accepted" in text
    assert "om (310P): PASS, 5.29 times T4, 1.6 is accepted" in text
    assert "onnxruntime (CPU): PASS" not in text
    assert "om (310P): FAIL, 1.096 times 310" in page(rows_of(rounds(OM, 60.0), [], EFFICIENTDET))
    nothing = page(rows_of(rounds(OM, 90.0, count=1), [], EFFICIENTDET))
    assert "om (310P): no VALID figure, so no best batch size" in nothing
    assert "om (310P): FAIL, nothing VALID to compare with 310" in nothing


def test_a_rehearsal_is_called_one():
    text = page(rows_of(rounds(replace(OM, rehearsal=True), 500.0), [], EFFICIENTDET))
    assert f"{rehearsal.NOTE}; such figures are compared with nothing" in text
    assert "PASS" not in text
    assert "om (rehearsal): best at batch size 1, 500 images/s -" in text


def test_nothing_measured():
    text = page([], EFFICIENTDET, [LeftOut("onnxruntime", None, "crashed")])
    assert "Nothing was measured." in text
    assert "Left out: - onnxruntime: crashed" in text
    assert "54.76" in text  # the documented table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000123456, "0.0001235"),
        (0.2, "0.2"),
        (9.87654, "9.877"),
        (123.456, "123.5"),
        (1234.6, "1235"),
        (1e6, "1000000"),
    ],
)
def test_numbers(value, text):
    assert table.rate(value) == text
    assert table.with_noise(figure([value] * 5)) == f"{text} ±5.0%"
    assert table.with_noise(figure([value])) == text


def test_a_name_cannot_break_the_table():
    (line, *_), row = (
        table.markdown(["a", "b"], [["x|y", "1"]])[:1],
        table.markdown(["a", "b"], [["x|y", "1"]])[2],
    )
    assert line.startswith("| a")
    assert "x\\|y" in row
