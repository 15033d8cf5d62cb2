"""Measuring what is at hand, keeping a record of it, and showing it."""

from __future__ import annotations

import datetime as dt
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ascend_tools import plot_files
from ascend_tools.benchmark import at_hand, page, plot, record, rounds
from ascend_tools.benchmark.comparison import judged, series_of
from ascend_tools.benchmark.plan import Plan
from ascend_tools.benchmark.rounds import Found
from ascend_tools.benchmark.rows import Row, rows_of
from common import rehearsal
from common.cli import announce, counted
from common.files import json_text, make_folder, write_text

INTERRUPTED = 130  # as a shell has it


def measure(plan: Plan, argv: Sequence[str], *, as_json: bool) -> int:
    """Measure, write benchmark.json, .md and the plot, print the table or the record, and return the exit status."""
    make_folder(plan.out)
    announce("looking for what can run the model here")
    there = at_hand.look(plan)
    run = _Run(plan, argv)
    found = rounds.measure(plan, there, run.keep)
    if found.interrupted and not found.measured:
        raise KeyboardInterrupt  # the record of an earlier run stays
    data = run.keep(found, complete=not found.interrupted)
    rows = run.rows
    lines = page.page(rows, found.left_out, plan.facts, _head(data))
    write_text(plan.out / "benchmark.md", "\n".join(lines) + "\n")
    written = [plan.out / record.NAME, plan.out / "benchmark.md", *_plot(plan, rows, data)]
    if as_json:
        print(json_text(data), end="")
    else:
        print("\n".join(lines))
        print(f"\n{', '.join(map(str, written))}: written")
    return INTERRUPTED if found.interrupted else status(plan, rows)


def status(plan: Plan, rows: Sequence[Row]) -> int:
    """Return the exit status: 0 if all is VALID, every ratio that the guide asks for reached, and all that was asked for there."""
    missing = {*plan.backends} - {row.backend for row in rows}
    failed = missing or not rows or any(row.verdict.reasons for row in rows)
    return int(bool(failed) or not all(each.ok for each in judged(series_of(rows), plan.facts)))


class _Run:
    """One run of the command, whose record is written after each round and at the end."""

    def __init__(self, plan: Plan, argv: Sequence[str]) -> None:
        self._plan = plan
        self._begun = dt.datetime.now().astimezone()
        self._command = "python -m ascend_tools.benchmark " + shlex.join(argv)
        self._host = record.host()
        self.rows: list[Row] = []

    def keep(self, found: Found, *, complete: bool = False) -> dict[str, Any]:
        """Write what is known by now, and return it."""
        plan = self._plan
        done = len({each.round for each in found.measured})
        self.rows = rows_of(found.measured, found.outputs, plan.facts, found.left_out)
        run = record.Run(
            facts=plan.facts,
            begun=self._begun,
            command=self._command.strip(),
            host=self._host,
            settings={
                "batch_sizes": list(plan.sizes),
                "rounds": plan.rounds,
                "seconds": plan.seconds,
                "longest": plan.longest,
                "workers": plan.workers,
                "devices": list(plan.devices),
            },
            inputs=found.inputs,
            rounds=done,
            complete=complete,
        )
        data = record.as_data(run, self.rows, found.left_out)
        record.write(plan.out, data)
        return data


def _head(data: dict[str, Any]) -> list[str]:
    """Return what stands above the table: the machine, when, how, and of what."""
    host, settings = data["host"], data["settings"]
    memory = host["memory_bytes"] / 2**30
    lines = [
        f"{host['cpu']}, {counted(host['cores'], 'core')}, {memory:.0f} GiB; {host['system']}; {data['date']}",
        "",
        f"    {data['command']}",
        "",
        f"{data['rounds']} of {counted(settings['rounds'], 'round')}, {settings['seconds']:g} s for each figure.",
        f"Inputs: {data['inputs'].get('pure', 'none')}.",
    ]
    if not data["complete"]:
        lines += ["", "INTERRUPTED: these are the figures of the rounds that were done."]
    if rehearsal.is_active():
        lines += ["", rehearsal.NOTE]
    return lines


def _plot(plan: Plan, rows: Sequence[Row], data: dict[str, Any]) -> list[Path]:
    """Draw the figures, unless there are none, and return the paths of the files."""
    plot_files.remove(plan.out / "benchmark")  # an earlier run's does not stay beside the new record
    if not rows:
        return []
    panels = {
        "pure inference": plot.lines_of(rows, lambda row: row.pure),
        "end to end": plot.lines_of(rows, lambda row: row.end_to_end),
    }
    compared = any(row.card is not None for row in rows) and not any(row.rehearsal for row in rows)
    host = data["host"]
    note = f"{host['cpu']}, {counted(host['cores'], 'core')}" + ("" if data["complete"] else "; interrupted")
    if any(row.rehearsal for row in rows):
        note += f"\n{rehearsal.NOTE}"
    try:
        return plot.write(
            plan.out / "benchmark",
            panels,
            plan.facts.throughput.cards if compared else {},
            f"{plan.facts.title}: throughput",
            note,
        )
    except ModuleNotFoundError as error:
        print(f"note: no plot: the package {error.name!r} is not installed", file=sys.stderr)
        return []
