"""The five guides' tables of throughput, computed again from the figures that the guides print beside them."""

from __future__ import annotations

import re

import pytest

from ascend_tools.testing.reference import root
from common.facts import read_facts
from common.report.throughput import (
    CHIPS,
    batch_rate,
    best,
    best_ratio,
    card_of,
    card_rate,
    ratios,
    run_rate,
)
from tests.conftest import DIRECTORIES

THROUGHPUT = {path.name: read_facts(path).throughput for path in DIRECTORIES}
# What a guide's table has, and what comes of the figures that it names, where it is not their rounding.
SLIPS = {
    ("faceboxes", "310", 16): (721.6, 721.732),  # its text has 180.433 * 4 = 721.732; as if it were 180.4
    ("rfcn", "310", 1): (4.92, 4.93136),  # "1.23284 * 4 = 4.92"; as if it were 1.23
}
BESTS = {
    "faceboxes": {"310": 64, "310P": 8, "T4": 64},
    "efficientdet_d0": {"310": 16, "310P": 16, "T4": 64},
    "lresnet100e_ir": {"310": 16, "310 tuned": 16, "GPU": 16},
    "rfcn": {"310": 1, "T4": 1},
    "pcb": {"310": 16, "310P": 8, "310P AOE": 4, "T4": 64},
}
# PCB's ratios were computed from figures of more digits than its table has: 1.82350292 for 1.823508545.
RATIOS_AGREE = {"efficientdet_d0": 1e-9, "pcb": 5e-6, "rfcn": 2.2e-3}  # R-FCN: 1.36 for 1.3629

models = pytest.mark.parametrize("model", THROUGHPUT)


@pytest.fixture
def guide(pytestconfig, model):
    """The text of a guide."""
    path = root(pytestconfig).parent / "guides" / f"{model}.md"
    if not path.is_file():
        pytest.skip(f"no guide at {path}; it stands beside the reference data, see ASCEND_GUIDES_REFERENCE")
    return path.read_text(encoding="utf-8")


def computed(model):
    """Yield each figure of a table that the guide prints the origin of: device, batch size, and what comes of it."""
    throughput = THROUGHPUT[model]
    for device, rates in throughput.chips.items():
        for batch_size, rate in rates.items():
            yield device, batch_size, card_rate(rate, CHIPS[card_of(device)])
    for device, times in throughput.batch_ms.items():
        for batch_size, milliseconds in times.items():
            yield device, batch_size, batch_rate(milliseconds, batch_size)
    for device, run in throughput.runs.items():
        yield device, 1, run_rate(run.pictures, run.seconds)


@models
def test_the_table_comes_of_the_figures_beside_it(model):
    slips = {key: pair for key, pair in SLIPS.items() if key[0] == model}
    found = {}
    for device, batch_size, value in computed(model):
        printed = THROUGHPUT[model].cards[device][batch_size]
        decimals = len(f"{printed:.10g}".partition(".")[2])  # 744.192 is rounded to 744
        if round(value, decimals) != printed:
            found[model, device, batch_size] = (printed, round(value, 6))
    assert found == slips


@models
def test_every_ratio_of_the_table_is_that_of_its_columns(model):
    throughput = THROUGHPUT[model]
    assert throughput.ratios
    for ratio in throughput.ratios:
        of, to = throughput.cards[ratio.of], throughput.cards[ratio.to]
        found = ratios(of, to)
        if ratio.printed:
            assert found == pytest.approx(ratio.printed, rel=RATIOS_AGREE[model])
        if ratio.best:
            assert best_ratio(of, to) == pytest.approx(ratio.best, rel=RATIOS_AGREE[model])
        if ratio.accepted:
            assert best_ratio(of, to) >= ratio.accepted


@models
def test_the_best_of_each_column(model):
    assert {device: best(rates).batch_size for device, rates in THROUGHPUT[model].cards.items()} == BESTS[
        model
    ]


def test_what_the_guides_ask_for():
    asked = {
        model: {f"{ratio.of}/{ratio.to}": ratio.accepted for ratio in throughput.ratios if ratio.accepted}
        for model, throughput in THROUGHPUT.items()
    }
    assert {model: ratios for model, ratios in asked.items() if ratios} == {
        "efficientdet_d0": {"310P/310": 1.2, "310P/T4": 1.6},
        "rfcn": {"310/T4": 1.36},
    }


def quoted(guide):
    """Return all numbers of a guide."""
    return {float(number) for number in re.findall(r"(?<![\d.])\d+(?:\.\d+)?", guide)}


@models
def test_the_guide_says_each_figure(model, guide):
    throughput, numbers = THROUGHPUT[model], quoted(guide)
    figures = [
        figure
        for table in (throughput.cards, throughput.chips, throughput.batch_ms)
        for rates in table.values()
        for figure in rates.values()
    ]
    figures += [figure for run in throughput.runs.values() for figure in (run.pictures, run.seconds)]
    for ratio in throughput.ratios:
        figures += [*ratio.printed.values(), *(each for each in (ratio.best, ratio.accepted) if each)]
    assert [figure for figure in figures if figure not in numbers] == []


@models
def test_the_guides_rows_are_those_of_model_toml(model, guide):
    rows = re.findall(r"^\|\s*(?:bs)?(\d+)\s*\|(.+?)\|?\s*$", guide, re.MULTILINE)
    table = THROUGHPUT[model].cards
    documented = {}  # LResNet's two tables have one batch size each in two rows
    for batch_size, cells in rows:
        documented.setdefault(int(batch_size), set()).update(float(cell) for cell in cells.split("|"))
    for batch_size, figures in documented.items():
        compared = {
            value
            for ratio in THROUGHPUT[model].ratios
            if (value := ratio.printed.get(batch_size)) is not None
        }
        assert {rates[batch_size] for rates in table.values() if batch_size in rates} | compared == figures
    assert bool(documented) == (model != "rfcn")  # it has no table


def test_every_printout_of_the_guides_is_in_model_toml(pytestconfig):
    found = 0
    for model, throughput in THROUGHPUT.items():
        path = root(pytestconfig).parent / "guides" / f"{model}.md"
        if not path.is_file():
            pytest.skip(
                f"no guide at {path}; it stands beside the reference data, see ASCEND_GUIDES_REFERENCE"
            )
        printed = re.findall(r"\] .*Interface throughputRate: ([\d.]+)", path.read_text(encoding="utf-8"))
        rates = {rate for column in throughput.chips.values() for rate in column.values()}
        assert {float(rate) for rate in printed} == (rates if printed else set())
        found += len(printed)
    assert found == 9  # LResNet100E-IR's seven, R-FCN's line, PCB's


@models
def test_the_readme_has_every_number_of_the_guides_printouts(model, guide):
    (folder,) = (path for path in DIRECTORIES if path.name == model)
    lines = [line for line in guide.splitlines() if re.search(r"throughputRate:|\] \[I\] ", line)]
    numbers = {number for line in lines for number in re.findall(r"(?<=: )\d+\.?\d*(?![\d:/])", line)}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert sorted(numbers - set(re.findall(r"(?<![\d.])\d+(?:\.\d+)?", readme))) == []
