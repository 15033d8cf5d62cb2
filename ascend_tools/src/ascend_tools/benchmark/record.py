"""`benchmark.json`: everything that was measured and how, for tables and plots to be made of, and for others to compare."""

from __future__ import annotations

import datetime as dt
import os
import platform
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from ascend_tools.benchmark.comparison import best_as_data, judged, series_of
from ascend_tools.benchmark.figures import Figure
from ascend_tools.benchmark.measurements import LeftOut
from ascend_tools.benchmark.rows import Row
from ascend_tools.kernel import cores
from common import kernel, rehearsal
from common.facts import Facts
from common.files import write_json
from common.npu_tools import smi
from common.report import versions
from common.report.throughput_table import as_data as documented

FORMAT = 1
NAME = "benchmark.json"


@dataclass(frozen=True)
class Run:
    """What a record says of a run besides its rows; `complete` unless it was interrupted or is still going on."""

    facts: Facts
    begun: dt.datetime
    command: str
    host: Mapping[str, Any]
    settings: Mapping[str, Any]
    inputs: Mapping[str, Any]
    rounds: int
    complete: bool = True


def host() -> dict[str, Any]:
    """Return what this machine is: processor, memory, system, versions, NPU chips."""
    numbers = kernel.cpus()
    limited = kernel.container()
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    table = smi.look() if shutil.which("npu-smi") else None
    return {
        "name": socket.gethostname(),
        "cpu": kernel.cpu_model(),
        "cpus": len(numbers),
        "cores": cores(numbers),
        "container_limit_cores": limited.limit if limited else None,
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "load_average": list(load) if load else None,
        "versions": versions.versions() | versions.packages(),
        "chips": [asdict(chip) for chip in table.chips] if table else [],
        **({"rehearsal": rehearsal.NOTE} if rehearsal.is_active() else {}),
    }


def as_data(run: Run, rows: Sequence[Row], left_out: Sequence[LeftOut]) -> dict[str, Any]:
    """Return the record, as JSON has it."""
    all_series = series_of(rows)
    return {
        "format": FORMAT,
        "model": run.facts.name,
        "title": run.facts.title,
        "date": run.begun.isoformat(timespec="seconds"),
        "host": dict(run.host),
        "command": run.command,
        "settings": dict(run.settings),
        "inputs": dict(run.inputs),
        "complete": run.complete,
        "rounds": run.rounds,
        "rows": [row_as_data(row) for row in rows],
        "best": {series.name: best_as_data(series, run.facts) for series in all_series},
        "accepted": [{**asdict(each), "ok": each.ok} for each in judged(all_series, run.facts)],
        "left_out": [asdict(each) for each in left_out],
        "documented": documented(run.facts.throughput, None),
    }


def row_as_data(row: Row) -> dict[str, Any]:
    """Return one row, as JSON has it; `stages` are busy seconds for 1000 images, summed over the `threads` that share one."""
    whole = row.end_to_end
    return {
        "backend": row.backend,
        "device": row.device,
        "precision": row.precision,
        "model": row.model,
        "batch_size": row.batch_size,
        "pure": {
            **_figure(row.pure),
            "at_once": row.at_once,
            "samples": row.samples,
            "latency_ms": dict(row.latency_ms),
        },
        "end_to_end": {
            **_figure(whole),
            "stages": dict(row.stages),
            "threads": dict(row.threads),
            "limiting": row.limiting,
        }
        if whole
        else None,
        "devices": row.devices,
        "chips": row.chips,
        "card": row.card,
        "ratios": dict(row.ratios),
        "outputs": {
            "ok": row.outputs.ok,
            "words": row.outputs.words,
            "differences": dict(row.outputs.differences),
        }
        if row.outputs
        else {"ok": None, "words": "not compared", "differences": {}},
        "verdict": str(row.verdict),
        "reasons": list(row.verdict.reasons),
        "notes": list(row.verdict.notes),
        "rehearsal": row.rehearsal,
        "load": {part: [asdict(load) for load in loads] for part, loads in row.loads.items()},
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"throughput": figure.throughput, "noise": figure.noise, "rounds": list(figure.rounds)}


def write(folder: Path, data: Mapping[str, Any]) -> Path:
    """Write the record into a directory, complete or not at all, and return its path."""
    path = folder / NAME
    write_json(path, dict(data))
    return path
