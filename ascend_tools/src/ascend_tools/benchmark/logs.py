"""Printouts of benchmark, ais_infer, ais_bench, msame and trtexec that were made by hand, read into one form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from ascend_tools.benchmark import log_checks, log_failures
from ascend_tools.benchmark.log_runs import Run, runs_of
from common import rehearsal
from common.errors import GuideError
from common.files import read_bytes
from common.npu_tools import ais, measured
from common.npu_tools.printouts import decode, telling, unusable

TOOLS = ("benchmark", "ais_infer", "ais_bench", "msame", "trtexec")
_DEVICE = re.compile(r"_device_([0-9]{1,4})(?![0-9])")
_LEAST = "no batch size is told: counted as 1, so at least"


@dataclass
class Log:
    """What one file says.

    Attributes:
        file: where it was read.
        tool: whose printout it is, one of `TOOLS` or "evaluate.py", None where it is none that is known.
        ok: whether a run ended well and left figures.
        runs: the runs, one for each summary that was printed.
        throughput: images per second of what the log covers: of all devices, and of several runs that are alike the mean;
            None where they are not alike.
        devices: images per second by device, where several worked at the same time.
        problems: failures, and where figures contradict each other, with the numbers.
        notes: what a reader of the figures has to know.
        more: the tool's own further figures, of the log as a whole.
        rehearsed: whether it is a rehearsal's, and no NPU's.
    """

    file: Path
    tool: str | None = None
    ok: bool = False
    runs: list[Run] = field(default_factory=list)
    throughput: float | None = None
    devices: Mapping[int, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    contradicted: bool = False
    rehearsed: bool = False

    @property
    def batch_size(self) -> float | None:
        """Images per call, where all runs have the same."""
        return _only(run.batch_size for run in self.runs)

    @property
    def latency_ms(self) -> Mapping[str, float]:
        """What is printed of the times, where there is one run."""
        return self.runs[0].latency_ms if len(self.runs) == 1 else {}

    @property
    def consistent(self) -> bool | None:
        """Whether no figure contradicts another; None where none could be compared."""
        found = {run.consistent for run in self.runs} | {False if self.contradicted else None}
        return False if False in found else True if True in found else None


def read_logs(paths: Sequence[Path], batch_size: int | None = None) -> list[Log]:
    """Read files, each into one log; `batch_size` is of those that do not tell theirs.

    What a file says that fails, contradicts itself or is no printout is in its log; GuideError is only for one that cannot be
    opened.
    """
    return [_read(path, batch_size) for path in paths]


def check_known(logs: Sequence[Log]) -> None:
    """Refuse files that are no printout of a tool that is known."""
    strange = [str(log.file) for log in logs if log.tool is None]
    if strange:
        raise GuideError(
            f"{', '.join(strange[:5])}{' and more' if len(strange) > 5 else ''}: expected what {', '.join(TOOLS[:-1])} or "
            f"{TOOLS[-1]} printed or wrote, found nothing of theirs; name the file with the lines of their summary."
        )


def _read(path: Path, batch_size: int | None) -> Log:
    file = decode(read_bytes(path))
    text = telling(file)
    printed = ais.parse(text, file)
    log = Log(path, runs=runs_of(text, printed), rehearsed=rehearsal.is_rehearsed(file))
    failure = log_failures.find(text, file, log.runs)
    for run in log.runs:  # ais_infer's file has one m less than its successors'
        run.tool = "ais_infer" if run.tool == "ais_bench" and "sumary" in path.name else run.tool
    log.tool = log.runs[0].tool if log.runs else failure.tool
    _note_sizes(log, path, batch_size)
    _note_device(log, path)
    _sum(log, printed)
    none = unusable(text) if log.tool else None
    log.problems += [*failure.problems, *([f"a figure that is none: {none[-200:]}"] if none else [])]
    log.problems += [problem for run in log.runs for problem in run.findings or ()]
    log.notes += [*failure.notes, *dict.fromkeys(note for run in log.runs for note in run.notes)]
    log.more |= failure.more
    figures = [run for run in log.runs if run.throughput]
    log.ok = bool(figures) and not failure.failed and not none
    if log.tool and not figures and not log.problems:
        log.problems.append(failure.cut)
    return log


def _note_sizes(log: Log, path: Path, asked: int | None) -> None:
    """Take the batch size from the file's name, or as asked for, where nothing else tells it; they must not contradict it."""
    named = measured.named_sizes(path)
    one = named[0] if len(set(named)) == 1 else None
    sizes = {run.batch_size for run in log.runs if run.told}
    for source, said in (("the file's name", one), ("--batch-size", asked)):
        if said is None:
            continue
        for run in log.runs:
            if run.batch_size is None:
                run.batch_size, run.derived = said, None
        if len(sizes) == 1 and sizes not in ({None}, {said}):
            log.contradicted = True
            log.problems.append(
                f"batch size: expected {said} as {source} says, found {next(iter(sizes)):g} printed"
            )
    for run in log.runs:
        if run.batch_size is None and run.derived:
            run.batch_size = run.derived
            what = "qps and the queries counted" if run.tool == "trtexec" else "the rates of [e2e] and [post]"
            run.notes.append(f"batch size {run.derived} by {what}")
        if run.batch_size is None and run.batch_ms:
            run.notes.append(_LEAST)
        if run.batch_size != 1 and run.latency_ms and run.more.get("latency_of") == "image":
            run.notes.append("the time is that of an image, not of a batch")


def _note_device(log: Log, path: Path) -> None:
    named = {int(digits) for digits in _DEVICE.findall(path.name)}
    if len(named) == 1 and all(run.device is None for run in log.runs):
        for run in log.runs:
            run.device = next(iter(named))


def _sum(log: Log, printed: ais.Log) -> None:
    """Note images per second of the whole log: of several devices their sum, of runs that are alike their mean."""
    rates = [run.throughput for run in log.runs if run.throughput]
    if printed.devices:
        log.devices = printed.devices
        log.throughput = sum(log.devices.values()) if printed.total is None else printed.total
        log.more["total_throughput"] = log.throughput
    elif len(printed.several) > 1:
        log.notes.append(f"{len(printed.several)} calls with several devices: see each run")
    elif len(rates) == 1:
        log.throughput = rates[0]
    elif rates and log.batch_size and len({(run.tool, run.device) for run in log.runs}) == 1:
        log.throughput = fmean(rates)
        log.notes.append(f"throughput: the mean of {len(rates)} runs")
    elif rates:
        log.notes.append(
            f"{len(rates)} runs that are not known to be alike in tool, batch size and device: see each of them"
        )
    found = log_checks.ais_devices(printed)
    log.contradicted = log.contradicted or bool(found)
    log.problems += found or ()
    if printed.joules:
        log.more["energy_joules"] = {str(npu): joules for npu, joules in printed.joules.items()}
    if printed.lower:
        log.more["aclruntime"] = printed.lower
        log.notes.append(
            f"aclruntime {printed.lower} is older than ais_bench asks for: install both wheels of one release"
        )


def as_data(log: Log) -> dict[str, Any]:
    """Return a log as JSON has it; the tool's own further figures stand beside the common ones, of one run at the top, too."""
    alone = log.runs[0] if len(log.runs) == 1 else None
    data: dict[str, Any] = {
        "file": str(log.file),
        "tool": log.tool,
        "ok": log.ok,
        "batch_size": _whole(log.batch_size),
        "throughput": log.throughput,
        "latency_ms": dict(log.latency_ms),
        "consistent": log.consistent,
        "problems": log.problems,
        "notes": log.notes,
        "runs": [_run_data(run) for run in log.runs],
    }
    if log.devices:
        data["devices"] = {str(device): rate for device, rate in log.devices.items()}
    if alone and alone.device is not None:
        data["device"] = alone.device
    if log.rehearsed:
        data["rehearsal"] = rehearsal.NOTE
    further = {**(alone.more if alone else {}), **log.more}
    return data | {name: value for name, value in further.items() if name not in data}


def _run_data(run: Run) -> dict[str, Any]:
    return {
        "tool": run.tool,
        "batch_size": _whole(run.batch_size),
        "throughput": run.throughput,
        "latency_ms": dict(run.latency_ms),
        "device": run.device,
        "pure": run.pure,
        "consistent": run.consistent,
        "problems": list(run.findings or ()),
        "notes": run.notes,
        **run.more,
    }


def _whole(value: float | None) -> float | None:
    return int(value) if value is not None and value == int(value) else value


def _only(values: Iterator[float | None]) -> float | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None
