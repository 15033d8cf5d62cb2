"""Printouts that were made by hand, in the same table, beside what the guide documents where one stands in its directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_tools.benchmark import log_table, logs, plot
from ascend_tools.benchmark.logs import Log
from common.cli import counted
from common.errors import GuideError
from common.facts import Facts, read_facts
from common.files import json_text, write_json, write_text
from common.report.throughput import NPUS, card_of, card_rate
from common.report.throughput_table import Column, as_data, conclusions, table
from common.throughput import chips_of

FORMAT = 1


@dataclass(frozen=True)
class Asked:
    """What a user says of the files: the device that they are of, the chips of its card, images per call, and where to write."""

    paths: tuple[Path, ...]
    device: str | None = None
    chips: int | None = None
    batch_size: int | None = None
    out: Path | None = None


def read(asked: Asked, *, as_json: bool) -> int:
    """Read printouts, write them if that is asked for, print them, and return the exit status: 0 if each is a printout."""
    if asked.out and any(path.resolve() == asked.out.resolve() for path in asked.paths):
        raise GuideError(f"{asked.out}: is one of the files to read; choose another --out.")
    facts = read_facts(Path()) if Path("model.toml").is_file() else None
    chips = chips_of(asked.device, asked.chips) if asked.device else asked.chips
    found = logs.read_logs(asked.paths, asked.batch_size)
    column = _column(asked, found, facts, chips)
    data: dict[str, Any] = {"format": FORMAT, "logs": [logs.as_data(log) for log in found]}
    if asked.device:
        data |= {"device": asked.device, "chips": chips}
    if facts:
        data |= {"model": facts.name, "documented": as_data(facts.throughput, column)}
    lines = [*_lines(found), *_documented(facts, column, asked.device, chips)]
    written = _write(asked, data, lines, found, facts, column)
    if as_json:
        print(json_text(data), end="")
    else:
        print("\n".join(lines))
        if written:
            print(f"\n{', '.join(map(str, written))}: written")
    logs.check_known(found)
    return 0


def _column(asked: Asked, found: Sequence[Log], facts: Facts | None, chips: int | None) -> Column | None:
    """Return the figures of the files per card, beside the documented ones; None where that cannot be said."""
    if not facts or not asked.device or not chips:
        return None
    card = card_of(asked.device)
    gpu = next((log.file for log in found if log.tool == "trtexec"), None)
    if gpu and card in NPUS:
        raise GuideError(
            f"{gpu}: trtexec measures GPUs, and --device is {asked.device}; name the GPU, as in T4."
        )
    rates = log_table.rates(found)
    if not rates:
        return None
    accepted = {
        ratio.to: ratio.accepted
        for ratio in facts.throughput.ratios
        if ratio.accepted is not None and ratio.of == card
    }
    by_size = {size: card_rate(rate, chips) for size, rate in sorted(rates.items())}
    return Column(card or asked.device, by_size, accepted)


def _lines(found: Sequence[Log]) -> list[str]:
    """Return the table of the files, or that there is none."""
    known = [log for log in found if log.tool]
    return log_table.lines(known) if known else ["No printout was read."]


def _documented(
    facts: Facts | None, column: Column | None, device: str | None, chips: int | None
) -> Iterator[str]:
    """Yield the documented table with the column beside it, and what it says in words."""
    if not facts:
        return
    yield from ("", f"{facts.title}: images per second and card, as the guide documents them", "")
    yield from table(facts.throughput, column)
    yield ""
    for line in conclusions(facts.throughput, column):
        yield f"- {line}"
    if column and chips:
        yield f"- measured: of one device, times {counted(chips, 'chip')} of a card"
    elif device is None:
        yield "- name the device that the files are of with --device, as in --device 310P, to have them in this table"
    else:
        yield "- none of the files has a figure that can stand in this table"


def _write(
    asked: Asked,
    data: Mapping[str, Any],
    lines: Sequence[str],
    found: Sequence[Log],
    facts: Facts | None,
    column: Column | None,
) -> list[Path]:
    """Write the record, and beside it the table and the plot; return the paths."""
    if not asked.out:
        return []
    page = asked.out.with_suffix(".md")
    write_json(asked.out, dict(data))
    write_text(page, "\n".join(lines) + "\n")
    rates = column.rates if column else log_table.rates(found)
    if not rates:
        return [asked.out, page]
    what = "images per second and card" if column else "of one device"
    name = f"{', '.join(sorted({log.tool for log in found if log.tool}))} ({asked.device or 'one device'})"
    lines_ = [plot.Line(name, rates, {})]
    documented = facts.throughput.cards if facts and column else {}
    title = f"{facts.title}: throughput" if facts else "Throughput"
    return [asked.out, page, *plot.write(asked.out, {f"as printed, {what}": lines_}, documented, title)]
