"""What ais_infer and ais_bench print and write of a run: the times, the throughput, which results belong to which files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ascend_tools.rehearse.generations import Generation
from ascend_tools.rehearse.slowness import printed
from ascend_tools.rehearse.stand_in import say
from common import rehearsal

_DASHES = "-" * 54
_COLUMNS = ("min", "max", "mean", "median")


class Summary:
    """The summary of one run on one device."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.files: dict[int, dict[str, list[str]]] = {}

    def add(self, sample: int, infiles: Sequence[str], outfile: str) -> None:
        """Note a result of an input."""
        note = self.files.setdefault(sample, {"infiles": list(infiles), "outfiles": []})
        note["outfiles"].append(outfile)

    def report(
        self,
        batch_size: float,
        times: dict[str, list[Any]],
        *,
        everything: bool,
        arguments: Sequence[str],
        out: Path | None,
    ) -> float:
        """Print the summary, write it for the results in `out` if there are any, and return the images per second.

        `times` are milliseconds of NPU_compute_time, H2D_latency and D2H_latency; a pair is a beginning and an end.
        """
        computed = times["NPU_compute_time"]
        statistics = {name: self._statistics(values) for name, values in times.items()}
        mean = statistics["NPU_compute_time"]["mean"]
        throughput = printed(1000 * batch_size / mean if mean else 0)
        shown = (
            ["H2D_latency", "NPU_compute_time", "D2H_latency"]
            if everything or self.generation.all_times
            else ["NPU_compute_time"]
        )
        say(rehearsal.NOTE, "[INFO] -----------------Performance Summary------------------")
        if self.generation.table:
            self._table({name: statistics[name] for name in shown})
        else:
            for name in shown:
                row = ", ".join(
                    f"{key} = {value}" for key, value in statistics[name].items() if key != "count"
                )
                say(f"[INFO] {name} (ms): {row}")
        say(f"[INFO] {self.generation.throughput.format(batch_size, mean, throughput)}", f"[INFO] {_DASHES}")
        if out is not None:
            found = {
                "filesinfo": self.files,
                "args": list(arguments),
                **statistics,
                "throughput": throughput,
                "npu_compute_time_list": computed,
                "pid": os.getpid(),
                "rehearsal": rehearsal.NOTE,
            }
            inside = self.generation.summary_inside
            path = out / "sumary.json" if inside else out.with_name(f"{out.name}_summary.json")
            path.write_text(json.dumps(found), encoding="utf-8")
        return throughput

    def _statistics(self, values: Sequence[Any]) -> dict[str, float]:
        """Return the statistics of milliseconds; all are 0 where there are none."""
        times = np.array(
            [value[1] - value[0] if isinstance(value, tuple) else value for value in values] or [0.0]
        )
        numbers = [times.min(), times.max(), times.mean(), np.median(times), np.percentile(times, 99)]
        keys = (*_COLUMNS, self.generation.percentile)
        return {key: float(number) for key, number in zip(keys, numbers, strict=True)} | {
            "count": len(values)
        }

    def _table(self, statistics: dict[str, dict[str, float]]) -> None:
        rows = [["Metric", *_COLUMNS, "P99"]]
        for name, found in statistics.items():
            rows.append([f"{name} (ms)", *(f"{found[key]:.4f}" for key in (*_COLUMNS, "P99"))])
        widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]

        def line(left: str, between: str, right: str, of: str) -> str:
            return left + between.join(of * width for width in widths) + right

        drawn = [
            "│"
            + "│".join(
                f" {cell:<{width - 1}}" if i == 0 else f"{cell:>{width - 1}} "
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            + "│"
            for row in rows
        ]
        say(line("╒", "╤", "╕", "═"), drawn[0], line("╞", "╪", "╡", "═"))
        for number, row in enumerate(drawn[1:]):
            say(*([line("├", "┼", "┤", "─")] if number else []), row)
        say(line("╘", "╧", "╛", "═"))
