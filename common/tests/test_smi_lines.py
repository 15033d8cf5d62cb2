"""What stands around and within printouts of npu-smi: quotations, logs, borders, widths; and tables at random."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.npu_tools.smi_table import read
from tests.smi_tables import CARD, CARD_CHIPS, HEADER, ONE, parse

TABLE = HEADER + CARD


def each(change):
    """Return a change of a text that changes its lines."""
    return lambda text: "\n".join(map(change, text.splitlines()))


def broken(width):
    """Return a change of a text that breaks its lines, as a narrow terminal does."""
    return lambda text: "\n".join(
        line[at : at + width] for line in text.splitlines() for at in range(0, len(line), width)
    )


AROUND = {
    "a quotation": each("> {}".format),
    "a quotation of a quotation": each("> > {}".format),
    "a comment": each("# {}".format),
    "a log": each("[INFO] {}".format),
    "a log with a time": each("2024-06-01 12:00:01,123 INFO: {}".format),
    "a log with a time in brackets": each("[2024-06-01 12:00:01.123] [stdout] {}".format),
    "a container's log": each("2024-06-01T12:00:01.123456789Z stdout F {}".format),
    "a composition's log": each("service-1  | {}".format),
    "ranks": each("[1,0]<stdout>: {}".format),
    "line numbers": each("  17\t{}".format),
    "an indentation": each("      {}".format),
    "a list": each("    - {}".format),
    "a difference": each("+ {}".format),
    "Markdown": lambda text: f"```\n{text}```\n",
    "escaped Markdown": lambda text: text.replace("|", "\\|"),
    "JSON": lambda text: f'{{"smi": "{text}"}}'.replace("\n", "\\n"),
    "a prompt": lambda text: f"(base) [root@node-1 ~]# npu-smi info\n{text}(base) [root@node-1 ~]# ",
    "watch": lambda text: f"Every 2.0s: npu-smi info    node-1: Mon Jun 1\n\n{text}",
    "words about chips": lambda text: f"| 0 | 310P3 |\nthe NPU's name and its Health:\n{text}NPU 3 Name OK\n",
}
WITHIN = {
    "colours": each("\x1b[1;32m{}\x1b[0m".format),
    "Windows' ends of lines": lambda text: text.replace("\n", "\r\n"),
    "old ends of lines": lambda text: text.replace("\n", "\r"),
    "empty lines": lambda text: text.replace("\n", "\n\n"),
    "tabs": lambda text: text.replace("    ", "\t"),
    "blanks that do not break": lambda text: text.replace(" ", "\xa0"),
    "no blanks but one": lambda text: re.sub(" +", " ", text),
    "wide characters": lambda text: text.replace("|", "\uff5c").replace(" ", "\u3000").replace("0", "\uff10"),
    "drawn borders": lambda text: text.replace("|", "\u2502").replace("-", "\u2500"),
    "no left border": each(lambda line: line[1:]),
    "no right border": each(lambda line: line.rstrip("| ")),
    "no borders": lambda text: text.replace("|", " "),
    "80 columns": broken(80),
    "60 columns": broken(60),
    "40 columns": broken(40),
    "both rows in one line": lambda text: re.sub(r" *\|\n\| (\d) +(\d{1,2}) +\|", r" | \1 \2 |", text),
    "no header": lambda text: text.removeprefix(HEADER),
    "half a header": lambda text: text.split("\n", 1)[1],
    "no bus id": lambda text: re.sub(r"0000:0\d:00.0", "NA", text),
    "long bus ids": lambda text: text.replace("0000:0", "0000000000000000:0"),
    "lines of another width": lambda text: text.replace("310 ", "310     ").replace("OK  ", "OK"),
}


@pytest.mark.parametrize("name", [*AROUND, *WITHIN])
def test_a_table_in_other_words_is_the_same(name):
    found = {**AROUND, **WITHIN}[name](TABLE)
    assert parse(found) == CARD_CHIPS
    assert read(found).problem is None


@pytest.mark.parametrize("around", AROUND)
def test_both_at_once(around):
    for name, within in WITHIN.items():
        if around == "JSON" and name in ("no left border", "no borders"):
            continue  # its first word is a column of the header's, and of no other line
        assert parse(AROUND[around](within(TABLE))) == CARD_CHIPS, name


def test_a_row_of_empty_cells_is_none():
    assert parse(f"{HEADER}| | OK | 1 2 | 0 0 | NA | 0 |\n| 1 | | | | | |\n") == []


numbers = st.integers(0, 99999)
amounts = st.one_of(
    st.just("NA"), st.just("-"), st.integers(0, 300).map(str), st.floats(0, 300).map("{:.1f}".format)
)
pairs = st.tuples(numbers, st.sampled_from(["/", " / ", "    / ", "/ "]), numbers).map(
    lambda all_: "".join(map(str, all_))
)
buses = st.one_of(
    st.sampled_from(["NA", "-"]),
    st.from_regex(r"[0-9A-F]{4,8}:[0-9A-F]{2}:[0-9A-F]{2}\.[0-7]", fullmatch=True),
)
names = st.sampled_from(
    ["310", "310P3", "310P1", "310B4", "910A", "910B", "910B2C", "910ProB", "Ascend910", "910_9392"]
)
healths = st.sampled_from(["OK", "Warning", "Alarm", "Critical", "UNKNOWN", "NA"])
noise = st.one_of(
    st.sampled_from(
        ["+----+====+", "+----|----+", "", "No running processes found in NPU 3", "[WARN] slow", "a | b | c"]
    ),
    st.text("abcxyz .,!?", max_size=30),
)


@st.composite
def layouts(draw):
    """Return a header, a function from a chip to its rows, and which column has the id of the device, if one has."""
    column = draw(st.sampled_from(["Device", "Phy-ID", ""]))
    pages, hbm = draw(st.booleans()), draw(st.booleans())
    widths = [draw(st.integers(6, 40)) for _ in range(3)]

    def line(*cells):
        return "|" + "|".join(f" {cell:<{width}} " for cell, width in zip(cells, widths, strict=True)) + "|"

    def write(npu, name, health, chip, number, bus, values):
        power, temp, load, *used = values
        gap = "  " * draw(st.integers(1, 4))
        first = line(f"{npu}{gap}{name}", health, gap.join([power, temp, *([used[0]] if pages else [])]))
        ids = f"{chip}{gap}{number}" if column else f"{chip}"
        return [first, line(ids, bus, gap.join([load, used[1], *([used[2]] if hbm else [])]))]

    header = [
        line("NPU  Name", "Health", "Power(W)  Temp(C)" + "  Hugepages-Usage(page)" * pages),
        line(f"Chip  {column}".strip(), "Bus-Id", "AICore(%)  Memory-Usage(MB)" + "  HBM-Usage(MB)" * hbm),
    ]
    return header, write, column


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_table_of_any_layout_gives_back_its_chips(data):
    header, write, column = data.draw(layouts())
    keys = data.draw(st.lists(st.tuples(st.integers(0, 70000), st.integers(0, 7)), unique=True, max_size=9))
    lines, wanted = [*data.draw(st.lists(noise, max_size=3)), *header], []
    for order, (npu, number) in enumerate(keys):
        device = data.draw(st.integers(0, 99))
        name, health = data.draw(names), data.draw(healths)
        values = [data.draw(amounts) for _ in range(3)] + [data.draw(pairs) for _ in range(3)]
        lines += [
            *data.draw(st.lists(noise, max_size=2)),
            *write(npu, name, health, number, device, data.draw(buses), values),
        ]
        soc = f"Ascend{name.removeprefix('Ascend')}"
        wanted.append((npu, number, device if column == "Device" else order, soc, health))
    found = read("\n".join(lines))
    assert [(chip.npu, chip.chip, chip.device, chip.soc, chip.health) for chip in found.chips] == wanted
    assert bool(found.problem) == (not keys)


@given(text=st.text("|+-= 0123456789\u00b2\u0663\u00a0\f\x85\x00\\\x1bnabNAOKchipde:./", max_size=300))
def test_any_text_is_read_or_no_table(text):
    found = read(text)
    assert found.chips or found.problem


@given(
    at=st.integers(0, len(ONE) - 1), put=st.text("|0\u00b2\u00a0\f -:", max_size=3), cut=st.integers(0, 40)
)
def test_a_damaged_table_is_read_or_none(at, put, cut):
    for found in parse(ONE[:at] + put + ONE[at + cut :]):
        assert found[3].startswith("Ascend")


def test_a_long_text_is_read_in_a_time_that_follows_its_length():
    for text in (
        "1" * 400_000,
        "[" * 400_000,
        "| " * 200_000,
        "0 / " * 100_000,
        "|" + "\n-" * 200_000,
        "a:" * 200_000,
    ):
        assert not read(text).chips
