"""The plot: drawn without a screen, in every case that a table can be; what it looks like was looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ascend_tools.benchmark import plot
from ascend_tools.benchmark.figures import FLOOR
from ascend_tools.benchmark.plot import Line
from ascend_tools.benchmark.rows import rows_of
from common.facts import read_facts
from tests.conftest import DIRECTORIES, ROOT
from tests.quiet_rounds import CPU, OM, rounds

PCB = read_facts(ROOT / "pcb")
SIZES = (1, 4, 8, 16, 32, 64)


def line(name, base=100.0, sizes=SIZES, noise=0.05, invalid=()):
    rates = {size: base * (2 - 1 / size) for size in sizes}
    return Line(name, rates, dict.fromkeys(sizes, noise), frozenset(invalid))


CASES = {
    "one row": (
        {"pure inference": [line("a", sizes=(1,))], "end to end": [line("a", 80.0, (1,))]},
        PCB.throughput.cards,
    ),
    "nine backends": (
        {"pure inference": [line(f"b{k}", 10.0 * 2**k) for k in range(9)]},
        PCB.throughput.cards,
    ),
    "from 0.2 to 2000": (
        {"pure": [line("slow", 0.2, invalid=(4, 8)), line("fast", 2000.0)]},
        {"310": {1: 4.92}},
    ),
    "no noise": ({"as printed": [line("a", noise=0.0)]}, {}),
    "more noise than figure": ({"pure inference": [line("a", noise=3.0), line("b", 1.0)]}, {}),
    "nothing end to end": ({"pure inference": [line("a")], "end to end": []}, {}),
    "one size, one figure": ({"pure inference": [line("a", sizes=(48,))]}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_can_be_drawn(tmp_path, case, recwarn):
    panels, documented = CASES[case]
    paths = plot.write(tmp_path / "benchmark", panels, documented, "PCB: throughput", "a machine")
    assert [path.name for path in paths] == ["benchmark.svg", "benchmark.png"]
    assert paths[1].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert paths[0].read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.png", "benchmark.svg"]
    assert not [str(each.message) for each in recwarn]


def test_the_same_figures_are_the_same_file(tmp_path):
    made = [plot.write(tmp_path / name, *CASES["one row"], "t") for name in ("a", "b")]
    assert made[0][0].read_bytes() == made[1][0].read_bytes()


@pytest.mark.parametrize("folder", DIRECTORIES, ids=lambda path: path.name)
def test_lines_are_of_a_card(folder):
    facts = read_facts(folder)
    measured = [*rounds(), *rounds(OM, 300.0, 8), *rounds(OM, 200.0, count=2)]
    rows = rows_of(measured, [], facts)
    cpu, om = plot.lines_of(rows, lambda row: row.pure)
    assert (cpu.name, cpu.rates) == ("onnxruntime (CPU), float32", {1: pytest.approx(100)})
    assert om.rates == {1: pytest.approx(201), 8: pytest.approx(300)}
    assert om.noise[8] == FLOOR
    assert om.invalid == {1}
    assert plot.lines_of(rows_of(rounds(end_to_end=False), [], facts), lambda row: row.end_to_end) == []


def test_a_machine_without_a_screen_or_a_home(tmp_path):
    """The directory of fonts is made anew, elsewhere; nothing is said about it, and nothing is left."""
    source = (
        "from pathlib import Path\nfrom ascend_tools.benchmark import plot\n"
        "plot.write(Path('p'), {'pure inference': [plot.Line('a', {1: 2.0}, {1: 0.1})]}, {}, 't')\n"
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MPL", "DISPLAY", "XDG"))
    }
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={**kept, "HOME": str(tmp_path / "nowhere"), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "p.png").is_file()
    assert list(temporary.iterdir()) == []
    assert not Path(tmp_path / "nowhere").exists()


def test_a_rate_per_card_counts_all_chips(tmp_path):
    rows = rows_of(rounds(replace(OM, device="310", devices=2), 100.0), [], PCB)
    (found,) = plot.lines_of(rows, lambda row: row.pure)
    assert found.rates == {1: pytest.approx(200)}
    rehearsed = rows_of(rounds(replace(CPU, rehearsal=True)), [], PCB)
    assert plot.lines_of(rehearsed, lambda row: row.pure)[0].name == "onnxruntime (rehearsal), float32"
